//! Experiments of connection life, on the real core in virtual time: the same every time they are run.
//!
//! Each is a file, and shows what it says by a ladder and, where there is something to compare, by a table.

mod close_wait;
mod lost_third_ack;
mod old_duplicate;
mod record;
mod simultaneous_open;
mod stage;
mod syn_flood;
mod three_or_four;
mod why_three;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::ladder::{Ladder, wrap};
pub use record::{Record, write_capture};

/// An experiment that can be run.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it asks, in a line.
    pub question: &'static str,
    run: fn() -> Outcome,
}

impl Experiment {
    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Outcome {
        (self.run)()
    }
}

/// Every experiment.
pub const EXPERIMENTS: [Experiment; 7] = [
    Experiment {
        name: "why-three",
        question: "Why does a handshake take three messages, and not one, two or four?",
        run: why_three::run,
    },
    Experiment {
        name: "lost-third-ack",
        question: "One end is sure of the connection, the other is not: what repairs it?",
        run: lost_third_ack::run,
    },
    Experiment {
        name: "old-duplicate",
        question: "What would a segment of an earlier connection do without TIME-WAIT?",
        run: old_duplicate::run,
    },
    Experiment {
        name: "simultaneous-open",
        question: "What if both ends connect to each other at the same moment?",
        run: simultaneous_open::run,
    },
    Experiment {
        name: "three-or-four",
        question: "When does a close take three segments, and when four?",
        run: three_or_four::run,
    },
    Experiment {
        name: "close-wait",
        question: "CLOSE-WAITs pile up: has the server forgotten to close, or is it too slow?",
        run: close_wait::run,
    },
    Experiment {
        name: "syn-flood",
        question: "What does a flood of SYNs cost, and who suffers?",
        run: syn_flood::run,
    },
];

/// An experiment by its name.
#[must_use]
pub fn find(name: &str) -> Option<Experiment> {
    EXPERIMENTS
        .into_iter()
        .find(|experiment| experiment.name == name)
}

/// What an experiment showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened, scene by scene: a caption and a ladder.
    pub scenes: Vec<(String, Ladder)>,
    /// What there is to compare.
    pub table: Option<Table>,
    /// One paragraph that explains it, with the sections of the RFCs.
    pub explanation: String,
    /// What the right host saw in the last scene, or in all of them.
    pub records: Vec<Record>,
}

/// Rows to compare.
#[derive(Clone, Debug)]
pub struct Table {
    /// The heads of the columns.
    pub columns: Vec<&'static str>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |text: &str| text.chars().count();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| length(&row[column]));
            cells.max().unwrap_or(0).max(length(self.columns[column]))
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let heads = self.columns.iter().map(|head| (*head).to_owned()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (caption, ladder) in &self.scenes {
            for line in wrap(caption, Ladder::WIDTH) {
                writeln!(f, "{line}")?;
            }
            writeln!(f, "\n{ladder}")?;
        }
        if let Some(table) = &self.table {
            writeln!(f, "{table}")?;
        }
        for line in wrap(&self.explanation, Ladder::WIDTH) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// A number of bytes with its thousands apart: `1,234 B`.
fn bytes(count: usize) -> String {
    format!("{} B", grouped(count))
}

/// A number with its thousands apart.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
