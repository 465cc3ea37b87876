//! Results as people read them.

use std::fmt::Write as _;

use estab_sim::script::run::{Failure, Report, RungKind, Verdict};

use super::{Done, Ending, Sum};

/// How results look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) has_colours: bool,
    pub(super) is_quiet: bool,
    pub(super) is_verbose: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.has_colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A script; every line ends with a line feed.
pub(super) fn script(done: &Done, style: Style) -> String {
    let Report {
        verdict,
        failure,
        notes,
        unexpected,
        ..
    } = &done.report;
    let file = shown(&done.file.display().to_string());
    let told = match &done.ending {
        Ending::Ran => None,
        Ending::Declared(difference) => Some(("DIFFERS (declared)", difference)),
        Ending::Skipped(why) => Some(("SKIPPED", why)),
    };
    if let Some((word, why)) = told {
        let mut text = String::new();
        if !style.is_quiet {
            text = format!("{} {file}: {}\n", style.paint("33", word), shown(why));
        }
        if style.is_verbose {
            text += &failure
                .as_ref()
                .map(|failure| details(failure, style))
                .unwrap_or_default();
        }
        return text;
    }
    let Some(failure) = failure else {
        if style.is_quiet {
            return String::new();
        }
        let left = match unexpected {
            0 => String::new(),
            1 => " (1 packet left unexpected)".to_owned(),
            more => format!(" ({more} packets left unexpected)"),
        };
        let mut text = format!("{} {file}{left}\n", style.paint("32", "PASS"));
        if style.is_verbose {
            text += &ladder(&done.report, style);
        } else {
            // What the script printed is in the ladder, too.
            let printed = notes.iter().filter(|note| note.starts_with("warning"));
            printed.for_each(|note| text += &indented(note));
        }
        return text;
    };
    let word = match verdict {
        Verdict::Error => style.paint("1;31", "ERROR"),
        Verdict::Pass | Verdict::Fail => style.paint("31", "FAIL"),
    };
    let line = failure
        .line
        .map_or(String::new(), |line| format!(":{line}"));
    let mut text = format!("{word} {file}{line}: {}\n", shown(&failure.message));
    if !style.is_quiet {
        text += &details(failure, style);
        text += &ladder(&done.report, style);
    }
    text
}

fn details(failure: &Failure, style: Style) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(
            text,
            "    {} {}",
            style.paint("2", &format!("{name:<10}")),
            shown(value)
        );
    };
    if let Some(statement) = &failure.statement {
        row("statement", statement);
    }
    if let Some(expected) = &failure.expected {
        row("expected", expected);
    }
    if let Some(seen) = &failure.seen {
        row("seen", seen);
    }
    for difference in &failure.differences {
        row("", difference);
    }
    text
}

/// What happened, rung by rung.
fn ladder(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for rung in &report.ladder.rungs {
        let line = shown(&rung.to_string());
        let line = match rung.kind {
            RungKind::State => style.paint("36", &line),
            RungKind::Note => style.paint("2", &line),
            RungKind::Inbound | RungKind::Outbound | RungKind::Call => line,
        };
        let _infallible = writeln!(text, "    {line}");
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |all, line| {
        all + "    " + &shown(line) + "\n"
    })
}

/// The longest line that is told of a script.
const LONGEST: usize = 400;

/// What came from a script, as a terminal may have it: control characters as escapes, long lines shortened.
pub(super) fn shown(text: &str) -> String {
    let mut all = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            all.push('…');
            break;
        }
        if c.is_control() {
            all.extend(c.escape_default());
        } else {
            all.push(c);
        }
    }
    all
}

/// `12 passed, 1 failed (0.03 s)`
pub(super) fn sum(sum: Sum, style: Style) -> String {
    let Sum {
        passed,
        failed,
        errors,
        declared,
        skipped,
        took,
    } = sum;
    let mut text = format!("{passed} passed, {failed} failed");
    if declared > 0 {
        text += &format!(", {declared} differ as declared");
    }
    if skipped > 0 {
        text += &format!(", {skipped} skipped");
    }
    if errors > 0 {
        text += &format!(", {errors} unreadable");
    }
    let code = if failed + errors == 0 { "32" } else { "31" };
    format!(
        "{} ({:.2} s)\n",
        style.paint(code, &text),
        took.as_secs_f64()
    )
}
