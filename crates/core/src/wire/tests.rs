use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::{Flags, Options, SeqNumber, Timestamps};

/// SYNs as Linux sent them.
const SYN_V4: &str = "4500003c748d400040063a07c6120001c6120002caaa00503b247eea00000000\
    a002faf0eec70000020405b40402080a541bf8f7000000000103030a";
const SYN_V6: &str = "600aaa1400280640fd000000000000000000000000000001fd00000000000000\
    0000000000000002e7ea0050cdcb5a3800000000a002fd202a8f0000020405a0\
    0402080a8b238afa000000000103030a";

/// The bytes that `digits` spell.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

pub(super) fn tuple(local: &str, remote: &str) -> FourTuple {
    let socket = |text: &str| text.parse::<SocketAddr>().expect("a socket address");
    FourTuple::new(socket(local), socket(remote))
}

fn segment(tuple: FourTuple, payload: &[u8]) -> Segment<'_> {
    Segment {
        tuple,
        seq: SeqNumber(1),
        ack: SeqNumber(2),
        wnd: 3,
        flags: Flags::ACK,
        urgent: 0,
        options: Options::default(),
        payload,
    }
}

fn written(segment: &Segment<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_segment(&mut out, segment, [], 1, TREATMENT);
    out
}

/// A segment from `remote` to `local`, on the wire.
fn sent(local: &str, remote: &str) -> Vec<u8> {
    written(&segment(tuple(remote, local), b"data"))
}

fn parse_tcp(packet: &[u8]) -> Segment<'_> {
    match parse(packet, Checksum::Unknown) {
        Ok(Packet::Tcp(segment)) => segment,
        other => panic!("{other:?}"),
    }
}

fn refused(packet: &[u8]) -> DiscardReason {
    parse(packet, Checksum::Unknown).unwrap_err().reason
}

#[test]
fn a_syn_of_linux_is_read_and_written_alike() {
    let packet = hex(SYN_V4);
    let syn = parse_tcp(&packet);
    assert_eq!(syn.tuple, tuple("198.18.0.2:80", "198.18.0.1:51882"));
    assert_eq!(syn.seq, SeqNumber(0x3b24_7eea));
    assert_eq!((syn.flags, syn.wnd, syn.urgent), (Flags::SYN, 64_240, 0));
    let options = Options {
        mss: Some(1460),
        window_scale: Some(10),
        sack_permitted: true,
        timestamps: Some(Timestamps {
            value: 0x541b_f8f7,
            echo: 0,
        }),
        ..Options::default()
    };
    assert_eq!(syn.options, options);
    assert!(syn.payload.is_empty());
    let mut again = Vec::new();
    let tuple = syn.tuple.reversed();
    write_segment(&mut again, &Segment { tuple, ..syn }, [], 0x748d, TREATMENT);
    assert_eq!(again, packet);
}

#[test]
fn a_syn_of_linux_over_ipv6_is_read_and_written_alike() {
    let mut packet = hex(SYN_V6);
    packet[1..4].fill(0); // the flow label
    let syn = parse_tcp(&packet);
    assert_eq!(syn.tuple, tuple("[fd00::2]:80", "[fd00::1]:59370"));
    let mut again = Vec::new();
    let tuple = syn.tuple.reversed();
    write_segment(&mut again, &Segment { tuple, ..syn }, [], 7, TREATMENT);
    assert_eq!(again, packet);
}

#[test]
fn padding_after_the_packet_is_no_data() {
    for digits in [SYN_V4, SYN_V6] {
        let packet = [hex(digits), std::vec![0xff; 6]].concat();
        assert!(parse_tcp(&packet).payload.is_empty());
    }
}

#[test]
fn a_packet_cut_short_anywhere_is_refused() {
    for packet in [hex(SYN_V4), hex(SYN_V6)] {
        for length in 0..packet.len() {
            assert!(parse(&packet[..length], Checksum::Verified).is_err());
        }
    }
}

#[test]
fn a_wrong_checksum_is_told_with_the_tuple_unless_the_device_vouches() {
    let mut packet = sent("10.0.0.1:80", "10.0.0.2:4000");
    *packet.last_mut().unwrap() ^= 1;
    let expected = Unusable {
        reason: DiscardReason::TcpChecksum,
        tuple: Some(tuple("10.0.0.1:80", "10.0.0.2:4000")),
    };
    assert_eq!(parse(&packet, Checksum::Unknown).unwrap_err(), expected);
    assert!(parse(&packet, Checksum::Verified).is_ok());
}

#[test]
fn a_data_offset_outside_the_segment_is_refused() {
    for offset in [0, 4, 7, 15] {
        let mut packet = sent("10.0.0.1:80", "10.0.0.2:4000");
        packet[32] = offset << 4;
        assert_eq!(refused(&packet), DiscardReason::TcpHeader, "{offset}");
    }
}

#[test]
fn addresses_of_no_host_are_refused() {
    for source in ["224.0.0.1:1", "255.255.255.255:1", "0.0.0.0:1"] {
        let packet = sent("10.0.0.1:80", source);
        let unusable = parse(&packet, Checksum::Unknown).unwrap_err();
        assert_eq!(unusable.reason, DiscardReason::BadSource);
        assert_eq!(unusable.tuple, Some(tuple("10.0.0.1:80", source)));
        assert_eq!(
            refused(&sent(source, "10.0.0.1:80")),
            DiscardReason::NotForUs
        );
    }
    for source in ["[ff02::1]:1", "[::]:1"] {
        assert_eq!(
            refused(&sent("[fd00::1]:80", source)),
            DiscardReason::BadSource
        );
        assert_eq!(
            refused(&sent(source, "[fd00::1]:80")),
            DiscardReason::NotForUs
        );
    }
}

