//! The packetdrill language: scripts that say what a TCP is to do, and a runner that holds it to them.

pub mod ast;
pub mod header;
mod parse;
mod print;
pub mod run;
mod subject;

pub use parse::{Dialect, ParseError, Settings, parse};
pub use subject::{CallId, Outcome, Sent, Setting, Subject};
