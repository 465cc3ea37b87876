//! Connections that no application owns any more end in bounded time, whatever their peers do, and there are only so
//! many (`Config::orphan_time`, `Config::max_orphans`).

use super::*;

const LIMIT: Duration = secs(900);

/// A connection that was closed with `length` bytes on their way.
fn closed_with(harness: &mut Harness, length: usize) -> Peer {
    let (peer, id) = harness.accepted();
    harness
        .stack
        .write(harness.now, id, &bytes(length))
        .unwrap();
    harness.close(id);
    harness.drain();
    peer
}

/// Lets the peer answer what it is sent, every ten seconds at least; answers how long the orphan lived.
fn lives(
    harness: &mut Harness,
    peer: &Peer,
    mut answer: impl FnMut(&mut Harness, u32),
) -> (Duration, Cause) {
    let start = harness.now;
    for round in 0..20_000 {
        if harness.state(peer) == StateName::Closed {
            let last = harness.last_transition();
            return (harness.now - start, last.2);
        }
        harness.drain();
        answer(harness, round);
        harness.advance(ms(500));
    }
    panic!("it is still in {}", harness.state(peer));
}

/// One byte is acknowledged now and then: never silent, never done.
#[test]
fn a_peer_that_acknowledges_byte_by_byte_does_not_hold_an_orphan() {
    both(|family| {
        let mut harness = Harness::new(family);
        let peer = closed_with(&mut harness, 200_000);
        let (time, cause) = lives(&mut harness, &peer, |harness, round| {
            harness.ack_window(&peer, peer.us + round / 4, 1);
        });
        assert_eq!(cause, Cause::OrphanTime);
        assert!(time >= LIMIT && time < LIMIT + secs(1), "{time:?}");
        assert_eq!(harness.last_reset(), Some(ResetReason::Timeout));
        assert!(harness.stack.holdings().is_empty());
    });
}

/// A window that opens and shuts begins the count of retries anew each time.
#[test]
fn a_peer_that_opens_and_shuts_its_window_does_not_hold_an_orphan() {
    let mut harness = Harness::new(V4);
    let peer = closed_with(&mut harness, 20_000);
    let (time, cause) = lives(&mut harness, &peer, |harness, round| {
        harness.ack_window(&peer, peer.us, 100 * (round as u16 % 2));
    });
    assert_eq!(cause, Cause::OrphanTime);
    assert!(time < LIMIT + secs(1), "{time:?}");
}

/// Its probes are answered, but nobody is left who would want to wait.
#[test]
fn a_peer_that_keeps_its_window_shut_does_not_hold_an_orphan() {
    let mut harness = Harness::new(V4);
    let peer = closed_with(&mut harness, 20_000);
    let (time, cause) = lives(&mut harness, &peer, |harness, _| {
        harness.ack_window(&peer, peer.us, 0);
    });
    assert_eq!(cause, Cause::OrphanRetries);
    assert!(time < LIMIT, "{time:?}");
}

/// All data is acknowledged, the FIN never, but its retransmissions are answered.
#[test]
fn a_peer_that_never_acknowledges_the_fin_does_not_hold_an_orphan() {
    for last_ack in [false, true] {
        let mut harness = Harness::new(V4);
        let (mut peer, id) = harness.accepted();
        if last_ack {
            harness.send(&peer, FA, peer.them, peer.us, b"");
            peer.them += 1;
        }
        harness.close(id);
        let (time, cause) = lives(&mut harness, &peer, |harness, round| match round % 3 {
            0 => harness.ack_window(&peer, peer.us, 0),
            1 => harness.ack_window(&peer, peer.us, 50_000),
            // A keep-alive probe, and one from beyond the window.
            _ => {
                harness.send(&peer, A, peer.them - 1, peer.us, b"");
                harness.send(&peer, A, peer.them + 90_000, peer.us, b"");
            }
        });
        assert_eq!(cause, Cause::OrphanTime);
        assert!(time < LIMIT + secs(1), "{time:?}");
    }
}

/// Keep-alive probes of a peer, old data, a FIN behind a hole: nothing extends FIN-WAIT-2.
#[test]
fn nothing_extends_the_fin_wait_2_of_an_orphan() {
    let mut harness = Harness::new(V4);
    let peer = closed_with(&mut harness, 0);
    harness.ack(&peer, peer.us + 1);
    assert_eq!(harness.state(&peer), StateName::FinWait2);
    let (time, cause) = lives(&mut harness, &peer, |harness, round| {
        let us = peer.us + 1;
        match round % 4 {
            0 => harness.send(&peer, A, peer.them - 1, us, b""),
            1 => harness.send(&peer, A, peer.them - 1, us, b"x"),
            2 => harness.send(&peer, FA, peer.them + 1000, us, b""),
            _ => harness.send(&peer, S, peer.them + 5, us, b""),
        }
    });
    assert_eq!(cause, Cause::FinWait2Timeout);
    assert!(time >= secs(60) && time < secs(61), "{time:?}");
}

