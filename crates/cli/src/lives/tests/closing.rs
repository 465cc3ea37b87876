//! How lives open and close.

use std::time::Duration;

use estab_core::observe::StateName::*;
use estab_core::observe::{Cause, DiscardReason, ResetReason};

use super::{Script, exchange, peer_closes_in_three};
use crate::lives::Style;
use crate::lives::snapshot::{CloseKind, End, FirstCloser, Holder, Role, Until};

#[test]
fn a_fin_on_the_ack_makes_three_segments() {
    let mut script = Script::passive();
    exchange(&mut script);
    peer_closes_in_three(&mut script);
    let life = script.life();
    assert_eq!(life.role, Role::Passive);
    assert_eq!(life.close.kind, CloseKind::ThreeSegments);
    assert_eq!(life.close.segments.len(), 3);
    assert_eq!(life.close.second_fin().unwrap().0, End::Ours);
    assert_eq!(life.first_closer, Some(FirstCloser::Peer));
    assert_eq!(life.time_wait.holder, Holder::Peer);
    assert_eq!((life.traffic.bytes_in, life.traffic.bytes_out), (78, 1204));
    assert_eq!(
        (life.traffic.segments_in, life.traffic.segments_out),
        (5, 3)
    );
}

#[test]
fn a_fin_after_the_ack_makes_four_segments() {
    let mut script = Script::active();
    script.becomes(FinWait1, Cause::ShutdownWrite);
    script.sent("FA", 1, 1, 0);
    script.received("A", 1, 2, 0);
    script.becomes(FinWait2, Cause::AckOfFin);
    script.received("A", 1, 2, 10);
    script.sent("A", 2, 11, 0);
    script.received("FA", 11, 2, 0);
    script.becomes(TimeWait, Cause::Fin);
    script.sent("A", 2, 12, 0);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::FourSegments);
    assert_eq!(life.close.data_after_first_fin, 10);
    assert_eq!(
        life.close.why(),
        "four segments: FIN out, ACK in, FIN in, ACK out; the peer's FIN came 3 ms after the ACK, \
         and 10 B passed after the first FIN"
    );
    assert_eq!(life.first_closer, Some(FirstCloser::Application));
    assert_eq!(life.time_wait.holder, Holder::Us);
    assert_eq!(life.ended, None);
}

#[test]
fn crossing_fins_are_a_simultaneous_close() {
    let mut script = Script::passive();
    script.becomes(FinWait1, Cause::Close);
    script.sent("FA", 1, 1, 0);
    script.received("FA", 1, 1, 0);
    script.becomes(Closing, Cause::Fin);
    script.sent("A", 2, 2, 0);
    script.received("A", 2, 2, 0);
    script.becomes(TimeWait, Cause::AckOfFin);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::Simultaneous);
    assert_eq!(life.close.segments.len(), 4);
    assert_eq!(life.first_closer, Some(FirstCloser::Both));
    assert_eq!(life.time_wait.holder, Holder::Both);
    assert!(
        script
            .lives
            .report(script.now, Style::Plain)
            .contains("closed by both ends at once; simultaneous close, the FINs crossed")
    );
}

#[test]
fn crossing_syns_are_a_simultaneous_open() {
    let mut script = Script::new();
    script.becomes(SynSent, Cause::Connect);
    script.sent("S", 0, 0, 0);
    script.received("S", 0, 0, 0);
    script.becomes(SynReceived, Cause::SimultaneousSyn);
    script.sent("SA!", 0, 1, 0);
    let life = script.life();
    assert_eq!(life.role, Role::Simultaneous);
    assert_eq!(life.traffic.retransmissions.syn_ack, 1);
}

#[test]
fn a_reset_from_the_peer_is_one_segment() {
    let mut script = Script::passive();
    script.received("R", 1, 0, 0);
    script.becomes(Closed, Cause::Reset);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::Reset);
    assert_eq!(
        life.close.why(),
        "one segment, a RST: RST received at exactly RCV.NXT"
    );
    assert_eq!(life.first_closer, Some(FirstCloser::Peer));
    assert_eq!(life.time_wait.holder, Holder::Nobody);
    assert_eq!(life.traffic.resets_received, 1);
}

