//! Packets in and out, in the script's numbers.

use super::*;

#[test]
fn a_server_and_a_client_pass_in_every_ip_version() {
    let client = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) win 65535 <...>
+.1 < S. 700:700(0) ack 1 win 1000 <mss 1000>
+0 > . 1:1(0) ack 1
+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
+0 write(3, ..., 1500) = 1500
+0 > . 1:1001(1000) ack 1
+.1 < . 1:501(500) ack 1001 win 1000
+0 > P. 1001:1501(500) ack 501
+0 read(3, ..., 1000) = 500
";
    for version in ["ipv4", "ipv4-mapped-ipv6", "ipv6"] {
        passes(&format!("--ip_version=\"{version}\"\n{client}"));
        let mss = if version == "ipv6" {
            "mss 1440"
        } else {
            "mss 1460"
        };
        let server = SERVER.replace("mss 1460", mss);
        passes(&format!(
            "--ip_version=\"{version}\"\n{server}+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n"
        ));
    }
}

#[test]
fn every_field_that_differs_is_told() {
    let script = server(
        "+0 write(4, ..., 100) = 100\n+0 > FP. 2:52(50) ack 7 win 9 urg 3 <nop,nop,TS val 1 ecr 2>\n",
    );
    fails(
        &script,
        12,
        &[
            "the stack sent something else",
            "flags: expected F., was .",
            "seq: expected 2, was 1",
            "ack: expected 7, was 1",
            "win: expected 9, was 1055",
            "urg: expected 3, was 0",
            "payload bytes: expected 50, was 100",
            "options: expected <nop,nop,TS val 1 ecr 2>, was <>",
        ],
    );
}

#[test]
fn the_ladder_tells_both_directions_calls_and_states_with_their_causes() {
    let report = fails(
        &server("+0 > . 1:1(0) ack 1\n"),
        11,
        &["nothing until 2.100000"],
    );
    let ladder = report.ladder.to_string();
    for part in [
        "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3",
        "< S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
        "> S. 0:0(0) ack 1 win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 8>",
        "* SYN-RECEIVED → ESTABLISHED: our SYN is acknowledged (RFC 9293 §3.10.7.4)",
        "0.100000    accept(3, ..., ...) = 4",
    ] {
        assert!(ladder.contains(part), "`{part}` is not in:\n{ladder}");
    }
}

#[test]
fn an_expected_segment_may_be_several_that_follow_each_other() {
    let write = "+0 write(4, ..., 2500) = 2500\n";
    passes(&server(&format!("{write}+0 > P. 1:2501(2500) ack 1\n")));
    passes(&server(&format!(
        "{write}+0 > . 1:2001(2000) ack 1\n+0 > P. 2001:2501(500) ack 1\n"
    )));
    let strict = format!(
        "--strict_segments\n{}",
        server(&format!("{write}+0 > P. 1:2501(2500) ack 1\n"))
    );
    fails(&strict, 13, &["payload bytes: expected 2500, was 1000"]);
    fails(
        &server(&format!("{write}+0 > P. 1:1501(1500) ack 1\n")),
        12,
        &["payload bytes: expected 1500, was 2000"],
    );
}

#[test]
fn a_long_inbound_segment_arrives_whole() {
    passes(&server(
        "+0 < . 1:60001(60000) ack 1 win 257\n+0 > . 1:1(0) ack 60001\n+0 read(4, ..., 100000) = 60000\n",
    ));
}

#[test]
fn a_packet_that_no_event_asks_for_fails_the_script() {
    let rest = "+0 < . 1:11(10) ack 1 win 257\n+.1 close(4) = 0\n+.1 `true`\n";
    fails(
        &server(rest),
        13,
        &[
            "a packet left that the script does not expect",
            "R. 1:1(0) ack 11 win 0 at 0.200000",
        ],
    );
    passes(&format!("--ignore_unread\n{}", server(rest)));
}

#[test]
fn how_a_connection_goes_on_need_not_be_expected() {
    passes(&server(
        "+0 < . 1:2001(2000) ack 1 win 257\n+.1 read(4, ..., 2000) = 2000\n",
    ));
    let rest = "+0 write(4, ..., 10) = 10\n+.1 close(4) = 0\n+9 `true`\n";
    let report = run(&server(rest));
    assert_passed(&report);
    assert!(report.unexpected > 2, "{}", report.unexpected);
    fails(
        &format!("--strict\n{}", server(rest)),
        13,
        &[
            "a packet left that the script does not expect",
            "P. 1:11(10) ack 1 win 1055 at 0.100000",
        ],
    );
    let expected_later =
        "+0 write(4, ..., 10) = 10\n+.1 write(4, ..., 9) = 9\n+0 > P. 11:20(9) ack 1\n";
    fails(
        &server(expected_later),
        13,
        &["the stack sent something else", "P. 1:11(10)"],
    );
}

