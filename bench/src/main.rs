//! `cargo xtask bench`: estab beside its peers, in one run.

use std::process::ExitCode;

use clap::Parser as _;
use estab_bench::run::{Options, run};

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
