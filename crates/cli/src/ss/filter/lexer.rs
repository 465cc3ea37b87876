//! A filter cut into words, with the place of each.

/// A word, an operator or a parenthesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// In characters from 1.
    pub(super) column: usize,
    pub(super) text: &'a str,
}

/// Characters that end a word without a space.
const SPECIAL: &[char] = &['(', ')', '!', '=', '<', '>', '&', '|'];

/// Operators of two characters, tried before those of one.
const DOUBLE: &[&str] = &["!=", "==", "<=", ">=", "&&", "||"];

/// All tokens of a filter.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let length = token_length(rest);
        let before = text.len() - rest.len();
        tokens.push(Token {
            column: text[..before].chars().count() + 1,
            text: &rest[..length],
        });
        rest = rest[length..].trim_start();
    }
    tokens
}

fn token_length(rest: &str) -> usize {
    if DOUBLE.iter().any(|double| rest.starts_with(double)) {
        return 2;
    }
    if rest.starts_with(SPECIAL) {
        return 1;
    }
    rest.find(|c: char| c.is_whitespace() || SPECIAL.contains(&c))
        .unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_need_no_spaces_around_operators() {
        let texts: Vec<_> = tokens("(sport>=:80&&!dst [fd00::1]:7)")
            .iter()
            .map(|token| token.text)
            .collect();
        let expected = [
            "(",
            "sport",
            ">=",
            ":80",
            "&&",
            "!",
            "dst",
            "[fd00::1]:7",
            ")",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn columns_count_characters() {
        let tokens = tokens("  é state");
        assert_eq!(tokens[0].column, 3);
        assert_eq!(tokens[1].column, 5);
    }
}
