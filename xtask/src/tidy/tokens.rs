//! The rules about Rust code, checked on its tokens.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

use super::Found;

const MAX_BODY_LINES: usize = 100;
const LEFTOVER_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
const UNSAFE_CRATES: [&str; 2] = ["crates/device/", "crates/ffi/"];
const CLOCKLESS_CRATE: &str = "crates/core/";

pub(super) fn check(path: &str, text: &str, found: &mut Found) {
    let rules = Rules {
        forbids_unsafe: !UNSAFE_CRATES.iter().any(|home| path.starts_with(home)),
        forbids_clocks: path.starts_with(CLOCKLESS_CRATE),
    };
    match TokenStream::from_str(text) {
        Ok(tokens) => rules.check(tokens, found),
        Err(error) => found.push((line_of(&error), "not Rust; mend what does not parse".into())),
    }
}

fn line_of(error: &LexError) -> usize {
    error.span().start().line
}

/// Which of the rules hold where the file lies.
struct Rules {
    forbids_unsafe: bool,
    forbids_clocks: bool,
}

impl Rules {
    fn check(&self, tokens: TokenStream, found: &mut Found) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for start in 0..trees.len() {
            let here = &trees[start..];
            let line = here[0].span().start().line;
            check_macro(here, line, found);
            check_body(here, line, found);
            if self.forbids_unsafe {
                check_unsafe(here, line, found);
            }
            if self.forbids_clocks {
                check_clock(here, line, found);
            }
            if let TokenTree::Group(group) = &here[0] {
                self.check(group.stream(), found);
            }
        }
    }
}

/// `todo!(…)` and the like; `todo != …` is no macro.
fn check_macro(here: &[TokenTree], line: usize, found: &mut Found) {
    let [name, bang, TokenTree::Group(_), ..] = here else {
        return;
    };
    let leftover = LEFTOVER_MACROS.iter().find(|leftover| is(name, leftover));
    if let Some(leftover) = leftover
        && is_punct(bang, '!')
    {
        found.push((
            line,
            format!("{leftover}! left over; write what is missing, or return an error"),
        ));
    }
}

fn check_body(here: &[TokenTree], line: usize, found: &mut Found) {
    let [keyword, TokenTree::Ident(name), rest @ ..] = here else {
        return;
    };
    if !is(keyword, "fn") {
        return;
    }
    let lines = body(rest).map_or(0, lines_between_braces);
    if lines > MAX_BODY_LINES {
        found.push((
            line,
            format!("{name} has a body of {lines} lines; split it, {MAX_BODY_LINES} is the limit"),
        ));
    }
}

/// The first braces after a function's name, unless a semicolon says that it has no body.
fn body(after_name: &[TokenTree]) -> Option<&Group> {
    after_name
        .iter()
        .take_while(|tree| !is_punct(tree, ';'))
        .find_map(|tree| match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        })
}

fn lines_between_braces(body: &Group) -> usize {
    let open = body.span_open().start().line;
    let close = body.span_close().start().line;
    (close - open).saturating_sub(1)
}

fn check_unsafe(here: &[TokenTree], line: usize, found: &mut Found) {
    if is(&here[0], "unsafe") {
        let what = "unsafe outside crates/device and crates/ffi; do it safely, or move it there";
        found.push((line, what.into()));
    }
}

fn check_clock(here: &[TokenTree], line: usize, found: &mut Found) {
    let name = if is_path(here, "std", "time") {
        "std::time"
    } else if is_path(here, "Instant", "now") {
        "Instant::now"
    } else if is(&here[0], "SystemTime") {
        "SystemTime"
    } else {
        return;
    };
    found.push((
        line,
        format!("{name} in the core, which reads no clock; take the time as an argument"),
    ));
}

/// Whether `first::second` stands here, or `first::{…, second, …}`.
fn is_path(here: &[TokenTree], first: &str, second: &str) -> bool {
    let [start, colon, other_colon, next, ..] = here else {
        return false;
    };
    let is_in = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.stream().into_iter().any(|tree| is(&tree, second)),
        tree => is(tree, second),
    };
    is(start, first) && is_punct(colon, ':') && is_punct(other_colon, ':') && is_in(next)
}

fn is(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

fn is_punct(tree: &TokenTree, sign: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut found = Found::new();
        check(path, text, &mut found);
        let show = |(line, what): (usize, String)| format!("{line} {what}");
        found.into_iter().map(show).collect()
    }

    fn function_of(body_lines: usize) -> String {
        format!(
            "/// Doc.\nfn long(x: [u8; 2]) -> u8 {{\n{}}}\n",
            "    f();\n".repeat(body_lines)
        )
    }

    #[test]
    fn a_body_may_have_100_lines_and_no_more() {
        assert_eq!(findings("a.rs", &function_of(100)).len(), 0);
        assert_eq!(
            findings("a.rs", &function_of(101)),
            ["2 long has a body of 101 lines; split it, 100 is the limit"]
        );
    }

    #[test]
    fn bodies_inside_modules_and_macros_are_measured_too() {
        let text = format!("mod m {{ make! {{ {} }} }}", function_of(101));
        assert_eq!(findings("a.rs", &text).len(), 1);
    }

    #[test]
    fn a_function_without_body_borrows_none_from_the_next() {
        let text = format!("trait T {{ fn a(); const B: () = {{ {} }}; }}", {
            "f();\n".repeat(200)
        });
        assert_eq!(findings("a.rs", &text).len(), 0);
    }

    #[test]
    fn leftover_macros_are_found_but_not_in_strings_and_comments() {
        let text = "fn f() {\n    dbg!(1);\n    todo!()\n}\n";
        let found = findings("a.rs", text);
        assert_eq!(found.len(), 2);
        assert!(found[1].starts_with("3 todo! left over"));
        let text = "// todo!()\n/// dbg!(1)\nfn f() { g(\"todo!()\"); todo != (1) }";
        assert_eq!(findings("a.rs", text).len(), 0);
    }

    #[test]
    fn unsafe_code_has_two_homes() {
        let text = "#![forbid(unsafe_code)]\nfn f() { unsafe { g() } }\n";
        assert_eq!(findings("crates/device/src/tun.rs", text).len(), 0);
        assert_eq!(findings("crates/ffi/src/lib.rs", text).len(), 0);
        let found = findings("crates/core/src/lib.rs", text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("2 unsafe outside"));
    }

    #[test]
    fn the_core_reads_no_clock() {
        let text = "use std::{net, time};\nuse std::time::Duration;\nuse core::time::Duration;\n\
                    fn f() { Instant::now(); SystemTime::now(); Instant::ZERO }\n";
        let lines: Vec<_> = findings("crates/core/src/time.rs", text)
            .iter()
            .map(|finding| finding[..1].to_owned())
            .collect();
        assert_eq!(lines, ["1", "2", "4", "4"]);
        assert_eq!(findings("crates/estab/src/lib.rs", text).len(), 0);
    }

    #[test]
    fn what_does_not_parse_is_a_finding() {
        assert_eq!(
            findings("a.rs", "fn f() {\n"),
            ["1 not Rust; mend what does not parse"]
        );
    }
}