#[test]
fn a_reset_of_ours_passes_after_the_end() {
    let mut script = Script::passive();
    script.resets(Some(script.life), ResetReason::CloseUnread);
    script.becomes(Closed, Cause::CloseUnread);
    script.sent("RA", 1, 1, 0);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::Reset);
    assert_eq!(life.close.segments.len(), 1);
    assert_eq!(life.traffic.segments_out, 2);
    assert_eq!(life.traffic.resets_sent[&ResetReason::CloseUnread], 1);
    assert_eq!(life.first_closer, Some(FirstCloser::Application));
}

#[test]
fn a_half_open_connection_may_be_lost() {
    let mut script = Script::new();
    script.state = Listen;
    script.received("S", 0, 0, 0);
    script.becomes(SynReceived, Cause::Syn);
    script.sent("SA", 0, 1, 0);
    assert_eq!(
        script.life().close.waits_for,
        Some("the peer has not acknowledged our SYN,ACK")
    );
    for _ in 0..5 {
        script.sent("SA!", 0, 1, 0);
    }
    script.waits(60);
    script.becomes(Closed, Cause::SynAckRetries);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::Dropped);
    assert_eq!(life.traffic.retransmissions.syn_ack, 5);
    assert_eq!(life.traffic.bytes_out, 0);
    assert_eq!(life.first_closer, Some(FirstCloser::Stack));
    assert_eq!(life.time_wait.holder, Holder::Nobody);
}

#[test]
fn a_half_open_child_that_returns_to_listen_has_ended() {
    let mut script = Script::new();
    script.state = Listen;
    script.received("S", 0, 0, 0);
    script.becomes(SynReceived, Cause::Syn);
    script.received("R", 1, 0, 0);
    script.becomes(Listen, Cause::Reset);
    let life = script.life();
    assert!(life.ended.is_some());
    assert_eq!(life.close.kind, CloseKind::Reset);
}

#[test]
fn a_fin_in_time_wait_restarts_it() {
    let mut script = Script::passive();
    script.becomes(FinWait1, Cause::Close);
    script.sent("FA", 1, 1, 0);
    script.received("FA", 1, 2, 0);
    script.becomes(FinWait2, Cause::AckOfFin);
    script.becomes(TimeWait, Cause::Fin);
    script.sent("A", 2, 2, 0);
    let since = script.now;
    script.waits(10);
    script.received("A", 1, 2, 0);
    script.discarded(DiscardReason::InTimeWait);
    script.waits(10);
    script.received("FA", 1, 2, 0);
    script.sent("A", 2, 2, 0);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::ThreeSegments);
    assert_eq!(life.close.second_fin().unwrap().0, End::Peers);
    assert_eq!(life.close.fin_received_again, 1);
    let Some(Until::Expected(end)) = life.time_wait.until else {
        panic!("{:?}", life.time_wait);
    };
    let length = end - since;
    assert!(length > Duration::from_secs(80) && length < Duration::from_secs(81));
    script.waits(60);
    script.becomes(Closed, Cause::TimeWaitExpired);
    let over = script.life().time_wait;
    assert_eq!(over.holder, Holder::Us);
    assert_eq!(
        over.until,
        Some(Until::Over(script.now, Cause::TimeWaitExpired))
    );
}

#[test]
fn a_fin_that_is_sent_again_is_counted_apart() {
    let mut script = Script::passive();
    script.received("FA", 1, 1, 0);
    script.becomes(CloseWait, Cause::Fin);
    script.sent("A", 1, 2, 0);
    script.received("FA", 1, 1, 0);
    script.discarded(DiscardReason::OldDuplicate);
    script.becomes(LastAck, Cause::Close);
    script.sent("FA", 1, 2, 0);
    script.sent("FA!", 1, 2, 0);
    script.received("A", 2, 2, 0);
    script.becomes(Closed, Cause::AckOfFin);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::FourSegments);
    assert_eq!(
        life.close.why(),
        "four segments: FIN in, ACK out, FIN out, ACK in; our FIN left 2 ms after the ACK; \
         our FIN was sent again once; \
         the peer's FIN came again once"
    );
    assert_eq!(life.traffic.retransmissions.fin, 1);
}

#[test]
fn an_unfinished_life_says_what_it_waits_for() {
    let mut script = Script::passive();
    assert_eq!(
        script.life().close.why(),
        "not closed: neither end has closed"
    );
    script.received("FA", 1, 1, 0);
    script.becomes(CloseWait, Cause::Fin);
    script.sent("A", 1, 2, 0);
    let life = script.life();
    assert_eq!(life.time_wait.holder, Holder::Undecided);
    assert_eq!(
        life.close.why(),
        "not closed yet after FIN in, ACK out: the application has not closed"
    );
}
