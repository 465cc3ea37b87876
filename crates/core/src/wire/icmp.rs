//! ICMP and ICMPv6: the errors that quote a TCP segment of ours, and echo.
//!
//! What a connection makes of an error (RFC 5461, RFC 5927) is decided where connections are.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Slice, Icmpv4Type, Icmpv6Slice, Icmpv6Type, icmpv4, icmpv6, ip_number};

use super::checksum::Sum;
use super::ip::{self, Datagram};
use crate::observe::DiscardReason;
use crate::{FourTuple, SeqNumber};

/// The bytes of an ICMP header before what an error quotes.
const HEADER_LEN: usize = 8;

/// An ICMP message that is worth something to a TCP host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Icmp<'a> {
    /// An echo request, to be answered by [`write_echo_reply`](super::write_echo_reply).
    Echo {
        /// Who asks.
        source: IpAddr,
        /// Whom it asks.
        destination: IpAddr,
        /// The whole ICMP message, its header of 8 bytes included.
        message: &'a [u8],
    },
    /// An error about a TCP segment.
    Error(IcmpError),
}

/// What the network says about a segment that carries our address. Anybody may have sent it: the
/// quoted tuple and sequence number are all the proof there is (RFC 5927 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// The connection the quoted segment belongs to; `local` is the quoted packet's source.
    pub tuple: FourTuple,
    /// The quoted segment's SEG.SEQ.
    pub seq: SeqNumber,
    /// What befell the segment.
    pub kind: IcmpKind,
}

/// The errors of RFC 9293 §3.9.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IcmpKind {
    /// Destination unreachable.
    Unreachable {
        /// How far it came and why no further.
        code: Unreachable,
    },
    /// Fragmentation needed (RFC 1191 §4) or packet too big (RFC 8201 §4).
    PacketTooBig {
        /// The next hop's MTU in bytes, IP header included; 0 if an old router gave none.
        mtu: u32,
    },
    /// The TTL or hop limit ran out, or a fragment was missing too long.
    TimeExceeded,
    /// Something in the packet's headers was not understood.
    ParameterProblem,
}

/// Why a destination is unreachable: the codes of both families, as far as RFC 5461 §2 and
/// RFC 5927 §5.2 treat them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// No route to the network.
    Network,
    /// The host does not answer on its link, or is unknown.
    Host,
    /// The host does not speak TCP; a hard error (RFC 1122 §4.2.3.9).
    Protocol,
    /// Nobody listens on the port; a hard error (RFC 1122 §4.2.3.9).
    Port,
    /// A source route failed.
    SourceRoute,
    /// Forbidden by an administrator, by a filter or a policy.
    Prohibited,
}

/// Reads the ICMP message that `datagram` carries.
pub(super) fn parse<'a>(datagram: &Datagram<'a>) -> Result<Icmp<'a>, DiscardReason> {
    let kind = match datagram.source {
        IpAddr::V4(_) => parse_v4(datagram.payload),
        IpAddr::V6(_) => parse_v6(datagram),
    }?;
    // After the type: neighbour discovery speaks from the unspecified address and to multicast
    // ones, and asks nothing of us.
    datagram.check_addresses()?;
    match kind {
        Kind::Echo => Ok(Icmp::Echo {
            source: datagram.source,
            destination: datagram.destination,
            message: datagram.payload,
        }),
        Kind::Error(kind) => parse_quoted(&datagram.payload[HEADER_LEN..], kind).map(Icmp::Error),
    }
}

