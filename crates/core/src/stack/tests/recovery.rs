//! Losses of ours and how they are repaired (RFC 5681, RFC 6298, RFC 6582, RFC 6675, RFC 3042).

use super::*;
use crate::{Algorithm, SackBlock};

/// Ten segments of 1,000 bytes are in flight.
fn in_flight(family: Family, sack: bool) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::with(family, |config| config.congestion = Algorithm::NewReno);
    let (peer, id) = harness.accepted_with(|_| (), |segment| segment.options.sack_permitted = sack);
    harness.write(id, bytes(40_000));
    assert_eq!(harness.drain().len(), 10);
    (harness, peer, id)
}

/// The peer acknowledges up to `ack` again and reports a block.
fn sack(harness: &mut Harness, peer: &Peer, ack: u32, block: (u32, u32)) {
    let (left, right) = (peer.us + block.0, peer.us + block.1);
    harness.send_with(peer, A, (peer.them, peer.us + ack), b"", |segment| {
        segment.options.sack.push(SackBlock { left, right });
    });
}

fn seqs(harness: &mut Harness, peer: &Peer) -> Vec<u32> {
    harness
        .drain()
        .iter()
        .map(|got| got.seq - peer.us)
        .collect()
}

#[test]
fn three_duplicate_acks_repair_a_loss_at_once() {
    both(|family| {
        let (mut harness, peer, id) = in_flight(family, false);
        harness.ack(&peer, peer.us);
        harness.ack(&peer, peer.us);
        // RFC 3042: each of the first two lets a new segment go.
        assert_eq!(seqs(&mut harness, &peer), [10_000, 11_000]);
        harness.ack(&peer, peer.us);
        assert_eq!(seqs(&mut harness, &peer), [0]);
        assert_eq!(harness.stack.counters().tcp_fast_retrans, 1);
        assert_eq!(harness.status(id).congestion, CongestionState::Recovery);
        assert_eq!(harness.status(id).ssthresh, 6000);
    });
}

#[test]
fn acks_with_data_or_another_window_are_no_duplicates() {
    let (mut harness, peer, _) = in_flight(V4, false);
    for step in 0..6 {
        harness.ack_window(&peer, peer.us, WINDOW - 1 - step);
    }
    for ahead in 0..6 {
        let numbers = (peer.them + ahead, peer.us);
        harness.send_with(&peer, PA, numbers, b"x", |segment| segment.wnd = WINDOW - 6);
    }
    assert_eq!(harness.stack.counters().tcp_fast_retrans, 0);
}

/// RFC 6582 §3.2, step 3: a partial ACK shows the next hole.
#[test]
fn a_partial_ack_repairs_the_next_hole_and_the_full_one_ends_recovery() {
    both(|family| {
        let (mut harness, peer, id) = in_flight(family, false);
        (0..3).for_each(|_| harness.ack(&peer, peer.us));
        harness.drain();
        harness.ack(&peer, peer.us + 3000);
        assert_eq!(seqs(&mut harness, &peer)[0], 3000);
        assert_eq!(harness.status(id).congestion, CongestionState::Recovery);
        let all = harness.status(id).snd_nxt;
        harness.ack(&peer, all);
        assert_eq!(harness.status(id).congestion, CongestionState::Open);
        assert!(harness.status(id).cwnd <= 7000);
        assert_eq!(harness.stack.counters().tcp_fast_retrans, 1);
    });
}

/// RFC 6582 §3.2, step 2: duplicates of what was sent before the last recovery show no new loss.
#[test]
fn duplicates_of_the_ack_that_ended_recovery_after_a_timeout_begin_no_other() {
    let (mut harness, peer, id) = in_flight(V4, false);
    harness.advance(ms(200));
    harness.drain();
    let recover = harness.status(id).snd_nxt;
    harness.ack(&peer, recover);
    harness.drain();
    for _ in 0..4 {
        harness.ack(&peer, recover);
    }
    assert_eq!(harness.stack.counters().tcp_fast_retrans, 0);
    harness.ack(&peer, recover + 1000);
    for _ in 0..4 {
        harness.ack(&peer, recover + 1000);
    }
    assert_eq!(harness.stack.counters().tcp_fast_retrans, 1);
}

#[test]
fn sack_blocks_show_what_is_lost() {
    both(|family| {
        let (mut harness, peer, _) = in_flight(family, true);
        // The first and the third are missing.
        sack(&mut harness, &peer, 0, (1000, 2000));
        sack(&mut harness, &peer, 0, (3000, 4000));
        sack(&mut harness, &peer, 0, (3000, 9000));
        let mut sent = seqs(&mut harness, &peer);
        sent.sort_unstable();
        assert!(sent.starts_with(&[0, 2000]), "{sent:?}");
        assert!(!sent.contains(&1000) && !sent.contains(&3000), "{sent:?}");
    });
}

