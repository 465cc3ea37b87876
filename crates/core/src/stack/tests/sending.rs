//! Data goes out: segment sizes, Nagle, silly windows, shut windows and their probes (RFC 9293 §3.7, §3.8.6).

use super::*;

fn nodelay(harness: &mut Harness) -> (Peer, SocketId) {
    harness.accepted_with(|options| options.socket.nodelay = true, |_| ())
}

#[test]
fn what_is_written_is_cut_into_full_segments_and_pushed_at_the_end() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        let data = bytes(2500);
        harness.write(id, &data);
        for (range, flags) in [(0..1000, A), (1000..2000, A), (2000..2500, PA)] {
            let got = harness.expect_data(peer.us + range.start as u32, &data[range]);
            assert_eq!(got.flags, flags);
        }
    });
}

/// RFC 9293 §3.7.4.
#[test]
fn nagle_holds_small_data_while_anything_is_unacknowledged() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.write(id, b"a");
        harness.expect_data(peer.us, b"a");
        harness.write(id, b"b");
        harness.write(id, b"c");
        harness.expect_silence();
        harness.ack(&peer, peer.us + 1);
        harness.expect_data(peer.us + 1, b"bc");
    });
}

#[test]
fn nagle_lets_full_segments_pass() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"a");
    harness.drain();
    harness.write(id, bytes(1000));
    harness.expect_data(peer.us + 1, &bytes(1000));
    harness.write(id, b"z");
    harness.expect_silence();
}

/// RFC 9293, appendix A.3.
#[test]
fn the_end_of_a_long_write_does_not_wait_for_an_ack() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(1280));
    harness.expect_data(peer.us, &bytes(1000));
    harness.expect_data(peer.us + 1000, &bytes(1280)[1000..]);
    // Now a small segment is in flight, and the next one waits.
    harness.write(id, b"z");
    harness.expect_silence();
    harness.ack(&peer, peer.us + 1280);
    harness.expect_data(peer.us + 1280, b"z");
}

#[test]
fn nodelay_sends_small_data_at_once() {
    let mut harness = Harness::new(V4);
    let (peer, id) = nodelay(&mut harness);
    for (index, data) in [b"a", b"b", b"c"].into_iter().enumerate() {
        harness.write(id, data);
        harness.expect_data(peer.us + index as u32, data);
    }
}

#[test]
fn setting_nodelay_releases_what_nagle_held() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"a");
    harness.write(id, b"b");
    harness.drain();
    let mut options = harness.stack.options(id).unwrap();
    options.nodelay = true;
    harness.stack.set_options(harness.now, id, options).unwrap();
    harness.expect_data(peer.us + 1, b"b");
}

#[test]
fn closing_releases_what_nagle_held() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"a");
    harness.write(id, b"b");
    harness.drain();
    harness.close(id);
    let got = harness.expect(FA, peer.us + 1, peer.them);
    assert_eq!(got.data, b"b");
}

/// The initial window is ten segments (RFC 6928).
#[test]
fn no_more_than_the_congestion_window_is_sent() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(40_000));
    assert_eq!(harness.drain().len(), 10);
    harness.ack(&peer, peer.us + 2000);
    assert_eq!(harness.drain().len(), 4, "slow start");
}

#[test]
fn no_more_than_the_peers_window_is_sent() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.ack_window(&peer, peer.us, 3000);
        harness.write(id, bytes(9000));
        assert_eq!(harness.drain().len(), 3);
        harness.ack_window(&peer, peer.us + 3000, 0);
        harness.expect_silence();
        harness.ack_window(&peer, peer.us + 3000, 2000);
        assert_eq!(harness.drain().len(), 2);
    });
}

/// RFC 9293 §3.10.7.4: the window of the newest segment counts, not of one that was overtaken.
#[test]
fn an_older_segment_does_not_change_the_window() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(2000));
    harness.ack_window(&peer, peer.us + 2000, 5000);
    harness.ack_window(&peer, peer.us + 1000, 9000);
    assert_eq!(harness.status(id).snd_wnd, 5000);
    harness.send_with(&peer, PA, (peer.them, peer.us + 2000), b"new", |segment| {
        segment.wnd = 6000;
    });
    assert_eq!(harness.status(id).snd_wnd, 6000);
}

/// RFC 9293 §3.8.6: "a sending TCP peer MUST be robust against window shrinking".
#[test]
fn a_window_that_shrinks_below_what_is_in_flight_is_survived() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(5000));
        assert_eq!(harness.drain().len(), 5);
        harness.ack_window(&peer, peer.us, 1000);
        harness.expect_silence();
        // What it must tell meanwhile has a number the peer accepts.
        harness.send(&peer, PA, peer.them, peer.us, b"hello");
        harness.expect(A, peer.us + 5000, peer.them + 5);
        harness.advance(ms(200));
        harness.expect_data(peer.us, &bytes(1000));
        harness.send_with(&peer, A, (peer.them + 5, peer.us + 5000), b"", |segment| {
            segment.wnd = 1000;
        });
        assert_eq!(harness.status(id).unacknowledged, 0);
    });
}

