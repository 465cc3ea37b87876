//! Text to script: the language of packetdrill, in Google's dialect and in that of FreeBSD's testers (nplab).
//!
//! The text is cut into tokens first, which settles comments, `#ifdef` and symbols as the original's lexer does;
//! one function for each rule of the grammar then reads the tokens. Nearly every rule is chosen by its first token,
//! so an error names the one thing that was wrong. Packets other than TCP, UDP and ICMP are refused by name.

mod call;
mod conditions;
mod error;
mod escapes;
mod expression;
mod icmp;
mod ip;
mod lexer;
mod options;
mod packet;
mod statement;
#[cfg(test)]
mod tests;
mod time;
mod tokens;

pub use error::ParseError;

use super::ast::Script;
use tokens::Input;

/// Whose packetdrill a script was written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Google's, with Linux under test.
    #[default]
    Linux,
    /// nplab's, with FreeBSD under test.
    FreeBsd,
}

/// What the reading of a script depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Decides which symbol is defined from the start: `Linux` or `FreeBSD`.
    pub dialect: Dialect,
    /// `-D NAME=VALUE`; a value in double or back quotes is a string or a command. An empty one serves `#ifdef` only.
    ///
    /// `STANDARD` takes the place of the dialect's own symbol, since scripts use the two as alternatives.
    pub defines: Vec<(String, String)>,
}

/// Reads a script.
///
/// # Errors
/// The first thing in it that is not the language, or that is not supported.
pub fn parse(text: &str, settings: &Settings) -> Result<Script, ParseError> {
    let tokens = lexer::tokens(text, settings).map_err(|failure| failure.explain(text, &[]))?;
    statement::script(&mut Input::new(&tokens), text)
        .map_err(|failure| failure.explain(text, &tokens))
}

/// Whether an option's value, written as it is, is read as it is: it needs no quotes around it.
pub(super) fn is_bare_value(value: &str) -> bool {
    let text = format!("--option={value}");
    let settings = Settings::default();
    lexer::tokens(&text, &settings).is_ok_and(|tokens| {
        let mut input = Input::new(&tokens);
        statement::option(&mut input).is_ok_and(|option| option.value.as_deref() == Some(value))
            && tokens::here(&input).kind == tokens::Kind::End
    })
}
