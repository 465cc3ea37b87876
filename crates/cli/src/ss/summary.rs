//! `estab ss -s`: totals, and every reason that occurred.

use std::fmt::Write;

use estab_core::observe::StateName;
use serde::Serialize;

use crate::lives::units::thousands;
use estab::control::client::Answer;
use estab::control::record::{Counters, Memory, ReasonRecord};

/// How many sockets are in a state.
type Total = (StateName, u64);

/// The states that occur, in RFC 9293's order.
fn totals(answer: &Answer) -> Vec<Total> {
    let count = |state| match state {
        StateName::Listen => answer.listeners.len() as u64,
        state => {
            let here = answer.sockets.iter().filter(|one| one.state == state);
            here.count() as u64
        }
    };
    let all = StateName::ALL
        .into_iter()
        .map(|state| (state, count(state)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// Connections that nobody owns and that have not come to their end: as Linux counts orphans, without TIME-WAIT.
fn orphans(answer: &Answer) -> u64 {
    let here = answer.sockets.iter().filter(|one| {
        let over = matches!(
            one.state,
            StateName::TimeWait | StateName::SynReceived | StateName::Closed
        );
        !one.is_owned && !one.awaits_accept && !over
    });
    here.count() as u64
}

/// The same as one JSON object.
pub(super) fn json(answer: &Answer) -> String {
    #[derive(Serialize)]
    struct Summary<'a> {
        kind: &'static str,
        states: std::collections::BTreeMap<&'static str, u64>,
        orphans: u64,
        memory: Option<&'a Memory>,
        #[serde(flatten)]
        counters: &'a Counters,
    }
    let summary = Summary {
        kind: "summary",
        states: totals(answer)
            .into_iter()
            .map(|(state, count)| (state.rfc(), count))
            .collect(),
        orphans: orphans(answer),
        memory: answer.memory.as_ref(),
        counters: &answer.counters,
    };
    let mut line = serde_json::to_string(&summary).expect("all keys are strings");
    line.push('\n');
    line
}

/// For people.
pub(super) fn text(answer: &Answer) -> String {
    let Counters {
        counts,
        discards,
        refusals,
        resets,
    } = &answer.counters;
    let mut text = String::new();
    let orphans = match orphans(answer) {
        0 => String::new(),
        count => format!(" ({} without an owner)", thousands(count)),
    };
    let _ = writeln!(
        text,
        "Total: {}{orphans}, {}",
        crate::lives::units::count(answer.sockets.len() as u64, "connection"),
        crate::lives::units::count(answer.listeners.len() as u64, "listener"),
    );
    if let Some(memory) = &answer.memory {
        write_memory(&mut text, memory);
    }
    let states = totals(answer).into_iter();
    let counts = counts.iter().map(|(name, count)| (name.as_str(), *count));
    write_counts(
        &mut text,
        "States",
        states.map(|(state, count)| (state.rfc(), count)),
    );
    write_counts(&mut text, "Counters", counts);
    write_reasons(&mut text, "Packets not used", discards);
    write_reasons(&mut text, "Refused", refusals);
    write_reasons(&mut text, "RSTs sent", resets);
    text
}

fn write_memory(text: &mut String, memory: &Memory) {
    let used = thousands(memory.used);
    let _ = match memory.budget {
        Some(budget) => write!(text, "Memory: {used} of {} B used", thousands(budget)),
        None => write!(text, "Memory: {used} B used, without limit"),
    };
    let _ = if memory.level == "low" {
        writeln!(text)
    } else {
        let Memory {
            level,
            holders,
            fair_share,
            guaranteed_share,
            ..
        } = memory;
        writeln!(
            text,
            ": {level}; a fair share for each of {} is {} B, guaranteed each way are {} B",
            thousands(*holders),
            thousands(*fair_share),
            thousands(*guaranteed_share),
        )
    };
}

fn write_counts<'a>(text: &mut String, title: &str, counts: impl Iterator<Item = (&'a str, u64)>) {
    let counts: Vec<_> = counts
        .map(|(name, count)| (name, thousands(count)))
        .collect();
    if counts.is_empty() {
        return;
    }
    let width = counts.iter().map(|(_, count)| count.len()).max();
    let width = width.unwrap_or_default();
    let _ = writeln!(text, "\n{title}");
    for (name, count) in counts {
        let _ = writeln!(text, "  {count:>width$}  {name}");
    }
}

fn write_reasons(text: &mut String, title: &str, reasons: &[ReasonRecord]) {
    if reasons.is_empty() {
        return;
    }
    let widest = |measure: fn(&ReasonRecord) -> usize| reasons.iter().map(measure).max();
    let count = widest(|one| thousands(one.count).len()).unwrap_or_default();
    let name = widest(|one| one.reason.chars().count()).unwrap_or_default();
    let words = widest(|one| one.text.chars().count()).unwrap_or_default();
    let _ = writeln!(text, "\n{title}");
    for one in reasons {
        let number = thousands(one.count);
        let ReasonRecord { reason, rule, .. } = one;
        let line = &one.text;
        let _ = writeln!(
            text,
            "  {number:>count$}  {reason:<name$}  {line:<words$}  {rule}"
        );
    }
}
