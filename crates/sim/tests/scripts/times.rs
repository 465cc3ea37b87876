//! When events happen, and blocking calls.

use super::*;

#[test]
fn a_packet_at_the_wrong_time_is_told_with_its_tolerance() {
    let script = server("+0 < P. 1:101(100) ack 1 win 257\n+.1 > . 1:1(0) ack 101\n");
    fails(
        &script,
        12,
        &[
            "the outbound packet came at the wrong time",
            "time: expected 0.200000, was 0.100000, tolerance 0.012500",
        ],
    );
    passes(&server(
        "+0 < P. 1:101(100) ack 1 win 257\n* > . 1:1(0) ack 101\n",
    ));
    passes(&server(
        "+0 < P. 1:101(100) ack 1 win 257\n+0~+.2 > . 1:1(0) ack 101\n",
    ));
}

#[test]
fn retransmissions_come_in_virtual_time() {
    let rest = "\
+0 write(4, ..., 10) = 10
+0 > P. 1:11(10) ack 1
+.3 > P. 1:11(10) ack 1
+.6 > P. 1:11(10) ack 1
* > P. 1:11(10) ack 1
";
    let report = run(&server(rest));
    assert_passed(&report);
    let last = report.ladder.rungs.last().expect("rungs");
    assert!(last.at.as_secs_f64() > 2.0, "{}", report.ladder);
}

#[test]
fn a_call_blocks_while_other_events_happen() {
    let begin = SERVER.replace("O_RDWR | O_NONBLOCK", "O_RDWR");
    passes(&format!(
        "{begin}+0...0.100 read(4, ..., 100) = 100\n+.1 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n"
    ));
    fails(
        &format!(
            "{begin}+0...0.500 read(4, ..., 100) = 100\n+.1 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n"
        ),
        11,
        &[
            "the call's return came at the wrong time",
            "time: expected 0.600000, was 0.200000",
        ],
    );
    fails(
        &format!(
            "{begin}+0...0.100 read(4, ..., 100) = 50\n+.1 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n"
        ),
        11,
        &["read(4, ..., 100) = 50", "read(4, ..., 100) = 100"],
    );
}

#[test]
fn a_call_that_blocks_though_nobody_said_so_fails() {
    let begin = SERVER.replace("O_RDWR | O_NONBLOCK", "O_RDWR");
    fails(
        &format!("{begin}+0 read(4, ..., 100) = 100\n"),
        11,
        &["the call blocks"],
    );
    fails(
        &format!("{begin}+0...10 read(4, ..., 100) = 100\n+0 shutdown(4, SHUT_WR) = 0\n"),
        12,
        &["the system call came at the wrong time"],
    );
}

#[test]
fn time_does_not_begin_late_and_does_not_go_backwards() {
    fails(
        "1 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n",
        1,
        &["the first event is at time 0"],
    );
    fails(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n0.2 `true`\n0.1 `true`\n",
        3,
        &["time goes backwards, from 0.200000 to 0.100000"],
    );
}
