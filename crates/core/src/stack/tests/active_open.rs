//! SYN-SENT and the simultaneous open (RFC 9293 §3.5, §3.10.7.3).

use super::*;
use crate::error::{ReadError, WriteError};

#[test]
fn the_active_side_is_established_by_the_syn_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        assert_eq!(harness.state(&peer), StateName::SynSent);
        harness.send(&peer, SA, peer.them - 1, peer.us, b"");
        harness.assert_entered(&peer, StateName::Established, Cause::SynAck);
        harness.expect_ack(&peer, peer.them);
        harness.expect_silence();
        harness.write(id, b"hello");
        harness.expect_data(peer.us, b"hello");
    });
}

/// Linux has four linear timeouts before it doubles; RFC 6298 §5.5 doubles at once.
#[test]
fn a_syn_is_sent_six_times_more_and_given_up_after_127_seconds() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        let start = harness.now;
        harness.advance(ms(126_999));
        let times = harness.times_of(S, start);
        assert_eq!(times, [1000, 3000, 7000, 15_000, 31_000, 63_000]);
        assert_eq!(harness.state(&peer), StateName::SynSent);
        harness.advance(ms(1));
        harness.assert_entered(&peer, StateName::Closed, Cause::SynRetries);
        harness.expect_silence();
        let error = harness.stack.read(harness.now, id, &mut [0; 9]);
        assert_eq!(error, Err(ReadError::Ended(Cause::SynRetries)));
    });
}

/// RFC 9293 §3.8.3, MUST-23, which Linux's default of six does not meet: "at least 3 minutes".
#[test]
fn seven_syn_retries_make_more_than_three_minutes() {
    let mut harness = Harness::with(V4, |config| config.syn_retries = 7);
    let (peer, ..) = harness.connect();
    harness.advance(ms(246_999));
    assert_eq!(harness.drain().len(), 7);
    assert_eq!(harness.state(&peer), StateName::SynSent);
    harness.advance(ms(1));
    harness.assert_entered(&peer, StateName::Closed, Cause::SynRetries);
}

#[test]
fn a_lost_syn_is_repaired_by_the_next() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = harness.connect();
    harness.advance(secs(1));
    harness.expect(S, peer.us - 1, SeqNumber(0));
    harness.send(&peer, SA, peer.them - 1, peer.us, b"");
    harness.expect_ack(&peer, peer.them);
}

/// The third ACK was lost: the peer sends its SYN,ACK again.
#[test]
fn a_repeated_syn_ack_is_acknowledged_again() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = harness.connected();
        for _ in 0..3 {
            harness.advance(secs(1));
            harness.send(&peer, SA, peer.them - 1, peer.us, b"");
            harness.expect_ack(&peer, peer.them);
            harness.expect_silence();
        }
        assert_eq!(harness.state(&peer), StateName::Established);
    });
}

/// Linux t1 L, and "the SYN is *not* sent again early".
#[test]
fn an_unacceptable_ack_in_syn_sent_draws_a_rst_and_the_state_stays() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, ..) = harness.connect();
        for flags in [SA, A] {
            for wrong in [98, 1, u32::MAX, 1 << 31] {
                let ack = peer.us + wrong;
                harness.send(&peer, flags, peer.them - 1, ack, b"");
                harness.expect(R, ack, SeqNumber(0));
                harness.expect_silence();
            }
        }
        assert_eq!(harness.last_reset(), Some(ResetReason::AckUnacceptable));
        assert_eq!(harness.state(&peer), StateName::SynSent);
        harness.advance(ms(999));
        harness.expect_silence();
    });
}

#[test]
fn a_rst_without_an_acceptable_ack_does_not_end_syn_sent() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, ..) = harness.connect();
        harness.send(&peer, R, SeqNumber(0), SeqNumber(0), b"");
        harness.send(&peer, RA, SeqNumber(0), peer.us - 1, b"");
        harness.send(&peer, RA, SeqNumber(0), peer.us + 1, b"");
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::ResetUnacceptable), 3);
        assert_eq!(harness.state(&peer), StateName::SynSent);
    });
}

