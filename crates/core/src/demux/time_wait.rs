//! TIME-WAIT: 64 bytes a connection, in the order of their ends, because 2·MSL is the same for all.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::arena::Arena;
use crate::connection::state::{Closed, EnterTimeWait};
use crate::list::{Linked, Links, List};
use crate::observe::LifeId;
use crate::{FourTuple, Instant, SeqNumber};

/// A moment in steps of 2^24 ns (16.8 ms), modulo 2^32: good for comparing moments within a year. A zero is kept as
/// one, so that a place without an entry takes no more room than one with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(NonZeroU32);

const TICK_SHIFT: u32 = 24;

impl Tick {
    fn new(ticks: u32) -> Self {
        Self(NonZeroU32::new(ticks).unwrap_or(NonZeroU32::MIN))
    }

    pub(crate) fn floor(moment: Instant) -> Self {
        Self::new((moment.as_nanos() >> TICK_SHIFT) as u32)
    }

    fn ceil(moment: Instant) -> Self {
        Self::new(moment.as_nanos().div_ceil(1 << TICK_SHIFT) as u32)
    }

    /// How many ticks later than `other` it is, or earlier.
    pub(crate) fn ahead_of(self, other: Self) -> i32 {
        self.0.get().wrapping_sub(other.0.get()) as i32
    }

    /// The moment this tick names, seen from `now`.
    fn to_instant(self, now: Instant) -> Instant {
        let ticks = now.as_nanos() >> TICK_SHIFT;
        let ahead = i64::from(self.0.get().wrapping_sub(ticks as u32) as i32);
        let ticks = ticks.saturating_add_signed(ahead);
        Instant::from_nanos(ticks << TICK_SHIFT)
    }
}

/// All that is kept of a connection in TIME-WAIT.
#[derive(Clone, Debug)]
pub(crate) struct TimeWait {
    tuple: FourTuple,
    pub(crate) snd_nxt: SeqNumber,
    pub(crate) rcv_nxt: SeqNumber,
    /// TS.Recent, if timestamps were in use; a zero is kept as one.
    ts_recent: Option<NonZeroU32>,
    pub(crate) life: LifeId,
    ends: Tick,
    links: Links,
}

const _: () = assert!(size_of::<Option<TimeWait>>() == 64);

impl TimeWait {
    /// From the slot that the connection leaves.
    pub(crate) fn new(
        life: LifeId,
        tuple: FourTuple,
        entry: EnterTimeWait,
        ts_recent: Option<u32>,
    ) -> Self {
        let EnterTimeWait { snd_nxt, rcv_nxt } = entry;
        let ts_recent = ts_recent.map(|recent| NonZeroU32::new(recent).unwrap_or(NonZeroU32::MIN));
        Self {
            tuple,
            snd_nxt,
            rcv_nxt,
            ts_recent,
            life,
            ends: Tick::new(0),
            links: Links::default(),
        }
    }

    /// Timeout=2MSL / delete TCB.
    pub(crate) fn expire(self) -> Closed {
        Closed
    }

    pub(crate) fn tuple(&self) -> FourTuple {
        self.tuple
    }

    pub(crate) fn ts_recent(&self) -> Option<u32> {
        self.ts_recent.map(NonZeroU32::get)
    }

    pub(crate) fn ends(&self) -> Tick {
        self.ends
    }

    pub(crate) fn ends_at(&self, now: Instant) -> Instant {
        self.ends.to_instant(now)
    }
}

/// Connections in TIME-WAIT, bounded by `Config::max_time_wait`: when one more comes the oldest, whose end is next, ends
/// early. It has waited longest, so that least can still come of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeWaitTable {
    entries: Arena<TimeWait>,
    /// First is who ends first.
    order: List,
}

struct Entries<'a>(&'a mut Arena<TimeWait>);

impl Linked for Entries<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].links
    }
}

impl TimeWaitTable {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&TimeWait> {
        self.entries.get(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TimeWait> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    pub(crate) fn insert(&mut self, entry: TimeWait, now: Instant, length: Duration) -> u32 {
        let index = self.entries.insert(entry);
        self.link(index, now, length);
        index
    }

    /// 2·MSL begins anew (RFC 9293 §3.10.7.4: the peer's FIN came again).
    pub(crate) fn restart(&mut self, index: u32, now: Instant, length: Duration) {
        self.order.remove(&mut Entries(&mut self.entries), index);
        self.link(index, now, length);
    }

    fn link(&mut self, index: u32, now: Instant, length: Duration) {
        self.entries[index].ends = Tick::ceil(now + length);
        self.order.push_back(&mut Entries(&mut self.entries), index);
    }

    pub(crate) fn remove(&mut self, index: u32) -> TimeWait {
        self.order.remove(&mut Entries(&mut self.entries), index);
        self.entries.remove(index)
    }

    /// Who ends next.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.order.front()
    }

    /// Who has ended by `now`, if anybody has.
    pub(crate) fn expired(&self, now: Instant) -> Option<u32> {
        self.oldest()
            .filter(|&index| self.entries[index].ends_at(now) <= now)
    }

    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.oldest().map(|index| self.entries[index].ends_at(now))
    }
}
