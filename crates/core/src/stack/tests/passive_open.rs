//! LISTEN and SYN-RECEIVED: the handshake as the passive side sees it (RFC 9293 §3.5, §3.10.7.2).

use super::*;

/// A SYN was answered; the third ACK has not come.
fn half_open(harness: &mut Harness) -> Peer {
    let mut peer = harness.syn(1000);
    let answer = harness.next().expect("a SYN,ACK");
    assert_eq!((answer.flags, answer.ack), (SA, peer.them));
    peer.us = answer.seq + 1;
    peer
}

#[test]
fn only_the_third_ack_establishes_the_passive_side() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let peer = half_open(&mut harness);
        assert_eq!(harness.state(&peer), StateName::SynReceived);
        assert_eq!(harness.accept(listener), None);
        harness.ack(&peer, peer.us);
        harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
        assert!(harness.accept(listener).is_some());
        harness.expect_silence();
    });
}

/// Linux, experiment 5: data completes the handshake.
#[test]
fn data_repairs_a_lost_third_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let peer = half_open(&mut harness);
        harness.send(&peer, PA, peer.them, peer.us, b"early");
        harness.expect_ack(&peer, peer.them + 5);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.read(id), b"early");
    });
}

/// Linux, experiment 5b: the FIN goes straight to CLOSE-WAIT.
#[test]
fn data_with_fin_repairs_a_lost_third_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let peer = half_open(&mut harness);
        harness.send(&peer, FPA, peer.them, peer.us, b"early");
        harness.expect_ack(&peer, peer.them + 6);
        harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.read(id), b"early");
        assert_eq!(harness.stack.read(harness.now, id, &mut [0; 9]), Ok(0));
    });
}

#[test]
fn a_bare_fin_repairs_a_lost_third_ack() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let peer = half_open(&mut harness);
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.expect_ack(&peer, peer.them + 1);
    harness.assert_entered(&peer, StateName::CloseWait, Cause::Fin);
    assert!(harness.accept(listener).is_some());
}

#[test]
fn a_repeated_syn_ack_repairs_a_lost_third_ack() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = half_open(&mut harness);
        harness.advance(secs(1));
        harness.expect(SA, peer.us - 1, peer.them);
        harness.ack(&peer, peer.us);
        harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
    });
}

/// Linux: 1.2/3.0/7.1/15.4/31.4 s, gone at 64.8 s.
#[test]
fn a_syn_ack_is_sent_five_times_more_and_given_up_after_63_seconds() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = half_open(&mut harness);
        let start = harness.now;
        harness.advance(ms(62_999));
        assert_eq!(
            harness.times_of(SA, start),
            [1000, 3000, 7000, 15_000, 31_000]
        );
        assert_eq!(harness.state(&peer), StateName::SynReceived);
        assert_eq!(harness.stack.counters().tcp_synack_retrans, 5);
        harness.advance(ms(1));
        harness.assert_entered(&peer, StateName::Closed, Cause::SynAckRetries);
        harness.expect_silence();
        assert!(harness.stack.is_empty());
    });
}

#[test]
fn a_repeated_syn_ack_acknowledges_as_the_first_and_echoes_the_same_timestamp() {
    let mut harness = Harness::new(V4);
    harness.listen();
    harness.syn_with(1000, |segment| {
        segment.options.timestamps = Some(Timestamps { value: 77, echo: 0 });
    });
    let first = harness.next().unwrap();
    harness.advance(secs(1));
    let second = harness.next().unwrap();
    assert_eq!((first.seq, first.ack), (second.seq, second.ack));
    let (first, second) = (
        first.options.timestamps.unwrap(),
        second.options.timestamps.unwrap(),
    );
    assert_eq!((first.echo, second.echo), (77, 77));
    assert_eq!(second.value.wrapping_sub(first.value), 1000);
}

/// Linux, experiment 5c.
#[test]
fn a_repeated_syn_draws_the_same_syn_ack_and_opens_nothing_new() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = half_open(&mut harness);
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
        harness.expect(SA, peer.us - 1, peer.them);
        harness.expect_silence();
        assert_eq!(harness.stack.half_open(), 1);
    });
}

