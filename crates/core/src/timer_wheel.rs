//! A hierarchical timer wheel: one deadline per key, O(1) to set and to clear.
//!
//! Time is cut into ticks of a millisecond. A level has 64 slots; a slot of level 0 is one tick, a
//! slot of each further level is all 64 slots of the one below. A key waits in the level of the
//! highest base-64 digit in which its tick differs from the wheel's, so whatever is in a level comes
//! before anything in the levels above, and a slot's number alone says when it begins. When the
//! wheel reaches a slot, its keys move down (at most once a level); an empty stretch of any length
//! is crossed by looking at one bitmap per level.
//!
//! Eight levels hold every [`Instant`]: nothing wraps, and no deadline is too far away.

use alloc::boxed::Box;
use core::array;
use core::fmt;

use crate::Instant;
use crate::list::{Linked, Links, List};

/// Nanoseconds in a tick.
const TICK: u64 = 1_000_000;
/// The last tick of time; what little comes after it counts as that tick.
const LAST_TICK: u64 = u64::MAX / TICK;
/// Bits of a tick that choose the slot of one level.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 8;
/// The place of a key without a deadline.
const NOWHERE: u16 = u16::MAX;
/// Bits of an entry's word that are the place; the rest is the tick.
const PLACE_BITS: u32 = 16;

const _: () = assert!(LAST_TICK >> (SLOT_BITS * LEVELS as u32) == 0);
const _: () = assert!(LAST_TICK >> (u64::BITS - PLACE_BITS) == 0);

/// The deadlines of all connections, by slot index. Each key's own [`TimerEntry`] lies with its connection.
///
/// A deadline is rounded up to a whole tick, so a key never expires early.
#[derive(Clone, Debug)]
pub(crate) struct TimerWheel {
    /// All ticks before this one are past and empty.
    reached: u64,
    /// One bit for each slot that holds a key.
    occupied: [u64; LEVELS],
    lists: Box<[List; LEVELS * SLOTS]>,
}

/// A key's deadline and its neighbours in the wheel.
#[derive(Clone, Copy)]
pub(crate) struct TimerEntry {
    /// The tick, and the index of its list in `lists`.
    tick_and_place: u64,
    links: Links,
}

const _: () = assert!(size_of::<TimerEntry>() == 16);

impl Default for TimerEntry {
    fn default() -> Self {
        Self {
            tick_and_place: u64::from(NOWHERE),
            links: Links::NONE,
        }
    }
}

impl fmt::Debug for TimerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deadline().fmt(f)
    }
}

impl TimerEntry {
    /// The deadline, as rounded up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.place() != NOWHERE).then(|| Instant::from_millis(self.tick()))
    }

    fn tick(&self) -> u64 {
        self.tick_and_place >> PLACE_BITS
    }

    fn place(&self) -> u16 {
        self.tick_and_place as u16
    }

    fn set(&mut self, tick: u64, place: u16) {
        self.tick_and_place = tick << PLACE_BITS | u64::from(place);
    }
}

/// Where the entries lie.
pub(crate) trait Timed {
    /// The entry of a key, which exists.
    fn timer(&mut self, key: u32) -> &mut TimerEntry;
}

struct TimerLinks<'a, T>(&'a mut T);

impl<T: Timed> Linked for TimerLinks<'_, T> {
    fn links(&mut self, key: u32) -> &mut Links {
        &mut self.0.timer(key).links
    }
}

