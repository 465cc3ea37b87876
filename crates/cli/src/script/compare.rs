//! `--compare`: where estab and this machine's Linux differ.

use std::fmt::Write as _;

use estab_sim::script::run::{Failure, Report};

use super::args::ScriptArgs;
use super::text::Style;
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
    Same,
    Declared,
    /// A difference nobody has declared, or one that was declared and is not there.
    Differs,
    Skipped,
}

pub(super) fn compare(text: &str, args: &ScriptArgs) -> Compared {
    let (linux, ending) = kernel::run_on_kernel(text, args);
    Compared {
        estab: super::run_on_estab(text, args),
        linux,
        ending,
        declared: kernel::declared(text),
    }
}

impl Compared {
    pub(super) fn outcome(&self) -> Outcome {
        if matches!(self.ending, Ending::Skipped(_)) {
            return Outcome::Skipped;
        }
        match (self.is_same(), &self.declared) {
            (true, None) => Outcome::Same,
            (false, Some(_)) => Outcome::Declared,
            (true, Some(_)) | (false, None) => Outcome::Differs,
        }
    }

    /// Both pass, or fail at the same event and in the same way.
    fn is_same(&self) -> bool {
        fn what(report: &Report) -> Option<(Option<usize>, Option<Vec<&str>>)> {
            let failure = report.failure.as_ref()?;
            Some((failure.line, failure.seen.as_deref().map(without_window)))
        }
        what(&self.estab) == what(&self.linux)
    }

    /// In the script's numbers.
    pub(super) fn tell(&self, file: &str, style: Style) -> String {
        let quiet = |text: String| if style.is_quiet { String::new() } else { text };
        match self.outcome() {
            Outcome::Same => quiet(format!("same {file}\n")),
            Outcome::Skipped => {
                let Ending::Skipped(why) = &self.ending else {
                    return String::new();
                };
                quiet(format!("SKIPPED {file}: {why}\n"))
            }
            Outcome::Declared => {
                let declared = self.declared.as_deref().unwrap_or_default();
                quiet(format!(
                    "DIFFERS (declared) {file}: {declared}\n{}",
                    self.sides()
                ))
            }
            Outcome::Differs if self.is_same() => {
                let declared = self.declared.as_deref().unwrap_or_default();
                format!("same {file}, though it declares: {declared}\n")
            }
            Outcome::Differs => format!("DIFFERS {file}\n{}", self.sides()),
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
    let mut text = format!("{line}{}", failure.message);
    if let Some(expected) = &failure.expected {
        text += &format!("\n           expected {expected}");
    }
    if let Some(seen) = &failure.seen {
        text += &format!("\n           seen     {seen}");
    }
    text
}
