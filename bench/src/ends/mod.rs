//! The ends of connections in memory: estab's, smoltcp's, and peers made by hand that cost nothing.

pub(crate) mod estab;
pub(crate) mod remote;
pub(crate) mod ring;
pub(crate) mod smol;

use std::net::Ipv4Addr;

/// Whom everybody connects to.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Who connects, where both ends are stacks.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// Where the server listens.
pub(crate) const PORT: u16 = 80;

/// The largest packet.
pub(crate) const MTU: usize = 1500;

/// A stack that takes packets and gives packets.
pub(crate) trait End {
    /// Takes one packet and does all that follows.
    fn take(&mut self, packet: &[u8]);

    /// Gives what is to be sent.
    fn give(&mut self, sink: &mut dyn FnMut(&[u8]));
}
