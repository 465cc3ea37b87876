//! What came of a script.

use std::fmt;

use super::ladder::Ladder;

/// What came of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Pass, fail, or not a script at all.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub failure: Option<Failure>,
    /// What happened until then.
    pub ladder: Ladder,
    /// What the script printed, and mismatches that `--non_fatal` let pass.
    pub notes: Vec<String>,
    /// How many packets left that no event of the script expects, and that did not fail it: behind the last one
    /// expected a connection may go on, unless `strict` is given.
    pub unexpected: usize,
}

/// Whether a script passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All happened as the script says.
    Pass,
    /// Something did not, or the script asks for what there is not.
    Fail,
    /// It could not be begun: it cannot be read, or its options are none.
    Error,
}

/// Why a script did not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// In one line.
    pub message: String,
    /// The line of the script, counted from 1; `None` if it is of none.
    pub line: Option<usize>,
    /// What stands there.
    pub statement: Option<String>,
    /// What was expected, as a script would write it.
    pub expected: Option<String>,
    /// What was seen, in the same words.
    pub seen: Option<String>,
    /// Where the two differ, field by field.
    pub differences: Vec<String>,
    /// Whether the script asks for what there is not, so that nothing is said about the stack.
    pub is_unsupported: bool,
}

impl Failure {
    /// A failure, in a line about it.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// The script asks for what there is not.
    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self {
            is_unsupported: true,
            ..Self::new(format!("not supported: {what}"))
        }
    }

    pub(super) fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    pub(super) fn seen(mut self, text: impl Into<String>) -> Self {
        self.seen = Some(text.into());
        self
    }

    pub(super) fn difference(mut self, text: impl Into<String>) -> Self {
        self.differences.push(text.into());
        self
    }

    /// Says where, unless that has been said.
    pub(super) fn at(mut self, line: usize, statement: &str) -> Self {
        if self.line.is_none() {
            self.line = Some(line);
            self.statement = Some(statement.to_owned());
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(statement) = &self.statement {
            write!(f, "\n  statement  {statement}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n  expected   {expected}")?;
        }
        if let Some(seen) = &self.seen {
            write!(f, "\n  seen       {seen}")?;
        }
        for difference in &self.differences {
            write!(f, "\n             {difference}")?;
        }
        Ok(())
    }
}

impl Report {
    /// What could not even be begun.
    #[must_use]
    pub fn error(failure: Failure) -> Self {
        Self {
            verdict: Verdict::Error,
            failure: Some(failure),
            ladder: Ladder::default(),
            notes: Vec::new(),
            unexpected: 0,
        }
    }

    /// The line that is to blame.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.failure.as_ref().and_then(|failure| failure.line)
    }
}