/// A slow peer that takes all in time loses nothing.
#[test]
fn a_slow_peer_survives_the_default() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, MSS);
    harness
        .stack
        .write(harness.now, id, &bytes(262_144))
        .unwrap();
    harness.close(id);
    let mut acked = peer.us;
    while harness.state(&peer) == StateName::FinWait1 {
        // 300 bytes a second.
        for got in harness.drain() {
            let controls = u32::from(got.flags.contains(F));
            acked = acked.later(got.seq + got.data.len() as u32 + controls);
        }
        harness.ack_window(&peer, acked, MSS);
        harness.advance(ms(3_300));
    }
    harness.assert_entered(&peer, StateName::FinWait2, Cause::AckOfFin);
}

/// The linger time counts where it is shorter, and is told.
#[test]
fn the_shorter_of_linger_time_and_orphan_time_counts() {
    for (linger, cause, after) in [
        (secs(5), Cause::Linger, secs(5)),
        (secs(100_000), Cause::OrphanTime, LIMIT),
    ] {
        let mut harness = Harness::new(V4);
        let (peer, id) =
            harness.accepted_with(|options| options.socket.linger = Some(linger), |_| ());
        harness
            .stack
            .write(harness.now, id, &bytes(20_000))
            .unwrap();
        harness.close(id);
        let (time, found) = lives(&mut harness, &peer, |harness, round| {
            harness.ack_window(&peer, peer.us + round, 1);
        });
        assert_eq!(found, cause);
        assert!(time >= after && time < after + secs(1), "{time:?}");
    }
}

/// Linux's `tcp_max_orphans`.
#[test]
fn beyond_the_limit_of_orphans_a_close_resets() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.max_orphans = 2);
        let first = closed_with(&mut harness, 10);
        let second = closed_with(&mut harness, 0);
        assert_eq!(harness.stack.holdings().orphans, 2);
        let (third, id) = harness.accepted();
        harness.write(id, b"lost");
        harness.drain();
        harness.close(id);
        harness.expect(RA, third.us + 4, third.them);
        harness.assert_entered(&third, StateName::Closed, Cause::OrphanLimit);
        assert_eq!(harness.last_reset(), Some(ResetReason::OrphanLimit));
        assert_eq!(harness.stack.counters().tcp_abort_on_memory, 1);
        // The others go on; when one has ended there is room.
        harness.ack(&first, first.us + 11);
        assert_eq!(harness.state(&first), StateName::FinWait2);
        assert_eq!(harness.stack.holdings().orphans, 2);
        harness.send(&first, FA, first.them, first.us + 11, b"");
        assert_eq!(harness.stack.holdings().orphans, 1);
        harness.send(&second, R, second.them, SeqNumber(0), b"");
        assert_eq!(harness.stack.holdings().orphans, 0);
        harness.drain();
        let fourth = closed_with(&mut harness, 0);
        assert_eq!(harness.state(&fourth), StateName::FinWait1);
    });
}

/// What needs no FIN needs no orphan: an unanswered SYN, data unread, an abort.
#[test]
fn who_leaves_nothing_behind_is_no_orphan() {
    let mut harness = Harness::with(V4, |config| config.max_orphans = 0);
    let (syn_sent, id, _) = harness.connect();
    harness.close(id);
    harness.assert_entered(&syn_sent, StateName::Closed, Cause::Close);
    let (unread, id) = harness.accepted();
    harness.send(&unread, PA, unread.them, unread.us, b"unread");
    harness.close(id);
    harness.assert_entered(&unread, StateName::Closed, Cause::CloseUnread);
    harness.drain();
    let (aborted, id) = harness.accepted();
    harness.abort(id);
    harness.assert_entered(&aborted, StateName::Closed, Cause::Abort);
    harness.drain();
    let (done, id) = harness.accepted();
    harness.shutdown(id, crate::Shutdown::Write);
    harness.send(&done, FA, done.them, done.us + 1, b"");
    assert_eq!(harness.state(&done), StateName::TimeWait);
    harness.close(id);
    assert_eq!(harness.stack.counters().tcp_abort_on_memory, 0);
    assert_eq!(harness.stack.holdings().orphans, 0);
    assert_eq!(harness.stack.slots(), 0);
}
