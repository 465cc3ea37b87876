//! How fast leaks grow, and when they will have used every place for a connection up.

use std::time::Duration;

use estab::control::record::{Limits, Origin};
use serde::Serialize;

/// How many leaks there are, and how many there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Growth {
    /// Now.
    pub(super) leaked: u64,
    /// At the beginning of the time looked at.
    pub(super) before: u64,
    /// How long ago that was; zero if the host has only just begun.
    pub(super) over_ns: u64,
    /// How many more a minute; less than nothing if some are closed at last.
    pub(super) per_minute: f64,
}

impl Growth {
    /// Of some origins together.
    pub(super) fn of<'a>(origins: impl Iterator<Item = &'a Origin>) -> Self {
        let mut growth = Self::default();
        for origin in origins {
            growth.leaked += u64::from(origin.leaked);
            // The host takes all samples at the same moments.
            if let Some(before) = &origin.before {
                growth.before += u64::from(before.leaked);
                growth.over_ns = before.ago_ns;
            }
        }
        if growth.over_ns > 0 {
            let minutes = growth.over_ns as f64 / 60e9;
            growth.per_minute = (growth.leaked as f64 - growth.before as f64) / minutes;
        }
        growth
    }

    /// How long the places for connections that are free will last; `None` if there is no end to be seen.
    pub(super) fn until_limit(&self, limits: &Limits) -> Option<Duration> {
        let bounded = limits.cap.is_some() || limits.reap_ns.is_some();
        if bounded || self.per_minute <= 0.0 {
            return None;
        }
        let free = limits.max_connections.saturating_sub(limits.connections);
        Duration::try_from_secs_f64(free as f64 / self.per_minute * 60.0).ok()
    }
}
