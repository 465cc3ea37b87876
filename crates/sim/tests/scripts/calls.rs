//! What calls are given and answer.

use super::*;

#[test]
fn results_errors_and_values_are_compared() {
    fails(
        &server("+0 read(4, ..., 100) = 100\n"),
        11,
        &[
            "expected   read(4, ..., 100) = 100",
            "seen       read(4, ..., 100) = -1 EAGAIN",
        ],
    );
    fails(
        &server("+0 read(4, ..., 100) = -1 EBADF (Bad file descriptor)\n"),
        11,
        &["-1 EBADF", "-1 EAGAIN"],
    );
    passes(&server(
        "+0 read(4, ..., 100) = -1 EAGAIN (Resource temporarily unavailable)\n",
    ));
    fails(
        &server("+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [999], [4]) = 0\n"),
        11,
        &["value 999", "value 1000"],
    );
    fails(
        &server("+0 fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)\n"),
        11,
        &["= 2050"],
    );
}

#[test]
fn flags_have_each_systems_numbers_and_the_note_says_the_same() {
    let flags = |value: &str, note: &str| {
        server(&format!("+0 fcntl(4, F_GETFL) = {value} (flags {note})\n"))
    };
    let both = "O_RDWR|O_NONBLOCK";
    passes(&flags("0x802", both));
    fails(&flags("0x6", both), 11, &["6 is not what the note says"]);
    fails(
        &flags("0x999", "O_RDWR"),
        11,
        &["is not what the note says"],
    );
    let freebsd = flags("0x6", both).replace("wscale 8", "wscale 6");
    assert_passed(&run_with(&freebsd, &Config::default(), Dialect::FreeBsd));
}

#[test]
fn a_script_defines_symbols_for_itself() {
    let all = format!(
        "--define=PROTO=IPPROTO_TCP\n--define=CC=\"cubic\"\n--define=SC=`true`\n--define=\"N=100\"\n{}",
        server(
            "\
+0 setsockopt(4, PROTO, TCP_CONGESTION, CC, 5) = 0
+0 SC
+0 write(4, ..., N) = N
+0 > P. 1:101(100) ack 1
"
        )
    );
    passes(&all);
    let report = run("--define\n0 `true`\n");
    assert_failed(&report, 1, &["--define needs a value"]);
    let report = run("--define=odd\n0 `true`\n");
    assert_failed(&report, 1, &["--define cannot be odd"]);
}

#[test]
fn what_nobody_could_hold_against_anything_is_refused() {
    for (call, said) in [
        ("read(4, ..., 100) = ...", "a number is expected, not ..."),
        (
            "shutdown(4, SHUT_WR) = ...",
            "a number is expected, not ...",
        ),
        (
            "read(4, \"hello\", 5) = 5",
            "`...` or NULL is expected, not \"hello\"",
        ),
        (
            "readv(4, [{..., 50}, {..., 50}], 3) = 100",
            "the vector has 2 parts, not 3",
        ),
        (
            "writev(4, [{..., 50}, {..., 50}], 1) = 100",
            "the vector has 2 parts, not 1",
        ),
    ] {
        let script = server(&format!(
            "+0 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n+0 {call}\n"
        ));
        fails(&script, 13, &[said]);
    }
}

#[test]
fn an_options_string_is_all_of_its_bytes() {
    let told = |value: &str, len: u8| {
        server(&format!(
            "+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, {value}, [{len}]) = 0\n"
        ))
    };
    passes(&told("\"cubic\"", 5));
    passes(&told(&format!("\"cubic{}\"", "\\x00".repeat(11)), 16));
    passes(&told("...", 16));
    fails(
        &told("\"cubic\"", 16),
        11,
        &["value \"cubic\"", "\"cubic\\x00"],
    );
    fails(
        &told("\"cub\"", 5),
        11,
        &["value \"cub\"", "value \"cubic\""],
    );
}

/// The core has one congestion control for all connections.
#[test]
fn a_congestion_control_of_its_own_is_not_supported() {
    let set = |name: &str, len: usize| {
        server(&format!(
            "+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, \"{name}\", {len}) = 0\n"
        ))
    };
    passes(&set("cubic", 5));
    let report = fails(&set("reno", 4), 11, &["not supported: setsockopt(4, "]);
    assert!(report.failure.is_some_and(|failure| failure.is_unsupported));
}

