//! What is seen of a listener, several of them at one port, and one that takes over from another.

use super::*;
use crate::config::AcceptPolicy;
use crate::error::{ListenError, UnknownSocket};

fn shared(harness: &mut Harness) -> ListenerId {
    harness.listen_with(|options| options.socket.reuse_port = true)
}

fn half_open(harness: &mut Harness) -> Peer {
    let mut peer = harness.syn(1000);
    peer.us = harness.next().expect("a SYN,ACK").seq + 1;
    peer
}

fn established(harness: &mut Harness) -> Peer {
    let peer = half_open(harness);
    harness.ack(&peer, peer.us);
    peer
}

fn waiting(harness: &Harness, id: ListenerId) -> usize {
    harness.stack.listener_status(id).unwrap().accept_queue
}

#[test]
fn a_status_tells_both_queues_and_who_has_waited_longest() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen_with(|options| {
        options.backlog = 2;
        options.syn_backlog = Some(9);
        options.policy = AcceptPolicy::Reset;
    });
    let since = harness.now;
    established(&mut harness);
    harness.advance(secs(2));
    established(&mut harness);
    half_open(&mut harness);
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!((status.accept_queue, status.backlog), (2, 2));
    assert_eq!((status.half_open, status.syn_backlog), (1, 9));
    assert_eq!(status.oldest_opened_at, Some(since));
    assert_eq!(status.policy, AcceptPolicy::Reset);
    established(&mut harness);
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!(status.refused_for(RefusalReason::AcceptQueueFull), 1);
    assert_eq!(harness.stack.counters().listen_overflows, 1);
    assert_eq!(harness.stack.counters().listen_drops, 1);
}

/// As one expects of `listen(1024)`: so many half-open children, too.
#[test]
fn the_syn_backlog_follows_the_backlog() {
    for (backlog, expected) in [(1, 128), (1024, 1024), (100_000, 4096)] {
        let mut harness = Harness::new(V4);
        let listener = harness.listen_with(|options| options.backlog = backlog);
        let status = harness.stack.listener_status(listener).unwrap();
        assert_eq!(status.syn_backlog, expected, "at most the stack's");
    }
}

#[test]
fn handshakes_go_on_without_a_call_of_the_application() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    for _ in 0..100 {
        established(&mut harness);
    }
    assert_eq!(waiting(&harness, listener), 100);
}

#[test]
fn listeners_that_share_a_port_share_its_connections() {
    both(|family| {
        let mut harness = Harness::new(family);
        let group = [(); 4].map(|()| shared(&mut harness));
        for _ in 0..400 {
            established(&mut harness);
        }
        for id in group {
            let count = waiting(&harness, id);
            assert!((60..=140).contains(&count), "{count} of 400 for one of 4");
        }
        harness.stack.close_listener(harness.now, group[0]).unwrap();
        harness.drain();
        let before: usize = group[1..].iter().map(|id| waiting(&harness, *id)).sum();
        for _ in 0..40 {
            established(&mut harness);
        }
        let after: usize = group[1..].iter().map(|id| waiting(&harness, *id)).sum();
        assert_eq!(after - before, 40, "those left get all");
    });
}

#[test]
fn a_port_is_shared_only_if_all_say_so() {
    let mut harness = Harness::new(V4);
    let address = SocketAddr::new(V4.ours(), PORT);
    let mut options = ListenOptions::new(address);
    shared(&mut harness);
    let now = harness.now;
    let refused = Err(ListenError::AddressInUse);
    assert_eq!(harness.stack.listen(now, options), refused);
    options.socket.reuse_port = true;
    established(&mut harness);
    assert!(harness.stack.listen(now, options).is_ok(), "in spite of it");
    let mut harness = Harness::new(V4);
    harness.listen();
    assert_eq!(harness.stack.listen(now, options), refused);
}

/// One bound to the address itself goes before those bound to all.
#[test]
fn the_exact_address_goes_first_among_those_that_share() {
    let mut harness = Harness::new(V4);
    let mut all = ListenOptions::new("0.0.0.0:80".parse().unwrap());
    all.socket.reuse_port = true;
    let now = harness.now;
    let all = harness.stack.listen(now, all).unwrap();
    let exact = shared(&mut harness);
    for _ in 0..10 {
        established(&mut harness);
    }
    assert_eq!((waiting(&harness, exact), waiting(&harness, all)), (10, 0));
    harness.stack.close_listener(now, exact).unwrap();
    harness.drain();
    established(&mut harness);
    assert_eq!(waiting(&harness, all), 1);
}

#[test]
fn handing_over_loses_nobody_and_keeps_the_order() {
    both(|family| {
        let mut harness = Harness::new(family);
        let old = harness.listen_with(|options| {
            options.backlog = 2;
            options.socket.reuse_port = true;
        });
        let peers = [(); 4].map(|()| half_open(&mut harness));
        for peer in &peers[..3] {
            harness.ack(peer, peer.us);
        }
        let new = harness.listen_with(|options| {
            options.backlog = 1;
            options.socket.reuse_port = true;
        });
        let now = harness.now;
        harness.stack.hand_over(now, old, new).unwrap();
        let status = harness.stack.listener_status(new).unwrap();
        assert_eq!(
            (status.accept_queue, status.backlog),
            (2, 1),
            "all, though too many"
        );
        assert_eq!((status.half_open, status.held), (2, 1));
        let status = harness.stack.listener_status(old).unwrap();
        assert_eq!(
            (status.accept_queue, status.half_open, status.held),
            (0, 0, 0)
        );
        harness.stack.close_listener(now, old).unwrap();
        harness.expect_silence();
        assert!(harness.stack.has_acceptable(new));
        let told = core::iter::from_fn(|| harness.stack.next_event());
        assert!(
            told.into_iter()
                .any(|event| event == crate::Event::Acceptable(new))
        );
        for (place, peer) in peers.iter().enumerate() {
            if place == 3 {
                harness.ack(peer, peer.us);
            }
            let id = harness.accept(new).expect("a child");
            assert_eq!(harness.stack.tuple(id), Ok(peer.tuple));
            harness.send(peer, PA, peer.them, peer.us, b"hello");
            assert_eq!(harness.read(id), b"hello");
        }
        assert_eq!(harness.accept(new), None);
    });
}

#[test]
fn a_listener_that_is_gone_can_neither_give_nor_take() {
    let mut harness = Harness::new(V4);
    let (gone, there) = (shared(&mut harness), shared(&mut harness));
    let now = harness.now;
    harness.stack.close_listener(now, gone).unwrap();
    for (from, to) in [(gone, there), (there, gone)] {
        assert_eq!(harness.stack.hand_over(now, from, to), Err(UnknownSocket));
    }
}
