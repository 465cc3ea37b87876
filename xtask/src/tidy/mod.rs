//! `cargo xtask tidy`: the house style as a test.
//!
//! Text is read line by line; what depends on Rust's grammar is read from its tokens, so strings
//! and comments confuse nothing and bodies inside macros are measured too.

mod tokens;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

const MAX_FILE_LINES: usize = 700;

/// Words that mark unfinished work, put together so that this file does not hold them.
const LEFTOVER_WORDS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Where absolute paths of a developer's machine begin, put together likewise.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
];

/// One place that departs from the style, shown as `path:line: what is wrong and what to do`.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks every Rust file that git tracks; answers whether none departs from the style.
pub(crate) fn run(root: &Path) -> anyhow::Result<bool> {
    let files = tracked_rust_files(root)?;
    let mut findings = Vec::new();
    for path in &files {
        let text = fs::read_to_string(root.join(path)).with_context(|| path.clone())?;
        findings.extend(check(path, &text));
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

/// Paths from the root; a file that is deleted but not yet committed as such is left out.
fn tracked_rust_files(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--", "*.rs"])
        .current_dir(root)
        .output()
        .context("git could not be run")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("git ls-files: {}", error.trim());
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    Ok(names
        .split_terminator('\0')
        .filter(|path| root.join(path).exists())
        .map(str::to_owned)
        .collect())
}

fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    check_size(text, &mut found);
    check_crate_doc(path, text, &mut found);
    check_lines(text, &mut found);
    tokens::check(path, text, &mut found);
    found.sort();
    let finding = |(line, what)| Finding {
        path: path.to_owned(),
        line,
        what,
    };
    found.into_iter().map(finding).collect()
}

/// Lines, counted from 1, with what is wrong there.
type Found = Vec<(usize, String)>;

fn check_size(text: &str, found: &mut Found) {
    let lines = text.lines().count();
    if lines > MAX_FILE_LINES {
        found.push((
            MAX_FILE_LINES + 1,
            format!("a file of {lines} lines; split it, {MAX_FILE_LINES} is the limit"),
        ));
    }
}

fn check_crate_doc(path: &str, text: &str, found: &mut Found) {
    let is_crate_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    if is_crate_root && !text.starts_with("//!") {
        let what = "a crate without a doc; begin the file with `//!` and say what the crate is for";
        found.push((1, what.into()));
    }
}

fn check_lines(text: &str, found: &mut Found) {
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        if line.ends_with([' ', '\t', '\r']) {
            found.push((number, "trailing white space; remove it".into()));
        }
        for word in LEFTOVER_WORDS {
            if contains_word(line, word) {
                found.push((number, format!("{word} left over; do it, or file an issue")));
            }
        }
        for start in MACHINE_PATHS {
            if contains_path_from(line, start) {
                found.push((
                    number,
                    format!("a path in {start} is of one machine; use a relative one"),
                ));
            }
        }
    }
}

fn contains_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        !line[..start].ends_with(is_part) && !line[start + word.len()..].starts_with(is_part)
    })
}

/// Whether an absolute path begins with `start` here, rather than a relative one containing it.
fn contains_path_from(line: &str, start: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '}');
    line.match_indices(start)
        .any(|(at, _)| !line[..at].ends_with(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LINE what`, for each finding.
    fn findings(path: &str, text: &str) -> Vec<String> {
        let show = |finding: Finding| format!("{} {}", finding.line, finding.what);
        check(path, text).into_iter().map(show).collect()
    }

    #[test]
    fn a_finding_reads_as_place_then_sentence() {
        let finding = &check("crates/cli/src/main.rs", "fn main() {}\n")[0];
        assert_eq!(
            finding.to_string(),
            "crates/cli/src/main.rs:1: a crate without a doc; begin the file with `//!` and say \
             what the crate is for"
        );
    }

    #[test]
    fn only_crate_roots_must_begin_with_a_doc() {
        assert_eq!(findings("xtask/src/main.rs", "//! Doc.\n").len(), 0);
        assert_eq!(findings("crates/core/src/time.rs", "fn f() {}\n").len(), 0);
    }

    #[test]
    fn a_file_may_have_700_lines_and_no_more() {
        assert_eq!(findings("a.rs", &"\n".repeat(700)).len(), 0);
        let found = findings("a.rs", &"\n".repeat(701));
        assert_eq!(
            found,
            ["701 a file of 701 lines; split it, 700 is the limit"]
        );
    }

    #[test]
    fn white_space_before_a_line_end_is_found() {
        let found = findings("a.rs", "fn a() {} \nfn b() {}\r\n\nfn c() {}\n");
        assert_eq!(found.len(), 2);
        assert!(found[1].starts_with("2 trailing white space"));
    }

    #[test]
    fn leftover_words_are_found_as_whole_words_only() {
        let [first, second] = LEFTOVER_WORDS;
        let text = format!("// {first}: later\n// {second}\n// PRE{second} {first}S\n");
        assert_eq!(findings("a.rs", &text).len(), 2);
    }

    #[test]
    fn paths_of_a_machine_are_found_but_not_relative_ones() {
        let [start, ..] = MACHINE_PATHS;
        let text = format!("// see {start}me/x\n// src{start}x and ..{start}x\n");
        let found = findings("a.rs", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("1 a path in "));
    }
}
