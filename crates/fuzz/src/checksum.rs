//! The internet checksum word by word, as RFC 1071 defines it: the core's quicker one is held against it.

use std::net::IpAddr;

/// The checksum of `bytes`; zero if they hold a right one.
pub(crate) fn of(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0_u32, |sum, word| {
        let word = [word[0], word.get(1).copied().unwrap_or(0)];
        let sum = sum + u32::from(u16::from_be_bytes(word));
        (sum & 0xffff) + (sum >> 16)
    });
    !(sum as u16)
}

/// The checksum of a transport's `bytes`, with the pseudo header of RFC 9293 §3.1 before them.
fn with_pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let mut all = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(v4) => all.extend(v4.octets()),
            IpAddr::V6(v6) => all.extend(v6.octets()),
        }
    }
    all.extend(u32::from(protocol).to_be_bytes());
    all.extend((bytes.len() as u32).to_be_bytes());
    all.extend(bytes);
    of(&all)
}

/// Makes the header checksum of an IPv4 packet right, if there is a whole header.
pub(crate) fn repair_ipv4(packet: &mut [u8]) {
    let length = packet
        .first()
        .map_or(0, |first| usize::from(first & 15) * 4);
    if let Some(header @ [_, _, _, _, _, _, _, _, _, _, _, _, ..]) = packet.get_mut(..length) {
        header[10..12].fill(0);
        let sum = of(header).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
    }
}

/// The sum over what follows the IP header `ip`, with the pseudo header where the protocol has one.
pub(crate) fn behind(ip: &[u8], rest: &[u8]) -> u16 {
    const ICMP: u8 = 1;
    let (source, destination, protocol): (IpAddr, IpAddr, _) = if ip[0] >> 4 == 4 {
        let ends = ip[12..20].as_chunks::<4>().0;
        (ends[0].into(), ends[1].into(), ip[9])
    } else {
        let ends = ip[8..40].as_chunks::<16>().0;
        (ends[0].into(), ends[1].into(), ip[6])
    };
    if protocol == ICMP {
        of(rest)
    } else {
        with_pseudo_header(source, destination, protocol, rest)
    }
}

/// Puts the right checksum at place `at` of what follows the IP header `ip`.
pub(crate) fn fill(ip: &[u8], rest: &mut [u8], at: usize) {
    rest[at..at + 2].fill(0);
    let sum = behind(ip, rest).to_be_bytes();
    rest[at..at + 2].copy_from_slice(&sum);
}
