//! The script's time: CLOCK_MONOTONIC, from the first thing that happens.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Stands at zero until it is started. What sets the stage before takes no time of the script's.
#[derive(Debug, Default)]
pub(super) struct Clock(OnceLock<Instant>);

impl Clock {
    /// Begins, if it has not begun.
    #[expect(clippy::disallowed_methods, reason = "the kernel lives in real time")]
    pub(super) fn start(&self) {
        self.0.get_or_init(Instant::now);
    }

    pub(super) fn now(&self) -> Duration {
        self.0.get().map_or(Duration::ZERO, Instant::elapsed)
    }
}