#[test]
fn impossible_sack_blocks_are_ignored() {
    let (mut harness, peer, _) = in_flight(V4, true);
    let impossible = [
        (0, 1000),
        (5000, 5000),
        (6000, 5000),
        (9000, 10_001),
        (1 << 31, 1 << 30),
    ];
    for block in impossible {
        sack(&mut harness, &peer, 0, block);
    }
    harness.expect_silence();
    harness.advance(ms(200));
    assert_eq!(seqs(&mut harness, &peer), [0]);
}

/// RFC 6298 §5.4 to §5.6, RFC 5681 §3.1.
#[test]
fn after_a_timeout_everything_goes_again_in_slow_start() {
    both(|family| {
        let (mut harness, peer, id) = in_flight(family, false);
        harness.advance(ms(200));
        assert_eq!(seqs(&mut harness, &peer), [0]);
        let status = harness.status(id);
        assert_eq!(
            (status.congestion, status.cwnd, status.ssthresh),
            (CongestionState::Loss, 1000, 5000)
        );
        harness.ack(&peer, peer.us + 1000);
        assert_eq!(seqs(&mut harness, &peer), [1000, 2000]);
        harness.ack(&peer, peer.us + 3000);
        assert_eq!(seqs(&mut harness, &peer), [3000, 4000, 5000, 6000]);
        harness.ack(&peer, peer.us + 10_000);
        assert_eq!(seqs(&mut harness, &peer)[0], 10_000);
    });
}

#[test]
fn what_the_peer_reports_held_is_not_sent_again_after_a_timeout() {
    let (mut harness, peer, _) = in_flight(V4, true);
    sack(&mut harness, &peer, 0, (1000, 3000));
    harness.drain();
    harness.advance(ms(200));
    assert_eq!(seqs(&mut harness, &peer), [0]);
    harness.ack(&peer, peer.us + 3000);
    assert_eq!(seqs(&mut harness, &peer)[0], 3000);
}

/// RFC 2018 §8: "the data receiver MAY discard data that it has reported".
#[test]
fn a_peer_that_throws_away_what_it_reported_gets_it_again() {
    let (mut harness, peer, _) = in_flight(V4, true);
    sack(&mut harness, &peer, 0, (1000, 10_000));
    harness.drain();
    harness.ack(&peer, peer.us + 1000);
    harness.drain();
    harness.advance(secs(2));
    assert!(seqs(&mut harness, &peer).contains(&1000));
}

/// Linux, t2 8: 0.21, 0.67, 1.46, 3.12 s and so on, 15 times.
#[test]
fn data_is_sent_fifteen_times_more_ever_less_often_and_then_given_up() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.write(id, b"x");
        let start = harness.now;
        harness.advance(secs(3600));
        let times = harness.times_of(Flags::PSH, start);
        let expected = [
            0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200, 204_600, 324_600,
            444_600, 564_600, 684_600, 804_600,
        ];
        assert_eq!(times, expected);
        harness.assert_entered(&peer, StateName::Closed, Cause::DataRetries);
        let end = harness.record().transitions.last().unwrap().at - start;
        assert_eq!(end, ms(924_600));
    });
}

#[test]
fn progress_ends_the_back_off() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(2000));
    harness.advance(secs(10));
    harness.drain();
    assert!(harness.status(id).backoff > 4);
    harness.ack(&peer, peer.us + 1000);
    assert_eq!(harness.status(id).backoff, 0);
    harness.drain();
    harness.ack(&peer, peer.us + 2000);
    harness.write(id, b"x");
    harness.drain();
    harness.advance(secs(7));
    assert!(!harness.drain().is_empty());
}

/// RFC 7323 §4.3: with timestamps even what was sent twice measures the path.
#[test]
fn timestamps_measure_what_was_sent_twice() {
    let mut harness = Harness::new(V4);
    let (mut peer, id) = harness.accepted_with(
        |_| (),
        |segment| {
            segment.options.timestamps = Some(Timestamps { value: 1, echo: 0 });
        },
    );
    harness.write(id, b"x");
    harness.advance(ms(200));
    let again = harness.drain().pop().unwrap();
    harness.advance(ms(30));
    peer.ts.as_mut().unwrap().echo = again.options.timestamps.unwrap().value;
    harness.ack(&peer, peer.us + 1);
    assert_eq!(harness.status(id).latest_rtt, Some(ms(30)));
}

