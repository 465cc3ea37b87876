//! Listeners that wait for data (Linux's TCP_DEFER_ACCEPT), and SYN-ACKs that are sent less often as the queue fills.

use super::*;
use crate::config::SynCookies;

fn deferring(harness: &mut Harness, time: Duration) -> ListenerId {
    harness.listen_with(|options| options.defer_accept = Some(time))
}

fn half_open(harness: &mut Harness) -> Peer {
    let mut peer = harness.syn(1000);
    peer.us = harness.next().expect("a SYN,ACK").seq + 1;
    peer
}

#[test]
fn a_bare_ack_waits_for_data() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = deferring(&mut harness, secs(5));
        let peer = half_open(&mut harness);
        harness.ack(&peer, peer.us);
        assert_eq!(harness.accept(listener), None);
        assert_eq!(harness.state(&peer), StateName::SynReceived);
        assert_eq!(harness.stack.counters().tcp_defer_accept_drop, 1);
        harness.advance(ms(2900));
        harness.expect_silence();
        harness.send(&peer, PA, peer.them, peer.us, b"hello");
        let id = harness.accept(listener).expect("a child");
        assert_eq!(harness.read(id), b"hello");
    });
}

#[test]
fn a_fin_is_something_said() {
    let mut harness = Harness::new(V4);
    let listener = deferring(&mut harness, secs(5));
    let peer = half_open(&mut harness);
    harness.send(&peer, FA, peer.them, peer.us, b"");
    assert!(harness.accept(listener).is_some());
    assert_eq!(harness.state(&peer), StateName::CloseWait);
}

/// 5 s lie between the SYN-ACK's times of 3 and 7 s.
#[test]
fn when_the_time_for_data_is_over_it_is_accepted_without() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = deferring(&mut harness, secs(5));
        let peer = half_open(&mut harness);
        harness.ack(&peer, peer.us);
        harness.advance(ms(6_999));
        assert_eq!(harness.accept(listener), None);
        harness.advance(ms(1));
        harness.expect_silence();
        let id = harness.accept(listener).expect("a child");
        harness.write(id, b"welcome");
        harness.expect_data(peer.us, b"welcome");
    });
}

#[test]
fn without_an_ack_the_syn_ack_goes_out_again_as_ever() {
    let mut harness = Harness::new(V4);
    let listener = deferring(&mut harness, secs(5));
    let start = harness.now;
    let peer = half_open(&mut harness);
    harness.advance(secs(8));
    assert_eq!(harness.times_of(SA, start), [1000, 3000, 7000]);
    harness.ack(&peer, peer.us);
    assert!(harness.accept(listener).is_some(), "the time is over");
}

#[test]
fn a_deferred_child_is_held_when_no_place_is_left_at_its_time() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen_with(|options| {
        options.defer_accept = Some(secs(1));
        options.backlog = 1;
    });
    let (first, second) = (half_open(&mut harness), half_open(&mut harness));
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    harness.advance(secs(1));
    assert_eq!(harness.state(&second), StateName::SynReceived);
    assert!(harness.accept(listener).is_some());
    harness.assert_entered(&second, StateName::Established, Cause::AckOfSyn);
    assert!(harness.accept(listener).is_some());
}

#[test]
fn a_deferred_child_is_told_when_its_listener_is_gone() {
    let mut harness = Harness::new(V4);
    let listener = deferring(&mut harness, secs(1));
    let peer = half_open(&mut harness);
    harness.ack(&peer, peer.us);
    harness.stack.close_listener(harness.now, listener).unwrap();
    harness.advance(secs(1));
    harness.expect(RA, peer.us, peer.them);
    harness.assert_entered(&peer, StateName::Closed, Cause::ListenerClosed);
}

#[test]
fn a_cookie_is_deferred_where_there_is_room_for_it() {
    let mut harness = Harness::with(V4, |config| config.syn_cookies = SynCookies::Always);
    let listener = harness.listen_with(|options| {
        options.defer_accept = Some(secs(1));
        options.syn_backlog = Some(1);
    });
    let (first, second) = (half_open(&mut harness), half_open(&mut harness));
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    let id = harness.accept(listener).expect("the second");
    assert_eq!(harness.stack.tuple(id), Ok(second.tuple));
    assert_eq!(harness.accept(listener), None);
    harness.advance(secs(1));
    let id = harness.accept(listener).expect("the first");
    assert_eq!(harness.stack.tuple(id), Ok(first.tuple));
}

/// One entry in a queue of 16 has all five retries; among nine there is less than half the room left, and so on.
#[test]
fn each_halving_of_the_room_left_takes_a_retry_away() {
    let cases: [(usize, &[u128]); 4] = [
        (1, &[0, 1000, 3000, 7000, 15_000, 31_000]),
        (8, &[0, 1000, 3000, 7000, 15_000]),
        (12, &[0, 1000, 3000, 7000]),
        (16, &[0, 1000]),
    ];
    for (used, expected) in cases {
        let mut harness = Harness::new(V4);
        harness.listen_with(|options| options.syn_backlog = Some(16));
        let start = harness.now;
        for _ in 0..used {
            harness.syn(1000);
        }
        let first = harness.stack.statuses()[0].tuple;
        harness.advance(secs(70));
        let all = harness.drain();
        let own = all.iter().filter(|got| got.tuple == first);
        let at: Vec<_> = own.map(|got| (got.at - start).as_millis()).collect();
        assert_eq!(at, expected, "{used} of 16");
        assert!(harness.stack.is_empty());
    }
}