/// The ACK says that data left; no event of the script does.
#[test]
fn what_left_unexpected_is_counted() {
    let rest = "+0 write(4, ..., 100) = 100\n+1 < . 1:1(0) ack 101 win 257\n";
    let report = run(&server(rest));
    assert_passed(&report);
    let ladder = report.ladder.to_string();
    let sent = ladder.matches("> P. 1:101(100)").count();
    assert_eq!(report.unexpected, sent, "{ladder}");
    assert!(sent > 0, "{ladder}");
    let strict = format!("--strict\n{}", server(rest));
    fails(&strict, 13, &["P. 1:101(100) ack 1 win 1055 at 0.1"]);
    let expected =
        "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.1 < . 1:1(0) ack 101 win 257\n";
    assert_eq!(run(&server(expected)).unexpected, 0);
}

#[test]
fn icmp_may_come_before_there_is_a_connection() {
    let listening = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
";
    for message in [
        "icmp unreachable host_unreachable [1:1(0)]",
        "icmp unreachable host_unreachable",
        "icmp echo_request id 7",
    ] {
        passes(&format!("{listening}+0 < {message}\n"));
        passes(&format!("0 `true`\n+0 < {message}\n"));
    }
    passes(&format!(
        "{listening}+0 < icmp echo_request id 7\n+0 > icmp echo_reply\n"
    ));
}

#[test]
fn the_time_since_data_came_is_told_without_an_event() {
    passes(&server(
        "+1 %{ assert 990 <= tcpi_last_data_recv <= 1010, tcpi_last_data_recv }%\n",
    ));
}

#[test]
fn what_leaves_with_the_last_event_is_ignored_unless_all_is_checked() {
    let script = server("+0 close(4) = 0\n");
    let report = run(&script);
    assert_passed(&report);
    assert_eq!(report.unexpected, 1);
    let strict = format!("--strict\n{script}");
    fails(
        &strict,
        12,
        &[
            "a packet left that the script does not expect",
            "F. 1:1(0) ack 1",
        ],
    );
}

#[test]
fn sack_blocks_and_timestamps_are_in_the_scripts_numbers() {
    passes(
        "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 5:5(0) win 32792 <mss 1000,sackOK,TS val 700 ecr 0>
+0 > S. 9:9(0) ack 6 <mss 1460,sackOK,TS val 100 ecr 700>
+0 < . 1:1(0) ack 1 win 1000 <nop,nop,TS val 701 ecr 100>
+0 accept(3, ..., ...) = 4
+0 < . 101:201(100) ack 1 win 1000 <nop,nop,TS val 702 ecr 100>
+0 > . 1:1(0) ack 1 <nop,nop,TS val 100 ecr 701,nop,nop,sack 101:201>
+.5 write(4, ..., 300) = 300
+0 > P. 1:301(300) ack 1 <nop,nop,TS val 600 ecr 701,nop,nop,sack 101:201>
+0 < . 1:1(0) ack 301 win 1000 <nop,nop,TS val 703 ecr 600>
+0 write(4, ..., 100) = 100
+0 > P. 301:401(100) ack 1 <nop,nop,TS val 600 ecr 701,nop,nop,sack 101:201>
",
    );
}

#[test]
fn timestamps_are_held_against_the_clock_and_echoes_against_what_came_if_asked_for() {
    let script = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,TS val 700 ecr 0>
+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 700>
+.5 < . 1:1(0) ack 1 win 1000 <nop,nop,TS val 701 ecr 100>
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 100) = 100
+0 > P. 1:101(100) ack 1 <nop,nop,TS val 400 ecr 9>
";
    passes(script);
    fails(
        &format!("--tcp_ts_tick_usecs=1000\n{script}"),
        10,
        &["TS val: expected 400, was 600"],
    );
    fails(
        &format!("--strict\n{script}"),
        10,
        &["TS ecr: expected 9, was 701"],
    );
}

