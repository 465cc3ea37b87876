//! Code to tokens, with its indentation.

use super::CodeError;

/// A token, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The line within the code, from 0.
    pub(super) line: usize,
    /// Its bytes in the text.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Int(i128),
    Float(f64),
    Str(String),
    Name(String),
    Op(&'static str),
    /// The end of a statement's line.
    Newline,
    Indent,
    Dedent,
    End,
}

/// Longer ones first.
const OPERATORS: [&str; 38] = [
    "**=", "//=", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=",
    "/=", "%=", "&=", "|=", "^=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">", "=", "(",
    ")", "[", "]", ",", ";",
];

/// The tokens of code.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, CodeError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 0,
        depth: 0,
        levels: vec![0],
        tokens: Vec::new(),
    };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// How many brackets are open.
    depth: usize,
    /// The indentations of the blocks that are open.
    levels: Vec<usize>,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), CodeError> {
        let mut begins_line = true;
        loop {
            if begins_line {
                self.indentation()?;
                begins_line = false;
            }
            self.skip_blanks();
            let Some(next) = self.rest().chars().next() else {
                break;
            };
            match next {
                '\n' => {
                    self.newline();
                    self.at += 1;
                    self.line += 1;
                    begins_line = self.depth == 0;
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\'' | '"' => self.string(next)?,
                '0'..='9' => self.number()?,
                '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                    self.number()?
                }
                _ if next.is_alphabetic() || next == '_' => self.name(),
                _ => self.operator(next)?,
            }
        }
        self.newline();
        for _ in 1..self.levels.len() {
            self.push(Kind::Dedent, self.at);
        }
        self.push(Kind::End, self.at);
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, kind: Kind, end: usize) {
        self.tokens.push(Token {
            kind,
            line: self.line,
            start: self.at,
            end,
        });
        self.at = end;
    }

    fn error(&self, message: impl Into<String>) -> CodeError {
        CodeError::new(self.line, message)
    }

    /// Ends a statement, if one has begun.
    fn newline(&mut self) {
        let is_open = self.tokens.last().is_some_and(|token| {
            !matches!(token.kind, Kind::Newline | Kind::Indent | Kind::Dedent)
        });
        if is_open && self.depth == 0 {
            self.push(Kind::Newline, self.at);
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            self.at += blanks;
            if self.rest().starts_with("\\\n") {
                self.at += 2;
                self.line += 1;
            } else if blanks == 0 {
                return;
            }
        }
    }

    fn indentation(&mut self) -> Result<(), CodeError> {
        let rest = self.rest();
        let width = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let first = rest[width..].chars().next();
        if matches!(first, None | Some('\n' | '\r' | '#')) {
            return Ok(());
        }
        self.at += width;
        let current = self.levels.last().copied().unwrap_or(0);
        if width > current {
            self.levels.push(width);
            self.push(Kind::Indent, self.at);
        }
        while self.levels.last().is_some_and(|&level| width < level) {
            self.levels.pop();
            self.push(Kind::Dedent, self.at);
        }
        if self.levels.last() != Some(&width) {
            return Err(self.error("this indentation fits no line above it"));
        }
        Ok(())
    }

    fn name(&mut self) {
        let rest = self.rest();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = rest[..len].to_owned();
        self.push(Kind::Name(name), self.at + len);
    }

    fn number(&mut self) -> Result<(), CodeError> {
        let rest = self.rest();
        let is_exponent_sign = |place: usize, c: char| {
            matches!(c, '+' | '-') && rest[..place].ends_with(['e', 'E']) && !rest.starts_with("0x")
        };
        let ends = |(place, c): (usize, char)| {
            let is_part =
                c.is_ascii_alphanumeric() || c == '.' || c == '_' || is_exponent_sign(place, c);
            (!is_part).then_some(place)
        };
        let len = rest.char_indices().find_map(ends).unwrap_or(rest.len());
        let digits = rest[..len].replace('_', "");
        let lower = digits.to_ascii_lowercase();
        let in_base = |prefix: &str, base: u32| {
            let digits = lower.strip_prefix(prefix)?;
            i128::from_str_radix(digits, base).ok()
        };
        let value = in_base("0x", 16)
            .or_else(|| in_base("0o", 8))
            .or_else(|| in_base("0b", 2))
            .or_else(|| lower.parse().ok())
            .map(Kind::Int)
            .or_else(|| {
                lower
                    .parse()
                    .ok()
                    .filter(|f: &f64| f.is_finite())
                    .map(Kind::Float)
            });
        let kind = value.ok_or_else(|| self.error(format!("{digits} is no number")))?;
        self.push(kind, self.at + len);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), CodeError> {
        let rest = self.rest();
        if rest.starts_with("'''") || rest.starts_with("\"\"\"") {
            return Err(self.error("strings of several lines are not understood"));
        }
        let mut value = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((place, c)) = characters.next() {
            match c {
                '\n' => break,
                '\\' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                _ if c == quote => {
                    self.push(Kind::Str(value), self.at + place + 1);
                    return Ok(());
                }
                _ => value.push(c),
            }
        }
        Err(self.error("this string has no end"))
    }

    fn operator(&mut self, next: char) -> Result<(), CodeError> {
        // A colon ends the condition of `if`; a dot would be an attribute.
        if next == ':' {
            self.push(Kind::Op(":"), self.at + 1);
            return Ok(());
        }
        let found = OPERATORS.into_iter().find(|op| self.rest().starts_with(op));
        let operator = found.ok_or_else(|| self.error(format!("`{next}` is not understood")))?;
        match operator {
            "(" | "[" => self.depth += 1,
            ")" | "]" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.push(Kind::Op(operator), self.at + operator.len());
        Ok(())
    }
}