impl TimerWheel {
    /// A wheel without deadlines whose time begins at `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            reached: start.as_nanos() / TICK,
            occupied: [0; LEVELS],
            lists: Box::new(array::from_fn(|_| List::new())),
        }
    }

    /// Gives `key` its one deadline, instead of any it had. A deadline in the past expires at the
    /// next call of [`expired`](Self::expired).
    pub(crate) fn set(&mut self, timed: &mut impl Timed, key: u32, deadline: Instant) {
        self.clear(timed, key);
        let tick = deadline.as_nanos().div_ceil(TICK).min(LAST_TICK);
        self.link(timed, key, tick);
    }

    /// Takes `key`'s deadline away, if it has one.
    pub(crate) fn clear(&mut self, timed: &mut impl Timed, key: u32) {
        let entry = timed.timer(key);
        if entry.place() == NOWHERE {
            return;
        }
        let place = usize::from(entry.place());
        entry.set(entry.tick(), NOWHERE);
        self.lists[place].remove(&mut TimerLinks(timed), key);
        if self.lists[place].is_empty() {
            self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
        }
    }

    /// When to call [`expired`](Self::expired) next: never later than the first deadline (or than
    /// now, for one in the past). It may be earlier for a deadline far away, which each call brings
    /// down a level: after at most as many calls as there are levels a key expires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (_, tick) = self.first_slot()?;
        Some(Instant::from_millis(tick))
    }

    /// Takes one key whose deadline is not after `now`, the earliest first; `None` when no more has.
    /// Keys may be set and cleared between calls; one set to a moment not after `now` expires in the
    /// same round. Time that goes backwards stands still.
    pub(crate) fn expired(&mut self, timed: &mut impl Timed, now: Instant) -> Option<u32> {
        let now = now.as_nanos() / TICK;
        while let Some((place, tick)) = self.first_slot()
            && tick <= now
        {
            self.reached = tick;
            if place < SLOTS {
                return self.pop(timed, place);
            }
            self.cascade(timed, place);
        }
        self.reached = self.reached.max(now);
        None
    }

    /// The first slot that holds a key, and the tick it begins at.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = SLOT_BITS * level as u32;
        let above = self.reached >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level * SLOTS + slot, above | ((slot as u64) << shift)))
    }

    /// Moves the keys of a slot whose time has come to the levels below.
    fn cascade(&mut self, timed: &mut impl Timed, place: usize) {
        while let Some(key) = self.pop(timed, place) {
            let tick = timed.timer(key).tick();
            self.link(timed, key, tick);
        }
    }

    fn pop(&mut self, timed: &mut impl Timed, place: usize) -> Option<u32> {
        let key = self.lists[place].front()?;
        self.clear(timed, key);
        Some(key)
    }

    fn link(&mut self, timed: &mut impl Timed, key: u32, tick: u64) {
        let from = tick.max(self.reached);
        let level = level_of(from ^ self.reached);
        let slot = (from >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let place = level * SLOTS + slot;
        self.lists[place].push_back(&mut TimerLinks(timed), key);
        self.occupied[level] |= 1 << slot;
        timed.timer(key).set(tick, place as u16);
    }
}

