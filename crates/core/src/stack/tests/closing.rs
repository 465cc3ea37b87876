//! FINs in every order (RFC 9293 §3.6, §3.10.4, §3.10.7.4 eighth step; Figures 12 and 13).

use super::*;
use crate::Shutdown;
use crate::error::WriteError;

#[test]
fn a_close_from_our_end_takes_four_segments() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.close(id);
        harness.assert_entered(&peer, StateName::FinWait1, Cause::Close);
        harness.expect(FA, peer.us, peer.them);
        harness.ack(&peer, peer.us + 1);
        harness.assert_entered(&peer, StateName::FinWait2, Cause::AckOfFin);
        harness.expect_silence();
        harness.send(&peer, FA, peer.them, peer.us + 1, b"");
        harness.assert_entered(&peer, StateName::TimeWait, Cause::Fin);
        harness.expect(A, peer.us + 1, peer.them + 1);
        harness.expect_silence();
    });
}

/// The peer's FIN rides on its ACK of ours.
#[test]
fn a_close_from_our_end_may_take_three_segments() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.close(id);
        harness.expect(FA, peer.us, peer.them);
        harness.send(&peer, FA, peer.them, peer.us + 1, b"");
        let path: Vec<_> = harness
            .record()
            .transitions
            .iter()
            .map(|event| event.to)
            .collect();
        assert!(path.ends_with(&[
            StateName::FinWait1,
            StateName::FinWait2,
            StateName::TimeWait
        ]));
        harness.expect(A, peer.us + 1, peer.them + 1);
    });
}

#[test]
fn a_close_from_the_peers_end_takes_four_segments() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.send(&peer, FA, peer.them, peer.us, b"");
        harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
        harness.expect_ack(&peer, peer.them + 1);
        harness.advance(secs(3600));
        assert_eq!(harness.state(&peer), StateName::CloseWait);
        harness.close(id);
        harness.assert_entered(&peer, StateName::LastAck, Cause::Close);
        harness.expect(FA, peer.us, peer.them + 1);
        harness.send(&peer, A, peer.them + 1, peer.us + 1, b"");
        harness.assert_entered(&peer, StateName::Closed, Cause::AckOfFin);
        harness.expect_silence();
        assert_eq!((harness.stack.len(), harness.stack.slots()), (0, 0));
    });
}

/// An application that closes at once lets its FIN ride on the ACK of the peer's.
#[test]
fn a_close_from_the_peers_end_may_take_three_segments() {
    let mut harness = Harness::with(V4, |config| config.quick_acks = 0);
    let (peer, id) = harness.accepted();
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.expect_silence();
    harness.close(id);
    harness.expect(FA, peer.us, peer.them + 1);
    harness.expect_silence();
}

/// Linux t1 K.
#[test]
fn crossing_fins_lead_through_closing() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.close(id);
        harness.expect(FA, peer.us, peer.them);
        harness.send(&peer, FA, peer.them, peer.us, b"");
        harness.assert_entered(&peer, StateName::Closing, Cause::Fin);
        harness.expect(A, peer.us + 1, peer.them + 1);
        harness.send(&peer, A, peer.them + 1, peer.us + 1, b"");
        harness.assert_entered(&peer, StateName::TimeWait, Cause::AckOfFin);
        harness.expect_silence();
    });
}

/// Linux t1 E.
#[test]
fn after_our_half_close_the_peer_may_go_on() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.shutdown(id, Shutdown::Write);
        harness.assert_entered(&peer, StateName::FinWait1, Cause::ShutdownWrite);
        harness.expect(FA, peer.us, peer.them);
        harness.ack(&peer, peer.us + 1);
        harness.send(&peer, PA, peer.them, peer.us + 1, b"half");
        harness.expect(A, peer.us + 1, peer.them + 4);
        assert_eq!(harness.read(id), b"half");
        let refused = harness.stack.write(harness.now, id, b"x");
        assert_eq!(refused, Err(WriteError::Closed));
        // An application owns it: FIN-WAIT-2 may last.
        harness.advance(secs(7200));
        assert_eq!(harness.state(&peer), StateName::FinWait2);
        harness.send(&peer, FA, peer.them + 4, peer.us + 1, b"");
        harness.assert_entered(&peer, StateName::TimeWait, Cause::Fin);
        assert_eq!(harness.stack.read(harness.now, id, &mut [0; 9]), Ok(0));
    });
}

