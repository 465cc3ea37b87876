//! A SYN in TIME-WAIT, and a port that TIME-WAIT holds (RFC 9293 §3.6.1, RFC 6191 §2).

use super::*;
use crate::config::AcceptPolicy;
use crate::error::{ConnectError, ListenError};

const WITHOUT: Option<u32> = None;

/// TIME-WAIT after a connection whose last timestamp was `ts`, with a listener on the port.
fn in_time_wait(harness: &mut Harness, ts: Option<u32>) -> (ListenerId, Peer) {
    let listener = harness.listen();
    let (mut peer, id) = harness.accepted_by(listener, |segment| {
        segment.options.timestamps = ts.map(|value| Timestamps { value, echo: 0 });
    });
    harness.close(id);
    peer.us += 1;
    harness.send(&peer, FA, peer.them, peer.us, b"");
    peer.them += 1;
    harness.drain();
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    (listener, peer)
}

/// Sends a SYN `ahead` of RCV.NXT with this timestamp; answers the stack's answer.
fn syn(harness: &mut Harness, peer: &Peer, ahead: u32, ts: Option<u32>) -> Got {
    let numbers = (peer.them + ahead, SeqNumber(0));
    harness.send_with(peer, S, numbers, b"", |segment| {
        segment.options.timestamps = ts.map(|value| Timestamps { value, echo: 0 });
    });
    harness.next().expect("an answer")
}

const BEFORE: u32 = u32::MAX;

/// Every branch of RFC 6191 §2, and both sides of each comparison.
#[test]
fn a_syn_in_time_wait_opens_anew_exactly_where_rfc_6191_says() {
    let (older, same, newer) = (Some(4999), Some(5000), Some(5001));
    let cases = [
        // The old incarnation had timestamps: a newer one opens, whatever the number.
        (same, newer, 100_000, true),
        (same, newer, BEFORE - 500, true),
        // The same one opens with a higher number: the last one seen was the FIN's.
        (same, same, 0, true),
        (same, same, BEFORE, false),
        // An older one does not.
        (same, older, 100_000, false),
        // A SYN without: the number decides.
        (same, WITHOUT, 0, true),
        (same, WITHOUT, 100_000, true),
        (same, WITHOUT, BEFORE, false),
        (same, WITHOUT, 1 << 31, false),
        // The old incarnation had none: a timestamp opens.
        (WITHOUT, newer, BEFORE - 500, true),
        // Neither had: the number decides.
        (WITHOUT, WITHOUT, 0, true),
        (WITHOUT, WITHOUT, 200_000, true),
        (WITHOUT, WITHOUT, BEFORE, false),
    ];
    both(|family| {
        for (before, now, ahead, opens) in cases {
            let mut harness = Harness::new(family);
            let (_, peer) = in_time_wait(&mut harness, before);
            let answer = syn(&mut harness, &peer, ahead, now);
            let case = std::format!("{before:?} {now:?} {ahead}");
            if opens {
                assert_eq!(answer.flags, SA, "{case}");
                assert_eq!(answer.ack, peer.them + ahead + 1);
                assert_eq!(harness.state(&peer), StateName::SynReceived);
                let first = (StateName::TimeWait, StateName::Closed, Cause::SynInTimeWait);
                let changes = &harness.record().transitions;
                let closed = changes[changes.len() - 2];
                assert_eq!((closed.from, closed.to, closed.cause), first);
                let second = (
                    StateName::Listen,
                    StateName::SynReceived,
                    Cause::SynInTimeWait,
                );
                assert_eq!(harness.last_transition(), second);
                assert_eq!(harness.stack.counters().tw_recycled, 1);
                assert_eq!(harness.stack.time_waits(), 0);
            } else {
                // As Linux, an ACK; RFC 6191 says "silently drop", RFC 9293 §3.10.7.4 an ACK.
                assert_eq!((answer.flags, answer.ack), (A, peer.them), "{case}");
                assert_eq!(harness.discarded(DiscardReason::OldSynInTimeWait), 1);
                assert_eq!(harness.state(&peer), StateName::TimeWait);
            }
        }
    });
}

/// "would be enabled for the new incarnation": a stack that does not use timestamps looks at numbers only.
#[test]
fn without_timestamps_of_our_own_only_the_number_of_a_syn_counts() {
    let mut harness = Harness::with(V4, |config| config.timestamps = false);
    let (_, peer) = in_time_wait(&mut harness, None);
    assert_eq!(syn(&mut harness, &peer, BEFORE, Some(9000)).flags, A);
    assert_eq!(syn(&mut harness, &peer, 1, Some(9000)).flags, SA);
}

