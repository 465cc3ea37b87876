//! ss's language for choosing sockets: states first, then an expression.

mod address;
mod lexer;
mod parser;
mod states;

use std::fmt;
use std::net::SocketAddr;

use estab::control::record::{Listener, Socket};
use estab_core::observe::StateName;

use address::Host;
pub(crate) use states::States;

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    /// The state.
    pub(crate) state: StateName,
    /// The local socket.
    pub(crate) local: SocketAddr,
    /// The peer's; unspecified for a listener.
    pub(crate) remote: SocketAddr,
}

impl From<&Socket> for Subject {
    fn from(socket: &Socket) -> Self {
        Self {
            state: socket.state,
            local: socket.local,
            remote: socket.remote,
        }
    }
}

impl From<&Listener> for Subject {
    fn from(listener: &Listener) -> Self {
        Self {
            state: listener.state,
            local: listener.local,
            remote: listener.remote(),
        }
    }
}

/// A filter: which sockets are to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    states: States,
    expression: Option<Expression>,
}

impl Filter {
    /// Understands a filter. Without a word about states, those of `default` are shown.
    pub(crate) fn parse(text: &str, default: States) -> Result<Self, FilterError> {
        parser::parse(text, default)
    }

    /// Whether a socket is to be shown.
    pub(crate) fn matches(&self, subject: &Subject) -> bool {
        let matches = |expression: &Expression| expression.matches(subject);
        self.states.contains(subject.state) && self.expression.as_ref().is_none_or(matches)
    }
}

/// Which end a comparison looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Local,
    Remote,
}

impl Side {
    fn of(self, subject: &Subject) -> SocketAddr {
        match self {
            Self::Local => subject.local,
            Self::Remote => subject.remote,
        }
    }
}

/// How two ports compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
}

impl Comparison {
    fn holds(self, left: u16, right: u16) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::Less => left < right,
            Self::GreaterOrEqual => left >= right,
            Self::LessOrEqual => left <= right,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Port(Side, Comparison, u16),
    Host(Side, Host),
}

impl Expression {
    fn matches(&self, subject: &Subject) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(subject)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(subject)),
            Self::Not(part) => !part.matches(subject),
            Self::Port(side, comparison, port) => comparison.holds(side.of(subject).port(), *port),
            Self::Host(side, host) => host.matches(side.of(subject)),
        }
    }
}

/// A filter that cannot be understood: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterError {
    /// The place in the filter, in characters from 1.
    pub(crate) column: usize,
    /// What stands there; nothing at the end.
    pub(crate) found: String,
    /// What should.
    pub(crate) expected: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            found,
            expected,
        } = self;
        match found.as_str() {
            "" => write!(f, "filter ends at column {column}: expected {expected}"),
            _ => write!(
                f,
                "filter, column {column}: found {found:?}, expected {expected}"
            ),
        }
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
mod tests;