#[test]
fn a_tsecr_that_echoes_nothing_is_the_scripts_error() {
    let script = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,TS val 700 ecr 0>
+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 700>
+0 < . 1:1(0) ack 1 win 1000 <nop,nop,TS val 701 ecr 150>
";
    fails(script, 6, &["TSecr 150 echoes no TSval"]);
    passes(&format!("--tcp_ts_ecr_scaled\n{script}"));
}

#[test]
fn a_reset_to_no_connection_has_an_unmapped_sequence_number() {
    passes(
        "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 < S 77:77(0) win 1000 <mss 1000>
+0 > R. 0:0(0)! ack 1 win 0
",
    );
    passes("0 < . 5:5(0) ack 9 win 1000\n+0 > R 9:9(0) win 0\n");
}

#[test]
fn an_icmp_error_quotes_the_connections_numbers() {
    let script = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0...0.1 connect(3, ..., ...) = -1 EHOSTUNREACH (No route to host)
+0 > S 0:0(0) <...>
+.1 < icmp unreachable host_unreachable [0:0(0)]
";
    passes(script);
    let other = script.replace("[0:0(0)]", "[5000:5000(0)]");
    fails(
        &other,
        2,
        &["the call still blocks at the end of the script"],
    );
    let v6 = script.replace("host_unreachable", "address_unreachable");
    passes(&format!("--ip_version=ipv6\n{v6}"));
    fails(
        &script.replace("host_unreachable", "odd"),
        4,
        &["unknown code `odd`"],
    );
}

#[test]
fn ports_tell_connections_apart() {
    passes(
        "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 5) = 0
+0 < 1001 > 8080 S 0:0(0) win 1000 <mss 1000>
+0 > 8080 > 1001 S. 0:0(0) ack 1 <...>
+0 < 1002 > 8080 S 50:50(0) win 1000 <mss 1000>
+0 > 8080 > 1002 S. 0:0(0) ack 51 <...>
+0 < 1001 > 8080 . 1:1(0) ack 1 win 1000
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 10) = 10
+0 > 8080 > 1001 P. 1:11(10) ack 1
+0 < 1002 > 8080 . 1:1(0) ack 1 win 1000
+0 accept(3, ..., ...) = 5
+0 write(5, ..., 20) = 20
+0 > 8080 > 1002 P. 1:21(20) ack 1
",
    );
}

#[test]
fn a_simultaneous_open_and_a_reopened_connection_keep_their_numbers() {
    passes(
        "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <...>
+0 < S 30:30(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 31 <...>
+0 < . 1:1(0) ack 1 win 1000
+0 write(3, ..., 10) = 10
+0 > P. 1:11(10) ack 1
",
    );
}

#[test]
fn tos_ttl_and_reserved_bits_are_looked_at() {
    let script = server("+0 write(4, ..., 10) = 10\n+0 > (tos 0x04, ttl 9) P. 1:11(10) ack 1\n");
    fails(
        &script,
        12,
        &["TOS: expected 4, was 0", "TTL: expected 9, was 64"],
    );
    passes(&server(
        "+0 write(4, ..., 10) = 10\n+0 > [noecn] P. 1:11(10) ack 1\n",
    ));
}

#[test]
fn options_are_a_set_in_the_dialect_of_freebsd() {
    let script = "\
 0.00 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0.00 bind(3, ..., ...) = 0
+0.00 listen(3, 1) = 0
+0.00 < S   0:0(0)       win 65535 <mss 1460,sackOK,eol,eol>
+0.00 > S.  0:0(0) ack 1 win 65535 <sackOK,eol,mss 1460,eol>
";
    assert_passed(&run_with(script, &Config::default(), Dialect::FreeBsd));
    fails(script, 5, &["options: expected <sackOK,eol,mss 1460,eol>"]);
}

#[test]
fn timestamps_can_be_negotiated_behind_the_scripts_back() {
    let base = Config {
        with_timestamps: true,
        ..Config::default()
    };
    let script = server(
        "+0 write(4, ..., 2500) = 2500
+0 > P. 1:2501(2500) ack 1
+.1 < . 101:201(100) ack 2501 win 257
+0 > . 1:1(0) ack 1 <nop,nop,sack 101:201>
",
    );
    // After all was sent the sequence number is its end.
    let script = script.replace("> . 1:1(0) ack 1 <nop", "> . 2501:2501(0) ack 1 <nop");
    let report = run_with(&script, &base, Dialect::Linux);
    assert_passed(&report);
    assert!(
        report.ladder.to_string().contains("TS val"),
        "{}",
        report.ladder
    );
    assert_passed(&run(&script));
}
