//! Text to tokens, by the rules of packetdrill's lexer: the longest match wins.

use std::net::{Ipv4Addr, Ipv6Addr};

use winnow::combinator::{alt, delimited, opt, preceded, repeat};
use winnow::error::EmptyError;
use winnow::prelude::*;
use winnow::token::{any, none_of, rest, take_until, take_while};

use super::Settings;
use super::conditions::Conditions;
use super::error::Failure;
use super::tokens::{Kind, Parsed, Token};

/// The lexer's own rules cannot fail but by not matching.
type Matched<T> = Result<T, EmptyError>;

/// Cuts a text into tokens. The last is [`Kind::End`].
pub(super) fn tokens<'t>(text: &'t str, settings: &'t Settings) -> Parsed<Vec<Token<'t>>> {
    let mut lexer = Lexer {
        text,
        rest: text,
        line: 1,
        conditions: Conditions::new(settings),
        // A token has about four characters.
        tokens: Vec::with_capacity(text.len() / 4 + 1),
    };
    while lexer.step()? {}
    let Lexer {
        conditions,
        mut tokens,
        line,
        ..
    } = lexer;
    conditions.end()?;
    tokens.push(Token {
        kind: Kind::End,
        text: "",
        start: text.len(),
        end: text.len(),
        line,
    });
    Ok(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    rest: &'t str,
    line: usize,
    conditions: Conditions<'t>,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    /// Reads one token, comment or directive; false at the end.
    fn step(&mut self) -> Parsed<bool> {
        if !self.conditions.active() {
            return self.pass_over();
        }
        self.skip(blanks);
        let start = self.at();
        if self.rest.is_empty() {
            return Ok(false);
        }
        if self.rest.starts_with("//") {
            self.skip(to_line_end);
        } else if self.rest.starts_with("/*") {
            if !self.skip(block_comment) {
                return Err(Failure::wrong(start, "this comment has no end").hint("`*/` ends it"));
            }
        } else if self.rest.starts_with('#') {
            self.skip(one_character);
            self.directive(start)?;
        } else {
            self.token(start)?;
        }
        Ok(true)
    }

    /// Reads a token.
    fn token(&mut self, start: usize) -> Parsed<()> {
        let line = self.line;
        let mut rest = self.rest;
        let (kind, text) = match token(&mut rest) {
            Ok(found) => found,
            Err(_) => return Err(unterminated(start, self.rest)),
        };
        let length = self.rest.len() - rest.len();
        self.line += newlines(&self.rest[..length]);
        self.rest = rest;
        let (kind, text) = if kind == Kind::Word && !self.in_option() {
            self.conditions.resolve(text)
        } else {
            (kind, text)
        };
        self.tokens.push(Token {
            kind,
            text,
            start,
            end: start + length,
            line,
        });
        self.define();
        Ok(())
    }

    /// Whether the value of an option comes next: there a symbol's name is but a name.
    fn in_option(&self) -> bool {
        let kind = |back: usize| {
            self.tokens
                .len()
                .checked_sub(back)
                .map(|index| self.tokens[index].kind)
        };
        let equals = Some(Kind::Punct('='));
        let option = Some(Kind::Option);
        kind(1) == equals && (kind(2) == option || (kind(3) == equals && kind(4) == option))
    }

    /// `--define=NAME=VALUE` among the tokens counts from here on, in quotes or not.
    fn define(&mut self) {
        let equals = Kind::Punct('=');
        let is_define = |option: &Token<'_>| (option.kind, option.text) == (Kind::Option, "define");
        match self.tokens.as_slice() {
            [.., option, first, name, second, value]
                if is_define(option)
                    && [first.kind, second.kind] == [equals; 2]
                    && name.kind == Kind::Word =>
            {
                self.conditions.define(name.text, (value.kind, value.text));
            }
            [.., option, first, both]
                if is_define(option) && first.kind == equals && both.kind == Kind::String =>
            {
                self.conditions.define_as_given(both.text);
            }
            _ => {}
        }
    }

    /// Reads what stands behind a `#`.
    fn directive(&mut self, start: usize) -> Parsed<()> {
        self.skip(line_blanks);
        let directive = self.word();
        let name = match directive {
            "ifdef" | "ifndef" => {
                self.skip(line_blanks);
                self.word()
            }
            _ => "",
        };
        self.conditions.directive(start, directive, name)
    }

    /// Passes over lines that do not count, to the next directive; false at the end.
    fn pass_over(&mut self) -> Parsed<bool> {
        loop {
            self.skip(to_line_end);
            if !self.skip(one_character) {
                return Ok(false);
            }
            self.skip(line_blanks);
            let start = self.at();
            if !self.rest.starts_with('#') {
                continue;
            }
            self.skip(one_character);
            let rest = self.rest.trim_start_matches([' ', '\t']);
            // One that is unknown is refused here as elsewhere; other lines with a `#` are comments in code.
            if ["ifdef", "ifndef", "else", "endif", "elif"]
                .iter()
                .any(|name| rest.starts_with(name))
            {
                self.directive(start)?;
                return Ok(true);
            }
        }
    }

    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn word(&mut self) -> &'t str {
        let text = self.rest;
        self.skip(|text: &mut &'t str| word_characters(0).parse_next(text));
        &text[..text.len() - self.rest.len()]
    }

    /// Skips what a rule matches; whether it matched anything.
    fn skip(&mut self, mut rule: impl FnMut(&mut &'t str) -> Matched<&'t str>) -> bool {
        let mut rest = self.rest;
        match rule(&mut rest) {
            Ok(matched) if !matched.is_empty() => {
                self.line += newlines(matched);
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Why no token begins here: something in quotes or brackets that does not end.
fn unterminated(start: usize, text: &str) -> Failure {
    let (name, end) = match text.chars().next() {
        Some('"') => ("string", "\""),
        Some('`') => ("command", "`"),
        _ => ("code", "}%"),
    };
    Failure::wrong(start, format!("this {name} has no end")).hint(format!("{end} ends it"))
}

fn blanks<'t>(text: &mut &'t str) -> Matched<&'t str> {
    take_while(0.., [' ', '\t', '\r', '\n']).parse_next(text)
}

fn line_blanks<'t>(text: &mut &'t str) -> Matched<&'t str> {
    take_while(0.., [' ', '\t']).parse_next(text)
}

fn to_line_end<'t>(text: &mut &'t str) -> Matched<&'t str> {
    alt((take_until(0.., '\n'), rest)).parse_next(text)
}