/// The same of a listener whose socket uses no options: its SYN,ACK would have none.
#[test]
fn without_options_of_the_listener_only_the_number_of_a_syn_counts() {
    let mut harness = Harness::new(V4);
    let (listener, peer) = in_time_wait(&mut harness, Some(5000));
    let options = SocketOptions {
        no_options: true,
        ..SocketOptions::default()
    };
    harness
        .stack
        .set_listener_options(listener, options)
        .unwrap();
    assert_eq!(syn(&mut harness, &peer, BEFORE, Some(9000)).flags, A);
    assert_eq!(syn(&mut harness, &peer, 1, Some(9000)).flags, SA);
}

/// RFC 9293 §3.6.1: larger than the largest number of the previous incarnation; Linux adds 65,537.
#[test]
fn the_isn_of_a_reopened_connection_is_above_the_old_numbers() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, peer) = in_time_wait(&mut harness, None);
        let answer = syn(&mut harness, &peer, 200_000, None);
        assert!(peer.us.precedes(answer.seq), "{} {}", peer.us, answer.seq);
    });
    // A connection that has sent more than the clock of the ISN has gone on since.
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let (mut peer, id) = harness.accepted_by(listener, |_| ());
    for _ in 0..20 {
        harness
            .stack
            .write(harness.now, id, &bytes(100_000))
            .unwrap();
        while !harness.drain().is_empty() {
            peer.us = harness.status(id).snd_nxt;
            harness.ack(&peer, peer.us);
        }
    }
    harness.close(id);
    peer.us += 1;
    harness.send(&peer, FA, peer.them, peer.us, b"");
    peer.them += 1;
    harness.drain();
    let answer = syn(&mut harness, &peer, 1, None);
    assert_eq!(answer.seq, peer.us + 65_537);
}

#[test]
fn a_reopened_connection_works_and_is_another_life() {
    let mut harness = Harness::new(V4);
    let (listener, mut peer) = in_time_wait(&mut harness, None);
    let answer = syn(&mut harness, &peer, 1000, None);
    peer.them += 1001;
    peer.us = answer.seq + 1;
    harness.send(&peer, PA, peer.them, peer.us, b"again");
    harness.expect_ack(&peer, peer.them + 5);
    let id = harness.accept(listener).unwrap();
    assert_eq!(harness.read(id), b"again");
    let lives: Vec<_> = harness
        .record()
        .transitions
        .iter()
        .map(|event| event.life)
        .collect();
    assert_ne!(lives[1], lives[lives.len() - 1]);
}

/// Linux looks for a listener, too.
#[test]
fn a_new_syn_in_time_wait_without_a_listener_is_acknowledged() {
    let mut harness = Harness::new(V4);
    let (listener, peer) = in_time_wait(&mut harness, None);
    harness.stack.close_listener(harness.now, listener).unwrap();
    assert_eq!(syn(&mut harness, &peer, 1000, None).flags, A);
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

#[test]
fn a_syn_with_fin_or_ack_does_not_reopen() {
    let mut harness = Harness::new(V4);
    let (_, peer) = in_time_wait(&mut harness, None);
    for flags in [S | F, SA, S | F | A] {
        harness.send(&peer, flags, peer.them + 1000, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
    }
    assert_eq!(harness.discarded(DiscardReason::SynInWindow), 3);
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

/// TIME-WAIT gives way only to a SYN that is answered.
#[test]
fn a_new_syn_in_time_wait_is_refused_with_its_reason_while_the_queues_are_full() {
    let mut harness = Harness::with(V4, |config| config.max_syn_received = 1);
    let (listener, peer) = in_time_wait(&mut harness, None);
    harness.syn(5000);
    harness.drain();
    harness.send(&peer, S, peer.them + 1000, SeqNumber(0), b"");
    harness.expect_silence();
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    assert_eq!(harness.discarded(DiscardReason::SynQueueFull), 1);
    assert_eq!(harness.refused(RefusalReason::SynQueueFull), 1);
    let status = &harness.stack.listeners()[0];
    assert_eq!(status.refused, 1);
    harness.stack.close_listener(harness.now, listener).unwrap();
}

#[test]
fn a_full_accept_queue_refuses_a_new_syn_in_time_wait_only_by_the_policy_hold() {
    for policy in [
        AcceptPolicy::Hold,
        AcceptPolicy::Reset,
        AcceptPolicy::ShedOldest,
    ] {
        let mut harness = Harness::new(V4);
        let (listener, peer) = in_time_wait(&mut harness, None);
        harness.stack.close_listener(harness.now, listener).unwrap();
        harness.listen_with(|options| {
            options.backlog = 1;
            options.policy = policy;
            options.socket.reuse_address = true;
        });
        let mut waiting = harness.syn(5000);
        waiting.us = harness.next().unwrap().seq + 1;
        harness.ack(&waiting, waiting.us);
        harness.send(&peer, S, peer.them + 1000, SeqNumber(0), b"");
        let holds = policy == AcceptPolicy::Hold;
        let expected = if holds {
            StateName::TimeWait
        } else {
            StateName::SynReceived
        };
        assert_eq!(harness.state(&peer), expected, "{policy:?}");
        assert_eq!(
            harness.refused(RefusalReason::AcceptQueueFull),
            usize::from(holds)
        );
    }
}

/// Linux t3: EADDRINUSE, fine with SO_REUSEADDR; two live listeners are refused either way.
#[test]
fn a_port_held_by_time_wait_can_be_listened_on_only_with_reuse() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (listener, _) = in_time_wait(&mut harness, None);
        let mut options = ListenOptions::new(SocketAddr::new(family.ours(), PORT));
        let in_use = Err(ListenError::AddressInUse);
        assert_eq!(harness.stack.listen(harness.now, options), in_use);
        options.socket.reuse_address = true;
        assert_eq!(harness.stack.listen(harness.now, options), in_use);
        harness.stack.close_listener(harness.now, listener).unwrap();
        options.socket.reuse_address = false;
        let held = ListenError::PortHeld {
            time_wait: 1,
            live: 0,
        };
        assert_eq!(harness.stack.listen(harness.now, options), Err(held));
        assert_eq!(harness.refused(RefusalReason::TimeWaitHoldsPort), 1);
        options.socket.reuse_address = true;
        assert!(harness.stack.listen(harness.now, options).is_ok());
    });
}

