//! What the tests of the command share: where they can run, and how they run it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// No test takes as long, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command, with its arguments separated by blanks.
pub(crate) fn estab(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estab"));
    command.args(line.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// `estab run`, with a line for the shell as COMMAND.
pub(crate) fn estab_run(options: &str, shell: &str) -> Command {
    let mut command = estab(&format!("run {options} -- sh -c"));
    command.arg(shell);
    command
}

/// Runs to the end, or kills and panics when it takes too long.
pub(crate) fn output(command: Command) -> Output {
    output_within(command, PATIENCE)
}

/// The same with a patience of its own.
pub(crate) fn output_within(mut command: Command, patience: Duration) -> Output {
    finish_within(command.spawn().unwrap(), patience)
}

/// The same for what runs already.
pub(crate) fn finish(child: Child) -> Output {
    finish_within(child, PATIENCE)
}

/// The same for what may not see the end of its standard input before.
pub(crate) fn finish_with_stdin_open(mut child: Child) -> Output {
    let _open = child.stdin.take();
    finish(child)
}

/// The same for what runs already, with a patience of its own.
pub(crate) fn finish_within(child: Child, patience: Duration) -> Output {
    let id = pid(&child);
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(patience) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill(id, Signal::SIGKILL).unwrap();
            panic!("it hangs");
        }
    }
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap())
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a command failed with one line that holds `words`.
pub(crate) fn assert_fails(output: &Output, status: i32, words: &str) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert!(
        message.starts_with("estab: ") && message.contains(words),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
}

/// A file for one test, in a directory of the tests' own.
pub(crate) fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Whether a test can run here; if not, says so where skipped tests are gathered.
pub(crate) fn can_run(test: &str, programs: &[&str]) -> bool {
    let Some(why) = what_is_missing(programs) else {
        return true;
    };
    let line = format!("{test}: {why}\n");
    print!("skipped: {line}");
    if let Some(log) = std::env::var_os("ESTAB_SKIP_LOG") {
        let mut log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .unwrap();
        log.write_all(line.as_bytes()).unwrap();
    }
    false
}

fn what_is_missing(programs: &[&str]) -> Option<String> {
    if let Err(error) = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
    {
        return Some(format!("/dev/net/tun: {error}"));
    }
    if let Err(error) = in_own_thread(|| unshare(CloneFlags::CLONE_NEWNET)) {
        return Some(format!("no network namespace of our own: {error}"));
    }
    let is_there = |program: &&str| {
        let directories = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&directories).any(|directory| directory.join(program).is_file())
    };
    let missing = programs.iter().find(|program| !is_there(program))?;
    Some(format!("there is no {missing}"))
}

/// Runs `test` in a thread that has left the host's network for an empty one, which ends with the thread. Commands
/// started there are in the same.
pub(crate) fn in_a_fresh_network(test: impl FnOnce() + Send) {
    in_own_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        test();
    });
}

fn in_own_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let result = thread::scope(|scope| scope.spawn(body).join());
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
