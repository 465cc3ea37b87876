//! Without the protections of RFC 5961, and SYNs with a FIN: what RFC 9293 §3.10.7 has for stacks that do
//! without, by switches of the [`Config`].

use super::*;
use crate::{Shutdown, SynFin};

fn any_reset(config: &mut Config) {
    config.exact_resets = false;
}

fn syns_reset(config: &mut Config) {
    config.challenge_syns = false;
}

/// "If the RST bit is set, then any outstanding RECEIVEs and SEND should receive "reset" responses."
#[test]
fn any_rst_in_the_window_ends_a_connection_without_exact_resets() {
    both(|family| {
        for ahead in [0, 1, 2_047] {
            let mut harness = Harness::with(family, any_reset);
            let (peer, id) =
                harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
            harness.send(&peer, R, peer.them + ahead, SeqNumber(0), b"");
            let cause = match ahead {
                0 => Cause::Reset,
                _ => Cause::ResetInWindow,
            };
            harness.assert_entered(&peer, StateName::Closed, cause);
            harness.expect_silence();
            assert_eq!(harness.stack.counters().tcp_challenge_ack, 0);
            let read = harness.stack.read(harness.now, id, &mut [0]);
            assert_eq!(read, Err(crate::error::ReadError::Ended(cause)));
        }
    });
}

#[test]
fn a_rst_outside_the_window_is_ignored_without_exact_resets_too() {
    for outside in [2_048, u32::MAX, 1 << 31] {
        let mut harness = Harness::with(V4, any_reset);
        let (peer, _) =
            harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
        harness.send(&peer, R, peer.them + outside, SeqNumber(0), b"");
        // Its data reaches into the window, but the RST does not.
        harness.send(&peer, R, peer.them - 1, SeqNumber(0), b"abc");
        assert_eq!(harness.state(&peer), StateName::Established);
        assert_eq!(harness.discarded(DiscardReason::ResetOutside), 1);
        assert_eq!(harness.discarded(DiscardReason::ResetInexact), 1);
    }
}

#[test]
fn any_rst_in_the_window_ends_a_half_open_connection_without_exact_resets() {
    both(|family| {
        for (ahead, ends) in [
            (0, true),
            (1, true),
            (65_534, true),
            (65_535, false),
            (u32::MAX, false),
        ] {
            let mut harness = Harness::with(family, any_reset);
            harness.listen();
            let peer = harness.syn(1000);
            let answer = harness.next().expect("a SYN,ACK");
            harness.send(&peer, R, peer.them + ahead, SeqNumber(0), b"");
            harness.expect_silence();
            assert_eq!(harness.state(&peer) == StateName::Closed, ends, "{ahead}");
            if ends && ahead > 0 {
                let back = (
                    StateName::SynReceived,
                    StateName::Listen,
                    Cause::ResetInWindow,
                );
                assert_eq!(harness.last_transition(), back);
                // An ACK of the SYN,ACK finds the listener.
                harness.send(&peer, A, peer.them, answer.seq + 1, b"");
                harness.expect(R, answer.seq + 1, SeqNumber(0));
            }
        }
    });
}

/// RFC 9293 §3.10.7.4: "If this connection was initiated with an active OPEN [...] then the connection was
/// refused".
#[test]
fn any_rst_in_the_window_refuses_a_simultaneous_open_without_exact_resets() {
    let mut harness = Harness::with(V4, any_reset);
    let (peer, _, _) = harness.connect();
    harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
    harness.expect(SA, peer.us - 1, peer.them);
    harness.send(&peer, R, peer.them + 5, SeqNumber(0), b"");
    harness.assert_entered(&peer, StateName::Closed, Cause::ResetInSynSent);
}

/// RFC 1337 has a switch of its own.
#[test]
fn time_wait_outlasts_rsts_and_syns_without_the_protections() {
    let mut harness = Harness::with(V4, |config| {
        any_reset(config);
        syns_reset(config);
    });
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Write);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    harness.drain();
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    harness.send(&peer, R, peer.them + 1, SeqNumber(0), b"");
    harness.send(&peer, R, peer.them + 9, SeqNumber(0), b"");
    harness.expect_silence();
    harness.send(&peer, S, peer.them + 9, SeqNumber(0), b"");
    harness.expect(A, peer.us + 1, peer.them + 1);
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

