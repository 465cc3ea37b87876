//! Packets as bytes, and what is in them. Read and written apart from the stack under test: a judge that used its
//! parser would share its mistakes.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    IpDscp, IpEcn, IpNumber, Ipv4Header, Ipv4HeaderSlice, Ipv6FlowLabel, Ipv6Header,
    Ipv6HeaderSlice, TcpHeader, TcpHeaderSlice,
};

use super::super::ast::{TcpFlags, TcpOption};
use super::options;

/// The largest IP packet.
pub(crate) const LARGEST: usize = 65_535;

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// The TOS byte, or the traffic class.
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) flow_label: u32,
    pub(crate) carried: Carried,
}

/// What an IP packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Tcp(Segment),
    Icmp(IcmpMessage),
    /// Another protocol, by its number.
    Other(u8),
}

/// A TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: TcpFlags,
    /// The three reserved bits between the data offset and AE.
    pub(crate) reserved: u8,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Vec<TcpOption>,
    pub(crate) payload: Vec<u8>,
}

/// An ICMP or ICMPv6 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IcmpMessage {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The four bytes behind the checksum.
    pub(crate) rest: [u8; 4],
    pub(crate) payload: Vec<u8>,
}

impl Datagram {
    /// The segment, if it carries one.
    pub(crate) const fn segment(&self) -> Option<&Segment> {
        match &self.carried {
            Carried::Tcp(segment) => Some(segment),
            Carried::Icmp(_) | Carried::Other(_) => None,
        }
    }

