//! Which segments of a synchronized connection are acceptable: sequence numbers (RFC 9293 §3.10.7.4, Table 6),
//! acknowledgments (RFC 5961 §5.2) and timestamps (RFC 7323 §5).

use super::*;

/// A connection with a receive window of exactly 2,048 bytes.
fn small_window(family: Family) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::new(family);
    let (peer, id) = harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
    assert_eq!(harness.status(id).rcv_wnd, 2048);
    (harness, peer, id)
}

#[test]
fn data_that_is_wholly_old_is_acknowledged_and_not_delivered_twice() {
    both(|family| {
        let (mut harness, peer, id) = small_window(family);
        harness.send(&peer, PA, peer.them, peer.us, b"abc");
        harness.drain();
        for _ in 0..3 {
            harness.send(&peer, PA, peer.them, peer.us, b"abc");
            harness.expect_ack(&peer, peer.them + 3);
        }
        assert_eq!(harness.discarded(DiscardReason::OldDuplicate), 3);
        assert_eq!(harness.read(id), b"abc");
    });
}

#[test]
fn of_data_that_is_partly_old_the_new_part_is_taken() {
    both(|family| {
        let (mut harness, peer, id) = small_window(family);
        harness.send(&peer, PA, peer.them, peer.us, b"abc");
        harness.send(&peer, PA, peer.them + 1, peer.us, b"bcde");
        harness.drain();
        assert_eq!(harness.read(id), b"abcde");
    });
}

#[test]
fn data_is_cut_at_the_right_edge_of_the_window_and_its_fin_with_it() {
    both(|family| {
        let (mut harness, peer, id) = small_window(family);
        harness.send(&peer, FPA, peer.them, peer.us, bytes(2049));
        harness.expect_ack(&peer, peer.them + 2048);
        assert_eq!(harness.state(&peer), StateName::Established);
        assert_eq!(harness.read(id), bytes(2048));
    });
}

#[test]
fn a_segment_that_covers_the_whole_window_and_more_is_cut_at_both_ends() {
    let (mut harness, peer, id) = small_window(V4);
    harness.send(&peer, PA, peer.them, peer.us, b"ab");
    harness.drain();
    harness.send(&peer, PA, peer.them, peer.us, bytes(3000));
    assert_eq!(harness.read(id), [b"ab", &bytes(3000)[2..2048]].concat());
}

#[test]
fn the_edges_of_the_window_are_exact() {
    for (ahead, held) in [(2047, true), (2048, false), (u32::MAX, false)] {
        let (mut harness, peer, id) = small_window(V4);
        harness.send(&peer, PA, peer.them + ahead, peer.us, b"x");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(
            harness.status(id).out_of_order,
            usize::from(held),
            "{ahead}"
        );
        let outside = harness.discarded(DiscardReason::OutsideWindow);
        let old = harness.discarded(DiscardReason::OldDuplicate);
        assert_eq!(outside + old, usize::from(!held));
    }
}

/// RFC 9293 §3.8.4: a keep-alive is one number before the window and must be answered.
#[test]
fn a_keep_alive_of_the_peer_is_answered() {
    both(|family| {
        let (mut harness, peer, _) = small_window(family);
        for data in [&b""[..], b"x"] {
            harness.send(&peer, A, peer.them - 1, peer.us, data);
            harness.expect_ack(&peer, peer.them);
            harness.advance(secs(75));
        }
    });
}

#[test]
fn a_bare_ack_outside_the_window_is_answered_at_most_twice_a_second() {
    let (mut harness, peer, _) = small_window(V4);
    for _ in 0..20 {
        harness.send(&peer, A, peer.them + 9999, peer.us, b"");
        harness.advance(ms(100));
    }
    assert_eq!(harness.drain().len(), 4);
}

