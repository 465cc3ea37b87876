//! SYN cookies (RFC 4987 §3.6).

use super::*;
use crate::config::{AcceptPolicy, SynCookies};

/// A stack that answers every SYN by a cookie.
fn always(family: Family) -> Harness {
    Harness::with(family, |config| config.syn_cookies = SynCookies::Always)
}

/// A listener answers by cookies from the second half-open child on.
fn crowded(family: Family) -> (Harness, ListenerId) {
    let mut harness = Harness::new(family);
    let listener = harness.listen_with(|options| options.syn_backlog = Some(1));
    harness.syn(5);
    harness.next().expect("a SYN,ACK");
    (harness, listener)
}

/// A SYN from a new port, answered; the peer has what it needs for its ACK.
fn answered(harness: &mut Harness, edit: impl FnOnce(&mut Segment<'_>)) -> (Peer, Got) {
    let mut peer = harness.syn_with(1000, edit);
    let answer = harness.next().expect("a SYN,ACK");
    assert_eq!((answer.flags, answer.ack), (SA, peer.them));
    peer.us = answer.seq + 1;
    peer.ts = answer.options.timestamps.map(|theirs| Timestamps {
        value: theirs.echo,
        echo: theirs.value,
    });
    (peer, answer)
}

fn all_options(segment: &mut Segment<'_>) {
    segment.options.mss = Some(1460);
    segment.options.window_scale = Some(9);
    segment.options.sack_permitted = true;
    segment.options.timestamps = Some(Timestamps {
        value: 700,
        echo: 0,
    });
}

#[test]
fn beyond_its_limit_a_listener_answers_by_cookies_and_keeps_nothing() {
    both(|family| {
        let (mut harness, listener) = crowded(family);
        let (peer, _) = answered(&mut harness, |_| ());
        assert_eq!(harness.stack.half_open(), 1);
        assert_eq!(harness.state(&peer), StateName::Closed);
        let counters = harness.stack.counters();
        assert_eq!(counters.syncookies_sent, 1);
        assert_eq!(counters.tcp_req_q_full_do_cookies, 1);
        harness.ack(&peer, peer.us);
        harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
        let arrows = harness.record().transitions.iter().rev().take(2);
        let causes: Vec<_> = arrows.map(|event| (event.from, event.cause)).collect();
        let expected = [
            (StateName::SynReceived, Cause::AckOfSyn),
            (StateName::Listen, Cause::Cookie),
        ];
        assert_eq!(causes, expected, "by way of SYN-RECEIVED");
        let status = harness.stack.listener_status(listener).unwrap();
        assert_eq!((status.cookies_sent, status.cookies_accepted), (1, 1));
        assert_eq!(harness.stack.counters().syncookies_recv, 1);
        assert!(harness.accept(listener).is_some());
    });
}

#[test]
fn switched_off_a_full_queue_answers_no_syn() {
    let (mut harness, listener) = crowded(V4);
    harness.stack.config_mut().syn_cookies = SynCookies::Off;
    harness.syn(1000);
    harness.expect_silence();
    assert_eq!(harness.stack.counters().tcp_req_q_full_drop, 1);
    assert_eq!(harness.stack.counters().listen_drops, 1);
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!(status.refused_for(RefusalReason::SynQueueFull), 1);
    assert_eq!(status.refused, 1);
}

#[test]
fn everything_about_the_syn_that_matters_survives() {
    both(|family| {
        for with_timestamps in [true, false] {
            let mut harness = always(family);
            let listener = harness.listen();
            let (peer, answer) = answered(&mut harness, |segment| {
                all_options(segment);
                if !with_timestamps {
                    segment.options.timestamps = None;
                }
            });
            assert!(answer.options.sack_permitted);
            assert_eq!(answer.options.window_scale, Some(3));
            assert_eq!(answer.options.timestamps.is_some(), with_timestamps);
            harness.ack(&peer, peer.us);
            let id = harness.accept(listener).expect("a child");
            let status = harness.status(id);
            assert_eq!(status.peer_mss, 1460);
            assert_eq!(status.window_shifts, (3, 9));
            assert!(status.sack);
            assert_eq!(status.timestamps, with_timestamps);
            assert_eq!(status.snd_wnd, u32::from(WINDOW) << 9, "the ACK's, scaled");
        }
    });
}

#[test]
fn a_peer_that_offers_nothing_is_taken_at_its_word() {
    let mut harness = always(V4);
    let listener = harness.listen();
    let (peer, answer) = answered(&mut harness, |segment| segment.options = Options::default());
    assert_eq!(answer.options.window_scale, None);
    harness.ack(&peer, peer.us);
    let id = harness.accept(listener).expect("a child");
    let status = harness.status(id);
    assert_eq!((status.peer_mss, status.sack), (536, false));
    assert!(!status.timestamps);
    assert_eq!(status.snd_wnd, u32::from(WINDOW));
}

#[test]
fn data_and_fin_on_the_ack_count() {
    both(|family| {
        let mut harness = always(family);
        let listener = harness.listen();
        let (peer, _) = answered(&mut harness, all_options);
        harness.send(&peer, FPA, peer.them, peer.us, b"hello");
        let id = harness.accept(listener).expect("a child");
        assert_eq!(harness.state(&peer), StateName::CloseWait);
        assert_eq!(harness.read(id), b"hello");
    });
}

/// The ACK was lost: data comes first.
#[test]
fn data_alone_brings_the_cookie_back() {
    let mut harness = always(V4);
    let listener = harness.listen();
    let (peer, _) = answered(&mut harness, |_| ());
    harness.advance(secs(3));
    harness.send(&peer, PA, peer.them, peer.us, b"hello");
    let id = harness.accept(listener).expect("a child");
    assert_eq!(harness.read(id), b"hello");
}

#[test]
fn a_wrong_cookie_is_answered_by_a_rst_and_counted() {
    both(|family| {
        let mut harness = always(family);
        let listener = harness.listen();
        let (peer, _) = answered(&mut harness, |_| ());
        harness.ack(&peer, peer.us + 512);
        harness.expect(R, peer.us + 512, SeqNumber(0));
        assert_eq!(harness.last_reset(), Some(ResetReason::AckToListener));
        assert_eq!(harness.stack.counters().syncookies_failed, 1);
        let status = harness.stack.listener_status(listener).unwrap();
        assert_eq!(status.cookies_failed, 1);
        assert!(harness.stack.is_empty());
    });
}

#[test]
fn nobody_looks_for_cookies_that_were_never_sent() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = harness.new_peer(PORT, 7);
    harness.ack(&peer, SeqNumber(9));
    harness.expect(R, SeqNumber(9), SeqNumber(0));
    assert_eq!(harness.stack.counters().syncookies_failed, 0);
}

