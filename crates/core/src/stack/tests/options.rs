//! What the handshake agrees on: MSS, window scale, SACK, timestamps (RFC 9293 §3.7.1, RFC 7323, RFC 2018).

use super::*;

const TIMES: Timestamps = Timestamps {
    value: 5000,
    echo: 0,
};

#[test]
fn a_syn_offers_everything_and_the_mss_of_the_link() {
    for (family, mss) in [(V4, 1460), (V6, 1440)] {
        let mut harness = Harness::new(family);
        let (_, _, syn) = harness.connect();
        let options = syn.options;
        assert_eq!(options.mss, Some(mss));
        assert!(options.sack_permitted && options.window_scale.is_some());
        assert_eq!(options.timestamps.unwrap().echo, 0);
        assert_eq!(syn.wnd, u16::MAX);
    }
}

#[test]
fn what_is_switched_off_is_neither_offered_nor_accepted() {
    let off = |config: &mut Config| {
        config.timestamps = false;
        config.window_scaling = false;
        config.sack = false;
    };
    let offer = |segment: &mut Segment<'_>| {
        segment.options.timestamps = Some(TIMES);
        segment.options.window_scale = Some(7);
        segment.options.sack_permitted = true;
    };
    let check = |options: &Options| {
        assert!(options.mss.is_some());
        assert_eq!((options.timestamps, options.window_scale), (None, None));
        assert!(!options.sack_permitted);
    };
    let mut harness = Harness::with(V4, off);
    let (_, _, syn) = harness.connect();
    check(&syn.options);
    harness.listen();
    harness.syn_with(1000, offer);
    check(&harness.next().unwrap().options);
    let mut harness = Harness::with(V4, off);
    let (_, id) = harness.connected_with(offer);
    let status = harness.status(id);
    assert!(!status.timestamps && !status.sack);
    assert_eq!(status.window_shifts, (0, 0));
}

/// Every combination: the SYN,ACK has exactly what the SYN had.
#[test]
fn a_syn_ack_answers_exactly_the_options_of_the_syn() {
    both(|family| {
        for bits in 0..8_u8 {
            let mut harness = Harness::new(family);
            harness.listen();
            harness.syn_with(1000, |segment| {
                segment.options.timestamps = (bits & 1 != 0).then_some(TIMES);
                segment.options.window_scale = (bits & 2 != 0).then_some(0);
                segment.options.sack_permitted = bits & 4 != 0;
            });
            let options = harness.next().unwrap().options;
            let answer = u8::from(options.timestamps.is_some())
                | u8::from(options.window_scale.is_some()) << 1
                | u8::from(options.sack_permitted) << 2;
            assert_eq!(answer, bits);
            if let Some(times) = options.timestamps {
                assert_eq!(times.echo, TIMES.value);
            }
        }
    });
}

#[test]
fn an_active_open_uses_only_what_the_syn_ack_has() {
    both(|family| {
        for bits in 0..8_u8 {
            let mut harness = Harness::new(family);
            let (_, id, syn) = harness.connect();
            let peer = Peer {
                tuple: syn.tuple,
                us: syn.seq + 1,
                them: SeqNumber(7001),
                ts: None,
            };
            harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
                segment.options.timestamps = (bits & 1 != 0).then_some(TIMES);
                segment.options.window_scale = (bits & 2 != 0).then_some(9);
                segment.options.sack_permitted = bits & 4 != 0;
            });
            let ack = harness.expect_ack(&peer, peer.them);
            let status = harness.status(id);
            assert_eq!(status.timestamps, bits & 1 != 0);
            assert_eq!(ack.options.timestamps.is_some(), bits & 1 != 0);
            assert_eq!(status.sack, bits & 4 != 0);
            let (ours, theirs) = status.window_shifts;
            assert_eq!(
                (ours > 0, theirs),
                if bits & 2 != 0 { (true, 9) } else { (false, 0) }
            );
        }
    });
}

/// RFC 9293 §3.7.1, MUST-15: 536 for IPv4, 1220 for IPv6.
#[test]
fn a_peer_that_names_no_mss_gets_segments_of_the_default_size() {
    for (family, default) in [(V4, 536), (V6, 1220)] {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted_with(|_| (), |segment| segment.options.mss = None);
        harness.write(id, bytes(3000));
        assert_eq!(harness.next().unwrap().data.len(), default);
        assert_eq!(harness.state(&peer), StateName::Established);
    }
}