/// Linux t3: "write in CLOSE_WAIT".
#[test]
fn after_the_peers_half_close_we_may_go_on() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.send(&peer, FA, peer.them, peer.us, b"");
        harness.expect_ack(&peer, peer.them + 1);
        harness.write(id, b"response");
        let got = harness.expect_data(peer.us, b"response");
        assert_eq!(got.ack, peer.them + 1);
        harness.send(&peer, A, peer.them + 1, peer.us + 8, b"");
        harness.shutdown(id, Shutdown::Write);
        harness.assert_entered(&peer, StateName::LastAck, Cause::ShutdownWrite);
        harness.expect(FA, peer.us + 8, peer.them + 1);
    });
}

#[test]
fn the_fin_rides_on_the_last_data_and_follows_what_was_written() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.stack.write(harness.now, id, &bytes(1500)).unwrap();
    harness.close(id);
    assert_eq!(harness.expect_data(peer.us, &bytes(1000)).flags & F, NONE);
    let last = harness.expect(FA, peer.us + 1000, peer.them);
    assert_eq!(last.data.len(), 500);
    harness.ack(&peer, peer.us + 1500);
    assert_eq!(harness.state(&peer), StateName::FinWait1);
    harness.ack(&peer, peer.us + 1501);
    assert_eq!(harness.state(&peer), StateName::FinWait2);
}

/// Two ends that both wait for the hole before a FIN would answer each other's ACKs for ever.
#[test]
fn an_ack_behind_a_fin_out_of_order_is_not_answered() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, _) = harness.accepted();
        harness.send(&peer, FA, peer.them + 3, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        harness.send(&peer, A, peer.them + 4, peer.us, b"");
        harness.expect_silence();
    });
}

/// Linux t3: "OOO FIN" is held until the hole fills.
#[test]
fn a_fin_out_of_order_waits_until_the_hole_is_filled() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.send(&peer, FA, peer.them + 3, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.state(&peer), StateName::Established);
        harness.send(&peer, PA, peer.them, peer.us, b"abc");
        harness.expect_ack(&peer, peer.them + 4);
        harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
        assert_eq!(harness.read(id), b"abc");
    });
}

/// The ACK for the hole goes out when the FIN comes, and when something fills a part of it: not in answer to the bare ACKs
/// of a peer that holds such a FIN itself, and would answer again.
#[test]
fn a_fin_that_waits_does_not_answer_bare_acks() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.send(&peer, FA, peer.them + 20, peer.us, b"");
        harness.expect_ack(&peer, peer.them);
        for _ in 0..3 {
            harness.send(&peer, A, peer.them + 21, peer.us, b"");
            harness.expect_silence();
        }
        harness.send(&peer, PA, peer.them, peer.us, bytes(10));
        harness.expect_ack(&peer, peer.them + 10);
        harness.send(&peer, PA, peer.them + 10, peer.us, bytes(10));
        harness.expect_ack(&peer, peer.them + 21);
        assert_eq!(harness.status(id).state, StateName::CloseWait);
    });
}

#[test]
fn a_fin_on_data_out_of_order_waits_too() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, FPA, peer.them + 3, peer.us, b"def");
    harness.expect_ack(&peer, peer.them);
    harness.send(&peer, PA, peer.them, peer.us, b"abc");
    harness.expect_ack(&peer, peer.them + 7);
    assert_eq!(harness.read(id), b"abcdef");
    assert_eq!(harness.state(&peer), StateName::CloseWait);
}

#[test]
fn an_out_of_order_fin_is_held_in_fin_wait_1_and_2() {
    for acknowledged in [false, true] {
        let mut harness = Harness::new(V4);
        let (peer, id) = harness.accepted();
        harness.shutdown(id, Shutdown::Write);
        harness.drain();
        let ack = peer.us + u32::from(acknowledged);
        harness.send(&peer, FA, peer.them + 3, ack, b"");
        harness.send(&peer, PA, peer.them, ack, b"abc");
        let state = if acknowledged {
            StateName::TimeWait
        } else {
            StateName::Closing
        };
        assert_eq!(harness.state(&peer), state);
        assert_eq!(harness.drain().last().unwrap().ack, peer.them + 4);
        assert_eq!(harness.read(id), b"abc");
    }
}

