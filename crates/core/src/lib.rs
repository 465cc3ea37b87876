//! A sans-IO TCP (RFC 9293): states, timers, tables, and the reason for everything that happens.
//!
//! A [`Stack`] is given packets, the time and the application's calls, and gives back packets and events. It
//! reads no clock, opens no socket and draws no random number: time is an argument of every call, and
//! [`Secrets`] are handed over once. Same inputs, same outputs.
//!
//! Everything that happens has a reason from the vocabulary in [`observe`], with the section of the RFC that
//! says so, and is told to the stack's [`Observer`](observe::Observer).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod buffer;
mod config;
mod congestion;
mod connection;
mod context;
mod counters;
mod demux;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod list;
pub mod observe;
mod secrets;
mod segment;
mod sequence;
mod stack;
mod time;
mod timer_wheel;
mod tuple;
mod wire;

pub use config::{AcceptPolicy, Config, KeepAlive, RtoBounds, SocketOptions, SynCookies, SynFin};
pub use congestion::{Algorithm, CongestionControl};
pub use connection::arrows::{ARROWS, Arrow, allows, diagram};
pub use connection::{
    Call, CallResult, CongestionState, LastCall, Outstanding, Readiness, Shutdown, Status, Timer,
    TimerKind,
};
pub use counters::Counters;
pub use secrets::Secrets;
pub use segment::{Flags, Options, SackBlock, SackBlocks, Segment, Timestamps};
pub use sequence::SeqNumber;
pub use stack::{
    ConnectOptions, Event, Holdings, ListenOptions, ListenerId, ListenerStatus, SocketId, Stack,
    Transmit,
};
pub use time::Instant;
pub use tuple::FourTuple;
pub use wire::Checksum;