/// RFC 9293 §3.8.6.2.1: a small part of a window is not worth a segment while more will fit.
#[test]
fn a_sliver_of_a_window_is_not_used_until_it_has_lasted() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = nodelay(&mut harness);
        harness.ack_window(&peer, peer.us, 0);
        harness.write(id, bytes(3000));
        harness.expect_silence();
        harness.ack_window(&peer, peer.us, 10);
        harness.expect_silence();
        // The override timeout, against a peer that will never open more.
        harness.advance(secs(1));
        harness.expect_data(peer.us, &bytes(10));
    });
}

#[test]
fn half_of_the_largest_window_is_worth_a_segment() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen_with(|options| options.socket.nodelay = true);
    let mut peer = harness.syn_with(1000, |segment| segment.wnd = 400);
    peer.us = harness.next().unwrap().seq + 1;
    harness.ack_window(&peer, peer.us, 400);
    let id = harness.accept(listener).unwrap();
    harness.write(id, bytes(3000));
    harness.expect_data(peer.us, &bytes(400));
    harness.ack_window(&peer, peer.us + 400, 199);
    harness.expect_silence();
    harness.ack_window(&peer, peer.us + 400, 200);
    harness.expect_data(peer.us + 400, &bytes(600)[400..]);
}

// A shut window (RFC 9293 §3.8.6.1).

/// The window is shut; five bytes wait.
fn shut(family: Family) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::new(family);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, 0);
    harness.write(id, b"hello");
    harness.expect_silence();
    (harness, peer, id)
}

#[test]
fn a_shut_window_is_probed_with_one_byte_less_and_less_often() {
    both(|family| {
        let (mut harness, peer, _) = shut(family);
        let start = harness.now;
        for at in [200, 600, 1400, 3000, 6200, 12_600] {
            harness.advance(ms(at - 1) - (harness.now - start));
            harness.expect_silence();
            harness.advance(ms(1));
            harness.expect_data(peer.us, b"h");
            harness.ack_window(&peer, peer.us, 0);
        }
        assert_eq!(harness.stack.counters().tcp_win_probe, 6);
        assert_eq!(harness.stack.counters().tcp_timeouts, 0);
    });
}

/// "It MUST keep the connection open" as long as the probes are answered.
#[test]
fn a_shut_window_whose_probes_are_answered_is_probed_for_ever() {
    let (mut harness, peer, _) = shut(V4);
    for _ in 0..100 {
        harness.advance(secs(120));
        assert_eq!(harness.drain().last().unwrap().data, b"h");
        harness.ack_window(&peer, peer.us, 0);
    }
    assert_eq!(harness.state(&peer), StateName::Established);
}

#[test]
fn a_shut_window_whose_probes_stay_unanswered_ends_the_connection() {
    let (mut harness, peer, _) = shut(V4);
    harness.advance(secs(3600));
    harness.assert_entered(&peer, StateName::Closed, Cause::DataRetries);
    assert_eq!(
        harness
            .drain()
            .iter()
            .filter(|got| got.data == b"h")
            .count(),
        15
    );
}

#[test]
fn a_probe_whose_byte_was_taken_is_followed_by_the_rest() {
    both(|family| {
        let (mut harness, peer, _) = shut(family);
        harness.advance(ms(200));
        harness.expect_data(peer.us, b"h");
        harness.ack_window(&peer, peer.us + 1, 0);
        harness.expect_silence();
        harness.advance(ms(200));
        harness.expect_data(peer.us + 1, b"e");
        harness.ack_window(&peer, peer.us + 2, 100);
        harness.expect_data(peer.us + 2, b"llo");
    });
}

#[test]
fn a_window_update_releases_what_waited_the_refused_byte_first() {
    both(|family| {
        let (mut harness, peer, id) = shut(family);
        harness.advance(ms(200));
        harness.expect_data(peer.us, b"h");
        harness.ack_window(&peer, peer.us, 0);
        harness.ack_window(&peer, peer.us, 5000);
        let mut all = Vec::new();
        loop {
            for got in harness.drain() {
                assert_eq!(got.seq, peer.us + all.len() as u32);
                all.extend(got.data);
            }
            if all.len() == 5 {
                break;
            }
            harness.ack_window(&peer, peer.us + all.len() as u32, 5000);
        }
        assert_eq!(all, b"hello");
        harness.ack_window(&peer, peer.us + 5, 5000);
        assert_eq!(harness.status(id).unacknowledged, 0);
        harness.advance(secs(10));
        harness.expect_silence();
    });
}

