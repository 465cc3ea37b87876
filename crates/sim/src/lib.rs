//! Two stacks, a clock and a wire: whole TCP conversations in virtual time, the same every time.
//!
//! A [`World`] joins two [`Node`]s by an in-memory link that loses, reorders, duplicates, corrupts and
//! delays as its seed says. Nothing sleeps and nothing reads a clock: [`World::step`] moves time to the next
//! moment at which anything can happen. [`simulation`] draws whole worlds of many hosts from a seed.

mod application;
pub mod differ;
pub mod explore;
#[cfg(all(target_os = "linux", feature = "kernel"))]
pub mod kernel;
pub mod lab;
pub mod ladder;
mod node;
pub mod script;
pub mod simulation;
pub mod sockets;
mod world;

pub use application::{Application, Plan};
pub use node::{Node, Recorder};
pub use world::{CLIENT, SERVER, World, config};