    /// Reads a packet and verifies every checksum in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, String> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => Self::parse_v4(packet),
            Some(6) => Self::parse_v6(packet),
            _ => Err("it is no IP packet".to_owned()),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, String> {
        let header = Ipv4HeaderSlice::from_slice(packet).map_err(|error| error.to_string())?;
        if header.to_header().calc_header_checksum() != header.header_checksum() {
            return Err("its IPv4 header checksum is wrong".to_owned());
        }
        let payload = packet
            .get(header.slice().len()..usize::from(header.total_len()))
            .ok_or("its IPv4 total length is wrong")?;
        if packet.len() != usize::from(header.total_len()) {
            return Err("it is longer than its IPv4 total length".to_owned());
        }
        let (source, destination) = (
            header.source_addr().into(),
            header.destination_addr().into(),
        );
        Ok(Self {
            source,
            destination,
            tos: header.dcp().value() << 2 | header.ecn().value(),
            ttl: header.ttl(),
            flow_label: 0,
            carried: carried(header.protocol(), source, destination, payload)?,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, String> {
        let header = Ipv6HeaderSlice::from_slice(packet).map_err(|error| error.to_string())?;
        let payload = &packet[header.slice().len()..];
        if payload.len() != usize::from(header.payload_length()) {
            return Err("its IPv6 payload length is wrong".to_owned());
        }
        let (source, destination) = (
            header.source_addr().into(),
            header.destination_addr().into(),
        );
        Ok(Self {
            source,
            destination,
            tos: header.traffic_class(),
            ttl: header.hop_limit(),
            flow_label: header.flow_label().value(),
            carried: carried(header.next_header(), source, destination, payload)?,
        })
    }

    /// The packet's bytes, with every checksum.
    ///
    /// # Errors
    /// Why it cannot be one packet.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let v6 = self.source.is_ipv6();
        let (protocol, payload) = match &self.carried {
            Carried::Tcp(segment) => (
                IpNumber::TCP,
                segment.to_bytes(self.source, self.destination)?,
            ),
            Carried::Icmp(message) if v6 => (
                IpNumber::IPV6_ICMP,
                message.to_bytes(Some((self.source, self.destination))),
            ),
            Carried::Icmp(message) => (IpNumber::ICMP, message.to_bytes(None)),
            Carried::Other(_) => return Err("neither TCP nor ICMP".to_owned()),
        };
        let mut packet = self.header(protocol, payload.len())?;
        packet.extend_from_slice(&payload);
        Ok(packet)
    }

    /// The IP header in front of so many bytes.
    pub(crate) fn header(&self, protocol: IpNumber, len: usize) -> Result<Vec<u8>, String> {
        let too_long = || "the packet is larger than IP allows".to_owned();
        let len = u16::try_from(len).map_err(|_| too_long())?;
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let mut header = Ipv4Header::new(len, self.ttl, protocol, source, destination)
                    .map_err(|_| too_long())?;
                header.dscp = IpDscp::try_new(self.tos >> 2).map_err(|error| error.to_string())?;
                header.ecn = IpEcn::try_new(self.tos & 3).map_err(|error| error.to_string())?;
                header.header_checksum = header.calc_header_checksum();
                Ok(header.to_bytes().to_vec())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => Ok(Ipv6Header {
                traffic_class: self.tos,
                flow_label: Ipv6FlowLabel::try_new(self.flow_label)
                    .map_err(|error| error.to_string())?,
                payload_length: len,
                next_header: protocol,
                hop_limit: self.ttl,
                source: source.octets(),
                destination: destination.octets(),
            }
            .to_bytes()
            .to_vec()),
            _ => Err("an address of each IP version in one packet".to_owned()),
        }
    }
}

fn carried(
    protocol: IpNumber,
    source: IpAddr,
    destination: IpAddr,
    payload: &[u8],
) -> Result<Carried, String> {
    match protocol {
        IpNumber::TCP => Segment::parse(source, destination, payload).map(Carried::Tcp),
        IpNumber::ICMP => IcmpMessage::parse(None, payload).map(Carried::Icmp),
        IpNumber::IPV6_ICMP => {
            IcmpMessage::parse(Some((source, destination)), payload).map(Carried::Icmp)
        }
        IpNumber(other) => Ok(Carried::Other(other)),
    }
}

impl Segment {
    fn parse(source: IpAddr, destination: IpAddr, bytes: &[u8]) -> Result<Self, String> {
        let header = TcpHeaderSlice::from_slice(bytes).map_err(|error| error.to_string())?;
        let payload = &bytes[header.slice().len()..];
        if pseudo_sum(source, destination, IpNumber::TCP, bytes) != 0 {
            return Err("its TCP checksum is wrong".to_owned());
        }
        Ok(Self {
            source_port: header.source_port(),
            destination_port: header.destination_port(),
            seq: header.sequence_number(),
            ack: header.acknowledgment_number(),
            flags: TcpFlags {
                fin: header.fin(),
                syn: header.syn(),
                rst: header.rst(),
                psh: header.psh(),
                ack: header.ack(),
                urg: header.urg(),
                ece: header.ece(),
                cwr: header.cwr(),
                ae: header.ns(),
                ace: None,
            },
            reserved: header.slice()[12] >> 1 & 7,
            window: header.window_size(),
            urgent: header.urgent_pointer(),
            options: options::parse(header.options()),
            payload: payload.to_vec(),
        })
    }

    fn to_bytes(&self, source: IpAddr, destination: IpAddr) -> Result<Vec<u8>, String> {
        let options = options::to_bytes(&self.options)?;
        let mut header = TcpHeader::new(
            self.source_port,
            self.destination_port,
            self.seq,
            self.window,
        );
        header.acknowledgment_number = self.ack;
        header.urgent_pointer = self.urgent;
        let TcpFlags {
            fin,
            syn,
            rst,
            psh,
            ack,
            urg,
            ece,
            cwr,
            ae,
            ace: _,
        } = self.flags;
        (header.fin, header.syn, header.rst, header.psh) = (fin, syn, rst, psh);
        (header.ack, header.urg, header.ece, header.cwr) = (ack, urg, ece, cwr);
        header.ns = ae;
        header
            .set_options_raw(&options)
            .map_err(|_| "the TCP options are longer than 40 bytes")?;
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(&self.payload);
        let sum = pseudo_sum(source, destination, IpNumber::TCP, &bytes);
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        Ok(bytes)
    }
}

impl IcmpMessage {
    /// `addresses` are part of the checksum in IPv6 only.
    fn parse(addresses: Option<(IpAddr, IpAddr)>, bytes: &[u8]) -> Result<Self, String> {
        let &[kind, code, _, _, a, b, c, d, ref payload @ ..] = bytes else {
            return Err("its ICMP header is cut".to_owned());
        };
        if icmp_sum(addresses, bytes) != 0 {
            return Err("its ICMP checksum is wrong".to_owned());
        }
        Ok(Self {
            kind,
            code,
            rest: [a, b, c, d],
            payload: payload.to_vec(),
        })
    }