/// Linux answers RST,ACK and forgets (experiment 5d). RFC 9293 §3.10.7.4, fourth step, has no RST: "return
/// this connection to the LISTEN state and return". The peer's next SYN finds the listener.
#[test]
fn another_syn_in_the_window_returns_a_half_open_connection_to_listen() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = half_open(&mut harness);
        harness.send(&peer, S, peer.them + 499, SeqNumber(0), b"");
        harness.expect_silence();
        let states = (StateName::SynReceived, StateName::Listen, Cause::OtherSyn);
        assert_eq!(harness.last_transition(), states);
        assert_eq!(harness.stack.half_open(), 0);
        harness.send(&peer, S, peer.them + 499, SeqNumber(0), b"");
        assert_eq!(harness.next().unwrap().ack, peer.them + 500);
    });
}

/// A rebooted peer begins anew outside the window: the ACK draws its RST, and the next SYN is welcome
/// (RFC 9293 §3.5.1, Figure 9).
#[test]
fn another_syn_outside_the_window_of_a_half_open_connection_is_answered_by_an_ack() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = half_open(&mut harness);
    harness.send(&peer, S, peer.them + 1_000_000, SeqNumber(0), b"");
    harness.expect_ack(&peer, peer.them);
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    let states = (StateName::SynReceived, StateName::Listen, Cause::Reset);
    assert_eq!(harness.last_transition(), states);
}

/// Linux, experiment 5e.
#[test]
fn an_unacceptable_ack_of_a_half_open_connection_draws_a_rst_and_changes_nothing() {
    both(|family| {
        for wrong in [1, 2, 8, u32::MAX - 1] {
            let mut harness = Harness::new(family);
            harness.listen();
            let peer = half_open(&mut harness);
            let ack = peer.us + wrong;
            harness.send(&peer, A, peer.them, ack, b"");
            harness.expect(R, ack, SeqNumber(0));
            assert_eq!(harness.last_reset(), Some(ResetReason::AckUnacceptable));
            assert_eq!(harness.discarded(DiscardReason::AckUnacceptable), 1);
            assert_eq!(harness.state(&peer), StateName::SynReceived);
        }
    });
}

/// Linux, experiment 5f.
#[test]
fn an_exact_rst_ends_a_half_open_connection() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = half_open(&mut harness);
        harness.send(&peer, R, peer.them, SeqNumber(0), b"");
        harness.expect_silence();
        let states = (StateName::SynReceived, StateName::Listen, Cause::Reset);
        assert_eq!(harness.last_transition(), states);
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}

#[test]
fn other_rsts_do_not_end_a_half_open_connection() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = half_open(&mut harness);
    harness.send(&peer, R, peer.them + 1, SeqNumber(0), b"");
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.discarded(DiscardReason::ResetInexact), 1);
    for outside in [peer.them - 1, peer.them + 65_535, peer.them + (1 << 31)] {
        harness.send(&peer, R, outside, SeqNumber(0), b"");
    }
    harness.send(&peer, S | R, peer.them - 1, SeqNumber(0), b"");
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::ResetOutside), 4);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
}

#[test]
fn a_segment_without_ack_does_not_complete_the_handshake() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = half_open(&mut harness);
    harness.send(&peer, NONE, peer.them, peer.us, b"data");
    harness.send(&peer, F, peer.them, peer.us, b"");
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::NoAck), 2);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
}

/// The window of a challenge must be the one that was offered: the peer may be ESTABLISHED already and would
/// take a window of zero at its word.
#[test]
fn a_challenge_of_a_half_open_connection_offers_the_window() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let mut peer = harness.syn_with(1000, |segment| segment.options.window_scale = Some(7));
        let answer = harness.next().unwrap();
        let shift = answer.options.window_scale.unwrap();
        peer.us = answer.seq + 1;
        harness.send(&peer, A, peer.them + 100_000, peer.us, b"");
        let challenge = harness.expect_ack(&peer, peer.them);
        assert_eq!(harness.discarded(DiscardReason::OutsideWindow), 1);
        let offered = u32::from(challenge.wnd) << shift;
        assert!(
            (65_535..65_535 + (1 << shift)).contains(&offered),
            "{offered}"
        );
    });
}

