//! Each experiment shows what it says, the same each time.

use super::*;

fn run(name: &str) -> (String, Outcome) {
    let outcome = find(name).expect("an experiment").run();
    (outcome.to_string(), outcome)
}

/// The parts stand in the text in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => panic!("`{part}` is missing, or not where it belongs:\n{text}"),
        }
    }
}

#[test]
fn every_experiment_is_listed_once_under_its_name() {
    for experiment in EXPERIMENTS {
        assert_eq!(find(experiment.name).unwrap().question, experiment.question);
        assert!(experiment.question.ends_with('?'));
    }
    assert!(find("list").is_none() && find("").is_none());
}

#[test]
fn experiments_are_the_same_each_time_and_fit_a_terminal() {
    for name in [
        "lost-third-ack",
        "old-duplicate",
        "simultaneous-open",
        "three-or-four",
        "close-wait",
        "syn-flood",
    ] {
        let (text, outcome) = run(name);
        assert_eq!(text, run(name).0, "{name}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
        assert!(
            outcome.explanation.contains("RFC 9293 §")
                || outcome.explanation.contains("RFC 4987 §")
        );
        let mut file = Vec::new();
        let packets =
            write_capture(&outcome.records, &mut file).expect("a vector takes everything");
        assert!(
            packets > 3 && file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]),
            "{name}"
        );
        let comment = "SYN received (RFC 9293 §3.10.7.2)".as_bytes();
        let has_comment = file.windows(comment.len()).any(|window| window == comment);
        assert_eq!(has_comment, !matches!(name, "simultaneous-open"), "{name}");
    }
}

#[test]
fn a_lost_third_ack_is_repaired_by_the_timer_or_by_data() {
    let (text, _) = run("lost-third-ack");
    in_order(
        &text,
        &[
            "ACK seq 1 ack 1 ────────────────────────────────✗ lost  SYN-RECEIVED",
            "    1.010  ESTABLISHED   ◀───────────────────────────────── SYN,ACK seq 0 ack 1 ──",
            "SYN-RECEIVED → ESTABLISHED: our SYN is acknowledged",
            "✗ lost",
            "    0.100  ESTABLISHED   ── ACK seq 1 ack 1, 1 byte ──",
            "    0.110",
            "SYN-RECEIVED → ESTABLISHED",
        ],
    );
}

#[test]
fn an_old_duplicate_is_taken_only_without_time_wait_and_timestamps() {
    let (text, outcome) = run("old-duplicate");
    in_order(
        &text,
        &[
            "2 MSL is configured as zero",
            "≈≈ old ACK seq 121181 ack 1, 1460 bytes",
            "the application reads 59,680 new bytes, then 1,460 old ones",
            "connect: the port is held by TIME-WAIT",
            "   30.246  the delayed copy has died: no segment outlives an MSL",
            "   60.236  TIME-WAIT → CLOSED: 2 MSL passed",
            "not used: its timestamp is older than the last (RFC 7323 §5.3)",
        ],
    );
    assert_eq!(text.matches("≈≈ old ACK").count(), 2);
    let rows = outcome.table.unwrap().rows;
    let verdicts: Vec<_> = rows.iter().map(|row| row[3].as_str()).collect();
    assert_eq!(verdicts, ["corrupted", "safe", "safe"]);
}

#[test]
fn a_simultaneous_open_passes_syn_received_at_both_ends() {
    let (text, _) = run("simultaneous-open");
    assert_eq!(
        text.matches("SYN-SENT → SYN-RECEIVED: SYN received while our own")
            .count(),
        2
    );
    assert_eq!(text.matches("SYN-RECEIVED → ESTABLISHED").count(), 2);
    assert!(!text.contains("LISTEN"));
}

#[test]
fn a_close_takes_four_segments_or_three() {
    let (text, outcome) = run("three-or-four");
    let rows = outcome.table.unwrap().rows;
    assert_eq!((rows[0][1].as_str(), rows[1][1].as_str()), ("4", "3"));
    in_order(
        &text,
        &[
            "FIN-WAIT-1 → FIN-WAIT-2",
            "CLOSE-WAIT → LAST-ACK",
            "FIN-WAIT-2 → TIME-WAIT",
            "the FIN rides on it",
        ],
    );
}

#[test]
fn a_leak_an_overload_and_who_never_looked_are_told_apart() {
    let (_, outcome) = run("close-wait");
    let rows = outcome.table.unwrap().rows;
    let expected = [
        [
            "0 B",
            "0 B",
            "delivered",
            "read, 61 s ago",
            "leak",
            "mend the program",
        ],
        [
            "0 B",
            "37,856 B",
            "delivered",
            "write, 61 s ago",
            "overload",
            "help the server",
        ],
        [
            "300 B",
            "0 B",
            "waits",
            "accept, 61 s ago",
            "never read",
            "see what keeps it",
        ],
    ];
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row[1..], expected);
    }
}

#[test]
fn a_flood_is_bounded_and_passes() {
    let (text, outcome) = run("syn-flood");
    let rows = outcome.table.unwrap().rows;
    assert_eq!(
        rows[1],
        ["off: after the flood", "1,024", "0", "8,976", "119,808 B"]
    );
    assert_eq!(
        rows[4],
        ["auto: after the flood", "1,024", "8,976", "0", "119,808 B"]
    );
    in_order(
        &text,
        &[
            "not used: the SYN queue is full (RFC 4987 §2)",
            "    1.020  SYN-SENT → ESTABLISHED",
            "With cookies",
            "    0.020  SYN-SENT → ESTABLISHED",
            "LISTEN → SYN-RECEIVED: an ACK brings back our SYN cookie (RFC 4987 §3.6)",
        ],
    );
}

#[test]
fn three_messages_are_enough_and_needed() {
    let (text, outcome) = run("why-three");
    in_order(
        &text,
        &[
            "One message: an old SYN arrives",
            "≈≈ old SYN seq old+0 ──",
            "One message: the server restarts",
            "◀───────────────────────────────────── ACK seq 1 ack 2 ──   ESTABLISHED",
            "Two messages: an old SYN and old data arrive",
            "Two messages: the server restarts",
            "Three messages, estab's core: asked to confirm the old SYN, the client says no.",
            "SYN-RECEIVED → LISTEN: RST received",
        ],
    );
    let rows = outcome.table.unwrap().rows;
    let of = |column: usize| {
        rows.iter()
            .map(|row| row[column].as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(0), ["1", "2", "3", "4", "3: estab"]);
    assert_eq!(
        of(2),
        [
            "10,000 ghosts",
            "10,000 ghosts",
            "0 ghosts",
            "0 ghosts",
            "0 ghosts"
        ]
    );
    assert_eq!(
        of(3),
        ["0.5 RTT", "1.5 RTT", "1.5 RTT", "2.5 RTT", "1.5 RTT"]
    );
    assert_eq!(of(5)[..2], ["ghost, replay, restart"; 2]);
    assert_eq!(of(5)[2..], ["none"; 3]);
    assert_eq!(rows[4][1], "119,808 B");
    let mut file = Vec::new();
    assert!(write_capture(&outcome.records, &mut file).is_ok_and(|packets| packets == 6));
}
