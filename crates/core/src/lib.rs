//! The protocol itself.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod congestion;
mod connection;
mod list;
pub mod observe;
mod segment;
mod sequence;
mod time;
mod timer_wheel;
mod tuple;
mod wire;

pub use segment::{Flags, Options, SackBlock, SackBlocks, Segment, Timestamps};
pub use sequence::SeqNumber;
pub use time::Instant;
pub use tuple::FourTuple;
