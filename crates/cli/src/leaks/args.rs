//! The arguments of `estab leaks`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::args::quantities;

/// Shows connections that a running program has forgotten, or is too slow for, and where in it.
///
/// A connection in CLOSE-WAIT has a peer that has closed, and an application that has not. Either the application has
/// forgotten the socket (a leak: it knows of the end of file, or does not look, and nothing is in flight), or it is still
/// at work (overload: what it wrote is still being sent). Connections that were never read, or never accepted, are shown,
/// too.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LeaksArgs {
    /// Only what has been idle, or in CLOSE-WAIT and at work, for so long: 30s, 5m, 1h [default: what the program was
    /// told, else 60s]
    #[arg(long, value_name = "TIME", value_parser = quantities::time, allow_hyphen_values = true)]
    pub(crate) older: Option<Duration>,

    /// Groups by the line of the program that accepted or connected, by the peer's address, or by the label
    #[arg(long, value_enum, value_name = "GROUP", default_value_t)]
    pub(crate) by: By,

    /// One JSON object a group, and one of totals
    #[arg(long)]
    pub(crate) json: bool,

    /// The control socket to ask [default: $XDG_RUNTIME_DIR/estab.sock, or /tmp/estab-UID.sock]
    #[arg(long, value_name = "SOCKET", env = crate::ss::CONTROL_VARIABLE)]
    pub(crate) control: Option<PathBuf>,
}

/// What makes a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The line that accepted or connected, and the label.
    #[default]
    Site,
    /// The peer's IP address.
    Peer,
    /// The label alone.
    Label,
}

const EXAMPLES: &str = "\
A program answers if it was started by `estab serve` or `estab run`, or calls `Host::serve_control`.

Examples:
  estab leaks                                  what a program has forgotten, by line
  estab leaks --older 10m --by peer            whose connections, of those left for ten minutes
  estab leaks --json | jq .oldest_ns
  estab leaks > /dev/null && echo leaking

Exit status, as with grep: 0 if something was found, 1 if nothing was, 2 if nobody answers.";
