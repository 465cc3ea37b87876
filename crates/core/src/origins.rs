//! Where in a program connections come from, and what has become of them there: a counter by place.
//!
//! Places are few and connections many, so a connection holds two bytes and the rest is here.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};
use core::panic::Location;
use core::time::Duration;

use hashbrown::HashTable;

use crate::Instant;
use crate::demux::Keyed;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The line that accepted or connected.
    pub site: Option<&'static Location<'static>>,
    /// What the program calls connections of this kind; longer than 64 bytes it is cut.
    pub label: Option<&'a str>,
}

/// What has become of the connections of one origin.
#[derive(Clone, Debug)]
pub struct OriginStatus {
    /// The line that accepted or connected, if it was told.
    pub site: Option<&'static Location<'static>>,
    /// The label, if there is one.
    pub label: Option<Arc<str>>,
    /// Whether these are the connections of all origins beyond [`Config::max_origins`](crate::Config::max_origins).
    pub is_rest: bool,
    /// Connections that ever came from here; one that is given another label counts there, too.
    pub opened: u64,
    /// Those that the application holds and that have not ended.
    pub open: u32,
    /// Of these, in CLOSE-WAIT.
    pub close_wait: u32,
    /// Of these, left there for longer than [`Config::close_wait_patience`](crate::Config::close_wait_patience).
    pub leaked: u32,
    /// Those that were ended for that, by [`Config::close_wait`](crate::Config::close_wait).
    pub reaped: u64,
    /// How many were leaked some time ago; `None` as long as there is no ten seconds to compare with.
    pub before: Option<Before>,
}

/// A number as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// How long ago: up to five minutes.
    pub ago: Duration,
    /// The number.
    pub leaked: u32,
}

/// A place in the table of origins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OriginId(u16);

/// How far a connection has come, as its origin counts it. Each stage counts as those before it, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// No application holds it, or it has ended.
    #[default]
    Elsewhere,
    Open,
    CloseWait,
    Leaked,
}

/// All origins of a stack. The first is of connections of which nothing was told, the second of those that found the
/// table full.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    entries: Vec<Entry>,
    index: HashTable<u16>,
    hasher: Keyed,
    most: usize,
    started: Instant,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    site: Option<&'static Location<'static>>,
    label: Option<Arc<str>>,
    opened: u64,
    open: u32,
    close_wait: u32,
    leaked: u32,
    reaped: u64,
    samples: Samples,
}

/// Where the overflow is.
const REST: OriginId = OriginId(1);

/// The longest label, in bytes.
const LABEL: usize = 64;

impl Origins {
    pub(crate) fn new(key: [u8; 16], most: usize, started: Instant) -> Self {
        Self {
            entries: [Entry::default(), Entry::default()].into(),
            index: HashTable::new(),
            hasher: Keyed(key),
            most: most.min(usize::from(u16::MAX) - 1),
            started,
        }
    }

    /// The place of an origin, made if there is none and room for one.
    pub(crate) fn find(&mut self, origin: Origin<'_>) -> OriginId {
        let label = origin.label.map(cut).filter(|label| !label.is_empty());
        if origin.site.is_none() && label.is_none() {
            return OriginId::default();
        }
        let hash = hash(&self.hasher, origin.site, label);
        let Self { entries, index, .. } = self;
        let is_it = |&place: &u16| entries[usize::from(place)].is(origin.site, label);
        if let Some(&place) = index.find(hash, is_it) {
            return OriginId(place);
        }
        if index.len() >= self.most {
            return REST;
        }
        let place = entries.len() as u16;
        entries.push(Entry {
            site: origin.site,
            label: label.map(Arc::from),
            ..Entry::default()
        });
        let rehash = |&place: &u16| {
            let Entry { site, label, .. } = &entries[usize::from(place)];
            crate::origins::hash(&self.hasher, *site, label.as_deref())
        };
        index.insert_unique(hash, place, rehash);
        OriginId(place)
    }

    /// The line of an origin.
    pub(crate) fn site(&self, id: OriginId) -> Option<&'static Location<'static>> {
        self.entries[usize::from(id.0)].site
    }

    /// The label of an origin.
    pub(crate) fn label(&self, id: OriginId) -> Option<Arc<str>> {
        self.entries[usize::from(id.0)].label.clone()
    }

    /// A connection goes from one standing to another.
    pub(crate) fn change(&mut self, id: OriginId, (from, to): (Standing, Standing), now: Instant) {
        let entry = &mut self.entries[usize::from(id.0)];
        if from.max(to) == Standing::Leaked {
            entry.samples.note(now, entry.leaked);
        }
        entry.opened += u64::from(from < Standing::Open && to >= Standing::Open);
        let stages = [
            (Standing::Open, &mut entry.open),
            (Standing::CloseWait, &mut entry.close_wait),
            (Standing::Leaked, &mut entry.leaked),
        ];
        for (stage, count) in stages {
            match (from >= stage, to >= stage) {
                (false, true) => *count += 1,
                (true, false) => *count -= 1,
                _ => {}
            }
        }
    }

    /// A connection was taken from its application.
    pub(crate) fn reaped(&mut self, id: OriginId) {
        self.entries[usize::from(id.0)].reaped += 1;
    }

    /// Every origin that has ever had a connection.
    pub(crate) fn statuses(&self, now: Instant) -> Vec<OriginStatus> {
        let age = now - self.started;
        let status = |(place, entry): (usize, &Entry)| OriginStatus {
            site: entry.site,
            label: entry.label.clone(),
            is_rest: place == usize::from(REST.0),
            opened: entry.opened,
            open: entry.open,
            close_wait: entry.close_wait,
            leaked: entry.leaked,
            reaped: entry.reaped,
            before: entry.samples.before((now, age), entry.leaked),
        };
        let entries = self.entries.iter().enumerate();
        let used = entries.filter(|(_, entry)| entry.opened > 0);
        used.map(status).collect()
    }
}

