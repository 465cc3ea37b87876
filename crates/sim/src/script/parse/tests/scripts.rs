//! Options, times, commands, code.

use std::time::Duration;

use crate::script::ast::{Action, When};

use super::{call, event, script};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn times_are_relative_absolute_ranges_or_any() {
    let when = |text: &str| event(&format!("{text} > . 1:1(0) ack 1")).when;
    assert_eq!(when("+0.1"), When::Relative(ms(100)));
    assert_eq!(when("+.1"), When::Relative(ms(100)));
    assert_eq!(when("+ 0.00"), When::Relative(ms(0)));
    assert_eq!(when("+2"), When::Relative(ms(2000)));
    assert_eq!(when("0.25"), When::Absolute(ms(250)));
    assert_eq!(when("+0.1~+.2"), When::RelativeRange(ms(100), ms(200)));
    assert_eq!(when("0.1 ~ 0.2"), When::AbsoluteRange(ms(100), ms(200)));
    assert_eq!(when("*"), When::Any);
}

#[test]
fn a_time_is_exact_to_the_nanosecond() {
    let when = event("+0.29 > . 1:1(0)").when;
    assert_eq!(when, When::Relative(ms(290)));
    let when = event("0.1234567891 > . 1:1(0)").when;
    assert_eq!(when, When::Absolute(Duration::from_nanos(123_456_789)));
}

#[test]
fn a_blocking_call_says_when_it_ends() {
    for text in [
        "+0...0.2 f() = 0",
        "+0 ... 0.2 f() = 0",
        "0...0.2 f() = 0",
        "+0 ....2 f() = 0",
    ] {
        assert_eq!(call(text).until, Some(ms(200)), "{text}");
    }
    assert_eq!(call("+0 f() = 0").until, None);
}

#[test]
fn options_come_with_a_value_or_without() {
    let script = script(
        "--ip_version=ipv6\n--strict_segments --local_ip=fd00::1 --remote_ip=192.0.2.1\n\
         --name=\"a b\" --mtu = 1500\n+0 f() = 0",
    );
    let options: Vec<_> = script
        .options
        .iter()
        .map(|option| (option.name.as_str(), option.value.as_deref(), option.line))
        .collect();
    assert_eq!(
        options,
        [
            ("ip_version", Some("ipv6"), 1),
            ("strict_segments", None, 2),
            ("local_ip", Some("fd00::1"), 2),
            ("remote_ip", Some("192.0.2.1"), 2),
            ("name", Some("a b"), 3),
            ("mtu", Some("1500"), 3),
        ]
    );
}

#[test]
fn commands_around_the_events_have_no_time() {
    let script =
        script("--mtu=1500\n`sysctl -w \\\n  a=1`\n+0 `between`\n`after \\`date\\` 'x'`\n");
    let init = script.init.expect("a command before");
    assert_eq!((init.text.as_str(), init.line), ("sysctl -w \\\n  a=1", 2));
    assert!(
        matches!(&script.events[0].action, Action::Command(command) if command.text == "between")
    );
    let cleanup = script.cleanup.expect("a command after");
    assert_eq!(
        (cleanup.text.as_str(), cleanup.line),
        ("after \\`date\\` 'x'", 5)
    );
}

#[test]
fn code_goes_over_lines_and_loses_the_blanks_at_its_ends() {
    let event = event("+0 %{ assert tcpi_unacked == 1, tcpi_unacked\nif a:\n    b = {1: 2}\n }%");
    let Action::Code(code) = event.action else {
        panic!("code expected");
    };
    assert_eq!(
        code.text,
        "assert tcpi_unacked == 1, tcpi_unacked\nif a:\n    b = {1: 2}\n"
    );
}

#[test]
fn an_event_knows_its_line_and_its_text() {
    let script = script(
        "// what this shows\n\n+0   socket(...,  SOCK_STREAM, // kind\n   IPPROTO_TCP) = 3\n\n+.1 `a  b\n   c` /* end */\n",
    );
    let told: Vec<_> = script
        .events
        .iter()
        .map(|event| (event.line, event.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"),
            (6, "+.1 `a  b c`")
        ]
    );
}
