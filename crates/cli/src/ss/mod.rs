//! `estab ss`: the sockets of a running estab, asked through its control socket.
//!
//! The running side calls [`serve`] with a way to take a [`Snapshot`]; it knows nothing of filters and
//! columns. The asking side ([`run`]) gets every socket as a [`record`], chooses and shows. What passes between
//! them is in [`protocol`].

pub(crate) mod args;
mod client;
mod counters;
mod filter;
mod protocol;
mod record;
mod render;
mod server;
mod summary;

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use args::SsArgs;
use client::Answer;
use filter::{Filter, States};
pub(crate) use server::{Bound, Snapshot, bind, serve};

/// The variable that names the socket to ask; `run` gives it to COMMAND.
pub(crate) const CONTROL_VARIABLE: &str = "ESTAB_CONTROL";

/// Where `serve` listens and `ss` asks, unless told otherwise: `$XDG_RUNTIME_DIR/estab.sock`, or
/// `/tmp/estab-UID.sock`.
///
/// Who enters a user namespace is to ask before: the user's number is another one inside.
pub(crate) fn default_control_path() -> PathBuf {
    // The owner of a process's directory is its effective user.
    let user = || std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
    match runtime_directory() {
        Some(dir) => dir.join("estab.sock"),
        None => PathBuf::from(format!("/tmp/estab-{}.sock", user())),
    }
}

/// A socket for this process alone, beside that one.
pub(crate) fn private_control_path() -> PathBuf {
    let directory = runtime_directory().unwrap_or_else(|| PathBuf::from("/tmp"));
    directory.join(format!("estab-run-{}.sock", std::process::id()))
}

fn runtime_directory() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
    directory.map(PathBuf::from)
}

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
    let path = args.control.clone().unwrap_or_else(default_control_path);
    let mut answer = client::ask(&path)?;
    if args.summary {
        return Ok(match args.json {
            true => summary::json(&answer),
            false => summary::text(&answer),
        });
    }
    choose(&mut answer, &filter, args);
    Ok(match args.json {
        true => render::json(&answer),
        false => render::table(&answer, !args.no_header),
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
        .retain(|one| family(one.local.is_ipv4()) && filter.matches(&one.subject()));
    answer
        .sockets
        .retain(|one| family(one.local.is_ipv4()) && filter.matches(&one.subject()));
    answer.sockets.sort_by_key(|socket| socket.life);
}

#[cfg(test)]
mod tests;
