//! What standard error and the terminal behind it are told and asked.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write as _};

use nix::unistd::{getpgrp, tcgetpgrp};

/// Says one line on standard error. Whoever does not listen misses it; that is no error.
pub(crate) fn say(line: impl Display) {
    let _gone = writeln!(io::stderr(), "estab: {line}");
}

/// Puts a whole text on standard error, in the same way.
pub(crate) fn say_all(text: &str) {
    let _gone = io::stderr().write_all(text.as_bytes());
}

/// Whether a stream takes colours: a terminal, unless `NO_COLOR` is set (no-color.org).
pub(crate) fn has_colours(stream: &impl IsTerminal) -> bool {
    let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !is_refused
}

/// Whether this process is in its terminal's foreground, whose keys send signals to the whole group.
pub(crate) fn is_ours() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(&stdin) == Ok(getpgrp())
}
