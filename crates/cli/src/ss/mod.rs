//! `estab ss`: the sockets of a running estab, asked through its control socket.
//!
//! The running side is [`estab::control`]; it knows nothing of filters and columns. This one gets every socket as a
//! record, chooses and shows.

pub(crate) mod args;
mod filter;
pub(crate) mod render;
mod summary;

use std::io::{self, Write};
use std::process::ExitCode;

use args::SsArgs;
use estab::control;
use estab::control::client::{self, Answer};
use filter::{Filter, States};

/// The variable that names the socket to ask; `run` gives it to COMMAND.
pub(crate) const CONTROL_VARIABLE: &str = "ESTAB_CONTROL";

/// Runs `estab ss`: writes to standard output, errors to standard error in one line.
pub(crate) fn run(args: &SsArgs) -> ExitCode {
    let shown = match show(args) {
        Ok(shown) => shown,
        Err(error) => {
            eprintln!("estab ss: {error}");
            return ExitCode::from(2);
        }
    };
    match io::stdout().lock().write_all(shown.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("estab ss: cannot write: {error}");
            ExitCode::from(2)
        }
    }
}

/// What is to be printed. The filter is read first: its errors need nobody to answer.
fn show(args: &SsArgs) -> Result<String, Box<dyn std::error::Error>> {
    let default = match (args.all, args.listening) {
        (true, _) => States::ALL,
        (_, true) => States::LISTENING,
        _ => States::DEFAULT,
    };
    let filter = Filter::parse(&args.filter_text(), default)?;
    let path = args.control.clone().unwrap_or_else(control::default_path);
    let mut answer = client::ask(&path, None)?;
    if args.summary {
        return Ok(match args.json {
            true => summary::json(&answer),
            false => summary::text(&answer),
        });
    }
    choose(&mut answer, &filter, args);
    Ok(match args.json {
        true => render::json(&answer),
        false => render::table(&answer, !args.no_header, args.extended),
    })
}

fn choose(answer: &mut Answer, filter: &Filter, args: &SsArgs) {
    let family = |is_ipv4: bool| match (args.ipv4, args.ipv6) {
        (true, _) => is_ipv4,
        (_, true) => !is_ipv4,
        _ => true,
    };
    answer
        .listeners
        .retain(|one| family(one.local.is_ipv4()) && filter.matches(&one.into()));
    answer
        .sockets
        .retain(|one| family(one.local.is_ipv4()) && filter.matches(&one.into()));
    answer.sockets.sort_by_key(|socket| socket.life);
}

#[cfg(test)]
pub(crate) mod tests;