/// RFC 9293 §3.10.7.4, eighth step: CLOSE-WAIT, CLOSING, LAST-ACK "Remain in the [...] state."
#[test]
fn a_repeated_fin_is_acknowledged_again_and_changes_nothing() {
    both(|family| {
        for state in [StateName::CloseWait, StateName::Closing, StateName::LastAck] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            if state == StateName::Closing {
                harness.close(id);
            }
            harness.send(&peer, FA, peer.them, peer.us, b"");
            if state == StateName::LastAck {
                harness.close(id);
            }
            harness.drain();
            assert_eq!(harness.state(&peer), state);
            for _ in 0..3 {
                harness.send(&peer, FA, peer.them, peer.us, b"");
                let us = peer.us + u32::from(state != StateName::CloseWait);
                harness.expect(A, us, peer.them + 1);
                harness.expect_silence();
            }
            assert_eq!(harness.discarded(DiscardReason::OldDuplicate), 3);
            assert_eq!(harness.state(&peer), state);
        }
    });
}

#[test]
fn data_after_the_peers_fin_is_ignored() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.expect_ack(&peer, peer.them + 1);
    harness.send(&peer, PA, peer.them + 1, peer.us, b"more");
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::AfterFin), 1);
    assert_eq!(harness.read(id), b"");
    assert_eq!(harness.state(&peer), StateName::CloseWait);
}

#[test]
fn a_lost_fin_is_sent_again_by_the_timer_in_every_state_that_waits_for_its_ack() {
    both(|family| {
        for state in [StateName::FinWait1, StateName::Closing, StateName::LastAck] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            if state == StateName::LastAck {
                harness.send(&peer, FA, peer.them, peer.us, b"");
            }
            harness.close(id);
            if state == StateName::Closing {
                harness.send(&peer, FA, peer.them, peer.us, b"");
            }
            harness.drain();
            assert_eq!(harness.state(&peer), state);
            let them = peer.them + u32::from(state != StateName::FinWait1);
            for wait in [200, 400, 800] {
                harness.advance(ms(wait - 1));
                harness.expect_silence();
                harness.advance(ms(1));
                harness.expect(FA, peer.us, them);
            }
            harness.send(&peer, A, them, peer.us + 1, b"");
            let next = match state {
                StateName::FinWait1 => StateName::FinWait2,
                StateName::Closing => StateName::TimeWait,
                _ => StateName::Closed,
            };
            harness.assert_entered(&peer, next, Cause::AckOfFin);
        }
    });
}

#[test]
fn closing_twice_and_shutting_down_a_closed_side_changes_nothing() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Write);
    harness.shutdown(id, Shutdown::Both);
    harness.expect(FA, peer.us, peer.them);
    harness.expect_silence();
    harness.close(id);
    assert!(
        harness.stack.close(harness.now, id).is_ok(),
        "the connection goes on"
    );
    assert_eq!(harness.state(&peer), StateName::FinWait1);
}

#[test]
fn who_closed_first_is_remembered() {
    use crate::observe::Initiator;
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let (_, ours) = harness.accepted_by(listener, |_| ());
    harness.shutdown(ours, Shutdown::Write);
    assert_eq!(harness.status(ours).first_closer, Some(Initiator::Local));
    harness.drain();
    let (peer, theirs) = harness.accepted_by(listener, |_| ());
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.shutdown(theirs, Shutdown::Write);
    assert_eq!(harness.status(theirs).first_closer, Some(Initiator::Peer));
}

#[test]
fn data_beyond_an_early_fin_does_not_keep_the_true_one_out() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, FA, peer.them + 10, peer.us, b"");
    harness.send(&peer, PA, peer.them, peer.us, [7; 20]);
    assert_eq!(harness.state(&peer), StateName::Established);
    harness.drain();
    harness.send(&peer, FA, peer.them + 20, peer.us, b"");
    harness.expect_ack(&peer, peer.them + 21);
    assert_eq!(harness.state(&peer), StateName::CloseWait);
    assert_eq!(harness.read(id).len(), 20);
}
