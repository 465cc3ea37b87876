//! The SYN queue and the accept queue (RFC 4987; "never a silent half-connection").

use super::*;
use crate::config::{AcceptPolicy, SynCookies};

fn half_open(harness: &mut Harness) -> Peer {
    let mut peer = harness.syn(1000);
    peer.us = harness.next().expect("a SYN,ACK").seq + 1;
    peer
}

fn listen(harness: &mut Harness, policy: AcceptPolicy) -> ListenerId {
    harness.listen_with(|options| {
        options.backlog = 1;
        options.policy = policy;
    })
}

/// The first of two children has the only place; the second has completed its handshake.
fn full(harness: &mut Harness, policy: AcceptPolicy) -> (ListenerId, Peer, Peer) {
    let listener = listen(harness, policy);
    let (first, second) = (half_open(harness), half_open(harness));
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    (listener, first, second)
}

/// Linux drops such a SYN, too (t1 A).
#[test]
fn a_syn_is_not_answered_while_the_accept_queue_is_full() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (listener, ..) = full(&mut harness, AcceptPolicy::Hold);
        let late = harness.syn(1000);
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::AcceptQueueFull), 2);
        assert_eq!(harness.refused(RefusalReason::AcceptQueueFull), 2);
        assert_eq!(harness.state(&late), StateName::Closed);
        assert_eq!(harness.stack.listeners()[0].refused, 2);
        harness.accept(listener);
        harness.accept(listener);
        harness.send(&late, S, late.them - 1, SeqNumber(0), b"");
        assert_eq!(harness.next().unwrap().flags, SA);
    });
}

/// Linux drops the last ACK and leaves the client alone with its connection (t1 A). Here the child waits.
#[test]
fn a_child_without_a_place_is_held_and_takes_the_next() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (listener, first, second) = full(&mut harness, AcceptPolicy::Hold);
        harness.expect_silence();
        assert_eq!(harness.state(&second), StateName::SynReceived);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.stack.tuple(id), Ok(first.tuple));
        harness.assert_entered(&second, StateName::Established, Cause::AckOfSyn);
        let id = harness.accept(listener).unwrap();
        harness.send(&second, PA, second.them, second.us, b"hello");
        assert_eq!(harness.read(id), b"hello");
    });
}

#[test]
fn a_held_child_takes_the_place_of_one_that_was_reset() {
    let mut harness = Harness::new(V4);
    let (listener, first, second) = full(&mut harness, AcceptPolicy::Hold);
    harness.send(&first, R, first.them, SeqNumber(0), b"");
    harness.assert_entered(&second, StateName::Established, Cause::AckOfSyn);
    let id = harness.accept(listener).unwrap();
    assert_eq!(harness.stack.tuple(id), Ok(second.tuple));
    assert_eq!(harness.accept(listener), None);
}

#[test]
fn data_for_a_held_child_is_not_lost() {
    let mut harness = Harness::new(V4);
    let (listener, _, second) = full(&mut harness, AcceptPolicy::Hold);
    harness.send(&second, PA, second.them, second.us, b"hello");
    harness.expect_silence();
    harness.accept(listener);
    let id = harness.accept(listener).unwrap();
    harness.send(&second, PA, second.them, second.us, b"hello");
    harness.expect_ack(&second, second.them + 5);
    assert_eq!(harness.read(id), b"hello");
}

#[test]
fn a_held_child_for_whom_no_place_comes_free_is_told() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, _, second) = full(&mut harness, AcceptPolicy::Hold);
        harness.advance(ms(62_999));
        harness.drain();
        assert_eq!(harness.state(&second), StateName::SynReceived);
        harness.advance(ms(1));
        harness.expect(RA, second.us, second.them);
        assert_eq!(harness.last_reset(), Some(ResetReason::AcceptOverflow));
        harness.assert_entered(&second, StateName::Closed, Cause::AcceptOverflow);
    });
}

