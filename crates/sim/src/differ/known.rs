//! Differences between estab and Linux that are meant.

use super::compare::Difference;
use super::plot::{Plot, Step};

/// A difference that is meant.
pub struct Known {
    /// What it is, in a line.
    pub name: &'static str,
    /// Why estab does otherwise than Linux.
    pub reason: &'static str,
    /// Whether a difference is this one.
    applies: fn(&Found<'_>) -> bool,
}

/// A difference with what led to it. The first stack is estab, the second Linux.
struct Found<'a> {
    plot: &'a Plot,
    difference: &'a Difference,
}

impl Found<'_> {
    /// The step at which the two part.
    fn step(&self) -> Option<&Step> {
        let at = self.difference.moment.checked_sub(1)?;
        self.plot.steps.get(at)
    }
}

/// All of them.
pub const KNOWN: &[Known] = &[];

/// Which known one a difference is.
#[must_use]
pub fn known(plot: &Plot, difference: &Difference) -> Option<&'static Known> {
    let found = Found { plot, difference };
    KNOWN.iter().find(|known| (known.applies)(&found))
}