#[test]
fn ipv4_mapped_addresses_in_ipv6_are_never_taken_for_ipv4() {
    let mapped = std::net::Ipv4Addr::new(10, 0, 0, 1)
        .to_ipv6_mapped()
        .octets();
    for (place, reason) in [(8, DiscardReason::BadSource), (24, DiscardReason::NotForUs)] {
        let mut packet = sent("[fd00::1]:80", "[fd00::2]:4000");
        packet[place..place + 16].copy_from_slice(&mapped);
        let tuple = None;
        let unusable = parse(&packet, Checksum::Verified).unwrap_err();
        assert_eq!(unusable, Unusable { reason, tuple });
    }
}

#[test]
fn other_protocols_are_refused() {
    let (v4, v6) = ([10, 0, 0, 1].into(), [0x20; 16].into());
    for (address, protocol) in [
        (v4, ip_number::UDP),
        (v4, ip_number::IPV6_ICMP),
        (v6, ip_number::UDP),
        (v6, ip_number::ICMP),
        (v6, ip_number::IPV6_NO_NEXT_HEADER),
    ] {
        let mut packet = Vec::new();
        ip::write_header(&mut packet, address, address, protocol, 0, 0, TREATMENT);
        assert_eq!(refused(&packet), DiscardReason::Protocol);
    }
}

#[test]
fn headers_without_options_have_the_length_told() {
    assert_eq!(
        written(&segment(tuple("10.0.0.1:1", "10.0.0.2:1"), &[])).len(),
        header_len(true)
    );
    assert_eq!(
        written(&segment(tuple("[fd00::1]:1", "[fd00::2]:1"), &[])).len(),
        header_len(false)
    );
}

fn any_tuple() -> impl Strategy<Value = FourTuple> {
    // Below 224 and without a leading zero byte every address may be a host's.
    let v4 = any::<([u8; 3], u16)>().prop_map(|([a, b, c], port)| {
        let address = [1 + a % 223, a, b, c];
        SocketAddr::new(address.into(), port)
    });
    let v6 = any::<([u8; 16], u16)>().prop_map(|(mut address, port)| {
        address[0] = 0x20;
        SocketAddr::new(address.into(), port)
    });
    let pair_v4 = (v4.clone(), v4).prop_map(|(local, remote)| FourTuple::new(local, remote));
    let pair_v6 = (v6.clone(), v6).prop_map(|(local, remote)| FourTuple::new(local, remote));
    prop_oneof![pair_v4, pair_v6]
}

prop_compose! {
    fn any_segment()(
        tuple in any_tuple(),
        (seq, ack, wnd, flags, urgent) in any::<(u32, u32, u16, u8, u16)>(),
        options in options::tests::any_options(),
    ) -> Segment<'static> {
        Segment {
            tuple,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            wnd,
            flags: Flags::from_bits_retain(flags) | Flags::SYN,
            urgent,
            options,
            payload: &[],
        }
    }
}

proptest! {
    #[test]
    fn a_segment_survives_the_wire(
        segment in any_segment(),
        data in prop::collection::vec(any::<u8>(), 0..100),
        more in prop::collection::vec(any::<u8>(), 0..100),
        identification: u16,
    ) {
        let mut out = std::vec![1, 2, 3];
        let segment = Segment { payload: &data, ..segment };
        write_segment(&mut out, &segment, [&more[..]], identification, TREATMENT);
        let read = parse_tcp(&out);
        prop_assert_eq!(read.tuple, segment.tuple.reversed());
        prop_assert_eq!((read.seq, read.ack, read.wnd), (segment.seq, segment.ack, segment.wnd));
        prop_assert_eq!((read.flags, read.urgent), (segment.flags, segment.urgent));
        prop_assert_eq!(read.options, options::tests::fitting(&segment.options));
        prop_assert_eq!(read.payload, [&data[..], &more].concat());
    }

    #[test]
    fn one_flipped_bit_is_always_noticed(segment in any_segment(), bit: prop::sample::Index) {
        let mut packet = written(&Segment { payload: b"some data", ..segment });
        // In IPv6, hop limit, flow label and the like are covered by no checksum.
        let covered_from = if segment.tuple.is_ipv4() { 0 } else { 8 };
        let bit = bit.index((packet.len() - covered_from) * 8);
        packet[covered_from + bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(&packet, Checksum::Unknown).is_err());
    }

    #[test]
    fn any_bytes_can_be_parsed(
        start in prop::sample::select(std::vec![
            &[][..], &[0x45], &[0x60], &[0x45, 0, 0, 60, 0, 0, 0, 0, 64, 6],
            &[0x60, 0, 0, 0, 0, 40, 6], &[0x60, 0, 0, 0, 0, 40, 0], &[0x60, 0, 0, 0, 0, 40, 58],
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = parse(&[start, &rest].concat(), Checksum::Verified);
    }
}
