//! RST and SYN in a synchronized state, and segments for nobody (RFC 5961 §3 and §4, RFC 9293 §3.5.2).

use super::*;

/// Linux t1 H.
#[test]
fn a_rst_inside_the_window_is_challenged() {
    both(|family| {
        for ahead in [1, 100, 65_534] {
            let mut harness = Harness::new(family);
            let (peer, _) = harness.accepted();
            harness.send(&peer, R, peer.them + ahead, SeqNumber(0), b"");
            harness.expect_ack(&peer, peer.them);
            assert_eq!(harness.discarded(DiscardReason::ResetInexact), 1);
            assert_eq!(harness.stack.counters().tcp_challenge_ack, 1);
            assert_eq!(harness.state(&peer), StateName::Established);
            // The peer that really has no connection answers the challenge exactly.
            harness.send(&peer, R, peer.them, SeqNumber(0), b"");
            harness.assert_entered(&peer, StateName::Closed, Cause::Reset);
        }
    });
}

#[test]
fn a_rst_outside_the_window_is_ignored() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = harness.accepted();
        let window = harness.stack.statuses()[0].rcv_wnd;
        for outside in [u32::MAX, window, 280_000, 1 << 31] {
            harness.send(&peer, R, peer.them + outside, SeqNumber(0), b"");
        }
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::ResetOutside), 4);
        assert_eq!(harness.state(&peer), StateName::Established);
    });
}

#[test]
fn a_rst_at_a_shut_window_still_counts() {
    for data in [&b""[..], b"why"] {
        let mut harness = Harness::new(V4);
        let (peer, _) =
            harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
        harness.send(&peer, PA, peer.them, peer.us, bytes(2048));
        harness.drain();
        assert_eq!(harness.stack.statuses()[0].rcv_wnd, 0);
        harness.send(&peer, R, peer.them + 2049, SeqNumber(0), b"");
        assert_eq!(harness.state(&peer), StateName::Established);
        harness.send(&peer, R, peer.them + 2048, SeqNumber(0), data);
        harness.assert_entered(&peer, StateName::Closed, Cause::Reset);
    }
}

/// RFC 5961 §4.2: "TCP MUST send an ACK"; Linux t1 H.
#[test]
fn a_syn_in_a_synchronized_state_is_challenged_wherever_it_is() {
    both(|family| {
        for ahead in [0, 50, 1_000_000, u32::MAX, u32::MAX - 100] {
            let mut harness = Harness::new(family);
            let (peer, _) = harness.accepted();
            harness.send(&peer, S, peer.them + ahead, SeqNumber(0), b"");
            harness.expect_ack(&peer, peer.them);
            assert_eq!(harness.state(&peer), StateName::Established);
        }
    });
}

/// Linux t1 M.
#[test]
fn fifty_syns_draw_one_challenge() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = harness.accepted();
        for index in 0..50 {
            harness.send(&peer, S, peer.them + 50 + index, SeqNumber(0), b"");
        }
        assert_eq!(harness.drain().len(), 1);
        assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 49);
        harness.advance(ms(499));
        harness.send(&peer, S, peer.them + 50, SeqNumber(0), b"");
        harness.expect_silence();
        harness.advance(ms(1));
        harness.send(&peer, S, peer.them + 50, SeqNumber(0), b"");
        harness.expect_ack(&peer, peer.them);
    });
}

/// RFC 5961 §10.
#[test]
fn challenges_of_all_connections_share_a_budget() {
    let mut harness = Harness::with(V4, |config| config.challenge_acks_per_second = 2);
    let listener = harness.listen();
    let peers: Vec<_> = (0..3)
        .map(|_| harness.accepted_by(listener, |_| ()).0)
        .collect();
    for peer in &peers {
        harness.send(peer, R, peer.them + 1, SeqNumber(0), b"");
    }
    assert_eq!(harness.drain().len(), 2);
    assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 1);
    harness.advance(secs(1));
    harness.send(&peers[2], R, peers[2].them + 1, SeqNumber(0), b"");
    assert_eq!(harness.drain().len(), 1);
}

