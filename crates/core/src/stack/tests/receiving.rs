//! Data arrives: reassembly, SACK blocks, when it is acknowledged (RFC 9293 §3.8.6.3, RFC 2018, RFC 5681 §4.2).

use super::*;
use crate::SackBlock;

fn with_sack(harness: &mut Harness) -> (Peer, SocketId) {
    harness.accepted_with(|_| (), |segment| segment.options.sack_permitted = true)
}

/// Without the quick ACKs of a new connection.
fn patient(family: Family) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::with(family, |config| config.quick_acks = 0);
    let (peer, id) = harness.accepted();
    (harness, peer, id)
}

#[test]
fn data_out_of_order_is_held_and_delivered_in_order() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        for (ahead, data) in [(6, b"ghi"), (3, b"def")] {
            harness.send(&peer, PA, peer.them + ahead, peer.us, data);
            harness.expect_ack(&peer, peer.them);
            assert_eq!(harness.read(id), b"");
        }
        assert_eq!(harness.status(id).out_of_order, 6);
        harness.send(&peer, PA, peer.them, peer.us, b"abc");
        harness.expect_ack(&peer, peer.them + 9);
        assert_eq!(harness.read(id), b"abcdefghi");
        assert_eq!(harness.stack.counters().tcp_ofo_queue, 2);
    });
}

/// RFC 2018 §4: the block of the latest segment first, then those reported before.
#[test]
fn sack_blocks_report_what_is_held_the_latest_first() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = with_sack(&mut harness);
        let block = |from: u32| SackBlock {
            left: peer.them + from,
            right: peer.them + from + 2,
        };
        let mut expected = Vec::new();
        for from in [10, 20, 30, 40, 50] {
            harness.send(&peer, PA, peer.them + from, peer.us, b"xx");
            expected.insert(0, block(from));
            expected.truncate(4);
            let got = harness.expect_ack(&peer, peer.them);
            let blocks: Vec<_> = got.options.sack.iter().collect();
            assert_eq!(blocks, expected);
        }
        harness.send(&peer, PA, peer.them + 10, peer.us, b"xx");
        let blocks = harness.next().unwrap().options.sack;
        assert_eq!(
            blocks.iter().next(),
            Some(block(10)),
            "a duplicate is news of its block"
        );
    });
}

#[test]
fn beside_timestamps_there_is_room_for_three_blocks() {
    let mut harness = Harness::new(V4);
    let (peer, _) = harness.accepted_with(
        |_| (),
        |segment| {
            segment.options.sack_permitted = true;
            segment.options.timestamps = Some(Timestamps { value: 1, echo: 0 });
        },
    );
    for from in [10, 20, 30, 40] {
        harness.send(&peer, PA, peer.them + from, peer.us, b"xx");
    }
    let last = harness.drain().pop().unwrap();
    assert_eq!(last.options.sack.len(), 3);
    assert!(last.options.timestamps.is_some());
}

#[test]
fn sack_blocks_are_not_sent_to_a_peer_that_did_not_permit_them() {
    let mut harness = Harness::new(V4);
    let (peer, _) = harness.accepted();
    harness.send(&peer, PA, peer.them + 10, peer.us, b"xx");
    assert!(harness.next().unwrap().options.sack.is_empty());
}

#[test]
fn sack_blocks_are_gone_when_the_hole_is_filled() {
    let mut harness = Harness::new(V4);
    let (peer, _) = with_sack(&mut harness);
    harness.send(&peer, PA, peer.them + 2, peer.us, b"xx");
    harness.send(&peer, PA, peer.them, peer.us, b"xx");
    let last = harness.drain().pop().unwrap();
    assert_eq!((last.ack, last.options.sack.len()), (peer.them + 4, 0));
}

#[test]
fn the_number_of_holes_is_bounded() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_sack(&mut harness);
    for hole in 0..300_u32 {
        harness.send(&peer, PA, peer.them + 2 * hole + 1, peer.us, b"x");
    }
    assert_eq!(harness.status(id).out_of_order, 256);
    assert_eq!(harness.discarded(DiscardReason::ReassemblyFull), 44);
    harness.send(&peer, PA, peer.them, peer.us, vec_of(600));
    assert_eq!(harness.read(id).len(), 600);
}

fn vec_of(length: usize) -> Vec<u8> {
    std::vec![b'x'; length]
}

