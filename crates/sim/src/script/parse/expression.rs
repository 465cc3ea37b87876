//! Arguments and results of calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use winnow::combinator::{cut_err, opt};
use winnow::prelude::*;

use crate::script::ast::{Expression, Field};

use super::error::Failure;
use super::escapes::unescape;
use super::tokens::{
    Input, Kind, Parsed, Token, any_number, at, here, in_brackets, kind, need, number, punct,
    second, take,
};

/// How deep lists and records may stand in each other, and how many operands `|` may have: no script comes near, and
/// none can exhaust the stack.
const MAX_DEPTH: usize = 32;

/// An expression, `depth` levels down.
pub(super) fn expression(input: &mut Input<'_>, depth: usize) -> Parsed<Expression> {
    let start = here(input).start;
    let mut operands = 1;
    let mut left = operand(input, depth)?;
    while opt(punct('|')).parse_next(input)?.is_some() {
        operands += 1;
        if operands > MAX_DEPTH {
            return Err(Failure::wrong(
                start,
                format!("more than {MAX_DEPTH} operands of `|`"),
            ));
        }
        left = Expression::Or(Box::new(left), Box::new(operand(input, depth)?));
    }
    Ok(left)
}

/// Expressions with commas between, and what closes them.
pub(super) fn list(input: &mut Input<'_>, close: char, depth: usize) -> Parsed<Vec<Expression>> {
    let mut items = Vec::new();
    if opt(punct(close)).parse_next(input)?.is_some() {
        return Ok(items);
    }
    loop {
        items.push(expression(input, depth)?);
        if opt(punct(',')).parse_next(input)?.is_none() {
            close_list(input, close)?;
            return Ok(items);
        }
    }
}

fn close_list(input: &mut Input<'_>, close: char) -> Parsed<()> {
    if !at(input, close) {
        let failure = Failure::expected(input, format!("`,` or `{close}`"));
        return Err(if at(input, '(') {
            failure.hint("the only functions are htons, htonl, inet_addr, inet6_addr and inet_pton")
        } else {
            failure
        });
    }
    need(close).void().parse_next(input)
}

fn operand(input: &mut Input<'_>, depth: usize) -> Parsed<Expression> {
    let token = here(input);
    if depth >= MAX_DEPTH {
        return Err(Failure::wrong(
            token.start,
            format!("more than {MAX_DEPTH} levels of brackets"),
        ));
    }
    let below = depth + 1;
    match token.kind {
        Kind::Ellipsis => take(input, Kind::Ellipsis, "`...`").map(|_| Expression::Ellipsis),
        Kind::Integer => integer(input, token),
        Kind::Hex => any_number::<u64>(input, "a number")
            .map(|value| Expression::Integer(value.cast_signed())),
        Kind::Float => float(input, token),
        Kind::String => string(input),
        Kind::Word => named(input, below),
        Kind::Punct('~') => {
            need('~').parse_next(input)?;
            operand(input, below).map(|of| Expression::Not(Box::new(of)))
        }
        Kind::Punct('[') => {
            need('[').parse_next(input)?;
            list(input, ']', below).map(Expression::List)
        }
        Kind::Punct('{') => {
            need('{').parse_next(input)?;
            record(input, below)
        }
        _ => Err(Failure::expected(input, "a value").hint(
            "a number, a word, a string in double quotes, `...`, a list `[…]` or a record `{…}`",
        )),
    }
}

fn integer(input: &mut Input<'_>, token: Token<'_>) -> Parsed<Expression> {
    take(input, Kind::Integer, "a number")?;
    let value = token.text.parse();
    value
        .map(Expression::Integer)
        .map_err(|_| Failure::wrong(token.start, "a number that does not fit in 64 bits"))
}

fn float(input: &mut Input<'_>, token: Token<'_>) -> Parsed<Expression> {
    take(input, Kind::Float, "a number")?;
    let value = token
        .text
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite());
    value
        .map(Expression::Float)
        .ok_or_else(|| Failure::wrong(token.start, "a number out of range"))
}