/// An echo that was never sent measures nothing.
#[test]
fn an_echo_from_the_future_or_from_before_the_connection_is_not_believed() {
    for forged in [100_000, 0_u32.wrapping_sub(100_000), 1 << 31] {
        let mut harness = Harness::new(V4);
        let (mut peer, id) = harness.accepted_with(
            |_| (),
            |segment| {
                segment.options.timestamps = Some(Timestamps { value: 1, echo: 0 });
            },
        );
        let before = harness.status(id).latest_rtt;
        harness.write(id, b"x");
        harness.advance(secs(30));
        let ts = peer.ts.as_mut().unwrap();
        ts.echo = ts.echo.wrapping_add(forged);
        harness.ack(&peer, peer.us + 1);
        assert_eq!(harness.status(id).latest_rtt, before, "{forged}");
    }
}

#[test]
fn an_idle_connection_starts_again_with_the_initial_window() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    for _ in 0..3 {
        harness.write(id, bytes(40_000));
        while !harness.drain().is_empty() {
            harness.ack(&peer, harness.status(id).snd_nxt);
        }
    }
    assert!(harness.status(id).cwnd > 20_000);
    harness.advance(secs(10));
    harness.write(id, bytes(40_000));
    assert_eq!(harness.drain().len(), 10);
}

#[test]
fn a_lost_fin_is_repaired_by_duplicate_acks_too() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.stack.write(harness.now, id, &bytes(5000)).unwrap();
    harness.shutdown(id, crate::Shutdown::Write);
    assert_eq!(harness.drain().len(), 5);
    harness.ack(&peer, peer.us);
    (0..3).for_each(|_| harness.ack(&peer, peer.us));
    assert_eq!(harness.next().unwrap().seq, peer.us);
    harness.ack(&peer, peer.us + 4000);
    // The FIN goes with the data it was sent with, though together they are one number more than the MSS.
    let again = harness.drain().pop().unwrap();
    assert_eq!((again.seq, again.data.len()), (peer.us + 4000, 1000));
    assert!(again.flags.contains(F));
    harness.ack(&peer, peer.us + 5001);
    harness.assert_entered(&peer, StateName::FinWait2, Cause::AckOfFin);
}

/// RFC 5681 §4.1 is a SHOULD: a host may trust its old window, as `tcp_slow_start_after_idle` says in Linux.
#[test]
fn an_idle_connection_may_keep_its_window() {
    let mut harness = Harness::with(V4, |config| config.slow_start_after_idle = false);
    let (peer, id) = harness.accepted();
    for _ in 0..2 {
        harness.write(id, bytes(20_000));
        while !harness.drain().is_empty() {
            harness.ack(&peer, harness.status(id).snd_nxt);
        }
    }
    let cwnd = harness.status(id).cwnd;
    assert!(cwnd >= 20_000, "{cwnd}");
    harness.advance(secs(10));
    harness.write(id, bytes(20_000));
    assert_eq!((harness.drain().len(), harness.status(id).cwnd), (20, cwnd));
}

/// What duplicate ACKs or SACK blocks have told of already is no growth when it is acknowledged at last.
#[test]
fn what_was_known_to_have_arrived_does_not_grow_the_window_again() {
    let (mut harness, peer, id) = in_flight(V4, true);
    sack(&mut harness, &peer, 0, (1000, 2000));
    sack(&mut harness, &peer, 0, (1000, 3000));
    harness.ack(&peer, peer.us + 3000);
    assert_eq!(harness.status(id).cwnd, 11_000);

    let (mut harness, peer, id) = in_flight(V4, false);
    harness.ack(&peer, peer.us);
    harness.ack(&peer, peer.us);
    harness.ack(&peer, peer.us + 3000);
    assert_eq!(harness.status(id).cwnd, 11_000);
}

/// RFC 7661 §4.3: the flight of the whole round trip counts, not what is left of it when an ACK comes.
#[test]
fn slow_start_grows_to_twice_what_was_in_flight() {
    for (written, expected) in [(10, 20), (9, 18), (6, 12), (5, 10), (2, 10)] {
        let mut harness = Harness::new(V4);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(written * 1000));
        assert_eq!(harness.drain().len(), written);
        for acked in 1..=written as u32 {
            harness.ack(&peer, peer.us + acked * 1000);
        }
        assert_eq!(harness.status(id).cwnd, expected * 1000, "{written}");
    }
}
