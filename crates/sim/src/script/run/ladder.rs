//! What happened, rung by rung, in the numbers of the script.

use std::fmt;
use std::time::Duration;

use super::schedule::seconds;

/// What happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// One thing after the other.
    pub rungs: Vec<Rung>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// When, from the start of the script.
    pub at: Duration,
    /// What kind of thing.
    pub kind: RungKind,
    /// What, as a script would write it.
    pub text: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RungKind {
    /// A packet to the stack: `<`.
    Inbound,
    /// A packet from the stack: `>`.
    Outbound,
    /// A system call, with what it answered.
    Call,
    /// The stack changed a state, and says why.
    State,
    /// A command, or what code printed.
    Note,
}

impl Ladder {
    pub(super) fn add(&mut self, at: Duration, kind: RungKind, text: impl Into<String>) {
        let text = text.into();
        self.rungs.push(Rung { at, kind, text });
    }
}

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rungs.iter().try_for_each(|rung| writeln!(f, "{rung}"))
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.kind {
            RungKind::Inbound => "<",
            RungKind::Outbound => ">",
            RungKind::Call => " ",
            RungKind::State => "*",
            RungKind::Note => "#",
        };
        write!(f, "{:>12}  {arrow} {}", seconds(self.at), self.text)
    }
}