#[test]
fn a_rst_that_acknowledges_our_syn_refuses_the_connection() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        harness.send(&peer, RA, SeqNumber(0), peer.us, b"");
        harness.assert_entered(&peer, StateName::Closed, Cause::ResetInSynSent);
        harness.expect_silence();
        let error = harness.stack.write(harness.now, id, b"x");
        assert_eq!(error, Err(WriteError::Ended(Cause::ResetInSynSent)));
    });
}

#[test]
fn neither_data_nor_a_fin_means_anything_in_syn_sent() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = harness.connect();
    harness.send(&peer, A, peer.them, peer.us, b"data");
    harness.send(&peer, NONE, peer.them, peer.us, b"data");
    harness.send(&peer, F, peer.them, peer.us, b"");
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::NotASyn), 3);
    assert_eq!(harness.state(&peer), StateName::SynSent);
}

#[test]
fn data_on_a_syn_ack_is_delivered() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        harness.send(&peer, SA, peer.them - 1, peer.us, b"early");
        harness.expect_ack(&peer, peer.them + 5);
        assert_eq!(harness.read(id), b"early");
    });
}

#[test]
fn a_syn_ack_may_have_data_and_a_fin() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect();
    harness.send(&peer, SA | F, peer.them - 1, peer.us, b"all");
    harness.expect_ack(&peer, peer.them + 4);
    harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
    assert_eq!(harness.read(id), b"all");
}

#[test]
fn what_is_written_before_the_syn_ack_follows_the_ack() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect();
    harness.write(id, b"request");
    harness.expect_silence();
    harness.send(&peer, SA, peer.them - 1, peer.us, b"");
    let got = harness.expect_data(peer.us, b"request");
    assert_eq!((got.flags, got.ack), (PA, peer.them));
}

#[test]
fn closing_in_syn_sent_says_nothing_to_the_peer() {
    both(|family| {
        for abort in [false, true] {
            let mut harness = Harness::new(family);
            let (peer, id, _) = harness.connect();
            let cause = if abort {
                harness.abort(id);
                Cause::Abort
            } else {
                harness.close(id);
                Cause::Close
            };
            harness.expect_silence();
            harness.assert_entered(&peer, StateName::Closed, cause);
            harness.send(&peer, SA, peer.them - 1, peer.us, b"");
            harness.expect(R, peer.us, SeqNumber(0));
        }
    });
}

// Simultaneous open (RFC 9293 §3.5, Figure 7).

/// Both SYNs have crossed: ours is repeated as a SYN,ACK.
fn crossing(harness: &mut Harness, edit: impl FnOnce(&mut Segment<'_>)) -> (Peer, SocketId, Got) {
    let (peer, id, _) = harness.connect();
    harness.send_with(&peer, S, (peer.them - 1, SeqNumber(0)), b"", edit);
    harness.assert_entered(&peer, StateName::SynReceived, Cause::SimultaneousSyn);
    let answer = harness.expect(SA, peer.us - 1, peer.them);
    (peer, id, answer)
}

/// Linux t1 J.
#[test]
fn crossing_syns_open_one_connection() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = crossing(&mut harness, |_| ());
        harness.send(&peer, SA, peer.them - 1, peer.us, b"");
        harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
        harness.expect_ack(&peer, peer.them);
        harness.expect_silence();
        harness.send(&peer, PA, peer.them, peer.us, b"hello");
        assert_eq!(harness.read(id), b"hello");
    });
}

#[test]
fn an_ack_alone_completes_a_simultaneous_open() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = crossing(&mut harness, |_| ());
    harness.ack(&peer, peer.us);
    harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
}

/// Linux offers all its options in any case (t1 J); RFC 7323 §2.2 and §3.2 allow them on a SYN,ACK only if
/// they were on the SYN.
#[test]
fn the_syn_ack_of_a_simultaneous_open_answers_only_the_options_that_were_offered() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, answer) = crossing(&mut harness, |_| ());
        let options = answer.options;
        assert!(options.mss.is_some());
        assert_eq!((options.timestamps, options.window_scale), (None, None));
        assert!(!options.sack_permitted);
        harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
            segment.options.window_scale = Some(3);
        });
        let status = harness.status(id);
        assert_eq!(status.window_shifts, (0, 0));
        assert!(!status.timestamps && !status.sack);
    });
}

