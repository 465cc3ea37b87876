//! Chances. One seed decides everything that a world does.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;

use super::stream::mix;

/// A stream of decisions that follows from a seed.
#[derive(Debug)]
pub(super) struct Draw(Rng);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(mix(seed)))
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.f64() < probability
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.usize(..choices.len())]
    }

    pub(super) fn range(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.usize(range)
    }

    pub(super) fn number(&mut self) -> u32 {
        self.0.u32(..)
    }

    pub(super) fn long(&mut self) -> u64 {
        self.0.u64(..)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.0.u8(..)
    }

    /// A number whose magnitude is as likely small as large.
    pub(super) fn scale(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start().max(&1) as f64, *range.end() as f64);
        let drawn = (low.ln() + self.0.f64() * (high.ln() - low.ln())).exp() as u64;
        drawn.clamp(*range.start(), *range.end())
    }

    /// The same for a time, in microseconds.
    pub(super) fn time(&mut self, micros: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.scale(micros))
    }

    /// Any time below `limit`.
    pub(super) fn within(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(self.0.u64(..=limit.as_nanos() as u64))
    }

    /// A number a little off zero.
    pub(super) fn offset(&mut self, most: u64) -> u32 {
        let far = self.scale(1..=most) as u32;
        if self.0.bool() {
            far
        } else {
            0_u32.wrapping_sub(far)
        }
    }
}
