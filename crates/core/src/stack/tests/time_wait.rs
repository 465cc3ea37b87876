//! TIME-WAIT: what ends it and what does not (RFC 9293 §3.6.1, §3.10.7.4, RFC 1337).

use super::*;
use crate::Shutdown;

/// We closed first, and everything is acknowledged. Answers the peer as it is after its FIN.
pub(super) fn in_time_wait(harness: &mut Harness) -> Peer {
    let (mut peer, id) = harness.accepted();
    harness.close(id);
    harness.expect(FA, peer.us, peer.them);
    peer.us += 1;
    harness.send(&peer, FA, peer.them, peer.us, b"");
    peer.them += 1;
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    peer
}

/// The table's clock has steps of 17 ms; it is never early.
const STEP: Duration = ms(17);

#[test]
fn time_wait_lasts_two_msl() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = in_time_wait(&mut harness);
        harness.advance(ms(59_999));
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.advance(STEP + ms(1));
        harness.assert_entered(&peer, StateName::Closed, Cause::TimeWaitExpired);
        assert!(harness.stack.is_empty());
        harness.expect_silence();
    });
}

#[test]
fn two_msl_is_configurable() {
    for length in [ms(1), secs(1), secs(240), secs(10 * 24 * 3600)] {
        let mut harness = Harness::with(V4, |config| config.time_wait = length);
        let peer = in_time_wait(&mut harness);
        harness.advance(length - ms(1));
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.advance(STEP + ms(1));
        assert_eq!(harness.state(&peer), StateName::Closed, "{length:?}");
    }
}

#[test]
fn a_time_wait_of_zero_is_skipped() {
    let mut harness = Harness::with(V4, |config| config.time_wait = Duration::ZERO);
    let (peer, id) = harness.accepted();
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    harness.advance(STEP);
    harness.assert_entered(&peer, StateName::Closed, Cause::TimeWaitSkipped);
}

/// A millisecond clock of 32 bits wraps after 49.7 days; nothing here does.
#[test]
fn time_wait_ends_though_the_clock_passes_two_to_the_32_milliseconds() {
    both(|family| {
        for before in [1, 30_000, 59_990] {
            let start = Instant::from_millis((1 << 32) - before);
            let mut harness = Harness::starting_at(start, family, |_| ());
            let peer = in_time_wait(&mut harness);
            harness.advance(ms(59_999));
            assert_eq!(harness.state(&peer), StateName::TimeWait);
            harness.advance(STEP + ms(1));
            assert_eq!(harness.state(&peer), StateName::Closed);
        }
    });
}

/// The ticks of the table wrap after 834 days, too.
#[test]
fn time_wait_ends_though_the_tables_clock_wraps() {
    let wrap = Instant::from_nanos(1 << (24 + 32));
    for before in [1, 30_000] {
        let start = Instant::from_nanos(wrap.as_nanos() - before * 1_000_000);
        let mut harness = Harness::starting_at(start, V4, |_| ());
        let peer = in_time_wait(&mut harness);
        harness.advance(ms(59_999));
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.advance(STEP + ms(1));
        assert_eq!(harness.state(&peer), StateName::Closed);
    }
}

/// Linux t1 I. RFC 9293 §3.10.7.4: "Acknowledge it, and restart the 2 MSL timeout."
#[test]
fn a_repeated_fin_is_acknowledged_and_starts_two_msl_again() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = in_time_wait(&mut harness);
        harness.advance(secs(50));
        harness.send(&peer, FA, peer.them - 1, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        harness.advance(ms(59_999));
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.advance(STEP + ms(1));
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}

#[test]
fn a_repeated_fin_with_its_data_counts_as_well() {
    let mut harness = Harness::new(V4);
    let peer = in_time_wait(&mut harness);
    harness.advance(secs(50));
    harness.send(&peer, FPA, peer.them - 5, peer.us, b"data");
    harness.expect_ack(&peer, peer.them);
    harness.advance(secs(50));
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

/// Linux t1 I: "data in TW".
#[test]
fn old_duplicates_in_time_wait_are_acknowledged_and_do_not_restart_it() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = in_time_wait(&mut harness);
        harness.advance(secs(30));
        harness.send(&peer, PA, peer.them, peer.us, b"q");
        harness.expect_ack(&peer, peer.them);
        harness.send(&peer, PA, peer.them - 9, peer.us, b"old data");
        harness.expect_ack(&peer, peer.them);
        harness.send(&peer, A, peer.them - 100, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        harness.send(&peer, SA, peer.them - 100, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.discarded(DiscardReason::InTimeWait), 3);
        harness.advance(secs(30) + STEP);
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}

/// RFC 5961 §5.2.
#[test]
fn an_ack_of_what_was_never_sent_is_answered_in_time_wait() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = in_time_wait(&mut harness);
        harness.send(&peer, A, peer.them, peer.us + 1000, b"");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.discarded(DiscardReason::AckUnsent), 1);
        assert_eq!(harness.state(&peer), StateName::TimeWait);
    });
}

