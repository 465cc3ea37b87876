use super::*;
use crate::wire::tests::{hex, tuple};
use crate::wire::{Checksum, Packet, TREATMENT, parse, write_echo_reply};

/// What Linux answered to a segment it was forbidden to forward, and to one without a route.
const PROHIBITED_V4: &str = "45c000485446000040019987c6120001c6120002030dff2b00000000\
    4500002c00074000400638abc6120002cb0071059c4000500102030405060708501803e80c31000078787878";
const NO_ROUTE_V6: &str = "6009cd9b00483a40fd000000000000000000000000000001fd00000000000000\
    000000000000000201009e3e000000006000000000180640fd00000000000000\
    0000000000000002fd0100000000000000000000000000059c40005001020304\
    05060708501803e81442000078787878";
/// What Linux says of itself on a new interface: router solicitation, multicast listener report.
const SOLICITATION: &str = "6000000000083afffe80000000000000dc62af8a5a25e86a\
    ff0200000000000000000000000000028500aeb900000000";
const LISTENER_REPORT: &str = "6000000000380001fe80000000000000dc62af8a5a25e86aff020000\
    0000000000000000000000163a000502000001008f009e6e0000000204000000ff0500000000000000000000\
    0000000204000000ff020000000000000000000000000002";

const SEQ: SeqNumber = SeqNumber(0x0102_0304);

