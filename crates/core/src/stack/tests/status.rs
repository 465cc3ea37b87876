//! What is told of a connection: the part of Linux's `TCP_INFO` that is not seen elsewhere.

use super::*;
use crate::{Algorithm, Outstanding, SackBlock};

/// Ten segments of 1,000 bytes are in flight.
fn in_flight(sack: bool) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::with(V4, |config| config.congestion = Algorithm::NewReno);
    let (peer, id) = harness.accepted_with(|_| (), |segment| segment.options.sack_permitted = sack);
    harness.write(id, bytes(40_000));
    assert_eq!(harness.drain().len(), 10);
    (harness, peer, id)
}

fn outstanding(unacked: u32, sacked: u32, lost: u32, retransmitted: u32) -> Outstanding {
    Outstanding {
        unacked,
        sacked,
        lost,
        retransmitted,
    }
}

fn sack(harness: &mut Harness, peer: &Peer, left: u32, right: u32) {
    harness.send_with(peer, A, (peer.them, peer.us), b"", |segment| {
        let (left, right) = (peer.us + left, peer.us + right);
        segment.options.sack.push(SackBlock { left, right });
    });
}

/// RFC 6675 §5: from the first block to the end of recovery.
#[test]
fn the_queue_is_told_in_segments_and_the_state_follows_the_blocks() {
    let (mut harness, peer, id) = in_flight(true);
    let told = |harness: &Harness| {
        let status = harness.status(id);
        (status.congestion, status.outstanding, status.delivered)
    };
    let fresh = outstanding(10, 0, 0, 0);
    assert_eq!(told(&harness), (CongestionState::Open, fresh, 1));
    sack(&mut harness, &peer, 1000, 3000);
    let disorder = CongestionState::Disorder;
    // Two segments have left the network: two new ones followed.
    assert_eq!(told(&harness), (disorder, outstanding(12, 2, 0, 0), 3));
    sack(&mut harness, &peer, 1000, 4000);
    let recovery = CongestionState::Recovery;
    assert_eq!(told(&harness), (recovery, outstanding(12, 3, 1, 1), 4));
    let status = harness.status(id);
    assert_eq!(
        (status.retransmissions, status.bytes_retransmitted),
        (1, 1000)
    );
    assert_eq!((status.bytes_sent, status.data_segs_out), (13_000, 13));
    assert_eq!(status.unsent, 28_000);
    harness.ack(&peer, peer.us + 12_000);
    let status = harness.status(id);
    assert_eq!(status.congestion, CongestionState::Open);
    assert_eq!((status.delivered, status.bytes_acked), (13, 12_000));
}

/// Without SACK a duplicate acknowledgment stands for a segment that has arrived.
#[test]
fn duplicate_acks_are_disorder_before_they_are_recovery() {
    let (mut harness, peer, id) = in_flight(false);
    for (count, expected) in [
        (1, CongestionState::Disorder),
        (2, CongestionState::Disorder),
        (3, CongestionState::Recovery),
    ] {
        harness.ack(&peer, peer.us);
        let status = harness.status(id);
        assert_eq!(status.congestion, expected);
        assert_eq!(status.outstanding.sacked, count);
    }
    harness.ack(&peer, peer.us + 12_000);
    assert_eq!(harness.status(id).outstanding.sacked, 0);
}

/// RFC 6298 §5.4, RFC 5681 §3.1.
#[test]
fn after_a_timeout_everything_is_lost_and_one_segment_is_on_its_way_again() {
    let (mut harness, _, id) = in_flight(true);
    harness.advance(ms(200));
    let status = harness.status(id);
    assert_eq!(status.congestion, CongestionState::Loss);
    assert_eq!(status.outstanding, outstanding(10, 0, 10, 1));
    assert_eq!(
        (status.timeouts, status.backoff, status.doublings),
        (1, 1, 1)
    );
    harness.advance(ms(400));
    let status = harness.status(id);
    assert_eq!((status.timeouts, status.doublings), (2, 2));
    assert_eq!(status.outstanding, outstanding(10, 0, 10, 1));
}

#[test]
fn a_syn_that_times_out_counts_and_so_does_a_syn_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, id, _) = harness.connect();
        harness.advance(secs(3));
        assert_eq!(harness.status(id).timeouts, 2);
        let listener = harness.listen();
        let mut peer = harness.syn(1000);
        harness.advance(secs(1));
        let answer = harness.drain().pop().expect("a SYN,ACK");
        peer.us = answer.seq + 1;
        harness.ack(&peer, peer.us);
        let child = harness.accept(listener).expect("a child");
        let status = harness.status(child);
        assert_eq!((status.timeouts, status.retransmissions), (1, 1));
        assert_eq!(status.delivered, 1);
    });
}

#[test]
fn times_of_data_are_kept_apart_from_those_of_acks() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (mut peer, id) = harness.connected();
        let start = harness.now;
        harness.advance(ms(10));
        harness.write(id, b"abc");
        harness.drain();
        harness.advance(ms(10));
        harness.ack(&peer, peer.us + 3);
        harness.advance(ms(10));
        harness.send(&peer, PA, peer.them, peer.us + 3, b"0123");
        peer.them += 4;
        harness.advance(ms(50));
        harness.shutdown(id, crate::Shutdown::Write);
        harness.ack(&peer, peer.us + 3);
        let status = harness.status(id);
        let since = |at: Instant| (at - start).as_millis();
        assert_eq!(since(status.data_sent_at), 10);
        assert_eq!(since(status.data_received_at), 30);
        assert_eq!(since(status.heard_at), 80);
        assert_eq!((status.data_segs_in, status.data_segs_out), (1, 1));
        assert_eq!((status.segs_in, status.bytes_sent), (4, 3));
    });
}