/// Strings side by side are one. `"abc"...` means as much as `"abc"`: strace writes it of a string it shortened.
fn string(input: &mut Input<'_>) -> Parsed<Expression> {
    let mut bytes = Vec::new();
    while here(input).kind == Kind::String {
        bytes.extend(unescape(take(input, Kind::String, "a string")?)?);
    }
    opt(kind(Kind::Ellipsis)).parse_next(input)?;
    Ok(Expression::String(bytes))
}

/// A word, `word=value`, or one of the functions.
fn named(input: &mut Input<'_>, depth: usize) -> Parsed<Expression> {
    let token = take(input, Kind::Word, "a word")?;
    if opt(punct('=')).parse_next(input)?.is_some() {
        let value = expression(input, depth)?;
        return Ok(Expression::Assign(token.text.to_owned(), Box::new(value)));
    }
    if !at(input, '(') {
        return Ok(Expression::Word(token.text.to_owned()));
    }
    match token.text {
        "htons" => in_brackets(|input| number(input, "a port"))
            .map(Expression::Port)
            .parse_next(input),
        // The machine the numbers are for is little-endian.
        "htonl" => in_brackets(|input| any_number::<u32>(input, "a number"))
            .map(|value| Expression::Integer(i64::from(value.swap_bytes())))
            .parse_next(input),
        "inet_addr" | "inet6_addr" => in_brackets(address)
            .map(Expression::Address)
            .parse_next(input),
        "inet_pton" => in_brackets(|input| {
            take(input, Kind::Word, "AF_INET or AF_INET6")?;
            need(',').parse_next(input)?;
            address(input)
        })
        .map(Expression::Address)
        .parse_next(input),
        _ => Ok(Expression::Word(token.text.to_owned())),
    }
}

fn address(input: &mut Input<'_>) -> Parsed<IpAddr> {
    let token = take(input, Kind::String, "an address in double quotes")?;
    let v4 = token.text.parse::<Ipv4Addr>().map(IpAddr::from);
    v4.or_else(|_| token.text.parse::<Ipv6Addr>().map(IpAddr::from))
        .map_err(|_| {
            Failure::wrong(
                token.start,
                format!("\"{}\" is not an IP address", token.text),
            )
        })
}

/// `{a, b}`, `{fd=3, events=POLLIN}` or `{msg_name(...)=..., …}`.
fn record(input: &mut Input<'_>, depth: usize) -> Parsed<Expression> {
    let mut fields = Vec::new();
    if opt(punct('}')).parse_next(input)?.is_some() {
        return Ok(Expression::Record(fields));
    }
    if at(input, '(') {
        return Err(Failure::unsupported(here(input).start, "MPLS"));
    }
    loop {
        fields.push(field(input, depth)?);
        if opt(punct(',')).parse_next(input)?.is_none() {
            close_list(input, '}')?;
            return Ok(Expression::Record(fields));
        }
    }
}

fn field(input: &mut Input<'_>, depth: usize) -> Parsed<Field> {
    const FUNCTIONS: [&str; 5] = ["htons", "htonl", "inet_addr", "inet6_addr", "inet_pton"];
    let token = here(input);
    let follows = second(input).map(|token| token.kind);
    let has_argument = follows == Some(Kind::Punct('(')) && !FUNCTIONS.contains(&token.text);
    if token.kind != Kind::Word || !(has_argument || follows == Some(Kind::Punct('='))) {
        return Ok(Field {
            name: None,
            argument: None,
            value: expression(input, depth)?,
        });
    }
    let name = take(input, Kind::Word, "a field's name")?.text.to_owned();
    let argument = if has_argument {
        Some(in_brackets(|input| expression(input, depth)).parse_next(input)?)
    } else {
        None
    };
    cut_err(punct('=')).parse_next(input)?;
    Ok(Field {
        name: Some(name),
        argument,
        value: expression(input, depth)?,
    })
}
