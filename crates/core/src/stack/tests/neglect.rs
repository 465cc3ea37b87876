//! CLOSE-WAIT that the application has forgotten, told from one that it works on; where connections come from.

use core::panic::Location;

use super::*;
use crate::error::{ReadError, ShutdownError, UnknownSocket, WriteError};
use crate::observe::Diagnosis;
use crate::{CloseWaitPolicy, Event, Origin, OriginStatus, Readiness, Shutdown};

/// As long as the default settings are patient.
const PATIENCE: Duration = secs(60);

/// The peer sends `data` and closes; the ACK of both is taken from the wire.
fn finish(harness: &mut Harness, peer: &mut Peer, data: &[u8]) {
    harness.send(peer, FPA, peer.them, peer.us, data);
    peer.them += data.len() as u32 + 1;
    harness.drain();
}

/// A connection whose peer has sent `data` and closed.
fn finished(harness: &mut Harness, data: &[u8]) -> (Peer, SocketId) {
    let (mut peer, id) = harness.accepted();
    finish(harness, &mut peer, data);
    (peer, id)
}

/// One whose application knows of it.
fn left(harness: &mut Harness) -> (Peer, SocketId) {
    let (peer, id) = finished(harness, b"");
    read(harness, id, Ok(0));
    (peer, id)
}

#[track_caller]
fn read(harness: &mut Harness, id: SocketId, expected: Result<usize, ReadError>) {
    let result = harness.stack.read(harness.now, id, &mut [0; 100]);
    assert_eq!(result, expected);
}

fn diagnosis(harness: &Harness, id: SocketId) -> Option<Diagnosis> {
    harness.status(id).diagnose(harness.now, PATIENCE)
}

/// The only origin there is.
fn counts(harness: &Harness) -> (u64, u32, u32, u32, u64) {
    let [origin] = &harness.stack.origins()[..] else {
        panic!("one origin");
    };
    let OriginStatus {
        opened,
        open,
        close_wait,
        leaked,
        reaped,
        ..
    } = *origin;
    (opened, open, close_wait, leaked, reaped)
}

#[test]
fn a_socket_that_is_never_closed_is_a_leak_after_a_minute() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, id) = left(&mut harness);
        harness.advance(PATIENCE - ms(1));
        assert_eq!(diagnosis(&harness, id), None);
        assert_eq!(counts(&harness), (1, 1, 1, 0, 0));
        harness.advance(ms(1));
        assert_eq!(diagnosis(&harness, id), Some(Diagnosis::NotClosed));
        assert_eq!(counts(&harness), (1, 1, 1, 1, 0));
        harness.advance(secs(100_000));
        assert_eq!(counts(&harness), (1, 1, 1, 1, 0), "it is only told");
        harness.close(id);
        assert_eq!(counts(&harness), (1, 0, 0, 0, 0));
    });
}

#[test]
fn the_diagnosis_says_where_the_application_stopped() {
    let mut harness = Harness::new(V4);
    let (_, unaware) = finished(&mut harness, b"");
    let (_, blind) = finished(&mut harness, b"request");
    let (_, stuck) = finished(&mut harness, b"request");
    let (_, peeking) = finished(&mut harness, b"");
    let peeked = harness.stack.peek(harness.now, peeking, &mut [0; 9]);
    assert_eq!(peeked, Ok(0));
    harness.advance(PATIENCE / 2);
    assert_eq!(harness.read_some(stuck, 3), b"req");
    assert_eq!(diagnosis(&harness, stuck), None);
    harness.advance(PATIENCE / 2);
    assert_eq!(diagnosis(&harness, stuck), Some(Diagnosis::StillReading));
    harness.advance(PATIENCE / 2);
    assert_eq!(diagnosis(&harness, unaware), Some(Diagnosis::EndNotRead));
    assert_eq!(diagnosis(&harness, blind), Some(Diagnosis::NeverRead));
    assert_eq!(diagnosis(&harness, stuck), Some(Diagnosis::StuckBehindData));
    assert_eq!(diagnosis(&harness, peeking), Some(Diagnosis::NotClosed));
    assert_eq!(counts(&harness), (4, 4, 4, 4, 0));
}

#[test]
fn a_server_that_still_pushes_data_is_overloaded_and_never_reaped() {
    both(|family| {
        let policy = CloseWaitPolicy::Reap(secs(10));
        let mut harness = Harness::with(family, |config| config.close_wait = policy);
        let (peer, id) = left(&mut harness);
        harness.ack_window(&peer, peer.us, 0);
        harness.write(id, b"a long answer");
        harness.advance(secs(600));
        assert_eq!(diagnosis(&harness, id), Some(Diagnosis::StillWriting));
        assert_eq!(counts(&harness), (1, 1, 1, 0, 0));
        harness.ack_window(&peer, peer.us, 50_000);
        harness.drain();
        harness.ack(&peer, peer.us + 13);
        assert_eq!(diagnosis(&harness, id), None, "all has arrived");
        harness.advance(secs(11));
        harness.assert_entered(&peer, StateName::Closed, Cause::Neglected);
    });
}