/// "If the RCV.WND is zero, no segments will be acceptable, but special allowance should be made to accept
/// valid ACKs, URGs, and RSTs."
#[test]
fn at_a_shut_window_acknowledgments_count_and_data_does_not() {
    both(|family| {
        let (mut harness, peer, id) = small_window(family);
        harness.send(&peer, PA, peer.them, peer.us, bytes(2048));
        harness.write(id, b"hello");
        harness.drain();
        let them = peer.them + 2048;
        harness.send(&peer, FPA, them, peer.us + 2, b"x");
        let ack = harness.next().unwrap();
        assert_eq!((ack.ack, ack.wnd), (them, 0));
        assert_eq!(harness.status(id).snd_una, peer.us + 2);
        harness.send(&peer, A, them, peer.us + 5, b"");
        assert_eq!(harness.status(id).snd_una, peer.us + 5);
        assert_eq!(harness.state(&peer), StateName::Established);
        assert_eq!(harness.read(id).len(), 2048);
    });
}

/// A peer that has probed us counts the byte we refused in its SND.NXT: its ACKs lie one beyond the window.
#[test]
fn at_a_shut_window_the_ack_behind_a_refused_probe_counts() {
    both(|family| {
        let (mut harness, peer, id) = small_window(family);
        harness.send(&peer, PA, peer.them, peer.us, bytes(2048));
        harness.write(id, b"hello");
        harness.drain();
        let them = peer.them + 2048;
        harness.send(&peer, A, them, peer.us, b"?");
        harness.drain();
        harness.send_with(&peer, A, (them + 1, peer.us + 5), b"", |segment| {
            segment.wnd = 77
        });
        let status = harness.status(id);
        assert_eq!((status.snd_una, status.snd_wnd), (peer.us + 5, 77));
        // What comes after at the old number is not older than that.
        harness.send_with(&peer, A, (them, peer.us + 5), b"", |segment| {
            segment.wnd = 99
        });
        assert_eq!(harness.status(id).snd_wnd, 99);
        harness.send(&peer, A, them + 2, peer.us + 5, b"");
        assert_eq!(harness.status(id).snd_wnd, 99);
    });
}

/// RFC 9293 §3.8.5: urgent data is ordinary data here; the pointer is not looked at.
#[test]
fn urgent_data_is_delivered_in_line() {
    let (mut harness, peer, id) = small_window(V4);
    for (index, urgent) in [0, 1, 3, u16::MAX].into_iter().enumerate() {
        let numbers = (peer.them + 3 * index as u32, peer.us);
        harness.send_with(&peer, PA | Flags::URG, numbers, b"abc", |segment| {
            segment.urgent = urgent;
        });
    }
    assert_eq!(harness.read(id), b"abcabcabcabc");
}

/// Linux t1 H: "ACK of unsent".
#[test]
fn an_ack_of_what_was_never_sent_is_challenged_and_its_data_dropped() {
    both(|family| {
        for ahead in [1, 5000, 1 << 30] {
            let (mut harness, peer, id) = small_window(family);
            harness.send(&peer, PA, peer.them, peer.us + ahead, b"z");
            harness.expect_ack(&peer, peer.them);
            assert_eq!(harness.discarded(DiscardReason::AckUnsent), 1);
            assert_eq!(harness.status(id).unread, 0);
        }
    });
}

/// RFC 5961 §5.2: "((SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT)".
#[test]
fn an_old_ack_is_taken_within_the_largest_window_and_challenged_beyond() {
    both(|family| {
        let largest = u32::from(WINDOW);
        for (behind, taken) in [
            (0, true),
            (largest, true),
            (largest + 1, false),
            (1 << 31, false),
        ] {
            let (mut harness, peer, id) = small_window(family);
            harness.send(&peer, PA, peer.them, peer.us - behind, b"z");
            assert_eq!(harness.status(id).unread, usize::from(taken), "{behind}");
            let old = harness.discarded(DiscardReason::AckOld);
            let unsent = harness.discarded(DiscardReason::AckUnsent);
            assert_eq!(old + unsent, usize::from(!taken));
            harness.expect_ack(&peer, peer.them + u32::from(taken));
        }
    });
}

