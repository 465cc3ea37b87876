//! Tokens, and the smallest rules about them.

use std::fmt::Debug;

use winnow::combinator::{cut_err, delimited};
use winnow::prelude::*;
use winnow::stream::TokenSlice;
use winnow::token::one_of;

use super::error::Failure;

/// The tokens that are still to be read. The last is always [`Kind::End`], and is never taken.
pub(super) type Input<'t> = TokenSlice<'t, Token<'t>>;

/// What a rule answers.
pub(super) type Parsed<T> = Result<T, Failure>;

/// A token. Its text is that of the script, or that of the symbol's definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// Without quotes, brackets or dashes.
    pub(super) text: &'t str,
    /// The first byte.
    pub(super) start: usize,
    /// The byte after the last.
    pub(super) end: usize,
    /// The line, from 1.
    pub(super) line: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ack`, `O_RDWR`, `1a`, `gen-30`.
    Word,
    /// `-1`
    Integer,
    /// `0x1f`
    Hex,
    /// `.1`
    Float,
    /// `"abc"`
    String,
    /// `` `command` ``
    Command,
    /// `%{ code }%`
    Code,
    /// `--name`
    Option,
    /// `...`
    Ellipsis,
    /// `192.0.2.1` or `fd00::1`
    Address,
    /// Any other character.
    Punct(char),
    /// Behind the last token.
    End,
}

/// The next token.
pub(super) fn here<'t>(input: &Input<'t>) -> Token<'t> {
    const NOTHING: Token<'static> = Token {
        kind: Kind::End,
        text: "",
        start: usize::MAX,
        end: usize::MAX,
        line: 0,
    };
    input.first().copied().unwrap_or(NOTHING)
}

/// The token after the next.
pub(super) fn second<'t>(input: &Input<'t>) -> Option<Token<'t>> {
    input.get(1).copied()
}

/// Whether the next token is this character.
pub(super) fn at(input: &Input<'_>, c: char) -> bool {
    here(input).kind == Kind::Punct(c)
}

/// Whether the next token is this word.
pub(super) fn at_word(input: &Input<'_>, word: &str) -> bool {
    let token = here(input);
    token.kind == Kind::Word && token.text == word
}

/// A token of one kind.
pub(super) fn kind<'t>(kind: Kind) -> impl Parser<Input<'t>, Token<'t>, Failure> {
    one_of(move |token: &'t Token<'t>| token.kind == kind).map(|token: &Token<'t>| *token)
}

/// This character.
pub(super) fn punct<'t>(c: char) -> impl Parser<Input<'t>, Token<'t>, Failure> {
    kind(Kind::Punct(c)).map_err(move |failure: Failure| failure.naming(format!("`{c}`")))
}

/// This character, and nothing else will do.
pub(super) fn need<'t>(c: char) -> impl Parser<Input<'t>, Token<'t>, Failure> {
    cut_err(punct(c))
}

/// This word.
pub(super) fn word<'t>(word: &'static str) -> impl Parser<Input<'t>, Token<'t>, Failure> {
    one_of(move |token: &'t Token<'t>| token.kind == Kind::Word && token.text == word)
        .map(|token: &Token<'t>| *token)
}

/// Takes a token of one kind, or says what it should have been.
pub(super) fn take<'t>(
    input: &mut Input<'t>,
    wanted: Kind,
    name: &'static str,
) -> Parsed<Token<'t>> {
    cut_err(kind(wanted).map_err(|failure: Failure| failure.naming(name))).parse_next(input)
}

/// `(…)`
pub(super) fn in_brackets<'t, T>(
    inside: impl FnMut(&mut Input<'t>) -> Parsed<T>,
) -> impl Parser<Input<'t>, T, Failure> {
    delimited(need('('), inside, need(')'))
}

/// A whole number that fits: `win 65535`.
pub(super) fn number<T: TryFrom<u64>>(input: &mut Input<'_>, name: &'static str) -> Parsed<T> {
    let next = here(input);
    let token = take(input, Kind::Integer, name).map_err(|failure| failure.maybe_symbol(next))?;
    fit(token.start, token.text, token.text.parse().ok(), name)
}

/// A whole number that fits, decimal or hexadecimal: `tos 0x10`.
pub(super) fn any_number<T: TryFrom<u64>>(input: &mut Input<'_>, name: &'static str) -> Parsed<T> {
    if here(input).kind != Kind::Hex {
        return number(input, name);
    }
    let token = take(input, Kind::Hex, name)?;
    let value = u64::from_str_radix(token.text.trim_start_matches("0x"), 16);
    fit(token.start, token.text, value.ok(), name)
}

/// Holds a value against its type.
fn fit<T: TryFrom<u64>>(at: usize, text: &str, value: Option<u64>, name: &str) -> Parsed<T> {
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| {
            let largest = u64::MAX >> (64 - 8 * size_of::<T>());
            Failure::wrong(at, format!("{name} is out of range: {text}"))
                .hint(format!("it is 0 to {largest}"))
        })
}
