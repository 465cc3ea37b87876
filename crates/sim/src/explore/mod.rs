//! Everything that may happen to a connection, up to stated bounds.
//!
//! Two ends, the real core at both (or thin models of other handshakes, [`Thin`]), are driven through every order in
//! which segments may arrive, be lost or doubled, segments of an earlier incarnation turn up, timers fire and
//! applications act. In every state it is checked that no change of state was taken but an arrow of Figure 5, that
//! ends which are synchronized agree on each other's sequence numbers, and that an application was given nothing but
//! what its peer wrote, in order, on this connection. And from every state it is checked that, if nothing goes wrong any
//! more, the world comes to rest with nothing left that should not be: no half-open pair, and after a close nothing at all.
//!
//! An explorer of its own and no model checker, for three reasons. A state is two stacks and takes some ten kilobytes,
//! so that the queue of a breadth-first search would take gigabytes: here only the way to a state is kept. Two
//! states are the same if they differ only in absolute times, ISNs and the names of lives: that takes a fingerprint made for
//! it. And that all ends well from everywhere is not a property of paths, which cycles and joins make hard to
//! check, but of one run from each state.

mod application;
mod core_end;
mod endpoint;
mod fingerprint;
mod net;
mod packet;
mod properties;
mod scenario;
mod search;
mod story;
#[cfg(test)]
mod tests;
mod thin;

pub use application::Application;
pub use core_end::{CoreEnd, Mutation, Seat, Watch};
pub use endpoint::{Endpoint, News, NewsKind, Read, View};
pub use net::{Action, Faults, Flying, MSL, Net};
pub use packet::{Numbers, Packet, controls};
pub use scenario::{Ending, Scenario, Step};
pub use search::{CounterExample, Report, explore};
pub use story::tell;
pub use thin::Thin;