/// The same holds once everything of ours is acknowledged.
#[test]
fn in_fin_wait_2_acknowledgments_are_judged_like_before() {
    let largest = u32::from(WINDOW);
    let wrong = [
        (1, DiscardReason::AckUnsent),
        (0_u32.wrapping_sub(largest + 2), DiscardReason::AckOld),
    ];
    for (ahead, reason) in wrong {
        let (mut harness, mut peer, id) = small_window(V4);
        harness.shutdown(id, crate::Shutdown::Write);
        peer.us += 1;
        harness.ack(&peer, peer.us);
        harness.drain();
        harness.send(&peer, PA, peer.them, peer.us + ahead, b"z");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.discarded(reason), 1);
        assert_eq!(harness.status(id).unread, 0);
    }
}

#[test]
fn acknowledgments_of_what_was_never_sent_are_challenged_twice_a_second() {
    let (mut harness, peer, _) = small_window(V4);
    for _ in 0..20 {
        harness.ack(&peer, peer.us + 9);
        harness.advance(ms(100));
    }
    assert_eq!(harness.drain().len(), 4);
    assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 16);
}

// Timestamps.

fn with_timestamps(family: Family) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::new(family);
    let (peer, id) = harness.accepted_with(
        |_| (),
        |segment| {
            segment.options.timestamps = Some(Timestamps {
                value: 5000,
                echo: 0,
            });
        },
    );
    assert!(harness.status(id).timestamps);
    (harness, peer, id)
}

fn at(peer: &Peer, value: u32) -> Peer {
    let ts = peer.ts.map(|ts| Timestamps { value, ..ts });
    Peer { ts, ..*peer }
}

/// RFC 7323 §5.3, R1.
#[test]
fn a_segment_with_an_older_timestamp_is_acknowledged_and_dropped() {
    both(|family| {
        let (mut harness, peer, id) = with_timestamps(family);
        harness.send(&at(&peer, 4999), PA, peer.them, peer.us, b"old");
        harness.expect_ack(&peer, peer.them);
        harness.send(&at(&peer, 5000 + (1 << 31)), PA, peer.them, peer.us, b"old");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.discarded(DiscardReason::Paws), 2);
        harness.send(&at(&peer, 5000), PA, peer.them, peer.us, b"now");
        assert_eq!(harness.read(id), b"now");
    });
}

#[test]
fn timestamps_are_compared_across_their_wrap() {
    let (mut harness, peer, id) = with_timestamps(V4);
    let ahead = 5000_u32.wrapping_add((1 << 31) - 1);
    harness.send(&at(&peer, ahead), PA, peer.them, peer.us, b"a");
    let wrapped = ahead.wrapping_add((1 << 31) - 1);
    harness.send(&at(&peer, wrapped), PA, peer.them + 1, peer.us, b"b");
    assert_eq!(harness.read(id), b"ab");
    assert_eq!(
        harness
            .drain()
            .last()
            .unwrap()
            .options
            .timestamps
            .unwrap()
            .echo,
        wrapped
    );
}

/// RFC 7323 §5.3: PAWS does not apply to RSTs.
#[test]
fn a_rst_needs_neither_a_newer_timestamp_nor_any() {
    for ts in [Some(Timestamps { value: 1, echo: 0 }), None] {
        let (mut harness, peer, _) = with_timestamps(V4);
        harness.send(&Peer { ts, ..peer }, R, peer.them, SeqNumber(0), b"");
        harness.assert_entered(&peer, StateName::Closed, Cause::Reset);
    }
}

/// RFC 7323 §5.5: "TS.Recent [...] MUST be invalidated" after 24 days.
#[test]
fn after_24_days_an_older_timestamp_is_taken() {
    both(|family| {
        let idle = secs(24 * 24 * 3600);
        let (mut harness, peer, id) = with_timestamps(family);
        harness.advance(idle);
        harness.send(&at(&peer, 4999), PA, peer.them, peer.us, b"old");
        assert_eq!(harness.discarded(DiscardReason::Paws), 1);
        harness.advance(ms(1));
        harness.send(&at(&peer, 4999), PA, peer.them, peer.us, b"new");
        assert_eq!(harness.read(id), b"new");
        harness.send(&at(&peer, 4998), PA, peer.them + 3, peer.us, b"old");
        assert_eq!(
            harness.discarded(DiscardReason::Paws),
            2,
            "TS.Recent is 4999 now"
        );
    });
}

