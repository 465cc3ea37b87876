//! What is wrong with a script, told as a compiler would.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use winnow::error::{ModalError, ParserError};

use super::tokens::{Input, Kind, Token, here};

/// Why a text is not a script. Shown, it begins with line and column; whoever knows the file's name puts it before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where, counted from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The line.
    pub text: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
            hint,
            text,
        } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands where the reader's terminal puts its character.
        let indent: String = text
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{line}:{column}: {message}")?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{margin} | {indent}^")?;
        if let Some(hint) = hint {
            write!(f, "\n{margin} = {hint}")?;
        }
        Ok(())
    }
}

impl Error for ParseError {}

/// An error while its text and tokens are still at hand.
#[derive(Debug)]
pub(super) struct Failure {
    /// The byte.
    at: usize,
    what: What,
    hint: Option<Cow<'static, str>>,
    /// Whether no other way to read the text may be tried.
    fatal: bool,
}

#[derive(Debug)]
enum What {
    /// What should have stood there; what stands there instead is looked up.
    Expected(Cow<'static, str>),
    /// The whole message.
    Wrong(String),
}

impl Failure {
    /// Something else should stand next; if the line has ended, at its end.
    pub(super) fn expected(input: &Input<'_>, what: impl Into<Cow<'static, str>>) -> Self {
        Self::from_input(input).cut().naming(what)
    }

    /// Something else should stand where the next token does.
    pub(super) fn instead(input: &Input<'_>, what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at: here(input).start,
            what: What::Expected(what.into()),
            hint: None,
            fatal: true,
        }
    }

    /// What stands at this byte is wrong.
    pub(super) fn wrong(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            what: What::Wrong(message.into()),
            hint: None,
            fatal: true,
        }
    }

    /// It is the language, and estab does not speak that part of it.
    pub(super) fn unsupported(at: usize, what: &str) -> Self {
        Self::wrong(at, format!("not supported: {what}"))
    }

    /// Says what would be right.
    pub(super) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A word in capitals may be a symbol that nobody defined.
    pub(super) fn maybe_symbol(self, token: Token<'_>) -> Self {
        let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if token.kind != Kind::Word || !token.text.chars().all(capital) {
            return self;
        }
        self.hint(format!(
            "if `{0}` is a symbol, define it: -D {0}=VALUE",
            token.text
        ))
    }

    /// Names what was expected.
    pub(super) fn naming(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.what = What::Expected(what.into());
        self
    }

    /// Makes the error that is shown.
    pub(super) fn explain(self, text: &str, tokens: &[Token<'_>]) -> ParseError {
        let mut at = self.at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let message = match self.what {
            What::Wrong(message) => message,
            What::Expected(expected) => {
                let index = tokens.partition_point(|token| token.start < at);
                let found = match tokens.get(index) {
                    Some(token) if token.start == at => found(token, text),
                    _ => "the end of the line".to_owned(),
                };
                format!("expected {expected}, found {found}")
            }
        };
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().unwrap_or_default();
        ParseError {
            line: before.matches('\n').count() + 1,
            column: text[start..at].chars().count() + 1,
            message,
            hint: self.hint.map(Cow::into_owned),
            text: line.trim_end_matches('\r').to_owned(),
        }
    }
}

/// Names what stands there.
fn found(token: &Token<'_>, text: &str) -> String {
    const SHOWN: usize = 32;
    let raw = text.get(token.start..token.end).unwrap_or_default();
    match token.kind {
        Kind::End => "the end of the script".to_owned(),
        Kind::Command => "a command in back quotes".to_owned(),
        Kind::Code => "code".to_owned(),
        _ if raw.chars().count() > SHOWN => {
            format!("`{}…`", raw.chars().take(SHOWN).collect::<String>())
        }
        _ => format!("`{raw}`"),
    }
}

impl<'t> ParserError<Input<'t>> for Failure {
    type Inner = Self;

    fn from_input(input: &Input<'t>) -> Self {
        let next = here(input);
        let begins_event = matches!(
            next.kind,
            Kind::Integer
                | Kind::Float
                | Kind::Punct('+' | '*')
                | Kind::Option
                | Kind::Command
                | Kind::End
        );
        // A statement that breaks off is wrong at its end, not at the beginning of the next.
        let before = input.previous_tokens().next();
        let broken_off = before.filter(|before| begins_event && before.line < next.line);
        Self {
            at: broken_off.map_or(next.start, |before| before.end),
            what: What::Expected(Cow::Borrowed("something else")),
            hint: None,
            fatal: false,
        }
    }

    fn is_backtrack(&self) -> bool {
        !self.fatal
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl ModalError for Failure {
    fn cut(mut self) -> Self {
        self.fatal = true;
        self
    }

    fn backtrack(mut self) -> Self {
        self.fatal = false;
        self
    }
}
