//! `headers`: whole IP packets. What the parser takes, etherparse reads alike; written and parsed again it is the
//! same; and a stack that gets it answers at most once, never a packet that is broken and never a RST.
//!
//! The first byte says what is made right before: bit 0 the IPv4 header checksum, bit 1 the addresses.

use estab_core::{
    Checksum, Config, Flags, Instant, ListenOptions, Options, Secrets, Segment, Stack, fuzzing,
};
use etherparse::{SlicedPacket, TransportSlice};

use crate::checksum;

const OURS: [u8; 4] = [198, 18, 0, 1];
const THEIRS: [u8; 4] = [198, 18, 0, 2];
const OURS_V6: [u8; 16] = [0xfd, 0, 0xe5, 0x7a, 0, 0xb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const THEIRS_V6: [u8; 16] = [0xfd, 0, 0xe5, 0x7a, 0, 0xb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// The target.
pub fn run(data: &[u8]) {
    let Some((repair, packet)) = data.split_first() else {
        return;
    };
    let mut packet = packet.to_vec();
    if repair & 2 != 0 {
        address(&mut packet);
    }
    if repair & 1 != 0 && packet.first().is_some_and(|first| first >> 4 == 4) {
        checksum::repair_ipv4(&mut packet);
    }
    for known in [Checksum::Unknown, Checksum::Verified] {
        if let Ok(Some(segment)) = fuzzing::parse(&packet, known) {
            compare_with_etherparse(&packet, &segment);
            write_back(&segment);
        }
        offer_to_a_stack(&packet, known);
    }
}

/// Puts both ends' addresses into a packet that has room for them.
fn address(packet: &mut [u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= 20 => {
            packet[12..16].copy_from_slice(&THEIRS);
            packet[16..20].copy_from_slice(&OURS);
        }
        Some(6) if packet.len() >= 40 => {
            packet[8..24].copy_from_slice(&THEIRS_V6);
            packet[24..40].copy_from_slice(&OURS_V6);
        }
        _ => {}
    }
}

/// Other hands read the same.
fn compare_with_etherparse(packet: &[u8], segment: &Segment<'_>) {
    let sliced = SlicedPacket::from_ip(packet).expect("what we take, etherparse takes");
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
        panic!("etherparse finds no TCP in {packet:x?}");
    };
    let Segment {
        tuple,
        seq,
        ack,
        wnd,
        flags,
        urgent,
        payload,
        ..
    } = *segment;
    let ports = (tuple.remote_port(), tuple.local_port());
    assert_eq!(ports, (tcp.source_port(), tcp.destination_port()));
    let numbers = (tcp.sequence_number(), tcp.acknowledgment_number());
    assert_eq!((seq.0, ack.0), numbers);
    assert_eq!(wnd, tcp.window_size());
    assert_eq!(urgent, tcp.urgent_pointer());
    assert_eq!(payload, tcp.payload());
    let bits = [
        (Flags::FIN, tcp.fin()),
        (Flags::SYN, tcp.syn()),
        (Flags::RST, tcp.rst()),
        (Flags::PSH, tcp.psh()),
        (Flags::ACK, tcp.ack()),
        (Flags::URG, tcp.urg()),
        (Flags::ECE, tcp.ece()),
        (Flags::CWR, tcp.cwr()),
    ];
    for (flag, is_set) in bits {
        assert_eq!(flags.contains(flag), is_set, "{flag:?}");
    }
}

/// Parse, write, parse is the identity.
pub(crate) fn write_back(segment: &Segment<'_>) {
    let ours = Segment {
        tuple: segment.tuple.reversed(),
        ..*segment
    };
    let packet = fuzzing::write(&ours, &[]);
    assert_checksums(&packet);
    let again = match fuzzing::parse(&packet, Checksum::Unknown) {
        Ok(Some(again)) => again,
        other => panic!("what was written cannot be read: {other:?}"),
    };
    let plain = |segment: &Segment<'_>| {
        let Segment {
            tuple,
            seq,
            ack,
            wnd,
            flags,
            urgent,
            ..
        } = *segment;
        (tuple, seq, ack, wnd, flags, urgent)
    };
    assert_eq!(plain(&again), plain(segment));
    assert_eq!(again.payload, segment.payload);
    assert_same_options(&again.options, &segment.options);
    // A second time nothing is left to lose.
    let ours = Segment {
        tuple: again.tuple.reversed(),
        ..again
    };
    assert_eq!(fuzzing::write(&ours, &[]), packet);
}

/// All but the SACK blocks that found no room beside the padding of the others.
fn assert_same_options(written: &Options, read: &Options) {
    let sack = written.sack;
    assert_eq!(*written, Options { sack, ..*read });
    let kept: Vec<_> = sack.iter().collect();
    let all: Vec<_> = read.sack.iter().collect();
    assert!(all.starts_with(&kept), "{kept:?} of {all:?}");
}

/// The checksums of a packet that the core has written.
pub(crate) fn assert_checksums(packet: &[u8]) {
    let is_v4 = packet[0] >> 4 == 4;
    let (ip, rest) = packet.split_at(if is_v4 { 20 } else { 40 });
    assert!(!is_v4 || checksum::of(ip) == 0, "{packet:x?}");
    assert_eq!(checksum::behind(ip, rest), 0, "{packet:x?}");
}

/// A stack with nothing but a listener.
fn offer_to_a_stack(packet: &[u8], known: Checksum) {
    let config = Config {
        addresses: vec![OURS.into(), OURS_V6.into()],
        ..Config::default()
    };
    let now = Instant::from_millis(1_000);
    let mut stack = Stack::new(
        config,
        Secrets::from_seed(1),
        estab_core::observe::Silent,
        now,
    );
    let everywhere = ([0_u16; 8], 80).into();
    stack
        .listen(now, ListenOptions::new(everywhere))
        .expect("nothing is taken");
    stack.receive(now, packet, known);
    let parsed = fuzzing::parse(packet, known);
    let segments = u64::from(matches!(parsed, Ok(Some(_))));
    assert_eq!(stack.counters().in_segs, segments);
    let mut answers = Vec::new();
    stack.transmit(now, &mut |answer: &[u8]| answers.push(answer.to_vec()));
    assert!(!stack.wants_to_transmit());
    let was_reset = matches!(parsed, Ok(Some(segment)) if segment.has(Flags::RST));
    let most = usize::from(parsed.is_ok() && !was_reset);
    assert!(answers.len() <= most, "{parsed:?}: {answers:x?}");
    for answer in &answers {
        assert_checksums(answer);
        // No amplification: a SYN,ACK has its options, an echo what was asked.
        assert!(answer.len() <= packet.len().max(80), "{answer:x?}");
        fuzzing::parse(answer, Checksum::Unknown)
            .map(|_| ())
            .or_else(|reason| match reason {
                estab_core::observe::DiscardReason::IcmpUnhandled => Ok(()),
                other => Err(other),
            })
            .expect("what we send can be read");
    }
}