#[test]
fn the_port_is_free_when_time_wait_is_over() {
    let mut harness = Harness::new(V4);
    let (listener, _) = in_time_wait(&mut harness, None);
    harness.stack.close_listener(harness.now, listener).unwrap();
    harness.advance(secs(61));
    harness.listen();
}

#[test]
fn an_active_open_does_not_take_a_tuple_in_time_wait() {
    let mut harness = Harness::new(V4);
    let (listener, peer) = in_time_wait(&mut harness, None);
    harness.stack.close_listener(harness.now, listener).unwrap();
    let options = ConnectOptions {
        local: Some(peer.tuple.local()),
        ..ConnectOptions::default()
    };
    let refused = harness
        .stack
        .connect(harness.now, peer.tuple.remote(), options);
    assert_eq!(refused, Err(ConnectError::AddressInUse));
    assert_eq!(harness.refused(RefusalReason::AddressInUse), 1);
}

/// RFC 7323, appendix B.2: with timestamps the new incarnation and the old one's duplicates can be told apart.
#[test]
fn an_active_open_takes_its_own_tuple_in_time_wait_with_reuse_and_timestamps() {
    both(|family| {
        for (ts, reuse, age, opens) in [
            (Some(5000), true, secs(2), true),
            (Some(5000), true, ms(900), false),
            (Some(5000), false, secs(2), false),
            (WITHOUT, true, secs(2), false),
        ] {
            let mut harness = Harness::new(family);
            let (listener, peer) = in_time_wait(&mut harness, ts);
            harness
                .stack
                .close_listener(harness.now, listener)
                .expect("it");
            let old = harness.stack.statuses()[0].snd_nxt;
            harness.advance(age);
            let options = ConnectOptions {
                local: Some(peer.tuple.local()),
                socket: SocketOptions {
                    reuse_address: reuse,
                    ..SocketOptions::default()
                },
            };
            let remote = peer.tuple.remote();
            let result = harness.stack.connect(harness.now, remote, options);
            let case = std::format!("{ts:?} {reuse} {age:?}");
            assert_eq!(result.is_ok(), opens, "{case}");
            if opens {
                let syn = harness.next().expect("a SYN");
                assert_eq!(syn.flags, S);
                // RFC 9293 §3.6.1: a larger number than any of the old incarnation.
                assert!(old.precedes(syn.seq), "{case}");
                let transitions = &harness.record().transitions;
                let states: Vec<_> = transitions.iter().map(|t| (t.to, t.cause)).collect();
                let end = [
                    (StateName::Closed, Cause::Reconnect),
                    (StateName::SynSent, Cause::Connect),
                ];
                assert_eq!(states[states.len() - 2..], end);
                assert_eq!(harness.stack.counters().tw_recycled, 1);
                assert_eq!(harness.stack.len(), 1);
            } else {
                assert_eq!(result, Err(ConnectError::AddressInUse), "{case}");
                assert_eq!(harness.state(&peer), StateName::TimeWait);
            }
        }
    });
}