#[test]
fn what_was_agreed_and_offered_is_told() {
    let mut harness = Harness::new(V4);
    let (_, id) = harness.connected_with(|segment| segment.options.window_scale = Some(0));
    let status = harness.status(id);
    assert!(status.window_scaling && !status.timestamps && !status.sack);
    assert_eq!((status.advertised_mss, status.mss), (1460, MSS));
    assert_eq!(status.delayed_ack, ms(40));
    assert_eq!((status.reordering, status.delivered), (3, 1));
    let (_, id) = harness.connected();
    assert!(!harness.status(id).window_scaling);
}

#[test]
fn the_peers_segment_size_is_learned_from_its_data_and_not_beyond_what_was_offered() {
    let mut harness = Harness::new(V4);
    let (mut peer, id) = harness.connected();
    assert_eq!(harness.status(id).rcv_mss, 536);
    for (length, expected) in [(100, 536), (1200, 1200), (800, 1200), (1480, 1460)] {
        harness.send(&peer, A, peer.them, peer.us, bytes(length));
        peer.them += length as u32;
        assert_eq!(harness.status(id).rcv_mss, expected);
    }
}

#[test]
fn probes_of_a_shut_window_count_until_one_is_answered() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.connected();
        harness.ack_window(&peer, peer.us, 0);
        harness.write(id, b"waiting");
        assert_eq!(harness.status(id).probes, 0);
        harness.advance(secs(2));
        assert_eq!(harness.status(id).probes, 3);
        assert_eq!(harness.status(id).timeouts, 0);
        harness.ack_window(&peer, peer.us, 0);
        assert_eq!(harness.status(id).probes, 0);
    });
}

#[test]
fn unanswered_keep_alives_count_as_probes() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.connected();
    let keep_alive = crate::KeepAlive {
        idle: secs(10),
        interval: secs(1),
        count: 9,
    };
    let options = SocketOptions {
        keep_alive: Some(keep_alive),
        ..SocketOptions::default()
    };
    let now = harness.now;
    harness.stack.set_options(now, id, options).expect("it");
    harness.advance(secs(12));
    assert_eq!(harness.status(id).probes, 3);
    harness.ack(&peer, peer.us);
    assert_eq!(harness.status(id).probes, 0);
}

/// RFC 6928 §2 by another number.
#[test]
fn the_initial_window_is_as_configured() {
    for (segments, expected) in [(1, 1), (2, 2), (10, 10), (20, 20)] {
        let mut harness = Harness::with(V4, |config| config.initial_window = segments);
        let (peer, id) = harness.connected();
        harness.write(id, bytes(40_000));
        assert_eq!(harness.drain().len(), expected);
        harness.ack(&peer, peer.us + expected as u32 * 1000);
        harness.drain();
        let rest = harness.status(id).snd_nxt;
        harness.ack(&peer, rest);
        // RFC 5681 §4.1: it is the restart window, too.
        while harness.status(id).unacknowledged > 0 {
            let all = harness.status(id).snd_nxt;
            harness.ack(&peer, all);
        }
        harness.drain();
        harness.advance(secs(5));
        harness.write(id, bytes(40_000));
        assert_eq!(harness.drain().len(), expected);
    }
}

/// RFC 7323 §2.3: the shift is said once, on the SYN; a buffer may be made larger later.
#[test]
fn the_window_scale_allows_for_the_largest_buffer_configured() {
    let largest = 6 << 20;
    let mut harness = Harness::with(V4, |config| config.max_receive_buffer = largest);
    let (_, id, syn) = harness.connect();
    assert_eq!(syn.options.window_scale, Some(7));
    let large = SocketOptions {
        receive_buffer: 32 << 20,
        ..SocketOptions::default()
    };
    let (_, _, syn) = harness.connect_with(large);
    assert_eq!(syn.options.window_scale, Some(10));
    assert_eq!(harness.status(id).window_shifts.0, 7);
    let listener = harness.listen();
    harness.syn_with(1, |segment| segment.options.window_scale = Some(2));
    let answer = harness.next().expect("a SYN,ACK");
    assert_eq!(answer.options.window_scale, Some(7));
    harness
        .stack
        .close_listener(harness.now, listener)
        .expect("it");
}

/// RFC 7323 §2.2: a shift of zero is an offer like any other, also when the opens cross.
#[test]
fn a_scale_of_zero_is_agreed_on_in_a_simultaneous_open() {
    let mut harness = Harness::new(V4);
    let small = SocketOptions {
        receive_buffer: 8192,
        ..SocketOptions::default()
    };
    let (peer, id, _) = harness.connect_with(small);
    harness.send_with(&peer, S, (peer.them - 1, SeqNumber(0)), b"", |segment| {
        segment.options.window_scale = Some(0);
    });
    let answer = harness.expect(SA, peer.us - 1, peer.them);
    assert_eq!(answer.options.window_scale, Some(0));
    assert!(harness.status(id).window_scaling);
}
