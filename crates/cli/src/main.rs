//! The command `estab`: TCP you can see.
#![forbid(unsafe_code)]

mod args;
mod connect;
mod control;
mod failure;
mod host;
mod interface;
mod lab;
mod leaks;
mod link;
mod lives;
mod private_network;
mod program;
mod run;
mod script;
mod serve;
mod services;
mod signals;
mod ss;
mod terminal;

use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    match run_command_line() {
        Ok(status) => status,
        Err(failure) => {
            terminal::say(&failure);
            ExitCode::from(failure.status())
        }
    }
}

/// Answers the status to exit with.
fn run_command_line() -> Result<ExitCode, Failure> {
    let Some(arguments) = args::parse(std::env::args_os())? else {
        return Ok(ExitCode::SUCCESS);
    };
    let status = match arguments.command {
        Command::Run(args) => run::run(args)?,
        Command::Serve(args) => serve::serve(args)?,
        Command::Ss(args) => return Ok(ss::run(&args)),
        Command::Leaks(args) => return Ok(leaks::run(&args)),
        Command::Connect(args) => connect::connect(args)?,
        Command::Script(args) => script::script(&args)?,
        Command::Lab(args) => lab::lab(&args)?,
    };
    Ok(ExitCode::from(status))
}
