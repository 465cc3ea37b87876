//! What the stack told its observer, in words.

use estab_core::Instant;

use crate::Recorder;

/// How much of a recorder's records has been told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    transitions: usize,
    discards: usize,
    refusals: usize,
    resets: usize,
}

impl Told {
    /// What has been recorded since the last time, in order.
    pub(super) fn go_on(&mut self, recorder: &Recorder) -> Vec<(Instant, String)> {
        let since = |count: usize, known: &mut usize| std::mem::replace(known, count);
        let mut all = Vec::new();
        let from = since(recorder.transitions.len(), &mut self.transitions);
        all.extend(recorder.transitions[from..].iter().map(|event| {
            let (from, to) = (event.from.rfc(), event.to.rfc());
            let (text, rule) = (event.cause.text(), event.cause.rule());
            (event.at, format!("{from} → {to}: {text} ({rule})"))
        }));
        let from = since(recorder.discards.len(), &mut self.discards);
        let discards = recorder.discards[from..].iter();
        all.extend(discards.map(|event| (event.at, format!("discarded: {}", event.reason.text()))));
        let from = since(recorder.refusals.len(), &mut self.refusals);
        let refusals = recorder.refusals[from..].iter();
        all.extend(refusals.map(|event| (event.at, format!("refused: {}", event.reason.text()))));
        let from = since(recorder.resets.len(), &mut self.resets);
        let resets = recorder.resets[from..].iter();
        all.extend(resets.map(|event| (event.at, format!("RST: {}", event.reason.text()))));
        all.sort_by_key(|(at, _)| *at);
        all
    }
}
