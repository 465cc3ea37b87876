//! Comments, symbols, and lines that count only for some.

use crate::script::ast::{Action, Expression, Script, TcpOption};

use super::super::{Dialect, Settings, parse};
use super::{call, script, settings, tcp};

#[test]
fn comments_stand_anywhere_between_tokens() {
    let script = script(
        "// a `quote\n/* over\n * lines **/ +0 /* here */ > . /**/ 1:1(0) ack 1 // \"there\n+0 f() = 0 // last",
    );
    assert_eq!(script.events.len(), 2);
    assert_eq!(script.events[0].line, 3);
    assert_eq!(script.events[1].line, 4);
}

#[test]
fn quotes_keep_what_looks_like_a_comment() {
    assert_eq!(
        call(r#"+0 f("http://a /* b */") = 0"#).arguments,
        [Expression::String(b"http://a /* b */".to_vec())]
    );
    let script = script("+0 `ls //a # b`");
    assert!(
        matches!(&script.events[0].action, Action::Command(command) if command.text == "ls //a # b")
    );
}

#[test]
fn a_symbol_stands_for_its_value() {
    let read = |value: &str| {
        let text = "+0 f(SYM) = 0";
        let script = parse(text, &settings(Dialect::Linux, &[("SYM", value)])).expect("a script");
        let Action::Call(call) = &script.events[0].action else {
            panic!("a call expected");
        };
        call.arguments[0].clone()
    };
    assert_eq!(read("7"), Expression::Integer(7));
    assert_eq!(read("-7"), Expression::Integer(-7));
    assert_eq!(read("0x1f"), Expression::Integer(31));
    assert_eq!(read("\"reno\""), Expression::String(b"reno".to_vec()));
    assert_eq!(
        read("IPPROTO_TCP"),
        Expression::Word("IPPROTO_TCP".to_owned())
    );
    assert_eq!(read(""), Expression::Word("SYM".to_owned()));
}

#[test]
fn a_symbol_may_be_a_command() {
    let script =
        parse("+0 RUN", &settings(Dialect::Linux, &[("RUN", "`date`")])).expect("a script");
    assert!(matches!(&script.events[0].action, Action::Command(command) if command.text == "date"));
}

#[test]
fn a_script_defines_symbols_and_the_command_line_overrides_them() {
    let text = "--define=CC=\"reno\" --define=N=5 --define=P=IPPROTO_TCP\n+0 f(CC, N, P) = 0";
    let arguments = |settings: &Settings| match parse(text, settings)
        .expect("a script")
        .events
        .remove(0)
        .action
    {
        Action::Call(call) => call.arguments,
        other => panic!("{other:?} is no call"),
    };
    let protocol = Expression::Word("IPPROTO_TCP".to_owned());
    assert_eq!(
        arguments(&Settings::default()),
        [
            Expression::String(b"reno".to_vec()),
            Expression::Integer(5),
            protocol.clone()
        ]
    );
    assert_eq!(
        arguments(&settings(
            Dialect::Linux,
            &[("CC", "\"cubic\""), ("N", "6")]
        )),
        [
            Expression::String(b"cubic".to_vec()),
            Expression::Integer(6),
            protocol
        ]
    );
    let quoted = "--define=\"N=5\"\n+0 f(N) = 0";
    assert_eq!(call(quoted).arguments, [Expression::Integer(5)]);
    let options = script(text).options;
    assert_eq!(options[0].value.as_deref(), Some("CC=\"reno\""));
}

/// The names of the calls that count.
fn names(text: &str, settings: &Settings) -> Vec<String> {
    let script: Script = parse(text, settings).unwrap_or_else(|error| panic!("{error}"));
    let name = |action: &Action| match action {
        Action::Call(call) => call.name.clone(),
        other => panic!("{other:?} is no call"),
    };
    script
        .events
        .iter()
        .map(|event| name(&event.action))
        .collect()
}

#[test]
fn each_dialect_defines_its_own_symbol() {
    let text =
        "#ifdef FreeBSD\n+0 bsd() = 0\n#endif\n#ifdef Linux\n+0 linux() = 0\n#endif\n+0 both() = 0";
    assert_eq!(
        names(text, &settings(Dialect::Linux, &[])),
        ["linux", "both"]
    );
    assert_eq!(
        names(text, &settings(Dialect::FreeBsd, &[])),
        ["bsd", "both"]
    );
}

#[test]
fn what_the_standard_says_and_what_freebsd_does_are_never_both_active() {
    let text = "#ifdef STANDARD\n+0 standard() = 0\n#endif\n#ifdef FreeBSD\n+0 bsd() = 0\n#endif\n+0 f() = 0";
    assert_eq!(names(text, &settings(Dialect::FreeBsd, &[])), ["bsd", "f"]);
    assert_eq!(
        names(text, &settings(Dialect::FreeBsd, &[("STANDARD", "")])),
        ["standard", "f"]
    );
    let both = [("STANDARD", ""), ("FreeBSD", "")];
    for dialect in [Dialect::FreeBsd, Dialect::Linux] {
        assert_eq!(names(text, &settings(dialect, &both)), ["standard", "f"]);
    }
}

#[test]
fn conditions_nest_and_have_an_else() {
    let text = "#ifdef A // first\n+0 a() = 0\n#ifdef B\n+0 ab() = 0\n#else\n+0 a_not_b() = 0\n#endif\n\
                #else\n  # ifndef B\n+0 neither() = 0\n#else\n+0 b() = 0\n#endif\n#endif\n";
    let names = |defines| names(text, &settings(Dialect::Linux, defines));
    assert_eq!(names(&[("A", ""), ("B", "")]), ["a", "ab"]);
    assert_eq!(names(&[("A", "1")]), ["a", "a_not_b"]);
    assert_eq!(names(&[("B", "")]), ["b"]);
    assert_eq!(names(&[]), ["neither"]);
}

#[test]
fn lines_that_do_not_count_need_not_be_the_language() {
    let text = "#ifdef NOWHERE\n+0 sctp: `\" %{ #include\n#endif\n+0 f() = 0";
    assert_eq!(names(text, &Settings::default()), ["f"]);
    assert_eq!(script(text).events[0].line, 4);
}

#[test]
fn addresses_and_sequence_numbers_are_told_apart() {
    assert_eq!(
        tcp("+0 > . 1:1001(1000) ack 1 <nop,nop,sack 1:2 3:4>")
            .options
            .expect("options")
            .len(),
        3
    );
    assert_eq!(
        script("--local_ip=1:2:3:4:5:6:7:8\n+0 f() = 0").options[0]
            .value
            .as_deref(),
        Some("1:2:3:4:5:6:7:8")
    );
}

#[test]
fn digits_that_begin_like_a_number_are_a_cookie() {
    let cookie = |text: &str| match tcp(&format!("+0 > S 0:0(0) <{text}>"))
        .options
        .expect("options")
        .remove(0)
    {
        TcpOption::FastOpen {
            experimental,
            cookie,
        } => (experimental, cookie),
        other => panic!("{other:?} is no cookie"),
    };
    assert_eq!(
        cookie("FO 12345678,nop,nop"),
        (false, vec![0x12, 0x34, 0x56, 0x78])
    );
    assert_eq!(
        cookie("FOEXP 1e23abcdef012345"),
        (true, vec![0x1e, 0x23, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45])
    );
    assert_eq!(cookie("EXP-FO"), (true, vec![]));
    assert_eq!(cookie("FO,nop,nop"), (false, vec![]));
}
