//! Urgent data (RFC 9293 §3.8.5), as the receiver learns of it and as the sender says it.

use super::super::Event;
use super::*;
use crate::Readiness;

const U: Flags = Flags::URG;
const UA: Flags = A.union(U);

/// The peer sends data with an urgent pointer.
fn send_urgent(harness: &mut Harness, peer: &Peer, seq: SeqNumber, data: &[u8], pointer: u16) {
    harness.send_with(peer, PA | U, (seq, peer.us), data, |segment| {
        segment.urgent = pointer;
    });
}

/// Whether an event told of urgent data since the last call.
fn told(harness: &mut Harness) -> bool {
    let mut told = false;
    while let Some(event) = harness.stack.next_event() {
        told |=
            matches!(event, Event::Ready(_, readiness) if readiness.contains(Readiness::URGENT));
    }
    told
}

/// MUST-32, MUST-33: "the octet following the urgent data" is where the pointer points (MUST-62).
#[test]
fn the_receiver_learns_of_urgent_data_before_it_has_come() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        assert!(!told(&mut harness));
        assert_eq!(harness.stack.urgent(id), None);
        send_urgent(&mut harness, &peer, peer.them, b"abc", 5);
        assert!(told(&mut harness));
        assert_eq!(harness.stack.urgent(id), Some(5));
        assert_eq!(harness.status(id).urgent, Some(5));
        let readiness = harness.stack.readiness(id).expect("a socket");
        assert!(readiness.contains(Readiness::URGENT));
        assert_eq!(harness.read_some(id, 9), b"abc");
        assert_eq!(harness.stack.urgent(id), Some(2));
        // The same pointer again is no news; one that lies further ahead is.
        send_urgent(&mut harness, &peer, peer.them + 3, b"d", 2);
        assert!(!told(&mut harness));
        send_urgent(&mut harness, &peer, peer.them + 4, b"e", 2);
        assert!(told(&mut harness));
        assert_eq!(harness.stack.urgent(id), Some(3));
    });
}

/// Linux and BSD: SO_OOBINLINE's mark stands before the last urgent byte. RFC 9293 §3.9.1.3: what follows the
/// urgent data is not delivered with it.
#[test]
fn a_read_stops_at_the_mark_and_behind_the_urgent_byte() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        send_urgent(&mut harness, &peer, peer.them, b"before!after", 7);
        let mut peeked = [0; 20];
        assert_eq!(harness.stack.peek(harness.now, id, &mut peeked), Ok(6));
        assert_eq!(harness.read_some(id, 20), b"before");
        assert_eq!(harness.stack.urgent(id), Some(1));
        assert_eq!(harness.read_some(id, 20), b"!");
        assert_eq!(harness.stack.urgent(id), None);
        assert_eq!(harness.read_some(id, 20), b"after");
    });
}

#[test]
fn a_pointer_to_what_was_read_or_to_nothing_is_no_urgent_data() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    send_urgent(&mut harness, &peer, peer.them, b"abc", 0);
    assert!(!told(&mut harness));
    harness.read(id);
    send_urgent(&mut harness, &peer, peer.them, b"abcd", 3);
    assert!(!told(&mut harness));
    assert_eq!(harness.stack.urgent(id), None);
    assert_eq!(harness.read(id), b"d");
    // The data before it was read meanwhile, the rest was not: the pointer counts from its own segment.
    send_urgent(&mut harness, &peer, peer.them, b"abcdef", 6);
    assert_eq!(harness.stack.urgent(id), Some(2));
}

/// "a TCP receiver should be robust to invalid urgent pointer values".
#[test]
fn a_pointer_far_beyond_the_data_holds_nothing_up_and_ends_with_the_stream() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        send_urgent(&mut harness, &peer, peer.them, b"abc", u16::MAX);
        assert_eq!(harness.read(id), b"abc");
        assert_eq!(harness.stack.urgent(id), Some(65_532));
        harness.send(&peer, PA, peer.them + 3, peer.us, b"def");
        assert_eq!(harness.read_some(id, 9), b"def");
        harness.send(&peer, FPA, peer.them + 6, peer.us, b"g");
        assert_eq!(harness.stack.urgent(id), Some(1));
        assert_eq!(harness.read(id), b"g");
        assert_eq!(harness.stack.urgent(id), None);
        assert_eq!(harness.stack.read(harness.now, id, &mut [0]), Ok(0));
    });
}

