//! What is counted, to which life it belongs and how it is told.

use estab_core::FourTuple;
use estab_core::observe::StateName::*;
use estab_core::observe::{Cause, DiscardReason, LifeId, ResetReason};

use super::{Script, exchange, peer_closes_in_three, tuple};
use crate::lives::snapshot::{CloseKind, FirstCloser};
use crate::lives::{Lives, Style};

#[test]
fn a_reset_that_names_only_the_connection_finds_its_life() {
    let mut script = Script::passive();
    script.becomes(FinWait1, Cause::Close);
    script.sent("FA", 1, 1, 0);
    script.received("A", 1, 2, 500);
    script.resets(None, ResetReason::DataAfterClose);
    script.becomes(Closed, Cause::DataAfterClose);
    let life = script.life();
    assert_eq!(life.close.kind, CloseKind::Reset);
    assert_eq!(life.traffic.bytes_in, 0);
    assert_eq!(
        life.close.why(),
        "reset after FIN out, RST out: data received after the application closed"
    );
    assert_eq!(life.first_closer, Some(FirstCloser::Application));
}

#[test]
fn bytes_count_once_however_often_they_pass() {
    let mut script = Script::passive();
    script.sent("A", 1, 1, 100);
    script.sent("A!", 1, 1, 100);
    script.sent("A!", 51, 1, 100); // half of it new
    script.received("A", 101, 1, 100); // a hole before it
    script.received("A", 1, 1, 100);
    script.received("A", 1, 1, 100);
    script.discarded(DiscardReason::OldDuplicate);
    script.received("A", 90_000, 1, 100);
    script.discarded(DiscardReason::OutsideWindow);
    let traffic = script.life().traffic;
    assert_eq!((traffic.bytes_in, traffic.bytes_out), (200, 150));
    assert_eq!(traffic.retransmissions.data, 2);
    assert_eq!(traffic.discards[&DiscardReason::OutsideWindow], 1);
}

#[test]
fn a_listener_is_no_connection() {
    let mut script = Script::new();
    let unspecified = FourTuple::new("0.0.0.0:80".parse().unwrap(), ([0, 0, 0, 0], 0).into());
    script.tuple = unspecified;
    script.becomes(Listen, Cause::Listen);
    script.becomes(Closed, Cause::Close);
    assert!(script.lives.snapshot(script.now).lives.is_empty());
    assert_eq!(
        script.lives.report(script.now, Style::Plain),
        "no connection was opened\n"
    );
}

#[test]
fn a_new_incarnation_is_another_life() {
    let mut script = Script::passive();
    script.becomes(FinWait1, Cause::Close);
    script.becomes(FinWait2, Cause::AckOfFin);
    script.becomes(TimeWait, Cause::Fin);
    script.received("S", 90_000, 0, 0);
    script.becomes(Closed, Cause::SynInTimeWait);
    script.life = LifeId(3);
    script.open_passively();
    let report = script.lives.snapshot(script.now);
    let numbers: Vec<_> = report.lives.iter().map(|life| life.id.0).collect();
    assert_eq!(numbers, [2, 3]);
    assert!(report.lives[0].ended.is_some() && report.lives[1].ended.is_none());
    assert_eq!(report.lives[1].transitions[0].from, Listen);
}

#[test]
fn the_oldest_ended_lives_are_forgotten() {
    let mut script = Script::new();
    script.lives = Lives::new(2);
    script.observer = Box::new(script.lives.observer());
    for number in 1..=5 {
        script.life = LifeId(number);
        script.tuple = tuple(40_000 + number as u16);
        script.open_passively();
        if number != 1 {
            script.received("R", 1, 0, 0);
            script.becomes(Closed, Cause::Reset);
        }
    }
    let report = script.lives.snapshot(script.now);
    let numbers: Vec<_> = report.lives.iter().map(|life| life.id.0).collect();
    assert_eq!(numbers, [1, 5], "who lives stays");
    assert_eq!(report.forgotten, 3);
}

#[test]
fn the_report_is_a_block_a_life() {
    let mut script = Script::passive();
    exchange(&mut script);
    peer_closes_in_three(&mut script);
    let expected = "\
#2  198.18.0.2:41234 → 198.18.0.1:80   passive open, 7 ms
      +0.000 ms  LISTEN       → SYN-RECEIVED  SYN received             RFC 9293 §3.10.7.2
      +2.000 ms  SYN-RECEIVED → ESTABLISHED   our SYN is acknowledged  RFC 9293 §3.10.7.4
      +5.000 ms  ESTABLISHED  → CLOSE-WAIT    FIN received             RFC 9293 §3.10.7.4
      +5.000 ms  CLOSE-WAIT   → LAST-ACK      the application closes   RFC 9293 §3.10.4
      +7.000 ms  LAST-ACK     → CLOSED        our FIN is acknowledged  RFC 9293 §3.10.7.4
      closed first by the peer; three segments: our FIN rode on the ACK of the peer's FIN, nothing was left to send
      TIME-WAIT is held by the peer, which closed first
      in 5 segments, 78 B; out 3 segments, 1,204 B; 0 retransmissions
";
    let report = script.lives.report(script.now, Style::Plain);
    assert_eq!(report, expected);
    let colours = script.lives.report(script.now, Style::Colour);
    assert!(colours.contains("\x1b[32mESTABLISHED \x1b[0m"));
}

#[test]
fn json_is_an_object_a_line() {
    let mut script = Script::passive();
    exchange(&mut script);
    peer_closes_in_three(&mut script);
    script.life = LifeId(99);
    script.discarded(DiscardReason::NoConnection);
    let json = script.lives.json(script.now);
    let lines: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    let life = &lines[0];
    assert_eq!(life["kind"], "life");
    assert_eq!(life["life"], 2);
    assert_eq!(life["transitions"][0]["from"], "LISTEN");
    assert_eq!(life["transitions"][0]["cause"], "Syn");
    assert_eq!(life["transitions"][1]["at_ns"], 2_000_000);
    assert_eq!(life["close"]["how"], "three_segments");
    assert_eq!(life["close"]["segments"][1]["sign"], "FIN+ACK");
    assert_eq!(life["time_wait"]["holder"], "peer");
    assert_eq!(lines[1]["discards"][0]["reason"], "NoConnection");
}