#[test]
fn an_old_cookie_is_no_good() {
    let mut harness = always(V4);
    harness.listen();
    let (late, _) = answered(&mut harness, |_| ());
    harness.advance(secs(128));
    harness.ack(&late, late.us);
    harness.expect(R, late.us, SeqNumber(0));
}

/// The peer's clock never sees ours go back, although the cookie's timestamps are a little early.
#[test]
fn timestamps_go_on_from_the_cookie() {
    let mut harness = always(V4);
    let listener = harness.listen();
    for wait in 0..40 {
        harness.advance(ms(wait));
        let (peer, answer) = answered(&mut harness, all_options);
        let sent = answer.options.timestamps.expect("timestamps").value;
        harness.advance(ms(30));
        harness.ack(&peer, peer.us);
        let id = harness.accept(listener).expect("a child");
        harness.write(id, b"x");
        let data = harness.next().expect("data").options.timestamps;
        let ahead = data.expect("timestamps").ahead_of(sent);
        assert!((30..=61).contains(&ahead), "{ahead}");
        let rtt = harness
            .status(id)
            .rtt
            .expect("the cookie measures the path");
        assert!((ms(30)..=ms(61)).contains(&rtt), "{rtt:?}");
        harness.abort(id);
        harness.drain();
    }
}