/// Its handshake was done: it is as ready as those in the queue.
#[test]
fn a_held_child_is_reset_at_once_when_its_listener_closes() {
    let mut harness = Harness::new(V4);
    let (listener, first, second) = full(&mut harness, AcceptPolicy::Hold);
    harness.stack.close_listener(harness.now, listener).unwrap();
    harness.expect(RA, first.us, first.them);
    harness.expect(RA, second.us, second.them);
    harness.assert_entered(&second, StateName::Closed, Cause::ListenerClosed);
    assert!(harness.stack.is_empty());
}

/// The time a child was held is no round trip.
#[test]
fn a_held_child_does_not_measure_its_wait() {
    let mut harness = Harness::new(V4);
    let (listener, ..) = full(&mut harness, AcceptPolicy::Hold);
    harness.advance(ms(900));
    harness.accept(listener);
    let id = harness.accept(listener).unwrap();
    assert_eq!(harness.status(id).rtt, None);
}

#[test]
fn by_the_policy_reset_a_child_without_a_place_is_reset() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (listener, first, second) = full(&mut harness, AcceptPolicy::Reset);
        harness.expect(RA, second.us, second.them);
        assert_eq!(harness.last_reset(), Some(ResetReason::AcceptOverflow));
        harness.assert_entered(&second, StateName::Closed, Cause::AcceptOverflow);
        assert_eq!(harness.refused(RefusalReason::AcceptQueueFull), 1);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.stack.tuple(id), Ok(first.tuple));
    });
}

#[test]
fn by_the_policy_shed_oldest_the_oldest_child_makes_room() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (listener, first, second) = full(&mut harness, AcceptPolicy::ShedOldest);
        harness.expect(RA, first.us, first.them);
        harness.assert_entered(&first, StateName::Closed, Cause::Shed);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.stack.tuple(id), Ok(second.tuple));
        assert_eq!(harness.accept(listener), None);
    });
}

#[test]
fn the_syn_queue_is_bounded() {
    both(|family| {
        let mut harness = Harness::with(family, |config| {
            config.max_syn_received = 16;
            config.syn_cookies = SynCookies::Off;
        });
        harness.listen();
        for _ in 0..64 {
            harness.syn(1000);
        }
        assert_eq!(harness.drain().len(), 16);
        assert_eq!(harness.stack.half_open(), 16);
        assert_eq!(harness.discarded(DiscardReason::SynQueueFull), 48);
        assert_eq!(harness.refused(RefusalReason::SynQueueFull), 48);
        harness.advance(secs(63));
        assert_eq!(harness.stack.half_open(), 0);
        harness.drain();
        harness.syn(1000);
        assert_eq!(harness.next().unwrap().flags, SA);
    });
}

#[test]
fn a_child_that_finds_no_slot_is_told() {
    let mut harness = Harness::with(V4, |config| config.max_connections = 1);
    harness.listen();
    let (first, second) = (half_open(&mut harness), half_open(&mut harness));
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    harness.expect(RA, second.us, second.them);
    assert_eq!(harness.last_reset(), Some(ResetReason::NoMemory));
    assert_eq!(harness.refused(RefusalReason::ConnectionLimit), 1);
    harness.assert_entered(&second, StateName::Closed, Cause::NoMemory);
}

#[test]
fn a_child_that_was_reset_before_it_was_accepted_leaves_the_queue() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let peer = half_open(&mut harness);
    harness.ack(&peer, peer.us);
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    assert_eq!(harness.accept(listener), None);
    assert_eq!(harness.stack.slots(), 0);
}

#[test]
fn an_event_tells_of_children() {
    use super::super::Event;
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let peer = half_open(&mut harness);
    assert_eq!(harness.stack.next_event(), None);
    harness.send(&peer, PA, peer.them, peer.us, b"hello");
    assert_eq!(
        harness.stack.next_event(),
        Some(Event::Acceptable(listener))
    );
    assert_eq!(harness.stack.next_event(), None);
    let id = harness.accept(listener).unwrap();
    let ready = Event::Ready(id, crate::Readiness::READABLE | crate::Readiness::WRITABLE);
    assert_eq!(harness.stack.next_event(), Some(ready));
    assert_eq!(harness.stack.next_event(), None);
    harness.send(&peer, PA, peer.them + 5, peer.us, b"more");
    let ready = Event::Ready(id, crate::Readiness::READABLE);
    assert_eq!(harness.stack.next_event(), Some(ready));
}