/// "If the SYN is in the window it is an error: send a reset, [...] enter the CLOSED state, delete the TCB".
#[test]
fn a_syn_in_the_window_resets_the_connection_without_challenges() {
    both(|family| {
        for ahead in [0, 50, 2_047] {
            let mut harness = Harness::with(family, syns_reset);
            let (peer, id) =
                harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
            harness.send(&peer, S, peer.them + ahead, SeqNumber(0), b"");
            harness.expect(RA, peer.us, peer.them);
            harness.expect_silence();
            harness.assert_entered(&peer, StateName::Closed, Cause::SynInWindow);
            assert_eq!(harness.last_reset(), Some(ResetReason::SynInWindow));
            let read = harness.stack.read(harness.now, id, &mut [0]);
            let ended = crate::error::ReadError::Ended(Cause::SynInWindow);
            assert_eq!(read, Err(ended));
        }
    });
}

/// "If the SYN is not in the window, this step would not be reached and an ACK would have been sent in the
/// first step".
#[test]
fn a_syn_outside_the_window_is_acknowledged_without_challenges() {
    for outside in [2_048, u32::MAX, 1 << 31] {
        let mut harness = Harness::with(V4, syns_reset);
        let (peer, _) =
            harness.accepted_with(|options| options.socket.receive_buffer = 2048, |_| ());
        harness.send(&peer, S, peer.them + outside, SeqNumber(0), b"");
        harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.state(&peer), StateName::Established);
    }
}

/// The application has nothing more to lose there, but the peer is told all the same.
#[test]
fn a_syn_in_the_window_resets_a_closing_connection_without_challenges() {
    let mut harness = Harness::with(V4, syns_reset);
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Write);
    harness.expect(FA, peer.us, peer.them);
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.drain();
    assert_eq!(harness.state(&peer), StateName::Closing);
    harness.send(&peer, S, peer.them + 1, SeqNumber(0), b"");
    harness.expect(RA, peer.us + 1, peer.them + 1);
    harness.assert_entered(&peer, StateName::Closed, Cause::SynInWindow);
}

/// RFC 9293 §3.10.7.2: "any other control or text should be queued for processing later". The FIN is not
/// acknowledged, so it comes again.
#[test]
fn a_syn_with_a_fin_opens_a_connection_if_taken() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.syn_fin = SynFin::Taken);
        let listener = harness.listen();
        let mut peer = harness.new_peer(PORT, 1000);
        let numbers = (peer.them - 1, SeqNumber(0));
        harness.send_with(&peer, S | F, numbers, b"abc", |_| ());
        let answer = harness.next().expect("a SYN,ACK");
        assert_eq!((answer.flags, answer.ack), (SA, peer.them));
        peer.us = answer.seq + 1;
        harness.send(&peer, A, peer.them + 3, peer.us, b"");
        let id = harness.accept(listener).expect("a child");
        assert_eq!(harness.state(&peer), StateName::Established);
        harness.send(&peer, FA, peer.them + 3, peer.us, b"");
        harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
        assert_eq!(harness.read(id), b"abc");
    });
}

#[test]
fn a_syn_with_a_fin_opens_a_new_connection_in_time_wait_if_taken() {
    for (syn_fin, opens) in [(SynFin::Taken, true), (SynFin::Unanswered, false)] {
        let mut harness = Harness::with(V4, |config| config.syn_fin = syn_fin);
        let listener = harness.listen();
        let (peer, id) = harness.accepted_by(listener, |_| ());
        harness.shutdown(id, Shutdown::Write);
        harness.send(&peer, FA, peer.them, peer.us + 1, b"");
        harness.drain();
        harness.send(&peer, S | F, peer.them + 1000, SeqNumber(0), b"");
        let got = harness.next().expect("an answer");
        assert_eq!(got.flags, if opens { SA } else { A });
    }
}

#[test]
fn a_syn_with_a_fin_is_dropped_in_every_state_if_so_configured() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.syn_fin = SynFin::Dropped);
        let listener = harness.listen();
        let nobody = harness.new_peer(9999, 1000);
        let stranger = harness.new_peer(PORT, 1000);
        for peer in [nobody, stranger] {
            harness.send(&peer, S | F, peer.them - 1, SeqNumber(0), b"");
        }
        let (connecting, _, _) = harness.connect();
        harness.send(&connecting, S | F, connecting.them - 1, SeqNumber(0), b"");
        assert_eq!(harness.state(&connecting), StateName::SynSent);
        let (peer, id) = harness.accepted_by(listener, |_| ());
        harness.send(&peer, S | F, peer.them, SeqNumber(0), b"");
        harness.shutdown(id, Shutdown::Write);
        harness.drain();
        harness.send(&peer, FA, peer.them, peer.us + 1, b"");
        harness.drain();
        assert_eq!(harness.state(&peer), StateName::TimeWait);
        harness.send(&peer, S | F, peer.them + 1000, SeqNumber(0), b"");
        harness.expect_silence();
        assert_eq!(harness.discarded(DiscardReason::SynFin), 5);
    });
}