#[test]
fn every_way_to_read_and_write_is_there() {
    passes(&server(
        "\
+0 writev(4, [{..., 100}, {..., 50}], 2) = 150
+0 > P. 1:151(150) ack 1
+0 < . 1:1(0) ack 151 win 257
+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, 0) = 100
+0 > P. 151:251(100) ack 1
+0 < P. 1:401(400) ack 251 win 257
+0 > . 251:251(0) ack 401
+0 recv(4, ..., 100, MSG_PEEK) = 100
+0 read(4, ..., 100) = 100
+0 readv(4, [{..., 30}, {..., 70}], 2) = 100
+0 recvfrom(4, ..., 100, 0, ..., ...) = 100
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 500}], msg_flags=0}, 0) = 100
+0 ioctl(4, SIOCINQ, [0]) = 0
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1
+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0
+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, \"cubic\", [5]) = 0
+0 close(4) = 0
+0 > R. 251:251(0) ack 401
",
    ));
}

#[test]
fn poll_tells_its_events_by_name() {
    fails(
        &server("+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1\n"),
        11,
        &["revents POLLIN", "revents POLLOUT"],
    );
}

#[test]
fn tcp_cm_inq_is_what_is_left_to_read() {
    let script = |left: usize| {
        server(&format!(
            "\
+0 < P. 1:401(400) ack 1 win 257
+0 > . 1:1(0) ack 401
+0 recvmsg(4, {{msg_name(...)=..., msg_iov(1)=[{{..., 100}}], msg_flags=0,
            msg_control=[{{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data={left}}}]}}, 0) = 100
"
        ))
    };
    passes(&script(300));
    fails(&script(200), 13, &["TCP_CM_INQ 200", "TCP_CM_INQ 300"]);
}

#[test]
fn calls_that_are_not_tcps_are_refused_by_name() {
    for (call, said) in [
        ("epoll_create(1) = 5", "not supported: epoll_create"),
        ("splice(4, 0, 5, 0, 10, 0) = 5", "not supported: splice"),
        ("frobnicate(4) = 0", "not supported: the call frobnicate"),
        (
            "socket(..., SOCK_DGRAM, IPPROTO_UDP) = 5",
            "not supported: sockets other than SOCK_STREAM",
        ),
        (
            "read(9, ..., 10) = 10",
            "no socket of the script has descriptor 9",
        ),
        ("read(4, ...) = 10", "read takes 3 arguments, not 2"),
        (
            "setsockopt(4, SOL_TCP, TCP_ODD, [1], 4) = 0",
            "not supported: the name TCP_ODD",
        ),
        (
            "read(4, ..., 1) = -1 EODD (odd)",
            "not supported: the error EODD",
        ),
    ] {
        let report = fails(&server(&format!("+0 {call}\n")), 11, &[said]);
        let failure = report.failure.expect("it failed");
        assert_eq!(failure.is_unsupported, said.starts_with("not supported"));
    }
}

#[test]
fn code_asserts_what_tcp_info_tells() {
    passes(&server(
        "+0 %{ cwnd = 10 }%\n+0 %{ assert tcpi_snd_cwnd == cwnd and tcpi_state == TCP_ESTABLISHED }%\n",
    ));
    let report = fails(
        &server(
            "+0 %{\nprint('cwnd', tcpi_snd_cwnd)\nassert tcpi_snd_cwnd == 20, tcpi_snd_cwnd\n}%\n",
        ),
        13,
        &[
            "the assertion does not hold",
            "tcpi_snd_cwnd == 20",
            "tcpi_snd_cwnd = 10",
        ],
    );
    assert_eq!(report.notes, ["cwnd 10"]);
    fails(
        "0 %{ assert tcpi_state == 1 }%\n",
        1,
        &["no socket under test"],
    );
}

#[test]
fn what_is_not_fatal_is_only_told() {
    let script = server("+0 read(4, ..., 100) = 100\n+0 close(4) = 0\n+0 > F. 1:1(0) ack 5\n");
    let report = run(&format!("--non_fatal=\"packet,syscall\"\n{script}"));
    assert_passed(&report);
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
}
