//! A command's text: where it ends and another begins, its words, and where its output goes.

use super::code;

/// Splits a text where a separator stands outside quotes and brackets.
pub(super) fn split_outside_quotes<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut from = 0;
    let mut quote = None;
    let mut depth = 0_usize;
    let mut skip_to = 0;
    for (place, c) in text.char_indices() {
        if place < skip_to {
            continue;
        }
        match (quote, c) {
            (Some(open), _) => {
                if open == c {
                    quote = None;
                }
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let rest = &text[place..];
        let found = separators
            .iter()
            .find(|separator| rest.starts_with(**separator));
        if let (Some(separator), 0) = (found, depth) {
            parts.push(&text[from..place]);
            skip_to = place + separator.len();
            from = skip_to;
        }
    }
    parts.push(&text[from..]);
    parts
}

/// A program of a command, and where its output goes, unless that is nowhere or shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// Its words: quotes taken off, arithmetic valued.
    pub(super) words: Vec<String>,
    /// The file.
    pub(super) output: Option<String>,
}

impl Stage {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = with_arithmetic(text)?;
        if text.contains("$(") || text.contains('`') {
            return Err("it has a command within".to_owned());
        }
        let mut stage = Self::default();
        let mut word: Option<String> = None;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                // A comment, up to the end of the line.
                '#' if word.is_none() => break,
                '\'' | '"' => {
                    let (inside, behind) =
                        rest.as_str().split_once(c).ok_or("a quote has no end")?;
                    *word.get_or_insert_default() += inside;
                    rest = behind.chars();
                }
                '>' => {
                    // `2>`: which output; a word of its own otherwise.
                    let is_number = |word: &String| word.parse::<u8>().is_ok();
                    let number = word.take_if(|word| is_number(word) || word == "&");
                    stage.words.extend(word.take());
                    stage.redirect(number.as_deref(), &mut rest)?;
                }
                '<' => return Err("it reads from a file".to_owned()),
                '&' if word.is_none() && rest.as_str().starts_with('>') => {
                    word = Some("&".to_owned());
                }
                '&' => return Err("it goes on in the background".to_owned()),
                c if c.is_whitespace() => stage.words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        stage.words.extend(word);
        Ok(stage)
    }

    /// What stands behind a `>`: `/dev/null`, `&1` or a file.
    fn redirect(
        &mut self,
        number: Option<&str>,
        rest: &mut std::str::Chars<'_>,
    ) -> Result<(), String> {
        let behind = rest.as_str();
        let target = behind.strip_prefix('>').unwrap_or(behind).trim_start();
        let end = target.find(char::is_whitespace).unwrap_or(target.len());
        let (target, behind) = target.split_at(end);
        *rest = behind.chars();
        match (target.trim_matches(['"', '\'']), number) {
            ("/dev/null" | "&1" | "&2", _) => Ok(()),
            ("", _) => Err("a redirection leads nowhere".to_owned()),
            (file, None | Some("1")) => {
                self.output = Some(file.to_owned());
                Ok(())
            }
            (file, Some(_)) => Err(format!("it writes to {file}")),
        }
    }
}

/// `$((15*1024*1024))`
fn with_arithmetic(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("$((") {
        let (inside, after) = behind.split_once("))").ok_or("`$((` has no end")?;
        result += before;
        result += &code::arithmetic(inside)?.to_string();
        rest = after;
    }
    Ok(result + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_do_not_separate() {
        let parts = split_outside_quotes("a 'x;y'; b && c | d", &[";", "&&"]);
        assert_eq!(parts, ["a 'x;y'", " b ", " c | d"]);
    }

    #[test]
    fn words_lose_quotes_arithmetic_and_redirections_to_nowhere() {
        let read = |text: &str| Stage::read(text).map(|stage| (stage.words, stage.output));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(
            read("sysctl -q net.ipv4.tcp_rmem=\"4096 540000 $((15*1024*1024))\" > /dev/null 2>&1"),
            Ok((
                words(&["sysctl", "-q", "net.ipv4.tcp_rmem=4096 540000 15728640"]),
                None
            ))
        );
        assert_eq!(
            read("sysctl a=1 &>/dev/null # > on"),
            Ok((words(&["sysctl", "a=1"]), None))
        );
        assert_eq!(
            read("echo 0 '>' 1>>/proc/sys/a"),
            Ok((words(&["echo", "0", ">"]), Some("/proc/sys/a".to_owned())))
        );
        for wrong in [
            "echo 'never ends",
            "echo $((1 +",
            "true >",
            "true 2> /tmp/x",
            "true < /tmp/x",
            "true & true",
            "echo $(true)",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
