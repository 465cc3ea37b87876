//! IPv4 and IPv6 headers: what carries a TCP segment or an ICMP message.
//!
//! Left out: reassembly, IPv4 options (skipped; a source route is not returned), jumbograms and
//! the authentication header.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use etherparse::{IpDscp, IpNumber, Ipv4Header, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice};

use super::checksum::Sum;
use super::extensions;
use crate::FourTuple;
use crate::observe::DiscardReason;

/// How IP is to treat a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// TTL or hop limit.
    pub(crate) hop_limit: u8,
    /// Type of service or traffic class.
    pub(crate) traffic_class: u8,
}

/// What the tests send.
#[cfg(test)]
pub(crate) const TREATMENT: Treatment = Treatment {
    hop_limit: 64,
    traffic_class: 0,
};

/// An IP packet without its headers.
pub(super) struct Datagram<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The protocol after any extension headers.
    pub(super) protocol: IpNumber,
    /// Exactly the bytes the IP header announces; padding after them is cut off.
    pub(super) payload: &'a [u8],
}

impl Datagram<'_> {
    /// RFC 9293 §3.9.2.3: neither end may be multicast, broadcast or unspecified (MUST-57,
    /// MUST-63), nor an IPv4-mapped address: on the wire it names no host, here an IPv4 one.
    pub(super) fn check_addresses(&self) -> Result<(), DiscardReason> {
        if !may_be_one_host(self.source) {
            return Err(DiscardReason::BadSource);
        }
        if !may_be_one_host(self.destination) {
            return Err(DiscardReason::NotForUs);
        }
        Ok(())
    }

    /// The connection the ports at the start of `payload` name, if they can be read. None for
    /// IPv4-mapped addresses in IPv6, which would read as IPv4.
    pub(super) fn tuple(&self) -> Option<FourTuple> {
        let (ports, _) = self.payload.split_first_chunk::<4>()?;
        if is_mapped(self.source) || is_mapped(self.destination) {
            return None;
        }
        let [a, b, c, d] = *ports;
        let remote = SocketAddr::new(self.source, u16::from_be_bytes([a, b]));
        let local = SocketAddr::new(self.destination, u16::from_be_bytes([c, d]));
        Some(FourTuple::new(local, remote))
    }
}

/// Takes the IP headers off `packet`, having checked them.
pub(super) fn parse(packet: &[u8]) -> Result<Datagram<'_>, DiscardReason> {
    match version(packet) {
        Some(4) => parse_v4(packet),
        Some(6) => parse_v6(packet),
        _ => Err(DiscardReason::NotIp),
    }
}

/// Takes the header off the beginning of a packet that an ICMP error quotes. It may be cut short
/// anywhere after that and its checksum is not checked: routers changed the TTL on the way.
pub(super) fn parse_quoted(packet: &[u8]) -> Result<Datagram<'_>, DiscardReason> {
    if version(packet) == Some(4) {
        let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| DiscardReason::IcmpHeader)?;
        if header.fragments_offset().value() != 0 {
            return Err(DiscardReason::IcmpUnhandled);
        }
        return Ok(datagram_v4(&header, &packet[header.slice().len()..]));
    }
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| DiscardReason::IcmpHeader)?;
    // We send no extension headers, so none needs to be skipped.
    Ok(Datagram {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.next_header(),
        payload: &packet[Ipv6Header::LEN..],
    })
}

/// Appends an IP header for `payload_len` bytes of `protocol`. `identification` is used by IPv4
/// only. Both addresses are of one family.
pub(super) fn write_header(
    out: &mut Vec<u8>,
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNumber,
    payload_len: usize,
    identification: u16,
    treatment: Treatment,
) {
    let payload_length =
        u16::try_from(payload_len).expect("what is sent was cut to fit one IP packet");
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (source, destination) = (source.octets(), destination.octets());
            let hops = treatment.hop_limit;
            let mut header = Ipv4Header::new(payload_length, hops, protocol, source, destination)
                .expect("what is sent was cut to fit one IP packet");
            header.dscp = IpDscp::try_new(treatment.traffic_class >> 2).unwrap_or_default();
            header.identification = identification;
            header.dont_fragment = true;
            header.header_checksum = header.calc_header_checksum();
            out.extend_from_slice(&header.to_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6Header {
                payload_length,
                next_header: protocol,
                traffic_class: treatment.traffic_class,
                hop_limit: treatment.hop_limit,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv6Header::default()
            };
            out.extend_from_slice(&header.to_bytes());
        }
        _ => unreachable!("both ends of a connection are of one family"),
    }
}

fn version(packet: &[u8]) -> Option<u8> {
    packet.first().map(|byte| byte >> 4)
}