/// The level of the highest base-64 digit of `difference` that is not zero.
fn level_of(difference: u64) -> usize {
    difference
        .checked_ilog2()
        .map_or(0, |bit| (bit / SLOT_BITS) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const YEAR: u64 = 365 * 24 * 3_600_000;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[derive(Default)]
    struct Entries([TimerEntry; 26]);

    impl Timed for Entries {
        fn timer(&mut self, key: u32) -> &mut TimerEntry {
            &mut self.0[key as usize]
        }
    }

    /// A wheel with the entries of 26 keys.
    struct Clock {
        wheel: TimerWheel,
        entries: Entries,
    }

    impl Clock {
        fn new(start: Instant) -> Self {
            Self {
                wheel: TimerWheel::new(start),
                entries: Entries::default(),
            }
        }

        fn set(&mut self, key: u32, deadline: Instant) {
            self.wheel.set(&mut self.entries, key, deadline);
        }

        fn clear(&mut self, key: u32) {
            self.wheel.clear(&mut self.entries, key);
        }

        fn deadline(&self, key: u32) -> Option<Instant> {
            self.entries.0[key as usize].deadline()
        }

        fn expired(&mut self, now: Instant) -> Option<u32> {
            self.wheel.expired(&mut self.entries, now)
        }

        fn next_deadline(&self) -> Option<Instant> {
            self.wheel.next_deadline()
        }
    }

    fn drain(clock: &mut Clock, now: Instant) -> Vec<u32> {
        core::iter::from_fn(|| clock.expired(now)).collect()
    }

    #[test]
    fn a_key_never_expires_early() {
        let mut wheel = Clock::new(Instant::from_nanos(300));
        wheel.set(3, Instant::from_nanos(1_000_001));
        assert_eq!(wheel.deadline(3), Some(ms(2)));
        assert_eq!(wheel.next_deadline(), Some(ms(2)));
        assert_eq!(wheel.expired(Instant::from_nanos(1_999_999)), None);
        assert_eq!(wheel.expired(ms(2)), Some(3));
        assert_eq!(wheel.deadline(3), None);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_is_replaced_and_cleared() {
        let mut wheel = Clock::new(ms(0));
        wheel.set(0, ms(10));
        wheel.set(1, ms(10));
        wheel.set(0, ms(5000));
        wheel.clear(1);
        wheel.clear(25);
        assert_eq!(wheel.expired(ms(4999)), None);
        assert_eq!(drain(&mut wheel, ms(5000)), [0]);
    }

    #[test]
    fn years_pass_in_one_step() {
        let mut wheel = Clock::new(ms(7));
        wheel.set(0, ms(500 * YEAR));
        wheel.set(1, ms(1 << 32));
        wheel.set(2, Instant::from_nanos(u64::MAX));
        assert_eq!(drain(&mut wheel, ms(400 * YEAR)), [1]);
        wheel.set(1, ms(400 * YEAR + 3));
        assert_eq!(drain(&mut wheel, ms(501 * YEAR)), [1, 0]);
        assert_eq!(drain(&mut wheel, Instant::from_nanos(u64::MAX)), [2]);
    }

    #[test]
    fn the_past_expires_at_once_also_when_set_while_expiring() {
        let mut wheel = Clock::new(ms(1000));
        wheel.set(0, ms(1));
        assert_eq!(wheel.next_deadline(), Some(ms(1000)));
        assert_eq!(wheel.expired(ms(1000)), Some(0));
        wheel.set(1, ms(999));
        wheel.set(0, ms(1001));
        assert_eq!(drain(&mut wheel, ms(1000)), [1]);
        assert_eq!(drain(&mut wheel, ms(900)), []);
        assert_eq!(drain(&mut wheel, ms(1001)), [0]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u64),
        SetPast(u32, u64),
        Clear(u32),
        Advance(u64),
        AdvanceToNext,
    }

    fn stretch() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..3 * TICK,
            0..200 * TICK,
            0..100_000 * TICK,
            0..(1u64 << 34) * TICK,
            0..u64::MAX / 8,
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u32..24, stretch()).prop_map(|(key, ahead)| Step::Set(key, ahead)),
            1 => (0u32..24, stretch()).prop_map(|(key, ago)| Step::SetPast(key, ago)),
            1 => (0u32..26).prop_map(Step::Clear),
            2 => stretch().prop_map(Step::Advance),
            3 => Just(Step::AdvanceToNext),
        ]
    }

    /// The wheel beside a map from key to tick.
    struct Twin {
        wheel: Clock,
        model: BTreeMap<u32, u64>,
        now: u64,
    }

    impl Twin {
        fn set(&mut self, key: u32, nanos: u64) {
            self.wheel.set(key, Instant::from_nanos(nanos));
            self.model.insert(key, nanos.div_ceil(TICK).min(LAST_TICK));
        }

        fn advance(&mut self, nanos: u64) -> usize {
            self.now = self.now.max(nanos);
            let fired = drain(&mut self.wheel, Instant::from_nanos(self.now));
            let ticks: Vec<u64> = fired
                .iter()
                .map(|key| self.model.remove(key).expect("only set keys expire"))
                .collect();
            let now = self.now / TICK;
            assert!(ticks.iter().all(|&tick| tick <= now), "too early");
            assert!(self.model.values().all(|&tick| tick > now), "too late");
            fired.len()
        }

        /// Following `next_deadline` reaches a key in a few steps.
        fn follow(&mut self) {
            let calls = (0..=LEVELS).find(|_| match self.wheel.next_deadline() {
                Some(next) => self.advance(next.as_nanos()) > 0,
                None => true,
            });
            assert!(calls.is_some(), "no progress");
        }

        fn check(&self) {
            for key in 0..26 {
                let tick = self.model.get(&key).copied();
                assert_eq!(self.wheel.deadline(key), tick.map(Instant::from_millis));
            }
            let first = self.model.values().min();
            assert_eq!(self.wheel.next_deadline().is_some(), first.is_some());
            if let Some((next, &first)) = self.wheel.next_deadline().zip(first) {
                assert!(next.as_millis() <= first.max(self.now / TICK));
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(
            start in 0..(1u64 << 34) * TICK,
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let wheel = Clock::new(Instant::from_nanos(start));
            let mut twin = Twin { wheel, model: BTreeMap::new(), now: start };
            for step in steps {
                match step {
                    Step::Set(key, ahead) => twin.set(key, twin.now.saturating_add(ahead)),
                    Step::SetPast(key, ago) => twin.set(key, twin.now.saturating_sub(ago)),
                    Step::Clear(key) => {
                        twin.wheel.clear(key);
                        twin.model.remove(&key);
                    }
                    Step::Advance(by) => {
                        twin.advance(twin.now.saturating_add(by));
                    }
                    Step::AdvanceToNext => twin.follow(),
                }
                twin.check();
            }
        }
    }
}
