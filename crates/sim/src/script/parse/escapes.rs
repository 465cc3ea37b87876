//! Backslashes in strings, and digits that are bytes.

use super::error::Failure;
use super::tokens::{Parsed, Token};

/// The bytes a string stands for.
pub(super) fn unescape(token: Token<'_>) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::with_capacity(token.text.len());
    let mut text = token.text.bytes();
    while let Some(byte) = text.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match text.next() {
            Some(b'\\') => b'\\',
            Some(b'"') => b'"',
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 0x0b,
            Some(b'x') => match (text.next().and_then(digit), text.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(unknown(token, "\\x without two hexadecimal digits")),
            },
            _ => return Err(unknown(token, "an unknown escape in this string")),
        });
    }
    Ok(bytes)
}

fn unknown(token: Token<'_>, message: &str) -> Failure {
    Failure::wrong(token.start, message).hint(r#"there are \\ \" \f \n \r \t \v and \xHH"#)
}

/// The bytes of `00a1ff`; `None` if the digits are none, or odd in number.
pub(super) fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = digits.bytes().map(digit).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
