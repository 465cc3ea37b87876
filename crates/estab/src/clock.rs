//! Where time comes from.

use std::time::{Duration, SystemTime};

use estab_core::Instant;

/// The clock of a host: counts from its start.
///
/// It is tokio's clock, so that a test with paused time pauses the host, too. Hosts that are to be compared,
/// and captures of them, share one clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
    epoch: SystemTime,
}

impl Clock {
    /// A clock whose time begins now.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the driver is where time comes from"
    )]
    pub fn start() -> Self {
        Self {
            start: tokio::time::Instant::now(),
            epoch: SystemTime::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// The wall-clock time of [`Instant::ZERO`], as a capture needs it.
    #[must_use]
    pub const fn epoch(&self) -> SystemTime {
        self.epoch
    }

    /// A moment as tokio's timers take it; `None` beyond what they can count.
    pub(crate) fn to_tokio(self, at: Instant) -> Option<tokio::time::Instant> {
        self.start.checked_add(Duration::from_nanos(at.as_nanos()))
    }
}