#[test]
fn a_call_makes_a_leak_alive_again() {
    let mut harness = Harness::new(V4);
    let (_, id) = left(&mut harness);
    harness.advance(PATIENCE * 2);
    assert_eq!(counts(&harness), (1, 1, 1, 1, 0));
    read(&mut harness, id, Ok(0));
    assert_eq!(counts(&harness), (1, 1, 1, 0, 0));
    assert_eq!(diagnosis(&harness, id), None);
    harness.advance(PATIENCE);
    assert_eq!(counts(&harness), (1, 1, 1, 1, 0));
}

/// A peer's keep-alives must not hide that nobody cares.
#[test]
fn segments_without_data_do_not_count_as_activity() {
    let mut harness = Harness::new(V4);
    let (peer, id) = left(&mut harness);
    for _ in 0..6 {
        harness.advance(secs(10));
        harness.send(&peer, A, peer.them - 1, peer.us, b"");
        harness.drain();
    }
    assert_eq!(diagnosis(&harness, id), Some(Diagnosis::NotClosed));
}

#[test]
fn a_reaped_connection_is_reset_and_the_next_call_says_why() {
    both(|family| {
        let policy = CloseWaitPolicy::Reap(secs(10));
        let mut harness = Harness::with(family, |config| config.close_wait = policy);
        let (peer, id) = left(&mut harness);
        while harness.stack.next_event().is_some() {}
        harness.advance(secs(10) - ms(1));
        harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
        harness.advance(ms(2));
        harness.assert_entered(&peer, StateName::Closed, Cause::Neglected);
        harness.expect(RA, peer.us, peer.them);
        assert_eq!(harness.last_reset(), Some(ResetReason::Neglected));
        assert_eq!((harness.stack.len(), harness.stack.slots()), (0, 0));
        assert_eq!(counts(&harness), (1, 0, 0, 0, 1));
        let all = Readiness::READABLE | Readiness::WRITABLE | Readiness::ACKNOWLEDGED;
        assert_eq!(harness.stack.next_event(), Some(Event::Ready(id, all)));
        assert_eq!(harness.stack.next_event(), None);
        assert_eq!(harness.stack.readiness(id), Ok(all));
        let (now, cause) = (harness.now, Cause::Neglected);
        read(&mut harness, id, Err(ReadError::Ended(cause)));
        let written = harness.stack.write(now, id, b"late");
        assert_eq!(written, Err(WriteError::Ended(cause)));
        let shut = harness.stack.shutdown(now, id, Shutdown::Write);
        assert_eq!(shut, Err(ShutdownError::NotConnected));
        assert_eq!(harness.stack.close(now, id), Ok(()));
        assert_eq!(harness.stack.close(now, id), Err(UnknownSocket));
        read(&mut harness, id, Err(ReadError::Unknown(UnknownSocket)));
    });
}

#[test]
fn reaping_frees_the_place_that_a_leak_held() {
    let mut harness = Harness::with(V4, |config| {
        config.close_wait = CloseWaitPolicy::Reap(secs(10));
        config.max_connections = 1;
    });
    for _ in 0..5 {
        finished(&mut harness, b"never read");
        assert_eq!(harness.stack.slots(), 1);
        harness.advance(secs(11));
        harness.drain();
    }
    assert_eq!(counts(&harness), (5, 0, 0, 0, 5));
    assert_eq!(harness.stack.holdings().connections, 0);
}

#[test]
fn only_so_many_reaped_sockets_are_remembered() {
    let mut harness = Harness::with(V4, |config| {
        config.close_wait = CloseWaitPolicy::Reap(secs(10));
        config.max_reaped = 2;
    });
    let ids: Vec<_> = (0..3).map(|_| left(&mut harness).1).collect();
    harness.advance(secs(11));
    read(&mut harness, ids[0], Err(ReadError::Unknown(UnknownSocket)));
    for id in &ids[1..] {
        let expected = Err(ReadError::Ended(Cause::Neglected));
        read(&mut harness, *id, expected);
    }
}

