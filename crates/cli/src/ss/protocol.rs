//! What passes over the control socket: one line of JSON asks, lines of JSON answer, the last is an `end`.
//!
//! ```text
//! → {"version":1,"ask":"sockets"}
//! ← {"kind":"estab","version":1}
//! ← {"kind":"listener",…}
//! ← {"kind":"socket",…}
//! ← {"kind":"counters",…}
//! ← {"kind":"memory",…}
//! ← {"kind":"end"}
//! ```
//!
//! A new field or kind does not change the version: who does not know it passes over it. A changed meaning
//! does, and each side says so to the other.

use serde::{Deserialize, Serialize};

use super::record::{Counters, Listener, Memory, Socket};

/// The version of the protocol.
pub(super) const VERSION: u32 = 1;

/// The most bytes that a request may have.
pub(super) const MAX_REQUEST: usize = 4096;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    pub(super) ask: Ask,
}

/// The questions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Every listener and connection, and the counters.
    Sockets,
}

/// A line of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    /// The first.
    Estab { version: u32 },
    /// A listener.
    Listener(Listener),
    /// A connection.
    Socket(Box<Socket>),
    /// The counters.
    Counters(Counters),
    /// How much memory is used.
    Memory(Memory),
    /// Instead of an answer.
    Error { message: String },
    /// The last: an answer without it was cut short.
    End,
    /// From a later minor version.
    #[serde(other)]
    Unknown,
}

impl Line {
    /// The line with its line feed.
    pub(super) fn encode(&self) -> String {
        let mut line = serde_json::to_string(self).expect("all keys are strings");
        line.push('\n');
        line
    }
}