/// Two machines behind one address: what one began, the other finishes.
#[test]
fn another_machine_with_the_same_secret_finishes_the_handshake() {
    both(|family| {
        for edit in [all_options, |_: &mut Segment<'_>| ()] {
            let mut one = always(family);
            let mut other = Harness::with(family, |_| ());
            let secrets = Secrets::from_seed(99);
            let config = other.stack.config().clone();
            other.now = Instant::from_millis(5);
            other.stack = Stack::new(config, secrets, Recorder::default(), other.now);
            let clock = secs(1_800_000_000);
            one.stack.load_cookie_secret(one.now, [7; 16], clock);
            other.stack.load_cookie_secret(other.now, [7; 16], clock);
            one.listen();
            let listener = other.listen();
            let (peer, answer) = answered(&mut one, edit);
            other.send(&peer, PA, peer.them, peer.us, b"hello");
            let id = other.accept(listener).expect("a child");
            assert_eq!(other.read(id), b"hello");
            other.write(id, b"x");
            let data = other.drain().pop().expect("data");
            assert_eq!(data.seq, peer.us);
            if let Some(sent) = answer.options.timestamps {
                let now = data.options.timestamps.expect("timestamps");
                assert!(now.ahead_of(sent.value) > 0, "PAWS would discard it");
            }
        }
    });
}

/// Its ACK may be found again on the path after the connection has ended without a TIME-WAIT of ours.
#[test]
fn a_cookie_never_revives_its_connection() {
    both(|family| {
        let mut harness = always(family);
        let listener = harness.listen();
        let (peer, _) = answered(&mut harness, all_options);
        harness.send(&peer, FPA, peer.them, peer.us, b"hello");
        let id = harness.accept(listener).expect("a child");
        harness.read(id);
        harness.close(id);
        let peer = Peer {
            them: peer.them + 6,
            ..peer
        };
        harness.ack(&peer, peer.us + 1);
        assert!(harness.stack.is_empty());
        harness.drain();
        harness.send(&peer, FPA, peer.them - 6, peer.us, b"hello");
        harness.expect(R, peer.us, SeqNumber(0));
        assert!(harness.stack.is_empty());
        assert_eq!(harness.accept(listener), None);
        assert_eq!(harness.stack.counters().syncookies_failed, 1);
    });
}

/// No cookie could promise that its ISN lies above the old incarnation's numbers: the SYN gets an entry, for which an
/// eighth of the queue is kept.
#[test]
fn a_syn_in_time_wait_never_gets_a_cookie() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.max_syn_received = 8);
        let listener = harness.listen();
        let (old, id) = harness.accepted_by(listener, |_| ());
        harness.close(id);
        harness.drain();
        let last = old.us + 1;
        harness.send(&old, FA, old.them, last, b"");
        harness.drain();
        assert_eq!(harness.state(&old), StateName::TimeWait);
        for _ in 0..20 {
            harness.syn(1000);
        }
        assert_eq!(harness.stack.counters().syncookies_sent, 13);
        harness.drain();
        harness.stack.config_mut().syn_cookies = SynCookies::Always;
        harness.send(&old, S, old.them + 100_000, SeqNumber(0), b"");
        let answer = harness.next().expect("a SYN,ACK");
        assert!(last.precedes(answer.seq), "RFC 9293 §3.6.1");
        harness.assert_entered(&old, StateName::SynReceived, Cause::SynInTimeWait);
        assert_eq!(harness.stack.counters().syncookies_sent, 13);
        assert_eq!(harness.stack.half_open(), 8);
    });
}

#[test]
fn a_cookie_without_a_place_is_held_where_there_is_room_for_it() {
    let mut harness = always(V4);
    let listener = harness.listen_with(|options| {
        options.backlog = 1;
        options.syn_backlog = Some(1);
    });
    let (first, _) = answered(&mut harness, all_options);
    let (second, _) = answered(&mut harness, all_options);
    let (third, _) = answered(&mut harness, all_options);
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    assert_eq!(harness.state(&second), StateName::SynReceived);
    harness.expect_silence();
    harness.ack(&third, third.us);
    harness.expect(RA, third.us, third.them);
    assert_eq!(harness.last_reset(), Some(ResetReason::AcceptOverflow));
    harness.assert_entered(&third, StateName::Closed, Cause::AcceptOverflow);
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!((status.held, status.half_open), (1, 1));
    assert_eq!(status.refused_for(RefusalReason::AcceptQueueFull), 2);
    harness.accept(listener).expect("the first");
    harness.assert_entered(&second, StateName::Established, Cause::AckOfSyn);
    let id = harness.accept(listener).expect("the second");
    assert_eq!(harness.status(id).window_shifts.1, 9);
}

