//! System calls: `+0...0.2 connect(3, ..., ...) = -1 ECONNREFUSED (Connection refused)`.

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::Call;

use super::error::Failure;
use super::expression::{expression, list};
use super::time::duration;
use super::tokens::{Input, Kind, Parsed, at, here, kind, need, punct, take};

/// A call, which may begin with the time it ends at.
pub(super) fn call(input: &mut Input<'_>) -> Parsed<Call> {
    let until = match opt(kind(Kind::Ellipsis)).parse_next(input)? {
        Some(_) if at(input, '+') => {
            return Err(Failure::expected(input, "a time without `+`")
                .hint("the end is counted as the beginning is: `+0.1...0.3`"));
        }
        Some(_) => Some(duration(input)?),
        None => None,
    };
    let name = take(input, Kind::Word, "the name of a call")?
        .text
        .to_owned();
    need('(').parse_next(input)?;
    let arguments = list(input, ')', 0)?;
    need('=')
        .parse_next(input)
        .map_err(|failure| failure.hint("a call says what it answers: `close(3) = 0`"))?;
    let result = expression(input, 0)?;
    let next = here(input);
    let errno = if next.kind == Kind::Word && next.text.starts_with('E') {
        Some(take(input, Kind::Word, "an error's name")?.text.to_owned())
    } else {
        None
    };
    Ok(Call {
        until,
        name,
        arguments,
        result,
        errno,
        note: note(input)?,
    })
}

/// `(Connection refused)`: any words.
fn note(input: &mut Input<'_>) -> Parsed<Option<String>> {
    let Some(open) = opt(punct('(')).parse_next(input)? else {
        return Ok(None);
    };
    let mut note = String::new();
    let mut end = None;
    while !at(input, ')') {
        let token = here(input);
        let ends = matches!(
            token.kind,
            Kind::String | Kind::Command | Kind::Code | Kind::Option | Kind::End | Kind::Punct('(')
        );
        if ends || token.line != open.line {
            return Err(Failure::expected(input, "`)`, which ends the note"));
        }
        take(input, token.kind, "a word")?;
        if end.is_some_and(|end| end != token.start) {
            note.push(' ');
        }
        end = Some(token.end);
        note.push_str(token.text);
    }
    need(')').parse_next(input)?;
    Ok(Some(note))
}