#[test]
fn a_simultaneous_open_agrees_on_the_options_of_both_syns() {
    let mut harness = Harness::new(V4);
    let (mut peer, id, answer) = crossing(&mut harness, |segment| {
        segment.options.timestamps = Some(Timestamps {
            value: 500,
            echo: 0,
        });
        segment.options.window_scale = Some(7);
        segment.options.sack_permitted = true;
    });
    let (options, times) = (answer.options, answer.options.timestamps.unwrap());
    assert_eq!(times.echo, 500);
    assert!(options.sack_permitted && options.window_scale.is_some());
    peer.ts = Some(Timestamps {
        value: 501,
        echo: times.value,
    });
    harness.send(&peer, SA, peer.them - 1, peer.us, b"");
    let status = harness.status(id);
    assert_eq!(status.window_shifts.1, 7);
    assert!(status.timestamps && status.sack);
}

/// RFC 7323 §2.2: "The window field in a segment where the SYN bit is set MUST NOT be scaled."
#[test]
fn the_window_of_a_crossing_syn_ack_is_not_scaled() {
    both(|family| {
        let mut harness = Harness::new(family);
        let scale = |segment: &mut Segment<'_>| segment.options.window_scale = Some(7);
        let (peer, id, _) = crossing(&mut harness, scale);
        harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
            segment.wnd = 1000;
        });
        assert_eq!(harness.state(&peer), StateName::Established);
        assert_eq!(harness.status(id).snd_wnd, 1000);
    });
}

/// RFC 9293 §3.5: "so long as the receiving TCP endpoint doesn't deliver the data to the user until it is
/// clear the data is valid".
#[test]
fn data_on_a_crossing_syn_is_delivered_once_established() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        while harness.stack.next_event().is_some() {}
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"early");
        harness.expect(SA, peer.us - 1, peer.them + 5);
        assert_eq!(harness.stack.next_event(), None);
        let mut buffer = [0; 9];
        let now = harness.now;
        let blocked = Err(ReadError::WouldBlock);
        assert_eq!(harness.stack.read(now, id, &mut buffer), blocked);
        assert_eq!(harness.stack.peek(now, id, &mut buffer), blocked);
        assert!(harness.stack.readiness(id).unwrap().is_empty());
        harness.send(&peer, A, peer.them + 5, peer.us, b"");
        let event =
            super::super::Event::Ready(id, crate::Readiness::READABLE | crate::Readiness::WRITABLE);
        assert_eq!(harness.stack.next_event(), Some(event));
        assert_eq!(harness.read(id), b"early");
    });
}

#[test]
fn a_crossing_syn_ack_that_repeats_the_data_of_its_syn_still_completes_the_open() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect();
    harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"early");
    harness.expect(SA, peer.us - 1, peer.them + 5);
    harness.send(&peer, SA, peer.them - 1, peer.us, b"early");
    harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
    harness.expect_ack(&peer, peer.them + 5);
    assert_eq!(harness.read(id), b"early");
}

#[test]
fn a_fin_on_a_crossing_syn_counts_once_established() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect();
    harness.send(&peer, S | F, peer.them - 1, SeqNumber(0), b"all");
    harness.expect(SA, peer.us - 1, peer.them + 3);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
    harness.send(&peer, A, peer.them + 4, peer.us, b"");
    harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
    assert_eq!(harness.read(id), b"all");
}

