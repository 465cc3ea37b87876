//! The parser and writer of packets, for the fuzz targets: what a `Stack` does with them cannot be seen from outside.

use alloc::vec::Vec;

use crate::observe::DiscardReason;
use crate::wire::{self, Packet};
use crate::{Checksum, Config, Segment};

/// The segment in an IP packet; `None` if it holds an ICMP message.
///
/// # Errors
/// The reason for which a stack would discard it.
pub fn parse(packet: &[u8], checksum: Checksum) -> Result<Option<Segment<'_>>, DiscardReason> {
    match wire::parse(packet, checksum) {
        Ok(Packet::Tcp(segment)) => Ok(Some(segment)),
        Ok(Packet::Icmp(_)) => Ok(None),
        Err(unusable) => Err(unusable.reason),
    }
}

/// The IP packet that carries `segment`, with `more` after its data.
#[must_use]
pub fn write(segment: &Segment<'_>, more: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let treatment = Config::default().treatment(None);
    wire::write_segment(&mut packet, segment, [more], 0, treatment);
    packet
}