fn block_comment<'t>(text: &mut &'t str) -> Matched<&'t str> {
    ("/*", take_until(0.., "*/"), "*/").take().parse_next(text)
}

fn one_character<'t>(text: &mut &'t str) -> Matched<&'t str> {
    any.take().parse_next(text)
}

fn word_characters<'t>(least: usize) -> impl Parser<&'t str, &'t str, EmptyError> {
    take_while(least.., |c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn digits<'t>(least: usize) -> impl Parser<&'t str, &'t str, EmptyError> {
    take_while(least.., |c: char| c.is_ascii_digit())
}

/// A token, with its text as the grammar wants it.
fn token<'t>(text: &mut &'t str) -> Matched<(Kind, &'t str)> {
    match text.chars().next() {
        Some('"') => quoted('"')
            .map(|text| (Kind::String, text))
            .parse_next(text),
        Some('`') => quoted('`')
            .map(|text| (Kind::Command, text))
            .parse_next(text),
        Some('%') if text.starts_with("%{") => code.map(|text| (Kind::Code, text)).parse_next(text),
        _ => alt((
            address.map(|text| (Kind::Address, text)),
            "...".map(|text| (Kind::Ellipsis, text)),
            preceded("--", word_characters(1)).map(|text| (Kind::Option, text)),
            (opt('-'), digits(0), '.', digits(1))
                .take()
                .map(|text| (Kind::Float, text)),
            ('-', digits(1)).take().map(|text| (Kind::Integer, text)),
            word,
            any.with_taken().map(|(c, text)| (Kind::Punct(c), text)),
        ))
        .parse_next(text),
    }
}

/// A word, or a number without a sign.
fn word<'t>(text: &mut &'t str) -> Matched<(Kind, &'t str)> {
    let plain = word_characters(1).parse_peek(*text)?.1;
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return word_characters(1)
            .map(|text| (Kind::Integer, text))
            .parse_next(text);
    }
    let hex = plain.strip_prefix("0x").unwrap_or_default();
    if !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return word_characters(1)
            .map(|text| (Kind::Hex, text))
            .parse_next(text);
    }
    // nplab has some names with a dash: `gen-30`, `exp-f989`, `EXP-FO`, `voice-admit`.
    let dashed = alt(("gen-", "exp-", "EXP-", "voice-"));
    alt(((dashed, word_characters(1)).take(), word_characters(1)))
        .map(|text| (Kind::Word, text))
        .parse_next(text)
}

/// What stands between two quotes; one with a backslash before it does not end it.
fn quoted<'t>(quote: char) -> impl Parser<&'t str, &'t str, EmptyError> {
    let escaped = ('\\', any).void();
    let plain = none_of([quote, '\\']).void();
    let inside = repeat::<_, (), (), _, _>(0.., alt((escaped, plain))).take();
    delimited(quote, inside, quote)
}

/// What stands between `%{` and `}%`, without the blanks at either end.
fn code<'t>(text: &mut &'t str) -> Matched<&'t str> {
    let inside = ("%{", take_until(0.., "}%"), "}%")
        .map(|(_, inside, _): (_, &str, _)| inside)
        .parse_next(text)?;
    Ok(inside.trim_matches([' ', '\t']))
}

/// An IP address. `1:1001` is none: one of IPv6 has `::`, or all its seven colons.
fn address<'t>(text: &mut &'t str) -> Matched<&'t str> {
    let v4 = take_while(7..=15, |c: char| c.is_ascii_digit() || c == '.')
        .verify(|run: &str| run.parse::<Ipv4Addr>().is_ok());
    let v6 = take_while(2..=45, |c: char| {
        c.is_ascii_hexdigit() || c == ':' || c == '.'
    })
    .verify(|run: &str| run.contains("::") || run.matches(':').count() == 7)
    .verify(|run: &str| run.parse::<Ipv6Addr>().is_ok());
    alt((v6, v4)).parse_next(text)
}
