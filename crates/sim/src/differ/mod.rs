//! Two stacks are told the same, and what they answer is compared: random plots, differences made small.
//!
//! A [`Plot`] is what the peer sends and what the application calls. [`play`] performs it on a
//! [`Subject`](crate::script::Subject) and notes what comes of every step; [`difference`] names the first step at which
//! two performances part, [`shrink`] takes away what it does not depend on, and [`script`] writes down what is left.

mod compare;
mod generate;
#[cfg(all(target_os = "linux", feature = "kernel"))]
mod hunt;
mod known;
mod play;
mod plot;
mod shrink;
mod tell;

pub use compare::{Difference, IGNORED, difference};
pub use generate::generate;
#[cfg(all(target_os = "linux", feature = "kernel"))]
pub use hunt::{Finding, Findings, hunt};
pub use known::{KNOWN, Known, known};
pub use play::{Answer, Heard, Moment, Number, Pace, play};
pub use plot::{Control, Deed, Inbound, Offer, Plot, Stamp, Step};
pub use shrink::shrink;
pub use tell::script;