#[test]
fn a_lost_window_update_is_found_by_the_probe() {
    let (mut harness, peer, _) = shut(V4);
    harness.advance(ms(200));
    harness.expect_data(peer.us, b"h");
    // The peer had opened its window long ago: it takes the byte and says so.
    harness.ack_window(&peer, peer.us + 1, 5000);
    harness.expect_data(peer.us + 1, b"ello");
}

/// Otherwise the peer, whose own window is shut, would refuse the ACK and send its data again and again.
#[test]
fn acks_while_a_probe_is_refused_stay_inside_the_peers_window() {
    both(|family| {
        let (mut harness, peer, _) = shut(family);
        harness.advance(ms(200));
        harness.expect_data(peer.us, b"h");
        harness.ack_window(&peer, peer.us, 0);
        harness.send_with(&peer, PA, (peer.them, peer.us), b"data", |segment| {
            segment.wnd = 0
        });
        harness.expect_ack(&peer, peer.them + 4);
    });
}

/// RFC 6298 §3: an ACK of what was sent more than once measures nothing.
#[test]
fn a_probe_sent_again_measures_no_round_trip() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(1000));
    harness.drain();
    harness.ack_window(&peer, peer.us, 0);
    let before = harness.status(id).rtt;
    harness.advance(secs(60));
    assert!(!harness.drain().is_empty());
    harness.ack_window(&peer, peer.us + 1, 0);
    assert_eq!(harness.status(id).rtt, before);
    harness.ack_window(&peer, peer.us + 1000, 5000);
    assert_eq!(harness.status(id).rtt, before);
}

#[test]
fn a_fin_behind_a_shut_window_is_the_probe() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, 0);
    harness.shutdown(id, crate::Shutdown::Write);
    harness.expect_silence();
    harness.advance(ms(200));
    harness.expect(FA, peer.us, peer.them);
    harness.ack_window(&peer, peer.us, 0);
    harness.advance(ms(400));
    harness.expect(FA, peer.us, peer.them);
    harness.ack_window(&peer, peer.us + 1, 0);
    harness.assert_entered(&peer, StateName::FinWait2, Cause::AckOfFin);
}

#[test]
fn a_window_that_shuts_over_data_in_flight_is_probed() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(3000));
    assert_eq!(harness.drain().len(), 3);
    harness.ack_window(&peer, peer.us + 1000, 0);
    harness.advance(secs(1));
    let probes = harness.drain();
    assert!(!probes.is_empty());
    for got in probes {
        assert_eq!((got.seq, got.data.len()), (peer.us + 1000, 1));
    }
    harness.ack_window(&peer, peer.us + 1000, 9000);
    assert_eq!(harness.drain()[0].seq, peer.us + 1000);
}

/// RFC 9293 §3.8.6, SHLD-17: as long as the peer answers.
#[test]
fn data_beyond_a_window_that_shrank_does_not_end_the_connection() {
    for left in [0, 500] {
        let mut harness = Harness::new(V4);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(3000));
        assert_eq!(harness.drain().len(), 3);
        for _ in 0..100 {
            harness.ack_window(&peer, peer.us + 1000, 0);
            harness.advance(secs(120));
            assert!(!harness.drain().is_empty());
        }
        harness.ack_window(&peer, peer.us + 1000 + u32::from(left), left);
        harness.advance(secs(1));
        assert_eq!(harness.state(&peer), StateName::Established);
    }
}

/// The device was busy when the probe fell due, and an ACK of everything came before it was sent.
#[test]
fn a_probe_that_is_no_longer_needed_is_not_sent() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"hello");
    harness.drain();
    harness.ack_window(&peer, peer.us, 0);
    harness.now += ms(200);
    harness.stack.advance(harness.now);
    harness.ack_window(&peer, peer.us + 5, 0);
    harness.expect_silence();
    assert_eq!(harness.status(id).snd_nxt, peer.us + 5);
}

#[test]
fn a_full_send_buffer_blocks_and_an_ack_makes_room() {
    use crate::error::WriteError;
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted_with(|options| options.socket.send_buffer = 4000, |_| ());
    while harness.stack.next_event().is_some() {}
    assert_eq!(harness.stack.write(harness.now, id, &bytes(5000)), Ok(4000));
    let blocked = Err(WriteError::WouldBlock);
    assert_eq!(harness.stack.write(harness.now, id, b"x"), blocked);
    assert_eq!(harness.stack.write(harness.now, id, b""), Ok(0));
    assert_eq!(harness.stack.next_event(), None);
    harness.transmit();
    harness.ack(&peer, peer.us + 1000);
    let event = super::super::Event::Ready(id, crate::Readiness::WRITABLE);
    assert_eq!(harness.stack.next_event(), Some(event));
    assert_eq!(harness.stack.write(harness.now, id, &bytes(5000)), Ok(1000));
}
