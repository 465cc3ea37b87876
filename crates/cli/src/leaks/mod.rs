//! `estab leaks`: what a running program has forgotten, or is too slow for, asked through its control socket.

pub(crate) mod args;
mod group;
mod growth;
mod render;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use estab::control;
use estab::control::client::{self, AskError};

use args::LeaksArgs;
use group::Report;

/// Runs `estab leaks`: writes to standard output, errors to standard error in one line.
pub(crate) fn run(args: &LeaksArgs) -> ExitCode {
    let report = match ask(args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("estab leaks: {error}");
            return ExitCode::from(2);
        }
    };
    let shown = match args.json {
        true => render::json(&report),
        false => render::text(&report),
    };
    let status = u8::from(report.groups.is_empty());
    match io::stdout().lock().write_all(shown.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("estab leaks: cannot write: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::from(status),
    }
}

fn ask(args: &LeaksArgs) -> Result<Report, AskError> {
    let path = args.control.clone().unwrap_or_else(control::default_path);
    let answer = client::ask(&path, args.older)?;
    let configured = Duration::from_nanos(answer.limits.patience_ns);
    let older = args.older.unwrap_or(configured);
    Ok(Report::new(&answer, older, args.by))
}

#[cfg(test)]
mod tests;
