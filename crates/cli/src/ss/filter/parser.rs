//! From words to a filter, by recursive descent:
//!
//! ```text
//! filter  = { ("state" | "exclude") STATE } [ any ]
//! any     = all { ("or" | "|" | "||") all }
//! all     = unary { ["and" | "&" | "&&"] unary }
//! unary   = ("not" | "!") unary | "(" any ")" | compare
//! compare = ("sport" | "dport") [OPERATOR] PORT | ("src" | "dst") ["=" | "!="] HOST
//! ```

use super::address::{self, Host};
use super::lexer::{Token, tokens};
use super::{Comparison, Expression, Filter, FilterError, Side, States};

/// How deep parentheses and `not` may nest.
const DEPTH: usize = 64;

const COMPARE: &str = "sport, dport, src, dst, not or a parenthesis";

pub(super) fn parse(text: &str, default: States) -> Result<Filter, FilterError> {
    let mut parser = Parser {
        tokens: tokens(text),
        next: 0,
        end: text.chars().count() + 1,
    };
    let states = parser.states(default)?;
    let expression = match parser.peek() {
        Some(_) => Some(parser.any(0)?),
        None => None,
    };
    match parser.peek() {
        Some(_) => Err(parser.error("and, or, or the end of the filter")),
        None => Ok(Filter { states, expression }),
    }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    /// The column behind the last character.
    end: usize,
}

impl<'a> Parser<'a> {
    /// As in ss: the first `state` begins with none, the first `exclude` with all, further ones add and take
    /// away.
    fn states(&mut self, default: States) -> Result<States, FilterError> {
        let mut states = None;
        loop {
            if self.take(&["state"]) {
                let named = self.state()?;
                states = Some(states.unwrap_or(States::NONE).with(named));
            } else if self.take(&["exclude", "excl"]) {
                let named = self.state()?;
                states = Some(states.unwrap_or(States::ALL).without(named));
            } else {
                return Ok(states.unwrap_or(default));
            }
        }
    }

    fn state(&mut self) -> Result<States, FilterError> {
        self.convert(States::named, States::NAMES)
    }

    fn any(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all(depth)?];
        while self.take(&["or", "|", "||"]) {
            parts.push(self.all(depth)?);
        }
        Ok(alone(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.unary(depth)?];
        while self.take(&["and", "&", "&&"]) || self.at_unary() {
            parts.push(self.unary(depth)?);
        }
        Ok(alone(parts, Expression::All))
    }

    /// Whether a further part follows without a word between.
    fn at_unary(&self) -> bool {
        const FIRST: &[&str] = &["not", "!", "(", "sport", "dport", "src", "dst"];
        self.peek().is_some_and(|token| FIRST.contains(&token.text))
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth == DEPTH {
            return Err(self.error("fewer parentheses: they nest too deep"));
        }
        if self.take(&["not", "!"]) {
            let part = self.unary(depth + 1)?;
            return Ok(Expression::Not(Box::new(part)));
        }
        if self.take(&["("]) {
            let inside = self.any(depth + 1)?;
            if !self.take(&[")"]) {
                return Err(self.error("and, or, or a closing parenthesis"));
            }
            return Ok(inside);
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expression, FilterError> {
        let side = |local| if local { Side::Local } else { Side::Remote };
        match self.peek().map(|token| token.text) {
            Some(word @ ("sport" | "dport")) => {
                self.next += 1;
                self.compare_port(side(word == "sport"))
            }
            Some(word @ ("src" | "dst")) => {
                self.next += 1;
                self.compare_host(side(word == "src"))
            }
            Some("state" | "exclude" | "excl") => {
                Err(self.error("an expression; states go first: state close-wait sport = :80"))
            }
            _ => Err(self.error(COMPARE)),
        }
    }

    fn compare_port(&mut self, side: Side) -> Result<Expression, FilterError> {
        let comparison = self.comparison();
        let expected = match comparison {
            Some(_) => address::PORT_EXPECTED.to_owned(),
            None => format!("= != > < >= <= or {}", address::PORT_EXPECTED),
        };
        let port = self.convert(address::port, &expected)?;
        let comparison = comparison.unwrap_or(Comparison::Equal);
        Ok(Expression::Port(side, comparison, port))
    }

    fn compare_host(&mut self, side: Side) -> Result<Expression, FilterError> {
        let before = self.next;
        let negated = match self.comparison() {
            None | Some(Comparison::Equal) => false,
            Some(Comparison::NotEqual) => true,
            Some(_) => {
                self.next = before;
                return Err(self.error("= or !=: only ports have an order"));
            }
        };
        let host = Expression::Host(side, self.convert(Host::parse, Host::EXPECTED)?);
        Ok(match negated {
            true => Expression::Not(Box::new(host)),
            false => host,
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let comparison = match self.peek()?.text {
            "=" | "==" | "eq" => Comparison::Equal,
            "!=" | "ne" | "neq" => Comparison::NotEqual,
            ">" | "gt" => Comparison::Greater,
            "<" | "lt" => Comparison::Less,
            ">=" | "ge" | "geq" => Comparison::GreaterOrEqual,
            "<=" | "le" | "leq" => Comparison::LessOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    /// Takes the next word if it can be made into a `T`.
    fn convert<T>(
        &mut self,
        make: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Result<T, FilterError> {
        let made = self.peek().and_then(|token| make(token.text));
        let made = made.ok_or_else(|| self.error(expected))?;
        self.next += 1;
        Ok(made)
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    /// Takes the next token if it is one of these.
    fn take(&mut self, words: &[&str]) -> bool {
        let taken = self.peek().is_some_and(|token| words.contains(&token.text));
        self.next += usize::from(taken);
        taken
    }

    fn error(&self, expected: &str) -> FilterError {
        let token = self.peek();
        FilterError {
            column: token.map_or(self.end, |token| token.column),
            found: token.map_or_else(String::new, |token| token.text.to_owned()),
            expected: expected.to_owned(),
        }
    }
}

/// One part needs nothing around it.
fn alone(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}