impl Entry {
    fn is(&self, site: Option<&'static Location<'static>>, label: Option<&str>) -> bool {
        self.site == site && self.label.as_deref() == label
    }
}

fn hash(hasher: &Keyed, site: Option<&'static Location<'static>>, label: Option<&str>) -> u64 {
    let mut hasher = hasher.build_hasher();
    // Files are told apart by comparing: two of the same line and column are rare.
    site.map(|site| (site.line(), site.column()))
        .hash(&mut hasher);
    label.hash(&mut hasher);
    hasher.finish()
}

/// At most so much of a label.
fn cut(label: &str) -> &str {
    let end = (0..=LABEL.min(label.len())).rev();
    let end = end.into_iter().find(|&end| label.is_char_boundary(end));
    &label[..end.unwrap_or(0)]
}

/// How a number was at the end of each of the last steps of time. Nothing runs for it: whoever changes the number
/// writes down what it was until then.
#[derive(Clone, Debug, Default)]
struct Samples {
    /// The step of the last change.
    step: u64,
    values: [u32; STEPS as usize],
}

const STEP: Duration = Duration::from_secs(10);
const STEPS: u64 = 30;

fn step(now: Instant) -> u64 {
    now.as_nanos() / STEP.as_nanos() as u64
}

impl Samples {
    /// The number was `value` until now.
    fn note(&mut self, now: Instant, value: u32) {
        let now = step(now);
        for step in self.step.max(now.saturating_sub(STEPS))..now {
            self.values[(step % STEPS) as usize] = value;
        }
        self.step = self.step.max(now);
    }

    /// What it was as long ago as is known. `value`: what it is; `age`: for how long there has been anything to count.
    fn before(&self, (now, age): (Instant, Duration), value: u32) -> Option<Before> {
        if age < STEP {
            return None;
        }
        if age <= STEP * STEPS as u32 {
            return Some(Before {
                ago: age,
                leaked: 0,
            });
        }
        let oldest = step(now) - STEPS;
        let end = Instant::from_nanos((oldest + 1) * STEP.as_nanos() as u64);
        let leaked = if oldest >= self.step {
            value
        } else {
            self.values[(oldest % STEPS) as usize]
        };
        Some(Before {
            ago: now - end,
            leaked,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn origins(most: usize) -> Origins {
        Origins::new([7; 16], most, Instant::ZERO)
    }

    #[track_caller]
    fn here(label: Option<&str>) -> Origin<'_> {
        let site = Some(Location::caller());
        Origin { site, label }
    }

    #[test]
    fn the_same_line_and_label_are_one_origin_and_no_other_is() {
        let mut origins = origins(10);
        let again = |origins: &mut Origins, label| origins.find(here(label));
        let first = again(&mut origins, None);
        assert_eq!(first, again(&mut origins, None));
        let api = again(&mut origins, Some("api"));
        assert_ne!(first, api);
        assert_ne!(first, origins.find(here(None)));
        assert_eq!(origins.find(Origin::default()), OriginId::default());
        assert_eq!(origins.label(api).as_deref(), Some("api"));
        assert_eq!(origins.site(api), origins.site(first));
    }

    #[test]
    fn beyond_the_limit_origins_are_counted_together() {
        let mut origins = origins(2);
        let find = |origins: &mut Origins, label| {
            let label = Some(label);
            origins.find(Origin { site: None, label })
        };
        let (one, two) = (find(&mut origins, "one"), find(&mut origins, "two"));
        let (three, four) = (find(&mut origins, "three"), find(&mut origins, "four"));
        assert_ne!(one, two);
        assert_eq!((three, four), (REST, REST));
        assert_eq!(find(&mut origins, "two"), two);
        origins.change(four, (Standing::Elsewhere, Standing::Open), Instant::ZERO);
        let statuses = origins.statuses(Instant::ZERO);
        assert!(statuses.len() == 1 && statuses[0].is_rest && statuses[0].open == 1);
    }

    #[test]
    fn a_label_is_cut_between_characters() {
        let long = "ä".repeat(40);
        assert_eq!(cut(&long), "ä".repeat(32));
        let odd = "x".repeat(63) + "ä";
        assert_eq!(cut(&odd), "x".repeat(63));
        assert_eq!(cut("short"), "short");
    }

    proptest! {
        /// The samples against a list of all changes.
        #[test]
        fn samples_tell_what_the_number_was(
            changes in prop::collection::vec((0_u64..40_000, 0_u32..100), 0..40),
            rest in 0_u64..400_000,
        ) {
            let mut samples = Samples::default();
            let mut history = BTreeMap::from([(0, 0)]);
            let (mut now, mut value) = (0, 0);
            for (pause, next) in changes {
                now += pause;
                samples.note(Instant::from_millis(now), value);
                value = next;
                history.insert(now, value);
            }
            now += rest;
            let at = Instant::from_millis(now);
            let told = samples.before((at, at - Instant::ZERO), value);
            if now < 10_000 {
                prop_assert_eq!(told, None);
            } else {
                let Before { ago, leaked } = told.expect("there is something to compare with");
                let ago = ago.as_millis() as u64;
                prop_assert!(ago <= 300_000 && (ago > 290_000 || ago == now));
                // A change at the very moment is of the step that begins.
                let before = history.range(..now - ago).next_back();
                prop_assert_eq!(leaked, before.map_or(0, |(_, value)| *value));
            }
        }
    }
}
