//! Why the command ends without having done what it was asked: one line, and an exit status.

use std::{fmt, io};

/// One line for people, and the status the process ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// The connection asked for could not be had, or ended in an error.
    pub(crate) const CONNECTION: u8 = 1;
    /// Nothing could be begun: wrong usage, or something of this machine stands in the way.
    pub(crate) const USAGE: u8 = 2;
    /// COMMAND is there but cannot be run, as a shell has it.
    pub(crate) const NOT_EXECUTABLE: u8 = 126;
    /// There is no COMMAND, as a shell has it.
    pub(crate) const NOT_FOUND: u8 = 127;

    pub(crate) fn new(status: u8, message: impl fmt::Display) -> Self {
        Self {
            status,
            message: message.to_string(),
        }
    }

    /// A failure to begin: status 2.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Self::USAGE, message)
    }

    pub(crate) const fn status(&self) -> u8 {
        self.status
    }
}

/// What to do about a file that cannot be made.
pub(crate) fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "make its directory first, or name another place"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a place that you may write to"
        }
        io::ErrorKind::StorageFull => "make room, or name another place",
        _ => "name another place",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
