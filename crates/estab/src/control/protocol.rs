//! What passes over the control socket: one line of JSON asks, lines of JSON answer, the last is an `end`.
//!
//! ```text
//! → {"version":1,"ask":"sockets"}
//! ← {"kind":"estab","version":1}
//! ← {"kind":"listener",…}
//! ← {"kind":"socket",…}
//! ← {"kind":"origin",…}
//! ← {"kind":"limits",…}
//! ← {"kind":"counters",…}
//! ← {"kind":"memory",…}
//! ← {"kind":"end"}
//! ```
//!
//! A new field or kind does not change the version: who does not know it passes over it. A changed meaning
//! does, and each side says so to the other.

use serde::{Deserialize, Serialize};

use super::record::{Counters, Limits, Listener, Memory, Origin, Socket};

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The most bytes that a request may have.
pub const MAX_REQUEST: usize = 4096;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub version: u32,
    pub ask: Ask,
    /// How long an application may be idle before that is odd; else as long as the host's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_ns: Option<u64>,
}

/// The questions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Every listener and connection, and the counters.
    Sockets,
}

/// A line of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Estab { version: u32 },
    /// A listener.
    Listener(Listener),
    /// A connection.
    Socket(Box<Socket>),
    /// Connections of one place in the program.
    Origin(Origin),
    /// How many connections there may be.
    Limits(Limits),
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
    pub fn encode(&self) -> String {
        let mut line = serde_json::to_string(self).expect("all keys are strings");
        line.push('\n');
        line
    }
}