#[test]
fn a_cap_ends_the_one_that_was_left_first() {
    both(|family| {
        let policy = CloseWaitPolicy::Cap(2);
        let mut harness = Harness::with(family, |config| config.close_wait = policy);
        let mut peers = Vec::new();
        for _ in 0..4 {
            peers.push(left(&mut harness));
            harness.advance(secs(1));
        }
        assert_eq!(counts(&harness), (4, 4, 4, 0, 0), "nobody is left yet");
        // The first is used again: it is the youngest then.
        harness.advance(PATIENCE - secs(4));
        assert_eq!(counts(&harness).3, 1);
        read(&mut harness, peers[0].1, Ok(0));
        harness.advance(secs(3));
        harness.assert_entered(&peers[1].0, StateName::Closed, Cause::NeglectLimit);
        assert_eq!(counts(&harness), (4, 3, 3, 2, 1));
        harness.advance(PATIENCE);
        let states = peers.iter().map(|(peer, _)| harness.state(peer));
        let (gone, here) = (StateName::Closed, StateName::CloseWait);
        assert!(states.eq([here, gone, gone, here]));
        let expected = Err(ReadError::Ended(Cause::NeglectLimit));
        read(&mut harness, peers[2].1, expected);
    });
}

#[test]
fn a_cap_of_none_ends_every_leak_and_nothing_else() {
    let policy = CloseWaitPolicy::Cap(0);
    let mut harness = Harness::with(V4, |config| config.close_wait = policy);
    let (leak, _) = left(&mut harness);
    let (busy, id) = left(&mut harness);
    harness.advance(PATIENCE - secs(1));
    read(&mut harness, id, Ok(0));
    harness.advance(secs(1));
    harness.assert_entered(&leak, StateName::Closed, Cause::NeglectLimit);
    assert_eq!(harness.state(&busy), StateName::CloseWait);
}

#[test]
fn who_waits_to_be_accepted_is_told_of_and_not_reaped() {
    let policy = CloseWaitPolicy::Reap(secs(10));
    let mut harness = Harness::with(V4, |config| config.close_wait = policy);
    let listener = harness.listen();
    let here = Some(Location::caller());
    let origin = Origin {
        site: here,
        label: Some("api"),
    };
    let told = harness.stack.set_listener_origin(listener, origin);
    assert_eq!(told, Ok(()));
    let mut peer = harness.syn(1000);
    peer.us = harness.next().expect("a SYN,ACK").seq + 1;
    harness.ack(&peer, peer.us);
    finish(&mut harness, &mut peer, b"request");
    harness.advance(PATIENCE);
    let status = &harness.stack.statuses()[0];
    let told = status.diagnose(harness.now, PATIENCE);
    assert_eq!(told, Some(Diagnosis::NeverAccepted));
    assert_eq!((status.site, status.label.as_deref()), (here, Some("api")));
    assert_eq!(status.state, StateName::CloseWait);
    assert!(harness.stack.origins().is_empty(), "nobody holds it");
    // From accept on, it is the application's.
    let id = harness.accept(listener).expect("a child");
    assert_eq!(diagnosis(&harness, id), None);
    harness.advance(secs(11));
    harness.assert_entered(&peer, StateName::Closed, Cause::Neglected);
}

#[test]
fn connections_count_where_they_come_from() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let label = harness.stack.set_listener_label(listener, Some("api"));
    assert_eq!(label, Ok(()));
    let (mut peer, id) = harness.accepted_by(listener, |_| ());
    let own = harness.stack.set_label(id, Some("uploads"));
    assert_eq!(own, Ok(()));
    harness.accepted_by(listener, |_| ());
    finish(&mut harness, &mut peer, b"");
    let origins = harness.stack.origins();
    let told = |origin: &OriginStatus| {
        let label = origin.label.as_deref().map(std::borrow::ToOwned::to_owned);
        (label, origin.opened, origin.open, origin.close_wait)
    };
    let told: Vec<_> = origins.iter().map(told).collect();
    let row =
        |label: &str, opened, open, close_wait| (Some(label.into()), opened, open, close_wait);
    assert_eq!(told, [row("api", 2, 1, 0), row("uploads", 1, 1, 1)]);
    assert_eq!(harness.status(id).label.as_deref(), Some("uploads"));
}

#[test]
fn growth_is_told_against_what_was_five_minutes_ago() {
    let mut harness = Harness::new(V4);
    for _ in 0..10 {
        left(&mut harness);
        harness.advance(PATIENCE);
    }
    let origin = &harness.stack.origins()[0];
    let before = origin.before.expect("ten minutes have passed");
    let passed = before.ago.as_secs();
    assert!((290..=300).contains(&passed), "{before:?}");
    assert_eq!((origin.leaked, before.leaked), (10, 5));
}

/// RFC 9293 §3.6: a half-closed connection may be used for as long as the application likes.
#[test]
fn without_a_policy_a_late_answer_still_arrives() {
    let mut harness = Harness::new(V4);
    let (peer, id) = left(&mut harness);
    harness.advance(secs(86_400));
    harness.write(id, b"answer");
    harness.expect_data(peer.us, b"answer");
    assert_eq!(diagnosis(&harness, id), Some(Diagnosis::StillWriting));
    assert_eq!(counts(&harness), (1, 1, 1, 0, 0));
}