/// RFC 9293 §3.10.7.4, first step: "special allowance should be made to accept valid ACKs, URGs, and RSTs".
#[test]
fn urgent_news_come_through_a_shut_window_but_not_from_outside_of_an_open_one() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted_with(|options| options.socket.receive_buffer = 4000, |_| ());
    send_urgent(&mut harness, &peer, peer.them + 5000, b"abc", 3);
    assert_eq!(harness.stack.urgent(id), None);
    harness.send(&peer, PA, peer.them, peer.us, bytes(4000));
    assert_eq!(harness.drain().pop().map(|got| got.wnd), Some(0));
    let all = peer.them + 4000;
    send_urgent(&mut harness, &peer, all, b"!", 1);
    assert!(told(&mut harness));
    assert_eq!(harness.stack.urgent(id), Some(4001));
    // RFC 9293 §3.10.7.4, sixth step: not after the FIN.
    harness.read(id);
    harness.send(&peer, FA, all, peer.us, b"");
    assert_eq!(harness.stack.urgent(id), None);
    send_urgent(&mut harness, &peer, all + 1, b"", 100);
    assert_eq!(harness.stack.urgent(id), None);
}

fn urgent(got: &Got) -> Option<u16> {
    got.flags.contains(U).then_some(got.urgent)
}

/// RFC 9293 §3.8.5: "carried in all segments transmitted" until the urgent data is acknowledged.
#[test]
fn the_sender_points_behind_the_urgent_data_until_it_is_acknowledged() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.connected();
        harness.write(id, b"normal");
        assert_eq!(urgent(&harness.next().expect("data")), None);
        let taken = harness.stack.write_urgent(harness.now, id, b"urgent!");
        assert_eq!(taken, Ok(7));
        // Urgent data does not wait for the ACK of what is in flight (SHOULD: push).
        let got = harness.expect_data(peer.us + 6, b"urgent!");
        assert_eq!(urgent(&got), Some(7));
        harness.write(id, b"more");
        harness.expect_silence();
        // Sent again, it points to the same byte.
        harness.advance(ms(200));
        let again = harness.drain();
        let again: Vec<_> = again
            .iter()
            .map(|got| (got.seq - peer.us, urgent(got)))
            .collect();
        assert_eq!(again, [(0, Some(13)), (6, Some(7))]);
        harness.ack(&peer, peer.us + 6);
        harness.expect_silence();
        harness.ack(&peer, peer.us + 13);
        let got = harness.expect_data(peer.us + 13, b"more");
        assert_eq!(urgent(&got), None);
    });
}

/// MUST-31: "a sequence of urgent data of any length".
#[test]
fn urgent_data_longer_than_the_field_is_pointed_to_as_far_as_it_goes() {
    let mut harness = Harness::new(V4);
    let (mut peer, id) = harness.connected_with(|segment| {
        segment.options.mss = Some(1000);
        segment.options.window_scale = Some(2);
    });
    let taken = harness.stack.write_urgent(harness.now, id, &bytes(100_000));
    assert_eq!(taken, Ok(100_000));
    let end = peer.us + 100_000;
    let mut seen = 0;
    while harness.status(id).unacknowledged > 0 {
        for got in harness.drain() {
            let ahead = u16::try_from(end - got.seq).unwrap_or(u16::MAX);
            assert_eq!(urgent(&got), Some(ahead));
            peer.us = got.seq + got.data.len() as u32;
            seen += 1;
        }
        harness.ack(&peer, peer.us);
    }
    assert_eq!(seen, 100);
}

/// A shut window keeps the data back, not the news; a probe carries the pointer, too.
#[test]
fn a_shut_window_lets_the_urgent_pointer_through() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.connected();
        harness.ack_window(&peer, peer.us, 0);
        harness.write(id, b"waits ");
        harness.expect_silence();
        let taken = harness.stack.write_urgent(harness.now, id, b"!");
        assert_eq!(taken, Ok(1));
        let got = harness.expect(UA, peer.us, peer.them);
        assert_eq!((got.urgent, got.data.len()), (7, 0));
        harness.advance(ms(200));
        let probe = harness.expect_data(peer.us, b"w");
        assert_eq!(urgent(&probe), Some(7));
        harness.ack_window(&peer, peer.us, 1000);
        let got = harness.drain();
        assert!(
            got.iter()
                .all(|got| urgent(got) == Some((peer.us + 7 - got.seq) as u16))
        );
        assert_eq!(got.iter().map(|got| got.data.len()).sum::<usize>(), 7);
    });
}