/// Two ends in TIME-WAIT must not answer each other for ever.
#[test]
fn a_bare_ack_in_time_wait_is_not_answered() {
    let mut harness = Harness::new(V4);
    let peer = in_time_wait(&mut harness);
    harness.ack(&peer, peer.us);
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::InTimeWait), 1);
}

/// Linux ends it by an exact RST (rfc1337=0); RFC 1337 §3 says why that is dangerous.
#[test]
fn a_rst_does_not_end_time_wait() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = in_time_wait(&mut harness);
        for seq in [peer.them, peer.them + 5, peer.them - 1] {
            harness.send(&peer, R, seq, SeqNumber(0), b"");
            harness.send(&peer, RA, seq, peer.us, b"");
        }
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::ResetInTimeWait), 6);
        assert_eq!(harness.state(&peer), StateName::TimeWait);
    });
}

#[test]
fn configured_as_linux_an_exact_rst_ends_time_wait_and_no_other() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.reset_ends_time_wait = true);
        let peer = in_time_wait(&mut harness);
        harness.send(&peer, R, peer.them + 5, SeqNumber(0), b"");
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.send(&peer, R, peer.them, SeqNumber(0), b"");
        harness.assert_entered(&peer, StateName::Closed, Cause::ResetInTimeWait);
    });
}

#[test]
fn a_segment_without_ack_is_dropped_in_time_wait() {
    let mut harness = Harness::new(V4);
    let peer = in_time_wait(&mut harness);
    harness.send(&peer, NONE, peer.them, peer.us, b"data");
    harness.send(&peer, F, peer.them - 1, peer.us, b"");
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::NoAck), 2);
}

#[test]
fn challenges_in_time_wait_are_limited() {
    let mut harness = Harness::with(V4, |config| config.challenge_acks_per_second = 3);
    let peer = in_time_wait(&mut harness);
    for _ in 0..10 {
        harness.send(&peer, PA, peer.them, peer.us, b"q");
    }
    assert_eq!(harness.drain().len(), 3);
    assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 7);
}

#[test]
fn the_oldest_gives_way_when_the_table_is_full() {
    let mut harness = Harness::with(V4, |config| config.max_time_wait = 2);
    let peers: Vec<_> = (0..3).map(|_| in_time_wait(&mut harness)).collect();
    assert_eq!(harness.stack.time_waits(), 2);
    harness.assert_entered(&peers[0], StateName::Closed, Cause::TimeWaitEvicted);
    assert_eq!(harness.refused(RefusalReason::TimeWaitLimit), 1);
    assert_eq!(harness.state(&peers[2]), StateName::TimeWait);
}

#[test]
fn a_socket_still_held_reads_the_end_of_file_while_its_connection_is_in_time_wait() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Write);
    harness.send(&peer, FPA, peer.them, peer.us + 1, b"bye");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    assert_eq!(harness.read(id), b"bye");
    assert_eq!(harness.stack.read(harness.now, id, &mut [0; 9]), Ok(0));
    harness.close(id);
    assert_eq!(harness.stack.slots(), 0);
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

/// RFC 7323 §5.3 in TIME-WAIT: an old duplicate of the FIN does not restart it.
#[test]
fn paws_holds_in_time_wait() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (mut peer, id) = harness.accepted_with(
            |_| (),
            |segment| {
                segment.options.timestamps = Some(Timestamps {
                    value: 5000,
                    echo: 0,
                });
            },
        );
        harness.close(id);
        peer.us += 1;
        harness.send(&peer, FA, peer.them, peer.us, b"");
        harness.drain();
        harness.advance(secs(30));
        peer.ts.as_mut().unwrap().value = 4999;
        harness.send(&peer, FA, peer.them, peer.us, b"");
        let ack = harness.expect_ack(&peer, peer.them + 1);
        assert_eq!(ack.options.timestamps.unwrap().echo, 5000);
        assert_eq!(harness.discarded(DiscardReason::Paws), 1);
        harness.advance(secs(30) + STEP);
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}
