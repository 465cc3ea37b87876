//! Packets as the network sees them: what their headers say, and what somebody in between makes of them.

use std::net::{IpAddr, SocketAddr};

use estab_core::{Flags, FourTuple, SeqNumber};
use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{
    Icmpv4Type, Icmpv6Type, IpFragOffset, IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder,
    TcpHeader, TcpOptionElement, icmpv4, icmpv6, ip_number,
};

use super::draw::Draw;

/// What a TCP packet says, as its sender would.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// `local` is the sender.
    pub(super) tuple: FourTuple,
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) wnd: u16,
    /// Bytes of data.
    pub(super) len: u32,
}

impl Header {
    /// Reads a packet that a stack, or this module, has written; `None` if it is no TCP.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let (source, destination, protocol, tcp) = match packet.first()? >> 4 {
            4 => (
                IpAddr::from(*packet.get(12..)?.first_chunk::<4>()?),
                IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?),
                packet[9],
                packet.get(usize::from(packet[0] & 15) * 4..)?,
            ),
            6 => (
                IpAddr::from(*packet.get(8..)?.first_chunk::<16>()?),
                IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?),
                packet[6],
                packet.get(40..)?,
            ),
            _ => return None,
        };
        if protocol != ip_number::TCP.0 {
            return None;
        }
        let fixed = tcp.first_chunk::<20>()?;
        let short = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
        let data = tcp.get(usize::from(fixed[12] >> 4) * 4..)?;
        let local = SocketAddr::new(source, short(0));
        let remote = SocketAddr::new(destination, short(2));
        Some(Self {
            tuple: FourTuple::new(local, remote),
            flags: Flags::from_bits_retain(fixed[13]),
            seq: SeqNumber(long(4)),
            ack: SeqNumber(long(8)),
            wnd: short(14),
            len: data.len() as u32,
        })
    }

    /// The sequence number just past the segment.
    pub(super) fn end(&self) -> SeqNumber {
        let controls = self.flags & (Flags::SYN | Flags::FIN);
        self.seq + self.len + controls.bits().count_ones()
    }
}

fn ip(source: IpAddr, destination: IpAddr) -> IpHeaders {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => IpHeaders::Ipv4(
            Ipv4Header {
                time_to_live: 60,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            },
            Default::default(),
        ),
        (source, destination) => IpHeaders::Ipv6(
            Ipv6Header {
                hop_limit: 60,
                source: v6(source),
                destination: v6(destination),
                ..Ipv6Header::default()
            },
            Default::default(),
        ),
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A segment that nobody sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forged<'a> {
    /// `local` is whom it claims to be from.
    pub(super) tuple: FourTuple,
    pub(super) flags: Flags,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) wnd: u16,
    pub(super) timestamps: Option<(u32, u32)>,
    pub(super) payload: &'a [u8],
}

impl Forged<'_> {
    pub(super) fn packet(&self) -> Vec<u8> {
        let (local, remote) = (self.tuple.local(), self.tuple.remote());
        let mut header = TcpHeader::new(local.port(), remote.port(), self.seq.0, self.wnd);
        let has = |flag| self.flags.contains(flag);
        header.acknowledgment_number = self.ack.0;
        header.fin = has(Flags::FIN);
        header.syn = has(Flags::SYN);
        header.rst = has(Flags::RST);
        header.psh = has(Flags::PSH);
        header.ack = has(Flags::ACK);
        header.urg = has(Flags::URG);
        if let Some((value, echo)) = self.timestamps {
            let options = [TcpOptionElement::Timestamp(value, echo)];
            header.set_options(&options).expect("one option fits");
        }
        let mut packet = Vec::new();
        PacketBuilder::ip(ip(local.ip(), remote.ip()))
            .tcp_header(header)
            .write_to_vec(&mut packet, self.payload)
            .expect("memory takes it");
        packet
    }
}

/// What ICMP says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// Fragmentation needed, or packet too big: the MTU told.
    TooBig(u16),
    /// Destination unreachable, with a code of the family's.
    Unreachable(u8),
    TimeExceeded,
    ParameterProblem,
}

