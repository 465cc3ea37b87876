//! smoltcp's device: packets in a ring of buffers, written and read in place.

use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken,
};
use smoltcp::time::Instant;

use super::MTU;

/// Packets that a ring holds: more than two windows of 256 KB.
const PLACES: usize = 512;

/// One direction of a wire.
pub(crate) struct Ring {
    packets: Box<[(usize, [u8; MTU])]>,
    first: usize,
    count: usize,
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            packets: vec![(0, [0; MTU]); PLACES].into_boxed_slice(),
            first: 0,
            count: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts a packet of this length behind the others; `fill` writes it.
    fn push<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let place = (self.first + self.count) % PLACES;
        self.count += 1;
        let (length, packet) = &mut self.packets[place];
        *length = len;
        fill(&mut packet[..len])
    }

    pub(crate) fn put(&mut self, packet: &[u8]) {
        assert!(self.count < PLACES, "nobody puts more than a ring holds");
        self.push(packet.len(), |place| place.copy_from_slice(packet));
    }

    /// The oldest packet. Its place is taken again only after `PLACES` others.
    pub(crate) fn pop(&mut self) -> Option<&[u8]> {
        self.count = self.count.checked_sub(1)?;
        let (length, packet) = &self.packets[self.first];
        self.first = (self.first + 1) % PLACES;
        Some(&packet[..*length])
    }
}

/// Both directions, as one end sees them.
pub(crate) struct Wire {
    pub(crate) arriving: Ring,
    pub(crate) leaving: Ring,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self {
            arriving: Ring::new(),
            leaving: Ring::new(),
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Place<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Place<'_>)> {
        let packet = self.arriving.pop()?;
        Some((Arrived(packet), Place(&mut self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Place<'_>> {
        (self.leaving.count < PLACES).then_some(Place(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(MTU)
    }
}

/// IP packets, and smoltcp makes and checks every checksum.
pub(crate) fn capabilities(mtu: usize) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = mtu;
    let mut checksum = ChecksumCapabilities::default();
    checksum.ipv4 = Checksum::Both;
    checksum.tcp = Checksum::Both;
    capabilities.checksum = checksum;
    capabilities
}

pub(crate) struct Arrived<'a>(&'a [u8]);

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub(crate) struct Place<'a>(&'a mut Ring);

impl TxToken for Place<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.push(len, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_in_the_order_they_came_around_the_end_of_the_ring() {
        let mut ring = Ring::new();
        for round in 0..3 * PLACES {
            ring.put(&[round as u8; 3]);
            ring.put(&[round as u8]);
            assert_eq!(ring.pop(), Some(&[round as u8; 3][..]));
            assert_eq!(ring.pop(), Some(&[round as u8][..]));
            assert!(ring.is_empty() && ring.pop().is_none());
        }
    }
}