/// RFC 9293 Figure 5: SYN-RECEIVED to FIN-WAIT-1 by CLOSE.
#[test]
fn closing_in_a_simultaneous_open_sends_a_fin_and_takes_the_crossing_syn_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let scale = |segment: &mut Segment<'_>| segment.options.window_scale = Some(7);
        let (peer, id, _) = crossing(&mut harness, scale);
        harness.close(id);
        harness.assert_entered(&peer, StateName::FinWait1, Cause::Close);
        harness.expect(FA, peer.us, peer.them);
        harness.send(&peer, SA, peer.them - 1, peer.us, b"");
        harness.expect(A, peer.us + 1, peer.them);
        assert_eq!(harness.state(&peer), StateName::FinWait1);
        let status = harness.stack.statuses().pop().unwrap();
        assert_eq!(
            (status.snd_una, status.snd_wnd),
            (peer.us, u32::from(WINDOW))
        );
        harness.ack(&peer, peer.us + 1);
        harness.assert_entered(&peer, StateName::FinWait2, Cause::AckOfFin);
    });
}

#[test]
fn a_simultaneous_open_whose_syn_ack_stays_unanswered_is_repeated_and_given_up() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = crossing(&mut harness, |_| ());
    let start = harness.now;
    harness.advance(ms(62_999));
    assert_eq!(
        harness.times_of(SA, start),
        [1000, 3000, 7000, 15_000, 31_000]
    );
    harness.advance(ms(1));
    harness.assert_entered(&peer, StateName::Closed, Cause::SynAckRetries);
}

/// RFC 9293 §3.10.7.4, second step: "if this connection was initiated with an active OPEN [...] then the
/// connection was refused".
#[test]
fn a_rst_in_a_simultaneous_open_refuses_the_connection() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = crossing(&mut harness, |_| ());
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    assert_eq!(harness.state(&peer), StateName::Closed);
    let error = harness.stack.read(harness.now, id, &mut [0; 9]);
    assert_eq!(error, Err(ReadError::Ended(Cause::ResetInSynSent)));
}

#[test]
fn an_unacceptable_ack_in_a_simultaneous_open_draws_a_rst() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = crossing(&mut harness, |_| ());
    harness.send(&peer, A, peer.them, peer.us + 9, b"");
    harness.expect(R, peer.us + 9, SeqNumber(0));
    assert_eq!(harness.state(&peer), StateName::SynReceived);
}

/// RFC 9293 §3.10.7.4, fourth step: after an active OPEN as in the synchronized states.
#[test]
fn another_syn_in_a_simultaneous_open_is_challenged() {
    let mut harness = Harness::new(V4);
    let (peer, ..) = crossing(&mut harness, |_| ());
    harness.send(&peer, S, peer.them + 77, SeqNumber(0), b"");
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.discarded(DiscardReason::SynInWindow), 1);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
}

#[test]
fn aborting_a_simultaneous_open_tells_the_peer() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = crossing(&mut harness, |_| ());
    harness.abort(id);
    harness.expect(RA, peer.us, peer.them);
    harness.assert_entered(&peer, StateName::Closed, Cause::Abort);
}

/// RFC 6298 §5.7 and RFC 5681 §3.1.
#[test]
fn data_after_a_lost_syn_starts_cautiously_and_can_still_be_fast_retransmitted() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect();
    harness.advance(secs(1));
    harness.drain();
    harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
        segment.options.mss = Some(MSS);
    });
    harness.expect_ack(&peer, peer.them);
    let status = harness.status(id);
    assert_eq!((status.rto, status.cwnd), (secs(3), u32::from(MSS)));
    assert_eq!(status.congestion, CongestionState::Open);
}

/// The SYN is no byte that anybody wrote, also while the device has not taken it yet.
#[test]
fn a_syn_that_is_not_sent_yet_does_not_count_as_unsent_data() {
    let mut harness = Harness::new(V4);
    let remote = SocketAddr::new(harness.family.theirs(), 7);
    let options = ConnectOptions::default();
    let socket = harness.stack.connect(harness.now, remote, options);
    let id = socket.expect("a port");
    let unsent = |harness: &Harness| harness.stack.status(id).expect("it is held").unsent;
    assert_eq!(unsent(&harness), 0);
    let written = harness.stack.write(harness.now, id, b"hello");
    assert_eq!((written, unsent(&harness)), (Ok(5), 5));
    harness.transmit();
    assert_eq!(unsent(&harness), 5);
}