/// An ICMP message with its checksum, in an IP packet from one router to one of our addresses.
fn packet(is_ipv4: bool, head: [u8; 8], body: &[u8]) -> Vec<u8> {
    let (router, us, protocol) = if is_ipv4 {
        ([10, 0, 0, 9].into(), [10, 0, 0, 1].into(), ip_number::ICMP)
    } else {
        ([0x20; 16].into(), [0x30; 16].into(), ip_number::IPV6_ICMP)
    };
    let mut message = [&head, body].concat();
    message[2..4].fill(0);
    let sum = if is_ipv4 {
        Sum::default()
    } else {
        pseudo_header(router, us, message.len())
    };
    let checksum = sum.add(&message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut packet = Vec::new();
    ip::write_header(
        &mut packet,
        router,
        us,
        protocol,
        message.len(),
        0,
        TREATMENT,
    );
    packet.extend(message);
    packet
}

/// The packets quoted in the errors above.
fn quoted(is_ipv4: bool) -> Vec<u8> {
    if is_ipv4 {
        hex(PROHIBITED_V4).split_off(28)
    } else {
        hex(NO_ROUTE_V6).split_off(48)
    }
}

fn error(packet: &[u8]) -> IcmpError {
    match parse(packet, Checksum::Unknown) {
        Ok(Packet::Icmp(Icmp::Error(error))) => error,
        other => panic!("{other:?}"),
    }
}

fn refused(packet: &[u8]) -> DiscardReason {
    parse(packet, Checksum::Unknown).unwrap_err().reason
}

fn kind_of(is_ipv4: bool, head: [u8; 8]) -> IcmpKind {
    error(&packet(is_ipv4, head, &quoted(is_ipv4))).kind
}

#[test]
fn errors_of_linux_name_the_segment_they_are_about() {
    let unreachable = |code| IcmpKind::Unreachable { code };
    let expected = IcmpError {
        tuple: tuple("198.18.0.2:40000", "203.0.113.5:80"),
        seq: SEQ,
        kind: unreachable(Unreachable::Prohibited),
    };
    assert_eq!(error(&hex(PROHIBITED_V4)), expected);
    let expected = IcmpError {
        tuple: tuple("[fd00::2]:40000", "[fd01::5]:80"),
        seq: SEQ,
        kind: unreachable(Unreachable::Network),
    };
    assert_eq!(error(&hex(NO_ROUTE_V6)), expected);
}

#[test]
fn eight_bytes_of_the_segment_are_enough_and_fewer_are_not() {
    for (is_ipv4, header, head) in [(true, 20, [3, 1]), (false, 40, [1, 3])] {
        let head = [head[0], head[1], 0, 0, 0, 0, 0, 0];
        let quote = quoted(is_ipv4);
        for length in 0..quote.len() {
            let packet = packet(is_ipv4, head, &quote[..length]);
            if length < header + 8 {
                assert_eq!(refused(&packet), DiscardReason::IcmpHeader);
            } else {
                assert_eq!(error(&packet).seq, SEQ);
            }
        }
    }
}

#[test]
fn too_big_says_the_mtu_in_both_families() {
    let mtu = |mtu| IcmpKind::PacketTooBig { mtu };
    assert_eq!(kind_of(true, [3, 4, 0, 0, 0, 0, 5, 0]), mtu(1280));
    assert_eq!(kind_of(true, [3, 4, 0, 0, 0, 0, 0, 0]), mtu(0));
    assert_eq!(kind_of(false, [2, 0, 0, 0, 0, 1, 0, 0]), mtu(65_536));
}

#[test]
fn codes_of_both_families_have_one_meaning() {
    use Unreachable::*;
    let v4 = [
        Some(Network),
        Some(Host),
        Some(Protocol),
        Some(Port),
        None,
        Some(SourceRoute),
        Some(Network),
        Some(Host),
        Some(Host),
        Some(Prohibited),
        Some(Prohibited),
        Some(Network),
        Some(Host),
        Some(Prohibited),
        Some(Prohibited),
        Some(Prohibited),
    ];
    for (number, code) in (0..).zip(v4) {
        if let Some(code) = code {
            let kind = kind_of(true, [3, number, 0, 0, 0, 0, 0, 0]);
            assert_eq!(kind, IcmpKind::Unreachable { code }, "{number}");
        }
    }
    let v6 = [
        Network, Prohibited, Network, Host, Port, Prohibited, Prohibited,
    ];
    for (number, code) in (0..).zip(v6) {
        let kind = kind_of(false, [1, number, 0, 0, 0, 0, 0, 0]);
        assert_eq!(kind, IcmpKind::Unreachable { code }, "{number}");
    }
    for (is_ipv4, time, parameter) in [(true, 11, 12), (false, 3, 4)] {
        let head = |kind| [kind, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(kind_of(is_ipv4, head(time)), IcmpKind::TimeExceeded);
        assert_eq!(
            kind_of(is_ipv4, head(parameter)),
            IcmpKind::ParameterProblem
        );
    }
}

#[test]
fn quotes_that_cannot_be_ours_are_refused() {
    let mut udp = quoted(true);
    udp[9] = 17;
    let head = [3, 3, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        refused(&packet(true, head, &udp)),
        DiscardReason::IcmpUnhandled
    );
    let mut later_fragment = quoted(true);
    later_fragment[7] = 1;
    assert_eq!(
        refused(&packet(true, head, &later_fragment)),
        DiscardReason::IcmpUnhandled
    );
    let mut mapped = quoted(false);
    let address = "::ffff:10.0.0.1".parse::<std::net::Ipv6Addr>().unwrap();
    mapped[8..24].copy_from_slice(&address.octets());
    assert_eq!(
        refused(&packet(false, [1, 0, 0, 0, 0, 0, 0, 0], &mapped)),
        DiscardReason::IcmpNoConnection
    );
}

#[test]
fn messages_that_ask_for_nothing_are_told_apart_from_broken_ones() {
    for digits in [SOLICITATION, LISTENER_REPORT] {
        assert_eq!(refused(&hex(digits)), DiscardReason::IcmpUnhandled);
    }
    let (redirect, echo_reply) = ([5, 1, 0, 0, 0, 0, 0, 0], [0; 8]);
    for head in [redirect, echo_reply] {
        assert_eq!(
            refused(&packet(true, head, &quoted(true))),
            DiscardReason::IcmpUnhandled
        );
    }
    for is_ipv4 in [true, false] {
        let mut short = packet(is_ipv4, [0; 8], &[]);
        short.truncate(short.len() - 1);
        let length_at = if is_ipv4 { 3 } else { 5 };
        short[length_at] -= 1;
        if is_ipv4 {
            short[11] += 1; // the header checksum rises as the length falls
        }
        assert_eq!(refused(&short), DiscardReason::IcmpHeader);
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    for digits in [PROHIBITED_V4, NO_ROUTE_V6] {
        let mut packet = hex(digits);
        *packet.last_mut().unwrap() ^= 4;
        assert_eq!(refused(&packet), DiscardReason::IcmpChecksum);
    }
}

#[test]
fn an_echo_reply_returns_everything_but_the_type() {
    for (is_ipv4, request, reply, header) in [(true, 8, 0, 20), (false, 128, 129, 40)] {
        let asked = packet(is_ipv4, [request, 0, 0, 0, 1, 2, 3, 4], b"odd");
        let Ok(Packet::Icmp(Icmp::Echo {
            source,
            destination,
            message,
        })) = parse(&asked, Checksum::Unknown)
        else {
            panic!("no echo");
        };
        assert_eq!(message, &asked[header..]);
        let mut answer = std::vec![1, 2, 3];
        write_echo_reply(&mut answer, destination, source, message, TREATMENT);
        let datagram = ip::parse(&answer).ok().unwrap();
        assert_eq!(
            (datagram.source, datagram.destination),
            (destination, source)
        );
        assert_eq!(datagram.payload[..2], [reply, 0]);
        assert_eq!(datagram.payload[4..], message[4..]);
        // The checksum is right: only the type keeps the answer from being used.
        assert_eq!(refused(&answer), DiscardReason::IcmpUnhandled);
    }
}

#[test]
fn echo_to_many_is_not_answered() {
    let mut asked = packet(false, [128, 0, 0, 0, 0, 0, 0, 0], &[]);
    // 0xff02 for 0x3030 in the address, made up for in the checksum.
    asked[24..26].copy_from_slice(&[0xff, 0x02]);
    asked[42..44].fill(0);
    let (source, us) = ([0x20; 16].into(), {
        let mut address = [0x30; 16];
        address[..2].copy_from_slice(&[0xff, 0x02]);
        address.into()
    });
    let checksum = pseudo_header(source, us, 8).add(&asked[40..]).finish();
    asked[42..44].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(refused(&asked), DiscardReason::NotForUs);
}
