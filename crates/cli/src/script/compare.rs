//! `--compare`: where estab and this machine's Linux differ.

use std::fmt::Write as _;

use estab_sim::script::run::{Failure, Report, Verdict};

use super::args::ScriptArgs;
use super::text::{Style, shown};
use super::{Ending, kernel};

/// A script on both.
pub(super) struct Compared {
    estab: Report,
    linux: Report,
    ending: Ending,
    declared: Option<String>,
}

/// Windows follow from buffers, and are each stack's own.
fn without_window(seen: &str) -> Vec<&str> {
    let mut words: Vec<&str> = seen.split(' ').collect();
    while let Some(at) = words.iter().position(|word| *word == "win") {
        words.drain(at..words.len().min(at + 2));
    }
    words
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Both do as the script says.
    Same,
    /// Both do otherwise, alike.
    BothFail,
    /// They differ, as the script declares.
    Declared,
    /// A difference nobody has declared, or one that was declared and is not there.
    Differs,
    /// It asks for what there is not on either: nothing is said about the stacks.
    Unsupported,
    /// It could not be begun.
    Unreadable,
    Skipped,
}

/// How many scripts ended how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    same: usize,
    both_fail: usize,
    declared: usize,
    differ: usize,
    unsupported: usize,
    unreadable: usize,
    skipped: usize,
}

impl Tally {
    pub(super) fn count(&mut self, outcome: Outcome) {
        let number = match outcome {
            Outcome::Same => &mut self.same,
            Outcome::BothFail => &mut self.both_fail,
            Outcome::Declared => &mut self.declared,
            Outcome::Differs => &mut self.differ,
            Outcome::Unsupported => &mut self.unsupported,
            Outcome::Unreadable => &mut self.unreadable,
            Outcome::Skipped => &mut self.skipped,
        };
        *number += 1;
    }

    /// No difference but declared ones: 0. One cannot be read: 2. One differs, or cannot be compared: 1.
    pub(super) const fn status(self) -> u8 {
        match (self.unreadable, self.differ + self.unsupported) {
            (0, 0) => 0,
            (0, _) => 1,
            (..) => 2,
        }
    }

    /// In a line.
    pub(super) fn tell(self) -> String {
        let Self {
            same,
            both_fail,
            declared,
            differ,
            unsupported,
            unreadable,
            skipped,
        } = self;
        let mut text = format!("{} the same", same + both_fail);
        if both_fail > 0 {
            text += &format!(" ({both_fail} of them fail on both)");
        }
        text += &format!(", {declared} differ as declared, {differ} differ otherwise");
        for (count, what) in [(unsupported, "not supported"), (unreadable, "unreadable")] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        text + &format!(", {skipped} skipped\n")
    }
}

pub(super) fn compare(text: &str, args: &ScriptArgs) -> Compared {
    let (linux, ending) = kernel::run_on_kernel(text, args);
    Compared {
        estab: super::run_on_estab(text, args).0,
        linux,
        ending,
        declared: kernel::declared(text),
    }
}

impl Compared {
    pub(super) fn outcome(&self) -> Outcome {
        let reports = [&self.estab, &self.linux];
        if matches!(self.ending, Ending::Skipped(_)) {
            return Outcome::Skipped;
        }
        if reports
            .iter()
            .any(|report| report.verdict == Verdict::Error)
        {
            return Outcome::Unreadable;
        }
        let failures = reports.map(|report| report.failure.as_ref());
        if failures
            .iter()
            .all(|failure| failure.is_some_and(|failure| failure.is_unsupported))
        {
            return Outcome::Unsupported;
        }
        match (self.is_same(), &self.declared) {
            (true, None) if failures[0].is_some() => Outcome::BothFail,
            (true, None) => Outcome::Same,
            (false, Some(_)) => Outcome::Declared,
            (true, Some(_)) | (false, None) => Outcome::Differs,
        }
    }

    /// Both pass, or fail at the same event and in the same way.
    fn is_same(&self) -> bool {
        fn seen(failure: &Failure) -> Option<Vec<&str>> {
            failure.seen.as_deref().map(without_window)
        }
        match (&self.estab.failure, &self.linux.failure) {
            (None, None) => true,
            (Some(one), Some(other)) => {
                let alike = (one.line, &one.message) == (other.line, &other.message);
                alike && seen(one) == seen(other)
            }
            _ => false,
        }
    }

    /// In the script's numbers.
    pub(super) fn tell(&self, file: &str, style: Style) -> String {
        let quiet = |text: String| if style.is_quiet { String::new() } else { text };
        let declared = shown(self.declared.as_deref().unwrap_or_default());
        match self.outcome() {
            Outcome::Same => quiet(format!("same {file}\n")),
            Outcome::BothFail => format!("same {file}: both fail\n{}", self.sides()),
            Outcome::Skipped => {
                let Ending::Skipped(why) = &self.ending else {
                    return String::new();
                };
                quiet(format!("SKIPPED {file}: {why}\n"))
            }
            Outcome::Declared => quiet(format!(
                "DIFFERS (declared) {file}: {declared}\n{}",
                self.sides()
            )),
            Outcome::Differs if self.is_same() => {
                format!("same {file}, though it declares: {declared}\n")
            }
            Outcome::Differs => format!("DIFFERS {file}\n{}", self.sides()),
            Outcome::Unsupported => format!("FAIL {file}: not compared\n{}", self.sides()),
            Outcome::Unreadable => format!("ERROR {file}: not compared\n{}", self.sides()),
        }
    }

    /// What either did.
    fn sides(&self) -> String {
        let mut text = String::new();
        for (name, report) in [("estab", &self.estab), ("Linux", &self.linux)] {
            let _infallible = match &report.failure {
                None => writeln!(text, "    {name}  all as the script says"),
                Some(failure) => writeln!(text, "    {name}  {}", side(failure)),
            };
        }
        text
    }
}

fn side(failure: &Failure) -> String {
    let line = failure
        .line
        .map_or_else(String::new, |line| format!("line {line}: "));
    let mut text = format!("{line}{}", shown(&failure.message));
    if let Some(expected) = &failure.expected {
        text += &format!("\n           expected {}", shown(expected));
    }
    if let Some(seen) = &failure.seen {
        text += &format!("\n           seen     {}", shown(seen));
    }
    text
}
