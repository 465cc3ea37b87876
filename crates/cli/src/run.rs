//! `estab run`: COMMAND in a private network with estab, then the lives of its connections.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use estab::Host;
use estab_device::Tun;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::args::{LinkArgs, ListeningArgs, RunArgs};
use crate::control::ControlSocket;
use crate::failure::Failure;
use crate::host::{self, Running};
use crate::lives::{Lives, Style};
use crate::signals::Signals;
use crate::ss::{self, Bound};
use crate::{private_network, program, terminal};

/// How long after COMMAND its connections may take to finish: its last FIN may still be on its way.
const GRACE: Duration = Duration::from_millis(250);
/// How much longer a link may take that loses packets: time for some to be sent again.
const GRACE_FOR_LOSS: Duration = Duration::from_secs(3);
/// What may be on its way when COMMAND ends, in bits: a slow link takes its time for it.
const ON_THE_WAY: f64 = 64.0 * 1024.0 * 8.0;
/// The longest wait, however bad the link.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
/// Lives told, the oldest that have ended being left out; a COMMAND that makes more is better asked for JSON.
const LIVES: usize = 100_000;
/// How often to look whether they have.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What is for COMMAND when it is sent to estab.
const PASSED_ON: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGTERM,
];

/// Variables that name a way out of a network that has none.
const PROXIES: [&str; 7] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "ftp_proxy",
    "all_proxy",
    "ALL_PROXY",
];

/// Runs COMMAND and answers its exit status. The process must have a single thread.
///
/// # Errors
/// COMMAND could not be run at all, or not in a private network.
pub(crate) fn run(args: RunArgs) -> Result<u8, Failure> {
    // What can be known before is found out before, so that there is nothing to be undone.
    let program = program::find(&args.command[0])?;
    host::check(&args.offer)?;
    let tun = private_network::enter(args.link.mtu)?;
    let runtime = host::runtime()?;
    let result = runtime.block_on(run_inside(tun, program, args));
    // COMMAND's children may hold pipes or connections yet; they are not waited for.
    runtime.shutdown_background();
    result
}

async fn run_inside(tun: Tun, program: PathBuf, args: RunArgs) -> Result<u8, Failure> {
    let lives = Lives::new(LIVES);
    let addresses = private_network::estab_addresses(args.link.mtu);
    let files = args.offer.http_directory.clone();
    let offer = (files, ListeningArgs::default());
    let mut running = Running::start(tun, addresses, &args.link, Some(&lives), offer).await?;
    let control = match &args.control {
        Some(path) => Some(ControlSocket::bind(path)?),
        // Nobody has asked for this one: where it cannot be had, only `estab ss` misses it.
        None => ControlSocket::bind(&ss::private_control_path()).ok(),
    };
    let bound = control.map(|control| control.serve(&running.host));
    // Caught before there is a COMMAND, which would outlive estab if one came in between.
    let mut signals = Signals::catch(&PASSED_ON).map_err(Failure::usage)?;
    let status = run_command(program, &args, bound.as_ref(), &mut signals).await?;
    tokio::select! {
        () = settle(&running.host, grace(&args.link)) => {}
        // COMMAND is no more: now it is for estab.
        _ = signals.next() => {}
    }
    running.end(Duration::ZERO).await;
    let now = running.host.clock().now();
    terminal::say_all(&if args.json {
        lives.json(now)
    } else {
        lives.report(now, style())
    });
    Ok(status)
}

/// Runs COMMAND to its end and answers its status as a shell would.
async fn run_command(
    program: PathBuf,
    args: &RunArgs,
    control: Option<&Bound>,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let name = &args.command[0];
    let mut command = Command::new(program);
    command.arg0(name).args(&args.command[1..]);
    for variable in PROXIES {
        command.env_remove(variable);
    }
    if let Some(path) = control.and_then(|bound| std::path::absolute(bound.path()).ok()) {
        command.env(ss::CONTROL_VARIABLE, path);
    }
    let mut child = command
        .spawn()
        .map_err(|error| cannot_run(&name.to_string_lossy(), &error))?;
    let status = wait(&mut child, signals).await.map_err(Failure::usage)?;
    Ok(as_a_shell(status))
}

fn cannot_run(name: &str, error: &io::Error) -> Failure {
    match error.kind() {
        // It was there a moment ago: what is missing is the program its first line names.
        io::ErrorKind::NotFound => {
            let message = format!("{name} cannot be run: its interpreter is missing");
            Failure::new(Failure::NOT_FOUND, message)
        }
        _ => Failure::new(
            Failure::NOT_EXECUTABLE,
            format!("{name} cannot be run: {error}"),
        ),
    }
}

fn as_a_shell(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    number
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(u8::MAX)
}

/// Waits for COMMAND, which decides itself what to make of signals: none ends estab before it.
async fn wait(child: &mut Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw);
    loop {
        let signal = tokio::select! {
            // What came while COMMAND ran is not for estab afterwards.
            biased;
            signal = signals.next() => signal,
            status = child.wait() => return status,
        };
        // The terminal's keys have told COMMAND as well.
        let is_key = matches!(signal, Signal::SIGINT | Signal::SIGQUIT);
        if !(is_key && terminal::is_ours()) {
            // If it has ended by now, there is nobody to tell.
            let _gone = pid.map(|pid| kill(pid, signal));
        }
    }
}

fn grace(link: &LinkArgs) -> Duration {
    let Some(bad) = link.impairment() else {
        return GRACE;
    };
    let loss = if bad.loss + bad.corrupt > 0.0 {
        GRACE_FOR_LOSS
    } else {
        Duration::ZERO
    };
    let carrying = bad.rate.map_or(Duration::ZERO, |bits| {
        Duration::from_secs_f64(ON_THE_WAY / bits as f64)
    });
    (GRACE + loss + 4 * (bad.delay + bad.jitter) + carrying).min(LONGEST_GRACE)
}

/// Waits until every connection has ended, or is in TIME-WAIT, but no longer than `grace`.
async fn settle(host: &Host, grace: Duration) {
    let under_way = async {
        while host.statuses().iter().any(host::is_under_way) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let _in_time = tokio::time::timeout(grace, under_way).await;
}

fn style() -> Style {
    if terminal::has_colours(&io::stderr()) {
        Style::Colour
    } else {
        Style::Plain
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::args::{self, Command};

    fn grace_of(options: &str) -> Duration {
        let line = format!("estab run {options} true");
        let words = line.split_whitespace().map(OsString::from);
        match args::parse(words).unwrap().unwrap().command {
            Command::Run(args) => grace(&args.link),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bad_link_gets_more_time_but_not_for_ever() {
        assert_eq!(grace_of(""), GRACE);
        assert_eq!(grace_of("--loss 1"), GRACE + GRACE_FOR_LOSS);
        assert_eq!(
            grace_of("--delay 100ms"),
            GRACE + Duration::from_millis(400)
        );
        assert!(grace_of("--rate 500kbit") > GRACE + Duration::from_secs(1));
        assert!(grace_of("--rate 1gbit") < GRACE + Duration::from_millis(1));
        assert_eq!(grace_of("--delay 10h"), LONGEST_GRACE);
        assert_eq!(grace_of("--rate 1bit"), LONGEST_GRACE);
    }
}
