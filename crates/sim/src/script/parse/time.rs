//! When something happens.

use std::time::Duration;

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::When;

use super::error::Failure;
use super::tokens::{Input, Kind, Parsed, at, here, need, punct, take};

/// `+0.1`, `0.1`, `+0.1~+0.2`, `0.1~0.2` or `*`.
pub(super) fn when(input: &mut Input<'_>) -> Parsed<When> {
    if opt(punct('*')).parse_next(input)?.is_some() {
        return Ok(When::Any);
    }
    let relative = opt(punct('+')).parse_next(input)?.is_some();
    let from = duration(input)?;
    if !at(input, '~') {
        return Ok(if relative {
            When::Relative(from)
        } else {
            When::Absolute(from)
        });
    }
    need('~').parse_next(input)?;
    if relative {
        need('+').parse_next(input).map_err(|failure| {
            failure.hint("both ends of a range are relative, or none: `+0.1~+0.2`")
        })?;
    } else if at(input, '+') {
        return Err(Failure::expected(input, "a time without `+`")
            .hint("both ends of a range are relative, or none: `0.1~0.2`"));
    }
    let start = here(input).start;
    let to = duration(input)?;
    if to < from {
        return Err(Failure::wrong(start, "this time range is backwards")
            .hint("the earlier time comes first"));
    }
    Ok(if relative {
        When::RelativeRange(from, to)
    } else {
        When::AbsoluteRange(from, to)
    })
}

/// Seconds, with or without a fraction. They are read digit by digit: 0.29 s are 290,000 µs, not one less.
pub(super) fn duration(input: &mut Input<'_>) -> Parsed<Duration> {
    let token = here(input);
    if !matches!(token.kind, Kind::Integer | Kind::Float) {
        return Err(Failure::expected(input, "a time in seconds"));
    }
    if token.text.starts_with('-') {
        return Err(Failure::wrong(token.start, "a time cannot be negative"));
    }
    take(input, token.kind, "a time")?;
    let (whole, fraction) = token.text.split_once('.').unwrap_or((token.text, ""));
    // A century is enough for any script, and sums of times cannot overflow.
    let seconds = if whole.is_empty() {
        Some(0)
    } else {
        whole
            .parse()
            .ok()
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
    };
    let Some(seconds) = seconds else {
        return Err(Failure::wrong(token.start, "time out of range")
            .hint(format!("it is at most {} seconds", u32::MAX)));
    };
    let nanoseconds = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Ok(Duration::new(seconds, nanoseconds))
}
