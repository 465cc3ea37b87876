//! Stages for work with the kernel's client: a network namespace each, a TUN or a veth pair in it, a server on its
//! far side and the kernel's sockets on the near one. Nothing leaves a namespace, and all of it is gone with the thread
//! that made it.

mod async_tun;
mod client;
mod flood;
mod servers;
mod stage;
mod stop;
mod usage;

use std::net::{Ipv4Addr, SocketAddrV4};

pub(crate) use client::{connections, pull, push};
pub(crate) use flood::Flood;
pub(crate) use stage::{Kind, Stage};
pub(crate) use usage::Usage;

/// Where a byte is answered by one, until the other end closes.
pub(crate) const ANSWER: u16 = 7;

/// Where everything is read.
pub(crate) const DISCARD: u16 = 9;

/// Where there is always something to read.
pub(crate) const GENERATE: u16 = 19;

/// The kernel's side.
const NEAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// How many addresses the far side has: so many times 64,000 connections can lie in the client's TIME-WAIT.
const FAR_ADDRESSES: u32 = 8;

/// Both sides' addresses lie in it, and whatever address a flood takes.
const PREFIX: u8 = 15;

/// The far side's addresses.
pub(crate) fn far_addresses() -> impl Iterator<Item = Ipv4Addr> {
    (0..FAR_ADDRESSES).map(|n| Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 1, 1).to_bits() + n))
}

/// The far side's port at one of its addresses, taken in turn.
pub(crate) fn far(turn: usize, port: u16) -> SocketAddrV4 {
    let address = far_addresses().nth(turn % FAR_ADDRESSES as usize);
    SocketAddrV4::new(
        address.expect("the turn is taken modulo their number"),
        port,
    )
}
