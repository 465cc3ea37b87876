//! Backlogs, and what the bench sees and keeps.

use estab_sim::script::Subject as _;
use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno};

use crate::harness::*;

#[test]
fn a_backlog_holds_one_more_than_it_says() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    story.handshake(1_001);
    story.handshake(1_002);
    story.syn_from(1_003);
    story.nothing();
    // A place comes free, and the SYN is answered when it comes again.
    story.accept(listener).unwrap();
    story.syn_from(1_003);
    assert_eq!(story.expect().flags, SYN | ACK);
}

#[test]
fn listening_again_changes_the_backlog() {
    let mut story = Story::linux();
    let listener = story.listener(0);
    story.handshake(1_001);
    story.syn_from(1_002);
    story.nothing();
    assert_eq!(story.listen(listener, 1), Ok(0));
    story.syn_from(1_002);
    assert_eq!(story.expect().flags, SYN | ACK);
}

#[test]
fn a_negative_backlog_is_a_large_one() {
    let mut story = Story::linux();
    story.listener(-1);
    for port in 1_000..1_100 {
        story.handshake(port);
    }
}

#[test]
fn descriptors_run_out() {
    let mut story = Story::linux();
    for expected in 3..1024 {
        assert_eq!(story.socket(), expected);
    }
    let make = Call::Socket {
        domain: AF_INET,
        kind: SOCK_STREAM,
        protocol: 0,
    };
    assert_eq!(story.call(make.clone()), Err(Errno::EMFILE));
    story.close(500).unwrap();
    assert_eq!(story.call(make).unwrap().0, 500);
}

#[test]
fn a_child_that_finds_no_descriptor_stays_in_the_queue() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    story.handshake(THEIR_PORT);
    for _ in 4..1024 {
        story.socket();
    }
    assert_eq!(story.accept(listener), Err(Errno::EMFILE));
    story.close(700).unwrap();
    assert_eq!(story.accept(listener), Ok(700));
}

#[test]
fn time_passes_to_the_packet_and_no_further() {
    let mut story = Story::linux();
    story.connecting();
    let again = story.bench.next_packet(secs(10)).unwrap();
    assert_eq!((again.at, story.bench.now()), (secs(1), secs(1)));
    assert_eq!(story.bench.next_packet(ms(2_500)), None);
    assert_eq!(story.bench.now(), ms(2_500));
    story.bench.wait(secs(10));
    let kept: Vec<_> = std::iter::from_fn(|| story.bench.next_packet(secs(0))).collect();
    let times: Vec<_> = kept.iter().map(|sent| sent.at).collect();
    assert_eq!(times, [secs(3), secs(7)]);
    assert_eq!(story.bench.now(), secs(10));
}

#[test]
fn the_recorder_tells_why() {
    use estab_core::observe::{Cause, DiscardReason, ResetReason, StateName};
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(ACK, 1, 50_000, &[]);
    story.inject(RST | ACK, 1, 1, &[]);
    story.inject(ACK, 1, 1, &[]);
    let recorder = story.bench.recorder();
    let last = recorder.transitions.last().unwrap();
    assert_eq!((last.to, last.cause), (StateName::Closed, Cause::Reset));
    assert_eq!(recorder.discarded(DiscardReason::AckUnsent), 1);
    let reset = recorder.resets.last().unwrap();
    assert_eq!(reset.reason, ResetReason::AckToListener);
    assert_eq!(story.error(fd), Some(Errno::ECONNRESET));
}