/// RFC 9293 §3.7.1, SHLD-5 and MAY-3: also where it says what the peer would assume without it.
#[test]
fn the_mss_is_offered_even_where_it_is_the_default() {
    for (family, mtu, mss) in [(V4, 576, 536), (V6, 1280, 1220)] {
        let mut harness = Harness::with(family, |config| config.mtu = mtu);
        let (_, _, syn) = harness.connect();
        assert_eq!(syn.options.mss, Some(mss));
        harness.listen();
        harness.syn(1000);
        assert_eq!(harness.next().unwrap().options.mss, Some(mss));
    }
}

/// RFC 6691 §2: the MSS counts no options; the sender takes theirs off.
#[test]
fn the_options_of_every_segment_are_taken_off_its_data() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, id) = harness.accepted_with(
            |_| (),
            |segment| {
                segment.options.timestamps = Some(TIMES);
            },
        );
        harness.write(id, bytes(3000));
        assert_eq!(harness.next().unwrap().data.len(), usize::from(MSS) - 12);
    });
}

#[test]
fn a_larger_mss_than_the_link_carries_is_not_used() {
    for (family, mss) in [(V4, 1460), (V6, 1440)] {
        let mut harness = Harness::new(family);
        let large = |segment: &mut Segment<'_>| segment.options.mss = Some(u16::MAX);
        let (_, id) = harness.accepted_with(|_| (), large);
        harness.write(id, bytes(3000));
        assert_eq!(harness.next().unwrap().data.len(), mss);
    }
}

/// A peer must not make us send byte by byte.
#[test]
fn an_absurdly_small_mss_is_raised() {
    for mss in [0, 1, 47] {
        let mut harness = Harness::new(V4);
        let small = |segment: &mut Segment<'_>| segment.options.mss = Some(mss);
        let (_, id) = harness.accepted_with(|_| (), small);
        harness.write(id, bytes(3000));
        assert_eq!(harness.next().unwrap().data.len(), 48);
    }
}

#[test]
fn large_links_get_large_segments() {
    for mtu in [9000, 65_535, 100_000] {
        for family in [V4, V6] {
            let mut harness = Harness::with(family, |config| config.mtu = mtu);
            let large = |segment: &mut Segment<'_>| {
                segment.options.mss = Some(u16::MAX);
                segment.wnd = u16::MAX;
                segment.options.window_scale = Some(4);
            };
            let (_, id) = harness.accepted_with(|_| (), large);
            harness.write(id, bytes(200_000));
            let headers = wire::header_len(family == V4);
            assert_eq!(
                harness.next().unwrap().data.len(),
                mtu.min(65_535) - headers
            );
        }
    }
}

/// RFC 7323 §2.3: "If a Window Scale option is received with a shift.cnt value larger than 14 [...] use 14".
#[test]
fn a_window_scale_over_14_is_14() {
    let mut harness = Harness::new(V4);
    let (peer, id) =
        harness.accepted_with(|_| (), |segment| segment.options.window_scale = Some(255));
    harness.ack_window(&peer, peer.us, u16::MAX);
    assert_eq!(harness.status(id).window_shifts.1, 14);
    assert_eq!(harness.status(id).snd_wnd, 65_535 << 14);
}

/// RFC 6528: numbers of the same four-tuple grow by the clock, others say nothing about them.
#[test]
fn initial_sequence_numbers_grow_with_time_and_differ_by_tuple() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = harness.syn(1000);
    let first = harness.next().unwrap().seq;
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    harness.advance(ms(4));
    harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
    assert_eq!(
        harness.next().unwrap().seq - first,
        1000,
        "a tick each 4 µs"
    );
    harness.syn(1000);
    let other = harness.next().unwrap().seq;
    assert!(other.distance_from(first).unsigned_abs() > 10_000);
}

/// RFC 7323 §7.1: the clock of one connection says nothing about another's.
#[test]
fn timestamps_differ_by_tuple() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let mut value = || {
        harness.syn_with(1000, |segment| segment.options.timestamps = Some(TIMES));
        harness.next().unwrap().options.timestamps.unwrap().value
    };
    assert!(value().abs_diff(value()) > 10_000);
}