fn parse_v4(packet: &[u8]) -> Result<Datagram<'_>, DiscardReason> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| DiscardReason::IpHeader)?;
    // "A host MUST verify the IP header checksum on every received datagram" (RFC 1122 §3.2.1.2).
    if Sum::default().add(header.slice()).finish() != 0 {
        return Err(DiscardReason::IpChecksum);
    }
    let payload = packet
        .get(header.slice().len()..usize::from(header.total_len()))
        .ok_or(DiscardReason::IpHeader)?;
    if header.is_fragmenting_payload() {
        return Err(DiscardReason::IpFragment);
    }
    Ok(datagram_v4(&header, payload))
}

fn datagram_v4<'a>(header: &Ipv4HeaderSlice<'_>, payload: &'a [u8]) -> Datagram<'a> {
    Datagram {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.protocol(),
        payload,
    }
}

fn parse_v6(packet: &[u8]) -> Result<Datagram<'_>, DiscardReason> {
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| DiscardReason::IpHeader)?;
    let end = Ipv6Header::LEN + usize::from(header.payload_length());
    let payload = packet
        .get(Ipv6Header::LEN..end)
        .ok_or(DiscardReason::IpHeader)?;
    let (protocol, payload) = extensions::skip(header.next_header(), payload)?;
    Ok(Datagram {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol,
        payload,
    })
}

/// Whether `address` can belong to exactly one host.
fn may_be_one_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_multicast() || address.is_unspecified() || broadcast || is_mapped(address))
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

#[cfg(test)]
mod tests {
    use etherparse::ip_number;

    use super::*;

    /// The header every test packet ends with: nothing looks inside.
    const DATA: [u8; 20] = [7; 20];

    fn packet_v4(edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut packet = Vec::new();
        let (source, destination) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let protocol = ip_number::TCP;
        write_header(
            &mut packet,
            source,
            destination,
            protocol,
            DATA.len(),
            9,
            TREATMENT,
        );
        edit(&mut packet);
        packet[10..12].fill(0);
        let checksum = Sum::default().add(&packet).finish();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(DATA);
        packet
    }

    fn packet_v6(first: IpNumber, extensions: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let (source, destination) = ([0x20; 16].into(), [0x30; 16].into());
        let length = extensions.len() + DATA.len();
        write_header(
            &mut packet,
            source,
            destination,
            first,
            length,
            0,
            TREATMENT,
        );
        packet.extend(extensions);
        packet.extend(DATA);
        packet
    }

    fn refused(packet: &[u8]) -> DiscardReason {
        parse(packet).err().expect("a refusal")
    }

    #[test]
    fn neither_version_is_no_ip() {
        for packet in [&[][..], &[0x00], &[0x50; 40], &[0xff; 60]] {
            assert_eq!(refused(packet), DiscardReason::NotIp);
        }
    }

    /// RFC 9293 §3.9.2, MUST-50: padding, a router alert, a source route that is completed, and nonsense.
    #[test]
    fn ipv4_options_are_skipped() {
        let route = [131, 7, 8, 198, 18, 0, 9, 0];
        for options in [&[1, 1, 1, 0][..], &[148, 4, 0, 0], &route, &[99, 200, 0, 0]] {
            let mut packet = packet_v4(|_| ());
            packet.truncate(20);
            packet.extend(options);
            packet[0] += options.len() as u8 / 4;
            packet[3] += options.len() as u8;
            packet[10..12].fill(0);
            let checksum = Sum::default().add(&packet).finish();
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            packet.extend(DATA);
            assert_eq!(parse(&packet).ok().unwrap().payload, DATA);
        }
    }

    #[test]
    fn ipv4_lengths_that_do_not_fit_are_refused() {
        for total in [0, 19, 41, 65_535u16] {
            let packet = packet_v4(|header| header[2..4].copy_from_slice(&total.to_be_bytes()));
            assert_eq!(refused(&packet), DiscardReason::IpHeader, "{total}");
        }
        assert_eq!(
            refused(&packet_v4(|header| header[0] = 0x44)),
            DiscardReason::IpHeader
        );
    }

    #[test]
    fn a_wrong_ipv4_header_checksum_is_refused() {
        let mut packet = packet_v4(|_| ());
        packet[8] -= 1;
        assert_eq!(refused(&packet), DiscardReason::IpChecksum);
    }

    #[test]
    fn ipv4_fragments_are_refused() {
        for flags in [0x20, 0x01, 0x21, 0x1f] {
            let packet = packet_v4(|header| header[6] = flags);
            assert_eq!(refused(&packet), DiscardReason::IpFragment);
        }
        assert!(parse(&packet_v4(|header| header[6] = 0)).is_ok());
    }

    #[test]
    fn an_ipv6_payload_longer_than_the_packet_is_refused() {
        let mut packet = packet_v6(ip_number::TCP, &[]);
        packet[5] += 1;
        assert_eq!(refused(&packet), DiscardReason::IpHeader);
    }
}
