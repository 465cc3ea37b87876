//! Whatever the text, the answer is a script or an error, and a script that is printed reads back.

use proptest::prelude::*;

use super::super::{Dialect, ParseError, parse};
use super::strategies::{any_script, soup};
use super::{Script, meaning, settings};

/// A script with something of everything.
const SAMPLE: &str = include_str!("sample.pkt");

fn read(text: &str) -> Result<Script, ParseError> {
    parse(text, &settings(Dialect::FreeBsd, &[("MY_MSS", "1460")]))
}

/// An error must be fit to be shown: its place exists.
fn hold(text: &str) {
    match read(text) {
        Ok(script) => {
            let printed = script.to_string();
            let again = read(&printed).unwrap_or_else(|error| panic!("{printed}\n{error}"));
            assert_eq!(meaning(again), meaning(script), "{printed}");
        }
        Err(error) => {
            let line = text
                .split('\n')
                .nth(error.line - 1)
                .expect("the line exists");
            assert_eq!(error.text, line.trim_end_matches('\r'));
            assert!(error.column <= line.chars().count() + 1, "{error}");
            assert!(error.to_string().contains(&error.message));
        }
    }
}

#[test]
fn the_sample_reads_back_as_printed() {
    let script = read(SAMPLE).unwrap_or_else(|error| panic!("{error}"));
    assert!(script.events.len() > 20);
    hold(SAMPLE);
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [
        ("[", "]"),
        ("{", "}"),
        ("{a=", "}"),
        ("~", ""),
        ("a=", ""),
        ("{a(", ")=1}"),
    ] {
        for depth in [10, 30, 33, 100, 10_000] {
            let text = format!("+0 f({}1{}) = 0", open.repeat(depth), close.repeat(depth));
            let outcome = read(&text);
            assert_eq!(
                outcome.is_ok(),
                depth < 32,
                "{open} × {depth}: {:?}",
                outcome.err().map(|e| e.message)
            );
        }
    }
    for operands in [32, 33, 10_000] {
        let text = format!("+0 f({}1) = 0", "1|".repeat(operands - 1));
        assert_eq!(read(&text).is_ok(), operands == 32, "{operands}");
    }
    hold(&"#ifdef A\n".repeat(10_000));
    hold(&"\"".repeat(10_001));
}

proptest! {
    #[test]
    fn any_text_is_a_script_or_an_error(text in ".{0,200}") {
        hold(&text);
    }

    #[test]
    fn any_tokens_are_a_script_or_an_error(text in soup()) {
        hold(&text);
    }

    #[test]
    fn a_script_with_a_mistake_is_a_script_or_an_error(
        at in 0..SAMPLE.len(),
        length in 0..12_usize,
        instead in "[ -~\n]{0,4}",
    ) {
        let from = SAMPLE.floor_char_boundary(at);
        let to = SAMPLE.ceil_char_boundary((from + length).min(SAMPLE.len()));
        hold(&[&SAMPLE[..from], instead.as_str(), &SAMPLE[to..]].concat());
    }

    #[test]
    fn what_is_printed_reads_back(script in any_script()) {
        let printed = script.to_string();
        let again = read(&printed).unwrap_or_else(|error| panic!("{printed}\n{error}"));
        prop_assert_eq!(meaning(again), script, "{}", printed);
    }
}
