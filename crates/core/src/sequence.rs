//! Sequence numbers: 32 bits that wrap (RFC 9293 §3.4).

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A TCP sequence number. Compared modulo 2^32: `a.precedes(b)` when the shorter way from `a` to
/// `b` leads forwards (RFC 9293 §3.4). It has no `Ord`: the order of sequence numbers is a circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// `self < other` in sequence space.
    #[must_use]
    pub const fn precedes(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// `self <= other` in sequence space.
    #[must_use]
    pub const fn precedes_or_is(self, other: Self) -> bool {
        !other.precedes(self)
    }

    /// How far `self` lies ahead of `earlier`, negative if it lies behind.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// `start <= self < start + length`.
    #[must_use]
    pub const fn is_within(self, start: Self, length: u32) -> bool {
        self.0.wrapping_sub(start.0) < length
    }

    /// The later of two sequence numbers.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.precedes(other) { other } else { self }
    }

    /// The earlier of two sequence numbers.
    #[must_use]
    pub const fn earlier(self, other: Self) -> Self {
        if other.precedes(self) { other } else { self }
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    fn add(self, length: u32) -> Self {
        Self(self.0.wrapping_add(length))
    }
}

impl AddAssign<u32> for SeqNumber {
    fn add_assign(&mut self, length: u32) {
        *self = *self + length;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;

    fn sub(self, length: u32) -> Self {
        Self(self.0.wrapping_sub(length))
    }
}

impl Sub for SeqNumber {
    type Output = u32;

    /// The bytes from `earlier` up to `self`, modulo 2^32.
    fn sub(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        let before = SeqNumber(u32::MAX - 1);
        let after = before + 5;
        assert_eq!(after, SeqNumber(3));
        assert!(before.precedes(after) && !after.precedes(before));
        assert!(before.precedes_or_is(before) && !before.precedes(before));
        assert_eq!(after - before, 5);
        assert_eq!(before.distance_from(after), -5);
        assert_eq!(before.later(after), after);
        assert_eq!(before.earlier(after), before);
    }

    #[test]
    fn a_window_may_straddle_the_wrap() {
        let start = SeqNumber(u32::MAX);
        assert!(start.is_within(start, 1));
        assert!(SeqNumber(0).is_within(start, 2));
        assert!(!SeqNumber(1).is_within(start, 2));
        assert!(!(start - 1).is_within(start, 10));
        assert!(!start.is_within(start, 0));
    }
}