/// Appends the answer to the echo request `request`, a whole ICMP message.
pub(super) fn write_echo_reply(
    out: &mut Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    request: &[u8],
) {
    let (reply, sum) = match source {
        IpAddr::V4(_) => (icmpv4::TYPE_ECHO_REPLY, Sum::default()),
        IpAddr::V6(_) => (
            icmpv6::TYPE_ECHO_REPLY,
            pseudo_header(source, destination, request.len()),
        ),
    };
    let start = out.len();
    // "Data received in an ICMP Echo Request MUST be entirely included in the resulting Echo
    // Reply" (RFC 1122 §3.2.2.6); only type, code and checksum differ.
    out.extend_from_slice(request);
    let message = &mut out[start..];
    message[..4].copy_from_slice(&[reply, 0, 0, 0]);
    let checksum = sum.add(message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
}

/// What a message is, its quote not yet read.
enum Kind {
    Echo,
    Error(IcmpKind),
}

fn parse_v4(message: &[u8]) -> Result<Kind, DiscardReason> {
    let slice = Icmpv4Slice::from_slice(message).map_err(|_| DiscardReason::IcmpHeader)?;
    if Sum::default().add(message).finish() != 0 {
        return Err(DiscardReason::IcmpChecksum);
    }
    let kind = match slice.icmp_type() {
        Icmpv4Type::EchoRequest(_) => return Ok(Kind::Echo),
        Icmpv4Type::DestinationUnreachable(header) => unreachable_v4(&header),
        Icmpv4Type::TimeExceeded(_) => IcmpKind::TimeExceeded,
        Icmpv4Type::ParameterProblem(_) => IcmpKind::ParameterProblem,
        _ => return Err(DiscardReason::IcmpUnhandled),
    };
    Ok(Kind::Error(kind))
}

fn parse_v6(datagram: &Datagram<'_>) -> Result<Kind, DiscardReason> {
    let message = datagram.payload;
    let slice = Icmpv6Slice::from_slice(message).map_err(|_| DiscardReason::IcmpHeader)?;
    let sum = pseudo_header(datagram.source, datagram.destination, message.len());
    if sum.add(message).finish() != 0 {
        return Err(DiscardReason::IcmpChecksum);
    }
    let kind = match slice.icmp_type() {
        Icmpv6Type::EchoRequest(_) => return Ok(Kind::Echo),
        Icmpv6Type::DestinationUnreachable(code) => IcmpKind::Unreachable {
            code: unreachable_v6(code),
        },
        Icmpv6Type::PacketTooBig { mtu } => IcmpKind::PacketTooBig { mtu },
        Icmpv6Type::TimeExceeded(_) => IcmpKind::TimeExceeded,
        Icmpv6Type::ParameterProblem(_) => IcmpKind::ParameterProblem,
        _ => return Err(DiscardReason::IcmpUnhandled),
    };
    Ok(Kind::Error(kind))
}

/// The codes of RFC 1122 §3.2.2.1, and 13 to 15, by which routers report their filters.
fn unreachable_v4(header: &DestUnreachableHeader) -> IcmpKind {
    use DestUnreachableHeader::*;
    let code = match header {
        FragmentationNeeded { next_hop_mtu } => {
            return IcmpKind::PacketTooBig {
                mtu: u32::from(*next_hop_mtu),
            };
        }
        Network | NetworkUnknown | TosNetwork => Unreachable::Network,
        Host | HostUnknown | Isolated | TosHost => Unreachable::Host,
        Protocol => Unreachable::Protocol,
        Port => Unreachable::Port,
        SourceRouteFailed => Unreachable::SourceRoute,
        NetworkProhibited
        | HostProhibited
        | FilterProhibited
        | HostPrecedenceViolation
        | PrecedenceCutoff => Unreachable::Prohibited,
    };
    IcmpKind::Unreachable { code }
}

/// The codes of RFC 4443 §3.1. Its protocol unreachable is a parameter problem.
fn unreachable_v6(code: DestUnreachableCode) -> Unreachable {
    use DestUnreachableCode::*;
    match code {
        NoRoute | BeyondScope => Unreachable::Network,
        Address => Unreachable::Host,
        Port => Unreachable::Port,
        Prohibited | SourceAddressFailedPolicy | RejectRoute => Unreachable::Prohibited,
    }
}

/// Reads the beginning of the segment an error is about: of an IPv4 datagram only 8 bytes after
/// the header need to be quoted (RFC 1122 §3.2.2), just the ports and the sequence number.
fn parse_quoted(quote: &[u8], kind: IcmpKind) -> Result<IcmpError, DiscardReason> {
    let quoted = ip::parse_quoted(quote)?;
    if quoted.protocol != ip_number::TCP {
        return Err(DiscardReason::IcmpUnhandled);
    }
    let Some(&[_, _, _, _, seq @ ..]) = quoted.payload.first_chunk::<8>() else {
        return Err(DiscardReason::IcmpHeader);
    };
    let tuple = quoted.tuple().ok_or(DiscardReason::IcmpNoConnection)?;
    Ok(IcmpError {
        // As if it had arrived; but it is one that we sent.
        tuple: tuple.reversed(),
        seq: SeqNumber(u32::from_be_bytes(seq)),
        kind,
    })
}

fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> Sum {
    Sum::pseudo_header(source, destination, ip_number::IPV6_ICMP.0, length)
}