/// RFC 9293 §3.10.7.1 and §3.5.2, group 1.
#[test]
fn a_segment_for_nobody_draws_a_rst_that_the_sender_will_accept() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = harness.new_peer(9999, 0);
        let seq = SeqNumber(u32::MAX);
        let mut answer = |flags, data: &[u8]| {
            harness.send(&peer, flags, seq, SeqNumber(77), data);
            let got = harness.next().expect("a RST");
            (got.flags, got.seq.0, got.ack.0)
        };
        assert_eq!(answer(S, b""), (RA, 0, 0));
        assert_eq!(answer(S, b"data"), (RA, 0, 4));
        assert_eq!(answer(S | F, b""), (RA, 0, 1));
        assert_eq!(answer(F, b""), (RA, 0, 0));
        assert_eq!(answer(NONE, b""), (RA, 0, u32::MAX));
        assert_eq!(answer(A, b"data"), (R, 77, 0));
        assert_eq!(answer(SA, b""), (R, 77, 0));
        assert_eq!(answer(FA, b""), (R, 77, 0));
        assert_eq!(harness.last_reset(), Some(ResetReason::NoConnection));
        assert_eq!(harness.discarded(DiscardReason::NoConnection), 8);
    });
}

#[test]
fn a_rst_for_nobody_is_never_answered() {
    let mut harness = Harness::new(V4);
    let peer = harness.new_peer(9999, 0);
    for flags in [R, RA, S | R, F | R, SA | R] {
        harness.send(&peer, flags, peer.them, SeqNumber(77), b"");
    }
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::ResetToNobody), 5);
}

/// RFC 9293 §3.10.7.4, fifth step: "if the ACK bit is off, drop the segment and return".
#[test]
fn a_segment_without_ack_is_dropped_in_every_synchronized_state() {
    use crate::Shutdown;
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        for flags in [NONE, F, Flags::PSH, Flags::URG] {
            harness.send(&peer, flags, peer.them, peer.us, b"data");
        }
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::NoAck), 4);
        assert_eq!(harness.read(id), b"");
        harness.shutdown(id, Shutdown::Write);
        harness.ack(&peer, peer.us + 1);
        harness.send(&peer, F, peer.them, peer.us + 1, b"");
        assert_eq!(harness.discarded(DiscardReason::NoAck), 5);
        assert_eq!(harness.state(&peer), StateName::FinWait2);
    });
}

/// The RST must be acceptable to a peer whose window is shut: no further than the window goes.
#[test]
fn a_rst_after_a_refused_probe_is_within_the_peers_window() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, 0);
    harness.write(id, b"data");
    harness.advance(ms(200));
    harness.expect_data(peer.us, b"d");
    harness.ack_window(&peer, peer.us, 0);
    harness.abort(id);
    harness.expect(RA, peer.us, peer.them);
}

/// RFC 7323 §5.2: "SEG.TSecr SHOULD be set to SEG.TSval from the incoming segment and SEG.TSval SHOULD be set to
/// zero".
#[test]
fn a_rst_in_answer_to_a_segment_with_timestamps_echoes_them() {
    both(|family| {
        let mut harness = Harness::new(family);
        let mut peer = harness.new_peer(9999, 0);
        harness.send(&peer, A, peer.them, SeqNumber(77), b"");
        assert_eq!(harness.next().unwrap().options, Options::default());
        let (value, echo) = (1234, 9);
        peer.ts = Some(Timestamps { value, echo });
        for flags in [A, S, SA] {
            harness.send(&peer, flags, peer.them, SeqNumber(77), b"");
            let (value, echo) = (0, 1234);
            let rst = harness.next().unwrap();
            assert_eq!(rst.options.timestamps, Some(Timestamps { value, echo }));
        }
    });
}

/// RFC 7323 §5.2: "If an <RST> is being generated because of a user abort, and Snd.TS.OK is set, then a Timestamps
/// option SHOULD be included".
#[test]
fn the_rst_of_an_abort_carries_the_timestamps_of_its_connection() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (value, echo) = (5000, 0);
        let offer = |segment: &mut Segment<'_>| {
            segment.options.timestamps = Some(Timestamps { value, echo });
        };
        let (peer, id) = harness.accepted_with(|_| (), offer);
        harness.write(id, b"now");
        let ours = harness.next().unwrap().options.timestamps;
        harness.abort(id);
        let rst = harness.expect(RA, peer.us + 3, peer.them);
        assert_eq!(rst.options.timestamps, ours);
        let (_, plain) = harness.accepted();
        harness.abort(plain);
        assert_eq!(harness.next().unwrap().options, Options::default());
    });
}
