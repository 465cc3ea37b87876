//! The memory budget: what everything a stack holds takes, how near that is to `Config::memory`, and what a
//! connection may hold while memory is short.
//!
//! Nothing is counted anew: each connection says what has changed since it was last looked at, entries are counted by
//! their tables. Below pressure nobody notices. Under pressure a connection holds no more than a fair share; where
//! memory is spent, no more than the guaranteed share, with which it always goes on.

/// How near the budget is (Linux's `tcp_mem`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryLevel {
    /// There is enough. Entered from pressure below half of the budget.
    #[default]
    Low,
    /// Three quarters of the budget are used: windows and send buffers grow no further than a fair share.
    Pressure,
    /// Seven eighths are used: no new connections; what is more than the guaranteed share waits or is discarded.
    High,
}

impl MemoryLevel {
    /// As it is written: `low`, `pressure`, `high`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Pressure => "pressure",
            Self::High => "high",
        }
    }
}

/// What a stack holds of its budget. In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStatus {
    /// What slots, entries, tables, buffers, data from SYNs and waiting answers take.
    pub used: usize,
    /// What they may take: [`Config::memory`](crate::Config::memory).
    pub budget: usize,
    /// How near that is.
    pub level: MemoryLevel,
    /// Connections that hold data, or wait for its acknowledgment, and share what is left.
    pub holders: usize,
    /// What each of them may hold under pressure.
    pub fair_share: usize,
    /// What each of them may hold in either direction at any level: two full segments of the link.
    pub guaranteed_share: usize,
}

/// The account.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Bytes that connections hold beyond their slots.
    held: usize,
    /// Connections that hold any.
    holders: usize,
    level: MemoryLevel,
    /// What each holder may have under pressure.
    fair_share: usize,
    /// How much may be held until pressure begins, beside all other things.
    relaxed: usize,
    /// How much may be held until memory is spent.
    most: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            held: 0,
            holders: 0,
            level: MemoryLevel::Low,
            fair_share: 0,
            relaxed: 0,
            most: 0,
        }
    }
}

impl Memory {
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn holders(&self) -> usize {
        self.holders
    }

    /// What is left until memory is spent, as last weighed.
    pub(crate) fn left(&self) -> usize {
        self.most.saturating_sub(self.held)
    }

    pub(crate) fn level(&self) -> MemoryLevel {
        self.level
    }

    /// A connection that held `before` now holds `now`.
    pub(crate) fn change(&mut self, before: u32, now: u32) {
        self.held = self.held - before as usize + now as usize;
        self.holders -= usize::from(before > LITTLE);
        self.holders += usize::from(now > LITTLE);
    }

    /// Whether what is held may have changed the level.
    pub(crate) fn is_to_be_weighed(&self) -> bool {
        self.held > self.relaxed || self.level > MemoryLevel::Low
    }

    /// Works out the level: `others` is what is not held by connections' work. Answers whether pressure has begun.
    pub(crate) fn weigh(&mut self, others: usize, budget: usize) -> bool {
        let (used, was) = (others + self.held, self.level);
        self.relaxed = (budget - budget / 4).saturating_sub(others);
        self.most = (budget - budget / 8).saturating_sub(others);
        self.level = if used > budget - budget / 8 {
            MemoryLevel::High
        } else if used > budget - budget / 4 || (was > MemoryLevel::Low && used > budget / 2) {
            MemoryLevel::Pressure
        } else {
            MemoryLevel::Low
        };
        if self.level > MemoryLevel::Low {
            self.fair_share = Self::fair_share(others, budget, self.holders);
        }
        was == MemoryLevel::Low && self.level > was
    }

    /// What is left of the budget for each of so many.
    pub(crate) fn fair_share(others: usize, budget: usize, holders: usize) -> usize {
        budget.saturating_sub(others) / holders.max(1)
    }

    /// How much a call may bring at most: half of what is left, because a buffer that grows may double.
    pub(crate) fn most_at_once(&self) -> usize {
        self.left() / 2
    }

    /// How far a buffer, or a window, may grow for a connection with segments of `mss`.
    pub(crate) fn limit(&self, mss: u16) -> u32 {
        match self.level {
            MemoryLevel::Low => u32::MAX,
            // Half of the share for each direction.
            MemoryLevel::Pressure => u32::try_from(self.fair_share / 2)
                .unwrap_or(u32::MAX)
                .max(guaranteed(mss)),
            MemoryLevel::High => guaranteed(mss),
        }
    }
}

/// Who holds no more is not asked to share.
const LITTLE: u32 = 256;

/// A couple of segments.
pub(crate) fn guaranteed(mss: u16) -> u32 {
    2 * u32::from(mss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_at_three_quarters_and_ends_below_half() {
        let mut memory = Memory::default();
        let mut level = |used| {
            let began = memory.weigh(used, 800);
            (memory.level(), began)
        };
        assert_eq!(level(600), (MemoryLevel::Low, false));
        assert_eq!(level(601), (MemoryLevel::Pressure, true));
        assert_eq!(level(700), (MemoryLevel::Pressure, false));
        assert_eq!(level(701), (MemoryLevel::High, false));
        assert_eq!(level(401), (MemoryLevel::Pressure, false));
        assert_eq!(level(400), (MemoryLevel::Low, false));
        assert_eq!(level(701), (MemoryLevel::High, true));
    }

    #[test]
    fn shares_are_fair_and_never_less_than_two_segments() {
        let mut memory = Memory::default();
        assert_eq!(memory.limit(1000), u32::MAX);
        for _ in 0..10 {
            memory.change(0, 6_500);
        }
        memory.weigh(1_000, 81_000);
        assert_eq!(
            (memory.level(), memory.limit(1000)),
            (MemoryLevel::Pressure, 4_000)
        );
        memory.weigh(1_000, 66_000);
        assert_eq!(
            (memory.level(), memory.limit(1000)),
            (MemoryLevel::High, 2_000)
        );
        for _ in 0..10 {
            memory.change(6_500, 0);
        }
        memory.weigh(0, 66_000);
        assert_eq!((memory.held(), memory.holders()), (0, 0));
        assert_eq!(memory.level(), MemoryLevel::Low);
    }
}