    fn to_bytes(&self, addresses: Option<(IpAddr, IpAddr)>) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.code, 0, 0];
        bytes.extend_from_slice(&self.rest);
        bytes.extend_from_slice(&self.payload);
        let sum = icmp_sum(addresses, &bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

fn icmp_sum(addresses: Option<(IpAddr, IpAddr)>, bytes: &[u8]) -> u16 {
    match addresses {
        Some((source, destination)) => pseudo_sum(source, destination, IpNumber::IPV6_ICMP, bytes),
        None => Sum16BitWords::new()
            .add_slice(bytes)
            .ones_complement()
            .to_be(),
    }
}

/// The checksum over pseudo-header and payload: what is to be written if the field is zero, 0 if it is right.
fn pseudo_sum(source: IpAddr, destination: IpAddr, protocol: IpNumber, bytes: &[u8]) -> u16 {
    let sum = Sum16BitWords::new();
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum
            .add_slice(&source.octets())
            .add_slice(&destination.octets()),
        (source, destination) => sum
            .add_slice(&mapped(source))
            .add_slice(&mapped(destination)),
    };
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    sum.add_slice(&len.to_be_bytes())
        .add_2bytes([0, protocol.0])
        .add_slice(bytes)
        .ones_complement()
        .to_be()
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(source: &str, destination: &str, carried: Carried) -> Datagram {
        Datagram {
            source: source.parse().expect("an address"),
            destination: destination.parse().expect("an address"),
            tos: 2,
            ttl: 255,
            flow_label: 0,
            carried,
        }
    }

    fn segment() -> Segment {
        Segment {
            source_port: 40_000,
            destination_port: 8_080,
            seq: 1,
            ack: 2,
            flags: TcpFlags {
                ack: true,
                ae: true,
                ..TcpFlags::default()
            },
            window: 500,
            options: vec![
                TcpOption::Nop,
                TcpOption::Nop,
                TcpOption::Sack(vec![(1, 2)]),
            ],
            payload: vec![1, 2, 3],
            ..Segment::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back_over_either_ip() {
        let addresses = [("192.0.2.1", "198.18.0.1"), ("2001:db8::1", "fd00::1")];
        for (source, destination) in addresses {
            let icmp = Carried::Icmp(IcmpMessage {
                kind: 3,
                code: 4,
                rest: [0, 0, 5, 0],
                payload: vec![7; 28],
            });
            for carried in [Carried::Tcp(segment()), icmp] {
                let written = datagram(source, destination, carried);
                let bytes = written.to_bytes().expect("it fits");
                assert_eq!(Datagram::parse(&bytes), Ok(written));
            }
        }
    }

    #[test]
    fn one_wrong_bit_is_noticed_wherever_it_is_summed() {
        let whole = datagram("192.0.2.1", "198.18.0.1", Carried::Tcp(segment()));
        let bytes = whole.to_bytes().expect("it fits");
        for (place, said) in [
            (15, "IPv4 header checksum"),
            (25, "TCP checksum"),
            (54, "TCP checksum"),
        ] {
            let mut wrong = bytes.clone();
            wrong[place] ^= 4;
            let error = Datagram::parse(&wrong).expect_err("it is wrong");
            assert!(error.contains(said), "byte {place}: {error}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_others_compute() {
        let whole = datagram("192.0.2.1", "198.18.0.1", Carried::Tcp(segment()));
        let bytes = whole.to_bytes().expect("it fits");
        let header = TcpHeader::from_slice(&bytes[20..]).expect("a header").0;
        let sum = header.calc_checksum_ipv4_raw([192, 0, 2, 1], [198, 18, 0, 1], &[1, 2, 3]);
        assert_eq!(sum, Ok(header.checksum));
    }
}
