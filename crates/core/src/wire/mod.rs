//! Packets: bytes to segments and back. TCP's own format is ours; IP and ICMP headers go through etherparse.

mod checksum;
mod extensions;
mod icmp;
mod ip;
mod options;
mod tcp;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;

use etherparse::{Ipv4Header, Ipv6Header, ip_number};

pub(crate) use icmp::{Icmp, IcmpError, IcmpKind, Unreachable};
#[cfg(test)]
pub(crate) use ip::TREATMENT;
pub(crate) use ip::Treatment;
pub(crate) use options::encoded_len;

use crate::observe::DiscardReason;
use crate::{FourTuple, Segment};

/// An arriving packet that somebody may want. `'a` borrows the packet's bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packet<'a> {
    /// A segment, its checksum right.
    Tcp(Segment<'a>),
    /// An ICMP message, its checksum right.
    Icmp(Icmp<'a>),
}

/// Why nobody can want an arriving packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// What is wrong with it.
    pub reason: DiscardReason,
    /// The connection it names, as far as its ports could be read. It may be as wrong as the rest
    /// of the packet: good for telling, not for acting.
    pub tuple: Option<FourTuple>,
}

impl From<DiscardReason> for Unusable {
    fn from(reason: DiscardReason) -> Self {
        Self {
            reason,
            tuple: None,
        }
    }
}

/// What is known about an arriving segment's TCP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: it has to be computed.
    Unknown,
    /// The device vouches for it (offload), so it is not computed again.
    Verified,
}

/// Reads a whole IP packet. Any bytes may be given. The checksums of IPv4 headers and ICMP
/// messages are always verified, that of TCP unless `checksum` says it was.
///
/// # Errors
///
/// The first reason found for which the packet cannot be used, from the outside in.
pub(crate) fn parse(packet: &[u8], checksum: Checksum) -> Result<Packet<'_>, Unusable> {
    let datagram = ip::parse(packet)?;
    match (datagram.protocol, datagram.source) {
        (ip_number::TCP, _) => tcp::parse(&datagram, checksum).map(Packet::Tcp),
        (ip_number::ICMP, IpAddr::V4(_)) | (ip_number::IPV6_ICMP, IpAddr::V6(_)) => {
            Ok(Packet::Icmp(icmp::parse(&datagram)?))
        }
        _ => Err(DiscardReason::Protocol.into()),
    }
}

/// Makes `out` the IP packet that carries `segment`, with `segment.payload` followed by `more` as
/// its data: the pieces of a queue. All checksums are computed. IPv4 gets `identification` and DF
/// (RFC 1191 §3).
///
/// SACK blocks beyond the option space are left out. Both ends of the tuple must be of one family
/// and the packet no longer than IP can say (65,535 bytes).
pub(crate) fn write_segment<'a, M>(
    out: &mut Vec<u8>,
    segment: &Segment<'_>,
    more: M,
    identification: u16,
    treatment: Treatment,
) where
    M: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
{
    let more = more.into_iter();
    let (local, remote) = (segment.tuple.local().ip(), segment.tuple.remote().ip());
    let header_len = tcp::FIXED_LEN + encoded_len(&segment.options);
    let tcp_len = header_len + segment.payload.len() + more.clone().map(<[u8]>::len).sum::<usize>();
    out.clear();
    let protocol = ip_number::TCP;
    ip::write_header(
        out,
        local,
        remote,
        protocol,
        tcp_len,
        identification,
        treatment,
    );
    let tcp_start = out.len();
    tcp::write(out, segment, more);
    tcp::fill_checksum(&mut out[tcp_start..], segment);
}

/// Makes `out` the IP packet by which `source`, an address of ours, answers the echo request
/// `request_message`, a whole ICMP message as [`Icmp::Echo`] holds it, to `destination`.
pub(crate) fn write_echo_reply(
    out: &mut Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    request_message: &[u8],
    treatment: Treatment,
) {
    let protocol = match source {
        IpAddr::V4(_) => ip_number::ICMP,
        IpAddr::V6(_) => ip_number::IPV6_ICMP,
    };
    let length = request_message.len();
    out.clear();
    ip::write_header(out, source, destination, protocol, length, 0, treatment);
    icmp::write_echo_reply(out, source, destination, request_message);
}

/// The IP and TCP headers without options, in bytes.
pub(crate) const fn header_len(is_ipv4: bool) -> usize {
    ip_header_len(is_ipv4) + tcp::FIXED_LEN
}

/// The IP header that we send, in bytes.
pub(crate) const fn ip_header_len(is_ipv4: bool) -> usize {
    if is_ipv4 {
        Ipv4Header::MIN_LEN
    } else {
        Ipv6Header::LEN
    }
}
