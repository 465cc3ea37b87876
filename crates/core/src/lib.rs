//! The protocol itself.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod observe;
mod segment;
mod sequence;
mod time;
mod tuple;

pub use segment::{Flags, Options, SackBlock, SackBlocks, Segment, Timestamps};
pub use sequence::SeqNumber;
pub use time::Instant;
pub use tuple::FourTuple;