/// The numbers of Linux: silence for SYN,FIN and SYN,RST and FIN and nothing (t2 5k, t3), RST for whatever
/// has an ACK (5g, 5h).
#[test]
fn a_listener_answers_syns_resets_acks_and_ignores_the_rest() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let flags = [
            (NONE, DiscardReason::NotASyn),
            (F, DiscardReason::NotASyn),
            (Flags::PSH | Flags::URG, DiscardReason::NotASyn),
            (S | F, DiscardReason::SynFin),
            (S | R, DiscardReason::SynFin),
            (R, DiscardReason::ResetToNobody),
            (RA, DiscardReason::ResetToNobody),
        ];
        for (flags, reason) in flags {
            let before = harness.discarded(reason);
            let peer = harness.new_peer(PORT, 0);
            harness.send(&peer, flags, peer.them, SeqNumber(1), b"");
            harness.expect_silence();
            assert_eq!(harness.discarded(reason), before + 1, "{flags:?}");
        }
        for flags in [A, SA, FA, S | F | A, PA] {
            let peer = harness.new_peer(PORT, 0);
            harness.send(&peer, flags, peer.them, SeqNumber(77), b"");
            harness.expect(R, SeqNumber(77), SeqNumber(0));
            assert_eq!(harness.last_reset(), Some(ResetReason::AckToListener));
        }
        assert!(harness.stack.is_empty());
    });
}

/// Linux t3: SYN,ECE,CWR,URG opens. estab does not do ECN, so its answer has no ECE (RFC 3168 §6.1.1).
#[test]
fn the_bits_of_ecn_and_urgent_do_not_keep_a_syn_from_being_answered() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let peer = harness.new_peer(PORT, 5);
    let flags = S | Flags::ECE | Flags::CWR | Flags::URG;
    harness.send(&peer, flags, peer.them - 1, SeqNumber(0), b"");
    assert_eq!(harness.next().unwrap().flags, SA);
}

/// Linux 5n acknowledges only the SYN, too, and drops the data; here it is kept.
#[test]
fn data_on_a_syn_is_delivered_once_established() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let mut peer = harness.new_peer(PORT, 1000);
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"early");
        peer.us = harness.next().unwrap().seq + 1;
        assert_eq!(harness.accept(listener), None);
        harness.ack(&peer, peer.us);
        harness.expect_ack(&peer, peer.them + 5);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.read(id), b"early");
    });
}

#[test]
fn data_on_a_syn_and_again_after_it_is_delivered_once() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let mut peer = harness.new_peer(PORT, 1000);
    harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"early");
    peer.us = harness.next().unwrap().seq + 1;
    harness.send(&peer, PA, peer.them, peer.us, b"early bird");
    harness.expect_ack(&peer, peer.them + 10);
    let id = harness.accept(listener).unwrap();
    assert_eq!(harness.read(id), b"early bird");
}

#[test]
fn data_on_syns_is_bounded_by_the_window_and_by_the_limit() {
    let mut harness = Harness::with(V4, |config| {
        config.mtu = 9000;
        config.max_syn_data = 4000;
    });
    let listener = harness.listen_with(|options| options.socket.receive_buffer = 2048);
    let opened = |harness: &mut Harness, data: &[u8]| {
        let mut peer = harness.new_peer(PORT, 1000);
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), data);
        peer.us = harness.next().unwrap().seq + 1;
        peer
    };
    let first = opened(&mut harness, &bytes(3000));
    let second = opened(&mut harness, &bytes(3000));
    harness.ack(&first, first.us);
    harness.expect(A, first.us, first.them + 2048);
    harness.ack(&second, second.us);
    harness.expect_silence();
    for expected in [2048, 0] {
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.read(id).len(), expected);
    }
}

