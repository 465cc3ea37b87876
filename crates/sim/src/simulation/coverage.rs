//! What happened how often, over any number of worlds: shows that they reach everything.

use std::fmt::Write as _;

use estab_core::ARROWS;
use estab_core::observe::{Cause, DiscardReason, RefusalReason, ResetReason, StateName};

/// Counts of everything that has a name.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Worlds.
    pub worlds: u64,
    /// Hosts.
    pub hosts: u64,
    /// Lives of connections.
    pub lives: u64,
    /// Both ends of a life found each other.
    pub agreed: u64,
    /// Lives whose sequence numbers wrapped.
    pub wrapped: u64,
    /// Bytes that applications read and that were checked.
    pub bytes: u64,
    /// Graceful closes after which everything was acknowledged, and after which it was not.
    pub graceful: [u64; 2],
    /// Packets put on the wire.
    pub packets: u64,
    /// Nanoseconds of virtual time.
    pub nanos: u128,
    /// The longest time, in seconds, that it took until all was gone after the network healed.
    pub longest_end: u64,
    /// What the network did, by `Fate as usize`.
    pub fates: [u64; Fate::ALL.len()],
    /// States entered.
    pub states: [u64; StateName::ALL.len()],
    /// Arrows of RFC 9293 Figure 5 taken, by their place in `ARROWS`.
    pub arrows: Vec<u64>,
    /// Causes of state changes.
    pub causes: Vec<u64>,
    /// Changes to CLOSED, by cause.
    pub ends: Vec<u64>,
    /// Packets discarded.
    pub discards: Vec<u64>,
    /// Requests refused.
    pub refusals: Vec<u64>,
    /// RSTs sent.
    pub resets: Vec<u64>,
}

/// What the network does with a packet, or puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Carried,
    /// It is lost by chance.
    Lost,
    /// It is lost because the path is cut.
    Cut,
    /// It is too big for the path, which says so.
    TooBig,
    /// It is too big for the path, which is silent.
    BlackHole,
    /// It is damaged.
    Damaged,
    /// It arrives twice.
    Doubled,
    /// A copy arrives much later.
    OldDuplicate,
    /// It arrives after those sent behind it.
    Reordered,
    /// A RST is forged.
    ForgedReset,
    /// Another segment is forged.
    ForgedSegment,
    /// An ICMP error or query is forged.
    ForgedIcmp,
    /// Something that is no segment at all.
    Rubbish,
    /// An old duplicate that nobody could tell from a segment of the new incarnation: not delivered.
    Ambiguous,
    /// A forged segment that the connection had to believe: what follows is not checked.
    Believed,
}

impl Fate {
    /// Every fate, in declaration order.
    pub const ALL: [Self; 15] = [
        Self::Carried,
        Self::Lost,
        Self::Cut,
        Self::TooBig,
        Self::BlackHole,
        Self::Damaged,
        Self::Doubled,
        Self::OldDuplicate,
        Self::Reordered,
        Self::ForgedReset,
        Self::ForgedSegment,
        Self::ForgedIcmp,
        Self::Rubbish,
        Self::Ambiguous,
        Self::Believed,
    ];
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            worlds: 0,
            hosts: 0,
            lives: 0,
            agreed: 0,
            wrapped: 0,
            bytes: 0,
            graceful: [0; 2],
            packets: 0,
            nanos: 0,
            longest_end: 0,
            fates: [0; Fate::ALL.len()],
            states: [0; StateName::ALL.len()],
            arrows: vec![0; ARROWS.len()],
            causes: vec![0; Cause::ALL.len()],
            ends: vec![0; Cause::ALL.len()],
            discards: vec![0; DiscardReason::ALL.len()],
            refusals: vec![0; RefusalReason::ALL.len()],
            resets: vec![0; ResetReason::ALL.len()],
        }
    }
}

impl Coverage {
    /// Adds the counts of others.
    pub fn add(&mut self, other: &Self) {
        let Self {
            worlds,
            hosts,
            lives,
            agreed,
            wrapped,
            bytes,
            graceful,
            packets,
            nanos,
            longest_end,
            fates,
            states,
            arrows,
            causes,
            ends,
            discards,
            refusals,
            resets,
        } = self;
        *worlds += other.worlds;
        *hosts += other.hosts;
        *lives += other.lives;
        *agreed += other.agreed;
        *wrapped += other.wrapped;
        *bytes += other.bytes;
        *packets += other.packets;
        *nanos += other.nanos;
        *longest_end = (*longest_end).max(other.longest_end);
        let add = |ours: &mut [u64], theirs: &[u64]| {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += theirs;
            }
        };
        add(graceful, &other.graceful);
        add(fates, &other.fates);
        add(states, &other.states);
        add(arrows, &other.arrows);
        add(causes, &other.causes);
        add(ends, &other.ends);
        add(discards, &other.discards);
        add(refusals, &other.refusals);
        add(resets, &other.resets);
    }

    /// Every row: what it belongs to, its name, how often.
    pub fn rows(&self) -> Vec<(&'static str, String, u64)> {
        let mut rows = Vec::new();
        for (fate, count) in Fate::ALL.iter().zip(self.fates) {
            rows.push(("network", format!("{fate:?}"), count));
        }
        for (name, count) in ["all delivered", "something lost"]
            .iter()
            .zip(self.graceful)
        {
            rows.push(("graceful close", (*name).to_owned(), count));
        }
        for (arrow, count) in ARROWS.iter().zip(&self.arrows) {
            let mut name = format!("{} -> {} ({})", arrow.from, arrow.to, arrow.event);
            if rows.iter().any(|(_, other, _)| *other == name) {
                name.push_str(", simultaneous");
            }
            rows.push(("arrow", name, *count));
        }
        let mut list = |what, names: Vec<&str>, counts: &[u64]| {
            for (name, count) in names.into_iter().zip(counts) {
                rows.push((what, name.to_owned(), *count));
            }
        };
        let names = |all: &[Cause]| all.iter().map(|cause| cause.name()).collect();
        list("cause", names(Cause::ALL), &self.causes);
        let all = DiscardReason::ALL.iter();
        list("discard", all.map(|x| x.name()).collect(), &self.discards);
        let all = RefusalReason::ALL.iter();
        list("refusal", all.map(|x| x.name()).collect(), &self.refusals);
        let all = ResetReason::ALL.iter();
        list("reset", all.map(|x| x.name()).collect(), &self.resets);
        rows
    }

    /// The table for people, and the rows that stand at 0.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let rows = self.rows();
        for (what, name, count) in &rows {
            let _ = writeln!(text, "{what:8} {name:48} {count:>12}");
        }
        let missing = rows.iter().filter(|(_, _, count)| *count == 0);
        let missing: Vec<_> = missing
            .map(|(what, name, _)| format!("{what} {name}"))
            .collect();
        let list = if missing.is_empty() {
            "nothing".to_owned()
        } else {
            missing.join(", ")
        };
        let _ = writeln!(text, "never: {list}");
        let hours = self.nanos as f64 / 3.6e12;
        let _ = writeln!(
            text,
            "{} worlds, {} hosts, {} lives ({} with both ends agreed, {} whose numbers wrapped), {} packets, {} bytes read and checked, \
             {hours:.0} hours of virtual time; all gone at most {} s after the network healed",
            self.worlds,
            self.hosts,
            self.lives,
            self.agreed,
            self.wrapped,
            self.packets,
            self.bytes,
            self.longest_end
        );
        text
    }
}