#[test]
fn a_cookie_without_a_place_is_reset_or_makes_room_by_the_policy() {
    for policy in [AcceptPolicy::Reset, AcceptPolicy::ShedOldest] {
        let mut harness = always(V4);
        let listener = harness.listen_with(|options| {
            options.backlog = 1;
            options.policy = policy;
        });
        let (first, _) = answered(&mut harness, |_| ());
        let (second, _) = answered(&mut harness, |_| ());
        harness.ack(&first, first.us);
        harness.ack(&second, second.us);
        let (gone, cause, left) = match policy {
            AcceptPolicy::Reset => (second, Cause::AcceptOverflow, first),
            _ => (first, Cause::Shed, second),
        };
        harness.expect(RA, gone.us, gone.them);
        harness.assert_entered(&gone, StateName::Closed, cause);
        let id = harness.accept(listener).expect("the other");
        assert_eq!(harness.stack.tuple(id), Ok(left.tuple));
    }
}

#[test]
fn a_cookie_that_finds_no_slot_is_told() {
    let mut harness = Harness::with(V4, |config| {
        config.max_connections = 1;
        config.syn_cookies = SynCookies::Always;
    });
    let listener = harness.listen();
    let (first, _) = answered(&mut harness, |_| ());
    let (second, _) = answered(&mut harness, |_| ());
    harness.ack(&first, first.us);
    harness.ack(&second, second.us);
    harness.expect(RA, second.us, second.them);
    harness.assert_entered(&second, StateName::Closed, Cause::NoMemory);
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!(status.refused_for(RefusalReason::ConnectionLimit), 1);
}

/// The SYN comes twice: it got a cookie, and an entry when there was room. The peer holds on to what came first.
#[test]
fn a_cookie_counts_although_the_syn_has_an_entry_by_now() {
    let mut harness = always(V4);
    let listener = harness.listen();
    let (peer, _) = answered(&mut harness, all_options);
    harness.stack.config_mut().syn_cookies = SynCookies::Auto;
    harness.advance(secs(1));
    harness.send_with(&peer, S, (peer.them - 1, SeqNumber(0)), b"", all_options);
    let entry = harness.next().expect("a SYN,ACK");
    assert_ne!(entry.seq, peer.us - 1);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
    harness.send(&peer, PA, peer.them, peer.us, b"hello");
    harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
    let id = harness.accept(listener).expect("a child");
    assert_eq!(harness.read(id), b"hello");
    harness.write(id, b"x");
    assert_eq!(harness.drain().pop().expect("data").seq, peer.us);
}

/// A listener that offers no options gets none from a cookie either.
#[test]
fn a_listener_without_options_offers_none() {
    let mut harness = always(V4);
    let listener = harness.listen_with(|options| options.socket.no_options = true);
    let (peer, answer) = answered(&mut harness, all_options);
    assert_eq!(answer.options, Options::default());
    let bare = Peer { ts: None, ..peer };
    harness.ack(&bare, peer.us);
    let id = harness.accept(listener).expect("a child");
    assert!(!harness.status(id).timestamps);
}

/// Somebody who sees no answers sends a SYN in a client's name, and gets an entry where the client got a cookie. The
/// client proves where it is; the entry does not.
#[test]
fn a_cookie_takes_the_place_of_an_entry_that_a_forged_syn_has_made() {
    both(|family| {
        for edit in [all_options, |_: &mut Segment<'_>| ()] {
            let mut harness = always(family);
            let listener = harness.listen();
            let (peer, _) = answered(&mut harness, edit);
            harness.stack.config_mut().syn_cookies = SynCookies::Auto;
            let forged = (peer.them + 1_000_000, SeqNumber(0));
            harness.send_with(&peer, S, forged, b"", edit);
            harness.drain();
            // What brings back no cookie moves nothing.
            harness.ack(&peer, peer.us + 512);
            assert_eq!(harness.state(&peer), StateName::SynReceived);
            harness.drain();
            harness.send(&peer, PA, peer.them, peer.us, b"hello");
            harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
            let id = harness.accept(listener).expect("the client");
            assert_eq!(harness.read(id), b"hello");
            assert_eq!(harness.stack.half_open(), 0);
            harness.write(id, b"x");
            assert_eq!(harness.drain().pop().expect("data").seq, peer.us);
            // Once: a replay finds a connection, or nothing.
            harness.abort(id);
            harness.send_with(&peer, S, forged, b"", edit);
            harness.send(&peer, PA, peer.them, peer.us, b"hello");
            assert_eq!(harness.state(&peer), StateName::SynReceived);
        }
    });
}