#[test]
fn a_peer_that_agreed_on_timestamps_must_send_one_on_its_third_ack() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let mut peer = harness.syn_with(1000, |segment| {
        segment.options.timestamps = Some(Timestamps { value: 77, echo: 0 });
    });
    let answer = harness.next().unwrap();
    peer.us = answer.seq + 1;
    harness.ack(&peer, peer.us);
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::NoTimestamp), 1);
    assert_eq!(harness.state(&peer), StateName::SynReceived);
    let echo = answer.options.timestamps.unwrap().value;
    peer.ts = Some(Timestamps { value: 76, echo });
    harness.ack(&peer, peer.us);
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.discarded(DiscardReason::Paws), 1);
    peer.ts = Some(Timestamps { value: 78, echo });
    harness.ack(&peer, peer.us);
    harness.assert_entered(&peer, StateName::Established, Cause::AckOfSyn);
}

/// Linux t1 B: a SYN-RECEIVED child of a closed listener is an orphan; what it sends gets a RST.
#[test]
fn a_half_open_child_of_a_closed_listener_gets_a_rst_when_it_is_heard_of() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let peer = half_open(&mut harness);
        harness.stack.close_listener(harness.now, listener).unwrap();
        harness.expect_silence();
        harness.ack(&peer, peer.us);
        harness.expect(R, peer.us, SeqNumber(0));
        harness.assert_entered(&peer, StateName::Closed, Cause::ListenerClosed);
    });
}

#[test]
fn a_half_open_child_of_a_closed_listener_finds_the_listener_that_came_after() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let peer = half_open(&mut harness);
    harness.stack.close_listener(harness.now, listener).unwrap();
    harness.listen();
    harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
    assert_eq!(harness.next().unwrap().flags, SA);
    harness.assert_entered(&peer, StateName::SynReceived, Cause::Syn);
}

/// Linux t1 B: the ready children are reset.
#[test]
fn children_nobody_accepted_are_reset_when_the_listener_closes() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let peer = half_open(&mut harness);
        harness.ack(&peer, peer.us);
        harness.stack.close_listener(harness.now, listener).unwrap();
        harness.expect(RA, peer.us, peer.them);
        assert_eq!(harness.last_reset(), Some(ResetReason::ListenerClosed));
        harness.assert_entered(&peer, StateName::Closed, Cause::ListenerClosed);
        assert_eq!(harness.stack.slots(), 0);
    });
}

#[test]
fn an_ipv6_wildcard_listener_answers_ipv4_too() {
    both(|family| {
        let mut harness = Harness::new(family);
        let address = SocketAddr::new([0_u16; 8].into(), PORT);
        harness.listen_with(|options| options.address = address);
        half_open(&mut harness);
    });
}

#[test]
fn an_ipv4_wildcard_listener_does_not_answer_ipv6() {
    let mut harness = Harness::new(V6);
    let address = SocketAddr::new([0_u8; 4].into(), PORT);
    harness.listen_with(|options| options.address = address);
    harness.syn(1000);
    assert_eq!(harness.next().unwrap().flags, RA);
}

/// Two ends that disagree, say SYN-RECEIVED after an old SYN and TIME-WAIT, would answer each other's ACKs for as long
/// as both last (RFC 5961 §10).
#[test]
fn a_half_open_connection_answers_what_is_outside_its_window_twice_a_second_at_most() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let mut peer = harness.syn(1000);
        peer.us = harness.expect(SA, harness.sent[0].seq, peer.them).seq + 1;
        let begin = harness.now;
        for _ in 0..20 {
            harness.send(&peer, A, peer.them - 70_000, peer.us, b"");
            harness.advance(ms(50));
        }
        let times = harness.times_of(A, begin);
        assert_eq!(times, [0, 500, 1000], "the last is the SYN,ACK again");
        assert_eq!(harness.discarded(DiscardReason::OutsideWindow), 20);
        assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 18);
    });
}
