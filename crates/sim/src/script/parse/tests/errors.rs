//! What is said of scripts that are wrong: where, what, and what would be right.

use super::super::{Settings, parse};

/// `LINE:COLUMN: message`, and the hint.
#[track_caller]
fn refusal(text: &str) -> (String, String) {
    let error = parse(text, &Settings::default()).expect_err("an error");
    let place = format!("{}:{}: {}", error.line, error.column, error.message);
    (place, error.hint.unwrap_or_default())
}

#[track_caller]
fn refused(text: &str, message: &str, hint: &str) {
    let (is, is_hint) = refusal(text);
    assert_eq!(is, message);
    assert!(is_hint.contains(hint), "{is_hint:?} does not say {hint:?}");
}

#[test]
fn an_error_shows_the_line_and_points_at_the_place() {
    let error =
        parse("+0 f() = 0\n\t+0 > S 1:1000(1000)\n", &Settings::default()).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "2:9: inconsistent sequence numbers: 1000 bytes from 1 end at 1001, not at 1000\n  \
         |\n2 | \t+0 > S 1:1000(1000)\n  | \t       ^\n  = `1:1001(1000)`, if 1000 bytes are meant"
    );
}

#[test]
fn an_inbound_segment_has_its_window() {
    let (said, hint) = ("an inbound segment without its window", "`win 1000`");
    refused("+0 < P. 1:101(100) ack 1", &format!("1:25: {said}"), hint);
    refused("+0 < P. 1:101(100) win *", &format!("1:20: {said}"), hint);
    assert!(parse("+0 > P. 1:101(100) ack 1", &Settings::default()).is_ok());
}

#[test]
fn an_icmp_message_is_no_shorter_than_its_header() {
    refused(
        "+0 < icmp unreachable host_unreachable [raw (3)]",
        "1:45: an ICMP message of fewer bytes than its header has",
        "[raw (8)]",
    );
}

#[test]
fn a_directive_that_is_none_is_refused_where_lines_do_not_count_too() {
    for script in ["#elif B\n", "#ifdef A\n#elif B\n#endif\n"] {
        let (message, hint) = refusal(&format!("{script}+0 f() = 0\n"));
        assert!(message.ends_with("unknown directive #elif"), "{message}");
        assert!(hint.contains("#ifdef, #ifndef"), "{hint}");
    }
}

#[test]
fn times_that_cannot_be() {
    refused("-1 f() = 0", "1:1: a time cannot be negative", "");
    refused(
        "+2~+1 > . 1:1(0)",
        "1:5: this time range is backwards",
        "earlier",
    );
    refused(
        "+1~2 > . 1:1(0)",
        "1:4: expected `+`, found `2`",
        "+0.1~+0.2",
    );
    refused(
        "1~+2 > . 1:1(0)",
        "1:3: expected a time without `+`, found `+`",
        "0.1~0.2",
    );
    refused(
        "99999999999 f() = 0",
        "1:1: time out of range",
        "4294967295",
    );
    refused(
        "+.5....2 f() = 0",
        "1:1: this call ends before it begins",
        "same moment",
    );
    refused(
        "+.5...+.6 f() = 0",
        "1:7: expected a time without `+`, found `+`",
        "+0.1...0.3",
    );
}

#[test]
fn only_what_the_stack_sends_may_come_at_an_open_time() {
    let message = "something that is not an outbound packet";
    refused(
        "+0~+1 < S 0:0(0) win 9",
        &format!("1:1: a range as the time of {message}"),
        "under test",
    );
    refused(
        "* f() = 0",
        &format!("1:1: `*` as the time of {message}"),
        "under test",
    );
    refused(
        "* `date`",
        &format!("1:1: `*` as the time of {message}"),
        "under test",
    );
}

#[test]
fn only_outbound_packets_leave_something_open() {
    let hint = "only in outbound packets";
    refused(
        "+0 < S 0:0(0) <...>",
        "1:15: `<...>` in an inbound packet",
        hint,
    );
    refused(
        "+0 < S ...(0)",
        "1:8: a sequence number that is not checked in an inbound packet",
        hint,
    );
    refused(
        "+0 < . 1:1(0) ack *",
        "1:19: `ack *` in an inbound packet",
        hint,
    );
    refused(
        "+0 < [ect01] S 0:0(0)",
        "1:6: `ect01` in an inbound packet",
        hint,
    );
    refused(
        "+0 < . 1:1(0) <nop,nop,TS val ... ecr 0>",
        "1:31: a timestamp that is not checked in an inbound packet",
        hint,
    );
}

