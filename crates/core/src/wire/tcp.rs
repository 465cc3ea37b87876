//! The TCP header (RFC 9293 §3.1).

use alloc::vec::Vec;

use etherparse::ip_number;

use super::checksum::Sum;
use super::ip::Datagram;
use super::{Checksum, Unusable, options};
use crate::observe::DiscardReason;
use crate::{Flags, Segment, SeqNumber};

/// The header without options, in bytes.
pub(super) const FIXED_LEN: usize = 20;

/// Where the checksum stands in the header.
const CHECKSUM_AT: usize = 16;

/// Reads the segment that `datagram` carries.
pub(super) fn parse<'a>(
    datagram: &Datagram<'a>,
    checksum: Checksum,
) -> Result<Segment<'a>, Unusable> {
    check_and_read(datagram, checksum).map_err(|reason| Unusable {
        reason,
        tuple: datagram.tuple(),
    })
}

/// Appends the TCP header of `segment` with a checksum of zero, then its data and `more`.
pub(super) fn write<'a>(
    out: &mut Vec<u8>,
    segment: &Segment<'_>,
    more: impl Iterator<Item = &'a [u8]>,
) {
    let header_len = FIXED_LEN + options::encoded_len(&segment.options);
    let mut fixed = [0; FIXED_LEN];
    fixed[..2].copy_from_slice(&segment.tuple.local_port().to_be_bytes());
    fixed[2..4].copy_from_slice(&segment.tuple.remote_port().to_be_bytes());
    fixed[4..8].copy_from_slice(&segment.seq.0.to_be_bytes());
    fixed[8..12].copy_from_slice(&segment.ack.0.to_be_bytes());
    // The data offset, in words, is the upper half of its byte; the lower half is reserved.
    fixed[12] = ((header_len / 4) << 4) as u8;
    fixed[13] = segment.flags.bits();
    fixed[14..16].copy_from_slice(&segment.wnd.to_be_bytes());
    fixed[18..].copy_from_slice(&segment.urgent.to_be_bytes());
    out.extend_from_slice(&fixed);
    options::write(out, &segment.options);
    out.extend_from_slice(segment.payload);
    more.for_each(|piece| out.extend_from_slice(piece));
}

/// Puts the checksum into `bytes`, a segment as [`write`] made it.
pub(super) fn fill_checksum(bytes: &mut [u8], segment: &Segment<'_>) {
    let (local, remote) = (segment.tuple.local().ip(), segment.tuple.remote().ip());
    let sum = Sum::pseudo_header(local, remote, ip_number::TCP.0, bytes.len()).add(bytes);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.finish().to_be_bytes());
}

fn check_and_read<'a>(
    datagram: &Datagram<'a>,
    checksum: Checksum,
) -> Result<Segment<'a>, DiscardReason> {
    datagram.check_addresses()?;
    let bytes = datagram.payload;
    let (fixed, _) = bytes
        .split_first_chunk::<FIXED_LEN>()
        .ok_or(DiscardReason::TcpHeader)?;
    let header_len = usize::from(fixed[12] >> 4) * 4;
    let options = bytes
        .get(FIXED_LEN..header_len)
        .ok_or(DiscardReason::TcpHeader)?;
    // "The sender MUST generate it [...] and the receiver MUST check it" (RFC 9293 §3.1, MUST-3).
    if matches!(checksum, Checksum::Unknown) && !is_checksum_right(datagram) {
        return Err(DiscardReason::TcpChecksum);
    }
    let tuple = datagram.tuple().ok_or(DiscardReason::TcpHeader)?;
    let flags = Flags::from_bits_retain(fixed[13]);
    Ok(Segment {
        tuple,
        seq: SeqNumber(u32_at(fixed, 4)),
        ack: SeqNumber(u32_at(fixed, 8)),
        wnd: u16_at(fixed, 14),
        flags,
        urgent: u16_at(fixed, 18),
        options: options::parse(options, flags.contains(Flags::SYN)),
        payload: &bytes[header_len..],
    })
}

fn is_checksum_right(datagram: &Datagram<'_>) -> bool {
    let Datagram {
        source,
        destination,
        protocol,
        payload,
    } = *datagram;
    let sum = Sum::pseudo_header(source, destination, protocol.0, payload.len());
    sum.add(payload).finish() == 0
}

fn u16_at(header: &[u8; FIXED_LEN], place: usize) -> u16 {
    u16::from_be_bytes([header[place], header[place + 1]])
}

fn u32_at(header: &[u8; FIXED_LEN], place: usize) -> u32 {
    u32::from(u16_at(header, place)) << 16 | u32::from(u16_at(header, place + 2))
}