/// Linux t3: the first 16 segments at once, then after 40 ms.
#[test]
fn the_first_sixteen_segments_are_acknowledged_at_once_then_acks_are_delayed() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = harness.accepted();
        for index in 1..=20 {
            harness.send(&peer, PA, peer.them + 10 * (index - 1), peer.us, bytes(10));
            let at_once = harness.next();
            assert_eq!(at_once.is_some(), index <= 16, "{index}");
            harness.advance(ms(39));
            harness.expect_silence();
            harness.advance(ms(1));
            if index > 16 {
                harness.expect_ack(&peer, peer.them + 10 * index);
            }
        }
        assert_eq!(harness.stack.counters().delayed_acks, 4);
    });
}

#[test]
fn every_second_segment_is_acknowledged_at_once() {
    both(|family| {
        let (mut harness, peer, _) = patient(family);
        for index in 0..10 {
            harness.send(&peer, PA, peer.them + 1000 * index, peer.us, bytes(1000));
            if index % 2 == 0 {
                harness.expect_silence();
            } else {
                harness.expect_ack(&peer, peer.them + 1000 * (index + 1));
            }
        }
        harness.advance(secs(1));
        harness.expect_silence();
    });
}

#[test]
fn a_delayed_ack_rides_on_data() {
    let (mut harness, peer, id) = patient(V4);
    harness.send(&peer, PA, peer.them, peer.us, b"request");
    harness.expect_silence();
    harness.write(id, b"response");
    let got = harness.expect_data(peer.us, b"response");
    assert_eq!(got.ack, peer.them + 7);
    harness.send(&peer, A, peer.them + 7, peer.us + 8, b"");
    harness.advance(secs(1));
    harness.expect_silence();
}

/// RFC 5681 §4.2: "when an out-of-order segment arrives" and "that fills in all or part of a gap".
#[test]
fn a_hole_and_its_filling_are_acknowledged_at_once() {
    let (mut harness, peer, _) = patient(V4);
    harness.send(&peer, PA, peer.them + 3, peer.us, b"def");
    harness.expect_ack(&peer, peer.them);
    harness.send(&peer, PA, peer.them, peer.us, b"abc");
    harness.expect_ack(&peer, peer.them + 6);
}

#[test]
fn the_ack_of_a_fin_is_not_delayed_for_ever() {
    let (mut harness, peer, _) = patient(V4);
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.expect_silence();
    harness.advance(ms(40));
    harness.expect_ack(&peer, peer.them + 1);
}

/// RFC 9293 §3.8.6.3: less than 500 ms.
#[test]
fn a_delayed_ack_of_zero_is_sent_by_the_next_turn_of_the_clock() {
    let mut harness = Harness::with(V4, |config| {
        config.quick_acks = 0;
        config.delayed_ack = Duration::ZERO;
    });
    let (peer, _) = harness.accepted();
    harness.send(&peer, PA, peer.them, peer.us, b"x");
    harness.advance(ms(1));
    harness.expect_ack(&peer, peer.them + 1);
}

#[test]
fn sequence_numbers_wrap_under_data_and_holes() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let mut peer = harness.syn(u32::MAX - 5);
        peer.us = harness.next().unwrap().seq + 1;
        harness.ack(&peer, peer.us);
        let id = harness.accept(listener).unwrap();
        let data = bytes(100);
        for range in [50..100, 2..50, 0..2] {
            let seq = peer.them + range.start as u32;
            harness.send(&peer, PA, seq, peer.us, &data[range]);
        }
        assert_eq!(harness.read(id), data);
        harness.drain();
        harness.send(&peer, FA, peer.them + 100, peer.us, b"");
        harness.expect_ack(&peer, peer.them + 101);
    });
}

/// RFC 9293 §3.8.6.3, MUST-40: whatever the configuration says.
#[test]
fn an_ack_is_never_delayed_by_half_a_second() {
    let mut harness = Harness::with(V4, |config| {
        config.quick_acks = 0;
        config.delayed_ack = secs(10);
    });
    let (peer, _) = harness.accepted();
    harness.send(&peer, PA, peer.them, peer.us, b"x");
    harness.advance(ms(499));
    harness.expect_ack(&peer, peer.them + 1);
}

/// RFC 9293 §3.10.7.4, MUST-58 and MUST-59: "it MUST process them all before sending any ACK segments".
#[test]
fn segments_that_came_together_draw_one_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.busy = true;
        for index in [0, 2, 1, 3, 4, 5] {
            harness.send(&peer, PA, peer.them + 1000 * index, peer.us, bytes(1000));
        }
        harness.busy = false;
        harness.expect_ack(&peer, peer.them + 6000);
        harness.expect_silence();
        assert_eq!(harness.read(id).len(), 6000);
    });
}