#[test]
fn values_out_of_range() {
    refused(
        "+0 < S 0:0(0) win 65536",
        "1:19: the window is out of range: 65536",
        "0 to 65535",
    );
    refused(
        "+0 < S 4294967296:0(0)",
        "1:8: the sequence number is out of range: 4294967296",
        "4294967295",
    );
    refused(
        "+0 < S 0:0(0) win -1",
        "1:19: the window is out of range: -1",
        "",
    );
    refused(
        "+0 < S 0:0(0) <wscale 256,nop>",
        "1:23: the window scale is out of range: 256",
        "0 to 255",
    );
    refused(
        "+0 < (flowlabel 0x100000) S 0:0(0)",
        "1:17: the flow label is out of range",
        "20 bits",
    );
    refused(
        "+0 < (dscp 64) S 0:0(0)",
        "1:12: the DSCP is out of range",
        "0 to 63",
    );
    refused(
        "+0 < 65536 > 1 S 0:0(0)",
        "1:6: the source port is out of range: 65536",
        "65535",
    );
    refused(
        "+0 f(99999999999999999999) = 0",
        "1:6: a number that does not fit in 64 bits",
        "",
    );
    refused(
        "+0 > . 1:1(0) <AccECN0 ee0b 16777216,nop,nop,nop>",
        "1:29: a counter of AccECN out of range",
        "24 bits",
    );
}

#[test]
fn options_that_are_none_or_do_not_fit() {
    refused(
        "+0 < S 0:0(0) <mss 1460,foo>",
        "1:25: unknown TCP option `foo`",
        "there are mss, nop",
    );
    refused(
        "+0 < S 0:0(0) <mss 1460,>",
        "1:25: expected a TCP option, found `>`",
        "there are mss, nop",
    );
    refused(
        "+0 < S 0:0(0) <mss 1460,sackOK>",
        "1:15: these options take 6 bytes, not a multiple of four",
        "2 × `nop`",
    );
    refused(
        "+0 < S 0:0(0) <sack 1:2 2:3 3:4 4:5,TS val 1 ecr 2>",
        "1:15: these options take 44 bytes",
        "room for 40",
    );
    refused(
        "+0 < S 0:0(0) <FO abc,nop>",
        "1:19: `abc` are not bytes in hex",
        "two digits",
    );
    refused(
        "+0 < S 0:0(0) <FO COOKIE>",
        "1:19: `COOKIE` are not bytes in hex",
        "-D COOKIE=VALUE",
    );
    refused(
        "+0 < S 0:0(0) <TS ecr 1 val 2>",
        "1:19: expected `val`, found `ecr`",
        "TS val 100 ecr 0",
    );
}

#[test]
fn a_statement_that_breaks_off_is_wrong_at_its_end() {
    refused(
        "+0 f(3\n+0 g() = 0",
        "1:7: expected `,` or `)`, found the end of the line",
        "",
    );
    refused(
        "+0 > S 0:0\n+0 g() = 0",
        "1:11: expected `(`, found the end of the line",
        "",
    );
    refused(
        "+0 > S 0:0(0) <mss 1460\n",
        "1:24: expected `>`, found the end of the line",
        "",
    );
    refused(
        "--mtu=\n+0 g() = 0",
        "1:7: expected the option's value, found the end of the line",
        "",
    );
    refused(
        "+0 f()",
        "1:7: expected `=`, found the end of the script",
        "close(3) = 0",
    );
}

#[test]
fn something_that_does_not_belong_behind_a_statement() {
    refused(
        "+0 > S 0:0(0) win 1 ack 1",
        "1:21: expected `urg`, options in `<…>` or the next event, found `ack`",
        "the order is",
    );
    refused(
        "+0 f() = 0\nclose(3) = 0",
        "2:1: expected an error's name, a note in `(…)` or the next event, found `close`",
        "begins with its time",
    );
    refused(
        "+0 > S 0:0(0)\n--mtu=5",
        "2:1: expected `ack`, `win`, `urg`, options in `<…>` or the next event, found `--mtu`",
        "before everything else",
    );
    refused(
        "+0 f() = 0\n`a`\n+0 f() = 0",
        "2:1: a command without a time",
        "write `+0`",
    );
    refused(
        "`a`\n`b`\n+0 f() = 0",
        "2:1: a command without a time",
        "write `+0`",
    );
}