/// The ICMP error by which `router` answers `about`.
pub(super) fn icmp_error(notice: Notice, about: &[u8], router: (IpAddr, IpAddr)) -> Vec<u8> {
    // Some routers quote much, some little: at least the IP header and eight bytes (RFC 1122 §3.2.2).
    let most = if about.len().is_multiple_of(2) {
        548
    } else {
        48
    };
    let quote = &about[..about.len().min(most)];
    let (from, to) = router;
    let builder = PacketBuilder::ip(ip(from, to));
    let mut packet = Vec::new();
    let written = if from.is_ipv4() {
        let kind = match notice {
            Notice::TooBig(mtu) => {
                Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                    next_hop_mtu: mtu,
                })
            }
            Notice::Unreachable(code) => Icmpv4Type::DestinationUnreachable(
                [
                    DestUnreachableHeader::Network,
                    DestUnreachableHeader::Host,
                    DestUnreachableHeader::Port,
                    DestUnreachableHeader::FilterProhibited,
                ][usize::from(code % 4)]
                .clone(),
            ),
            Notice::TimeExceeded => {
                Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit)
            }
            Notice::ParameterProblem => Icmpv4Type::ParameterProblem(
                icmpv4::ParameterProblemHeader::PointerIndicatesError(9),
            ),
        };
        builder.icmpv4(kind).write_to_vec(&mut packet, quote)
    } else {
        let kind = match notice {
            Notice::TooBig(mtu) => Icmpv6Type::PacketTooBig {
                mtu: u32::from(mtu),
            },
            Notice::Unreachable(code) => Icmpv6Type::DestinationUnreachable(
                [
                    DestUnreachableCode::NoRoute,
                    DestUnreachableCode::Address,
                    DestUnreachableCode::Port,
                    DestUnreachableCode::Prohibited,
                ][usize::from(code % 4)],
            ),
            Notice::TimeExceeded => {
                Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded)
            }
            Notice::ParameterProblem => {
                Icmpv6Type::ParameterProblem(icmpv6::ParameterProblemHeader {
                    code: icmpv6::ParameterProblemCode::UnrecognizedNextHeader,
                    pointer: 6,
                })
            }
        };
        builder.icmpv6(kind).write_to_vec(&mut packet, quote)
    };
    written.expect("memory takes it");
    packet
}

/// An echo request, or an ICMP message that asks for nothing.
pub(super) fn icmp_query(echo: bool, from: IpAddr, to: IpAddr) -> Vec<u8> {
    let builder = PacketBuilder::ip(ip(from, to));
    let mut packet = Vec::new();
    let payload = [7; 11];
    let written = match (from.is_ipv4(), echo) {
        (true, true) => builder
            .icmpv4_echo_request(1, 2)
            .write_to_vec(&mut packet, &payload),
        (true, false) => builder
            .icmpv4_echo_reply(1, 2)
            .write_to_vec(&mut packet, &payload),
        (false, true) => builder
            .icmpv6_echo_request(1, 2)
            .write_to_vec(&mut packet, &payload),
        (false, false) => builder
            .icmpv6_echo_reply(1, 2)
            .write_to_vec(&mut packet, &payload),
    };
    written.expect("memory takes it");
    packet
}

/// A packet that no host should have sent: of another protocol, to or from the wrong address, in fragments, or
/// not IP at all.
pub(super) fn rubbish(draw: &mut Draw, from: IpAddr, to: IpAddr) -> Vec<u8> {
    let broadcast = |ip: IpAddr| match ip {
        IpAddr::V4(_) => IpAddr::from([255, 255, 255, 255]),
        IpAddr::V6(_) => IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 1]),
    };
    let stranger = |ip: IpAddr| match ip {
        IpAddr::V4(_) => IpAddr::from([198, 18, 77, 77]),
        IpAddr::V6(_) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0x77]),
    };
    let kind = draw.range(0..=8);
    let (source, destination) = match kind {
        0 => (from, broadcast(to)),
        1 => (broadcast(from), to),
        2 => (to, to),
        3 => (from, stranger(to)),
        _ => (from, to),
    };
    let mut headers = ip(source, destination);
    if let (4, IpHeaders::Ipv4(v4, _)) = (kind, &mut headers) {
        v4.more_fragments = true;
        v4.fragment_offset = IpFragOffset::ZERO;
    }
    let mut packet = Vec::new();
    let builder = PacketBuilder::ip(headers);
    if kind == 5 {
        let written = builder.udp(53, 53).write_to_vec(&mut packet, &[1; 9]);
        written.expect("memory takes it");
        return packet;
    }
    if kind == 8 {
        // Cut short inside the ICMP header, its length honest.
        packet = icmp_query(true, from, to);
        let cut = packet.len() - 14;
        packet.truncate(cut);
        let (at, length) = if from.is_ipv4() {
            (2, cut)
        } else {
            (4, cut - 40)
        };
        packet[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
        if from.is_ipv4() {
            let header = etherparse::Ipv4HeaderSlice::from_slice(&packet);
            let checksum = header.map(|header| header.to_header().calc_header_checksum());
            let checksum = checksum.unwrap_or_default();
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        return packet;
    }
    let header = TcpHeader::new(4000, 80, draw.number(), 1000);
    let written = builder.tcp_header(header).write_to_vec(&mut packet, b"?");
    written.expect("memory takes it");
    match kind {
        6 => packet.iter_mut().for_each(|byte| *byte = draw.byte()),
        7 => packet[0] = packet[0] & 15 | 0x50,
        _ => {}
    }
    packet
}

/// Damages a packet so that its checksums, or its lengths, must show it: one bit, or the end cut off.
pub(super) fn damage(draw: &mut Draw, packet: &mut Vec<u8>) {
    if draw.chance(0.1) {
        let length = draw.range(0..=packet.len() - 1);
        return packet.truncate(length);
    }
    // No checksum of IPv6 covers the traffic class, the flow label and the hop limit.
    let uncovered = |at: usize| packet[0] >> 4 == 6 && matches!(at, 0..=3 | 7);
    let at = loop {
        let at = draw.range(0..=packet.len() - 1);
        if !uncovered(at) {
            break at;
        }
    };
    packet[at] ^= 1 << draw.range(0..=7);
}
