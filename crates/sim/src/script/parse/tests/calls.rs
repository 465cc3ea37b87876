//! Calls and their arguments.

use std::net::IpAddr;

use crate::script::ast::{Expression, Field};

use super::call;

fn argument(text: &str) -> Expression {
    call(&format!("+0 f({text}) = 0")).arguments.remove(0)
}

fn word(word: &str) -> Expression {
    Expression::Word(word.to_owned())
}

fn named(name: &str, value: Expression) -> Field {
    Field {
        name: Some(name.to_owned()),
        argument: None,
        value,
    }
}

#[test]
fn a_call_has_a_result_perhaps_an_error_and_perhaps_a_note() {
    let refused = call("+0 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)");
    assert_eq!(refused.name, "connect");
    assert_eq!(
        refused.arguments,
        [
            Expression::Integer(3),
            Expression::Ellipsis,
            Expression::Ellipsis
        ]
    );
    assert_eq!(refused.result, Expression::Integer(-1));
    assert_eq!(refused.errno.as_deref(), Some("ECONNREFUSED"));
    assert_eq!(refused.note.as_deref(), Some("Connection refused"));
    let without_note = call("+0 read(3, ..., 1) = -1 EAGAIN");
    assert_eq!(
        (without_note.errno.as_deref(), without_note.note),
        (Some("EAGAIN"), None)
    );
    let flags = call("+0 fcntl(3, F_GETFL) = 0x02 (flags O_RDWR|O_NONBLOCK)");
    assert_eq!((flags.result, flags.errno), (Expression::Integer(2), None));
    assert_eq!(flags.note.as_deref(), Some("flags O_RDWR|O_NONBLOCK"));
    assert!(call("+0 f() = 0").arguments.is_empty());
}

#[test]
fn numbers_words_and_their_combinations() {
    assert_eq!(argument("010"), Expression::Integer(10));
    assert_eq!(argument("0xffffffff"), Expression::Integer(0xffff_ffff));
    assert_eq!(argument("1.5"), Expression::Float(1.5));
    assert_eq!(argument("htonl(1)"), Expression::Integer(0x0100_0000));
    let or = |left, right| Expression::Or(Box::new(left), Box::new(right));
    assert_eq!(
        argument("A|B | 1"),
        or(or(word("A"), word("B")), Expression::Integer(1))
    );
    assert_eq!(
        argument("~A|B"),
        or(Expression::Not(Box::new(word("A"))), word("B"))
    );
    assert_eq!(
        argument("[A=1]"),
        Expression::List(vec![Expression::Assign(
            "A".to_owned(),
            Box::new(Expression::Integer(1))
        )])
    );
}

#[test]
fn strings_side_by_side_are_one() {
    assert_eq!(
        argument(r#""a\n" "\x00\"\\""#),
        Expression::String(b"a\n\0\"\\".to_vec())
    );
    assert_eq!(argument(r#""abc"..."#), Expression::String(b"abc".to_vec()));
}

#[test]
fn addresses_of_both_families() {
    let address = |text: &str| Expression::Address(text.parse::<IpAddr>().expect("an address"));
    assert_eq!(argument("inet_addr(\"192.0.2.1\")"), address("192.0.2.1"));
    assert_eq!(argument("inet6_addr(\"fd00::1\")"), address("fd00::1"));
    assert_eq!(argument("inet_pton(AF_INET6, \"::\")"), address("::"));
    assert_eq!(
        argument(
            "{sa_family = AF_INET6, sin_port = htons(8080), sin_addr = inet_addr(\"fd00::1\")}"
        ),
        Expression::Record(vec![
            named("sa_family", word("AF_INET6")),
            named("sin_port", Expression::Port(8080)),
            named("sin_addr", address("fd00::1")),
        ])
    );
}

#[test]
fn records_of_every_kind() {
    let plain = |value| Field {
        name: None,
        argument: None,
        value,
    };
    let iovec = Expression::List(vec![Expression::Record(vec![
        plain(Expression::Ellipsis),
        plain(Expression::Integer(10)),
    ])]);
    let with = |name: &str, argument, value| Field {
        name: Some(name.to_owned()),
        argument: Some(argument),
        value,
    };
    assert_eq!(
        argument("{msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=MSG_DONTWAIT|0}"),
        Expression::Record(vec![
            with("msg_name", Expression::Ellipsis, Expression::Ellipsis),
            with("msg_iov", Expression::Integer(1), iovec),
            named(
                "msg_flags",
                Expression::Or(
                    Box::new(word("MSG_DONTWAIT")),
                    Box::new(Expression::Integer(0))
                )
            ),
        ])
    );
    assert_eq!(
        argument("{onoff=1, linger=0}"),
        Expression::Record(vec![
            named("onoff", Expression::Integer(1)),
            named("linger", Expression::Integer(0))
        ])
    );
    assert_eq!(
        argument("{function_set_name=\"rack\", pcbcnt=4294967295}"),
        Expression::Record(vec![
            named("function_set_name", Expression::String(b"rack".to_vec())),
            named("pcbcnt", Expression::Integer(4_294_967_295)),
        ])
    );
}