#[test]
fn a_script_has_an_event() {
    refused(
        "",
        "1:1: expected an event, found the end of the script",
        "+0.1",
    );
    refused(
        "`a`",
        "1:4: expected an event, found the end of the script",
        "+0.1",
    );
}

#[test]
fn what_is_opened_is_closed() {
    refused("+0 f(\"a) = 0", "1:6: this string has no end", "");
    refused("+0 `date", "1:4: this command has no end", "");
    refused("+0 %{ a = {1: 2} ", "1:4: this code has no end", "}%");
    refused("+0 f() = 0\n/* a", "2:1: this comment has no end", "*/");
    refused(
        "+0 f() = 0 (a\n+0 g() = 0 (b)",
        "1:14: expected `)`, which ends the note, found the end of the line",
        "",
    );
}

#[test]
fn conditions_that_do_not_balance() {
    refused(
        "+0 f() = 0\n#ifdef A\n#ifdef B\n#endif",
        "2:1: this #ifdef has no end",
        "#endif",
    );
    refused(
        "\n#ifdef Linux\n+0 f() = 0",
        "2:1: this #ifdef has no end",
        "#endif",
    );
    refused(
        "+0 f() = 0\n#endif",
        "2:1: #endif without an #ifdef before it",
        "",
    );
    refused(
        "+0 f() = 0\n#else",
        "2:1: #else without an #ifdef before it",
        "",
    );
    refused(
        "#ifdef A\n#else\n#else\n#endif",
        "3:1: a second #else for the same #ifdef",
        "",
    );
    refused(
        "#ifdef\n+0 f() = 0",
        "1:1: #ifdef names no symbol",
        "#ifdef FreeBSD",
    );
    refused("#include <a>", "1:1: unknown directive #include", "#ifndef");
}

#[test]
fn what_estab_does_not_speak_is_refused_by_name() {
    for (text, name) in [
        ("+0 < sctp: INIT[flgs=0]", "SCTP packets"),
        ("+0 < udplite 1 > 2 (3, 4)", "UDP-Lite packets"),
        ("+0 < gre: S 0:0(0)", "GRE"),
        ("+0 < mpls (label 1, tc 0, ttl 1): S 0:0(0)", "MPLS"),
        ("+0 < ipv4 192.0.2.1 > 192.0.2.2: S 0:0(0)", "IP in IP"),
        ("+0 < encap psp spi 7 . 1:1(0)", "PSP"),
        (
            "+0 > R 0:0(0) [code 1, pen 2]",
            "the diagnostic payload of a RST",
        ),
        (
            "+0 > . 1:1(0) <nop,nop,TS val 1 ecr 2!>",
            "`!` behind a timestamp",
        ),
    ] {
        let (message, _) = refusal(text);
        let expected = format!(": not supported: {name}");
        assert!(
            message.starts_with("1:") && message.ends_with(&expected),
            "{message}"
        );
    }
}

#[test]
fn icmp_that_is_none() {
    refused(
        "+0 < icmp foo",
        "1:11: unknown ICMP type `foo`",
        "packet_too_big",
    );
    refused(
        "+0 < icmp unreachable foo",
        "1:23: unknown code `foo` of ICMP's unreachable",
        "frag_needed",
    );
    refused(
        "+0 < icmp packet_too_big [1:1(0)]",
        "1:11: packet_too_big without an MTU",
        "mtu 1280",
    );
    refused(
        "+0 < icmp unreachable no_route mtu 5",
        "1:11: an MTU in ICMP's unreachable",
        "frag_needed",
    );
}

#[test]
fn control_bits_that_are_none() {
    refused(
        "+0 < X 0:0(0)",
        "1:6: unknown control bit `X` in `X`",
        "S SYN",
    );
    refused(
        "+0 < SE5 0:0(0)",
        "1:6: E, W or A beside a digit in `SE5`",
        "these three bits",
    );
    refused("+0 < 0:0(0)", "1:7: expected `>`, found `:`", "");
}
