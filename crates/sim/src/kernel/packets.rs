//! Which packets a script is told of.

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// From here on ICMPv6 is about the link: listeners, routers, neighbours (RFC 4443 §2.1 leaves 128 to 255 to
/// informational messages, of which 128 and 129 are echoes).
const ABOUT_THE_LINK: u8 = 130;

/// Whether it is one: TCP, UDP, and ICMP but for what IPv6 says to its link.
pub(super) fn are_told(packet: &[u8]) -> bool {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => matches!(packet.get(9), Some(&(ICMP | TCP | UDP))),
        Some(6) => match packet.get(6) {
            Some(&(TCP | UDP)) => true,
            Some(&ICMPV6) => packet.get(40).is_some_and(|&kind| kind < ABOUT_THE_LINK),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ipv6_says_to_its_link_is_not_told() {
        let packet = |version: u8, at: usize, protocol: u8, kind: u8| {
            let mut packet = vec![0; 60];
            packet[0] = version << 4;
            packet[at] = protocol;
            packet[40] = kind;
            packet
        };
        assert!(are_told(&packet(4, 9, TCP, 0)) && are_told(&packet(6, 6, TCP, 0)));
        assert!(are_told(&packet(6, 6, ICMPV6, 2)), "packet too big");
        assert!(!are_told(&packet(6, 6, ICMPV6, 133)), "router solicitation");
        assert!(!are_told(&packet(6, 6, 0, 0)), "hop-by-hop, as MLD has it");
        assert!(!are_told(&[]) && !are_told(&[0x60; 8]));
    }
}