/// RFC 7323 §3.2: "a TCP SHOULD silently drop the segment". Linux takes it.
#[test]
fn a_segment_without_the_agreed_timestamp_is_dropped() {
    both(|family| {
        let (mut harness, peer, id) = with_timestamps(family);
        harness.send(&Peer { ts: None, ..peer }, PA, peer.them, peer.us, b"bare");
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::NoTimestamp), 1);
        assert_eq!(harness.status(id).unread, 0);
    });
}

#[test]
fn a_timestamp_that_was_not_agreed_on_means_nothing() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    for value in [9, 8, 1 << 31] {
        let peer = Peer {
            ts: Some(Timestamps { value, echo: 1 }),
            ..peer
        };
        harness.send(
            &peer,
            PA,
            peer.them + (9_u32.saturating_sub(value.min(9))),
            peer.us,
            b"x",
        );
        assert_eq!(harness.next().unwrap().options.timestamps, None);
    }
    assert_eq!(harness.discarded(DiscardReason::Paws), 0);
    assert_eq!(harness.read(id), b"xx");
}

/// RFC 7323 §3.2: the option SHOULD be in a RST, too.
#[test]
fn a_reset_of_our_own_carries_the_timestamp() {
    both(|family| {
        let (mut harness, peer, id) = with_timestamps(family);
        harness.send(&at(&peer, 5010), PA, peer.them, peer.us, b"read");
        assert_eq!(harness.read(id), b"read");
        harness.expect_ack(&peer, peer.them + 4);
        harness.abort(id);
        let reset = harness.next().unwrap();
        assert!(reset.flags.contains(Flags::RST));
        assert_eq!(reset.options.timestamps.map(|ts| ts.echo), Some(5010));
    });
}

/// RFC 7323 §4.3: the echo is that of the segment that moved RCV.NXT, not of one out of order.
#[test]
fn an_out_of_order_segment_does_not_change_the_echo() {
    let (mut harness, peer, _) = with_timestamps(V4);
    harness.send(&at(&peer, 5010), PA, peer.them + 3, peer.us, b"def");
    let echo = |got: Option<Got>| got.unwrap().options.timestamps.unwrap().echo;
    assert_eq!(echo(harness.next()), 5000);
    harness.send(&at(&peer, 5020), PA, peer.them, peer.us, b"abc");
    assert_eq!(echo(harness.next()), 5020);
}

/// RFC 7323 §4.3, (A): with delayed ACKs the echo is that of the earliest segment not acknowledged.
#[test]
fn a_delayed_ack_echoes_the_earliest_segment() {
    let mut harness = Harness::with(V4, |config| config.quick_acks = 0);
    let (peer, _) = harness.accepted_with(
        |_| (),
        |segment| {
            segment.options.timestamps = Some(Timestamps {
                value: 5000,
                echo: 0,
            });
        },
    );
    harness.send(&at(&peer, 5010), PA, peer.them, peer.us, b"a");
    harness.send(&at(&peer, 5020), PA, peer.them + 1, peer.us, b"b");
    let ack = harness.expect_ack(&peer, peer.them + 2);
    assert_eq!(ack.options.timestamps.unwrap().echo, 5010);
}

/// A segment that is not acceptable by its ACK must not set TS.Recent: it would shut out the real peer.
#[test]
fn a_segment_with_an_unacceptable_ack_does_not_set_the_echo() {
    let (mut harness, peer, id) = with_timestamps(V4);
    harness.send(&at(&peer, 1 << 30), PA, peer.them, peer.us + 77, b"forged");
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.discarded(DiscardReason::AckUnsent), 1);
    harness.send(&at(&peer, 5001), PA, peer.them, peer.us, b"real");
    assert_eq!(harness.read(id), b"real");
}
