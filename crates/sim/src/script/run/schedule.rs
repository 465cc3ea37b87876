//! When events are due, and whether they came in time: packetdrill's rules.

use std::time::Duration;

use super::super::ast::When;
use super::config::Config;
use super::report::Failure;

/// The events so far, as far as the times of later ones depend on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    previous: Option<Previous>,
}

#[derive(Clone, Copy, Debug)]
struct Previous {
    at: Duration,
    is_absolute: bool,
    is_inbound: bool,
}

/// When an event is due, counted from the start of the script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Due {
    /// When it is to happen, or the beginning of its range.
    pub(super) at: Duration,
    /// The end of its range.
    pub(super) until: Option<Duration>,
    /// Whether any time will do.
    pub(super) is_any: bool,
    /// What relative times are counted from.
    pub(super) offset: Duration,
    /// When the event before it was due.
    previous: Option<Duration>,
}

impl Schedule {
    /// Whether there has been an event.
    pub(super) const fn has_begun(&self) -> bool {
        self.previous.is_some()
    }

    /// Moves on to the next event, `now` being the time that the events before it have taken.
    ///
    /// Relative times count from now. Only between inbound packets do they count from when the one before was due.
    pub(super) fn next(
        &mut self,
        when: When,
        is_inbound: bool,
        now: Duration,
    ) -> Result<Due, Failure> {
        let previous = self.previous;
        let offset = match previous {
            Some(Previous {
                at,
                is_inbound: true,
                ..
            }) if is_inbound => at,
            _ => now,
        };
        let (at, until, is_absolute, offset) = match when {
            When::Relative(after) => (offset + after, None, false, offset),
            When::RelativeRange(from, to) => (offset + from, Some(offset + to), false, offset),
            When::Any => (offset, None, false, offset),
            When::Absolute(at) => (at, None, true, Duration::ZERO),
            When::AbsoluteRange(from, to) => (from, Some(to), true, Duration::ZERO),
        };
        if previous.is_none() && (at > offset || offset > Duration::ZERO) {
            return Err(Failure::new("the first event is at time 0"));
        }
        if let Some(before) = previous
            && before.is_absolute
            && is_absolute
            && at < before.at
        {
            let text = format!(
                "time goes backwards, from {} to {}",
                seconds(before.at),
                seconds(at)
            );
            return Err(Failure::new(text));
        }
        self.previous = Some(Previous {
            at,
            is_absolute,
            is_inbound,
        });
        Ok(Due {
            at,
            until,
            is_any: when == When::Any,
            offset,
            previous: previous.map(|before| before.at),
        })
    }
}

impl Due {
    /// Whether something came in time. Nothing is too early or late before the second event.
    pub(super) fn check(
        &self,
        actual: Duration,
        config: &Config,
        what: &str,
    ) -> Result<(), Failure> {
        if self.is_any {
            return Ok(());
        }
        let from_previous = |previous: Duration| self.at.saturating_sub(previous);
        let distance = self.previous.map_or(Duration::ZERO, from_previous);
        let tolerance = tolerance(distance, config);
        let end = self.until.unwrap_or(self.at);
        if actual + tolerance >= self.at && actual <= end + tolerance {
            return Ok(());
        }
        let expected = match self.until {
            Some(until) => format!("{}~{}", seconds(self.at), seconds(until)),
            None => seconds(self.at),
        };
        Err(late(what, expected, actual, tolerance))
    }

    /// When to give up waiting for a packet that is due: 2 s after it should have come, as packetdrill does.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        if self.is_any {
            return now + FOR_EVER;
        }
        let end = self.until.unwrap_or(self.at);
        let expected = end.saturating_sub(self.previous.unwrap_or_default());
        now.max(end) + expected.min(Duration::from_secs(1)) + Duration::from_secs(2)
    }

    /// Whether a call that was due now, and to return at `end`, did so in time.
    pub(super) fn check_end(
        &self,
        end: Duration,
        actual: Duration,
        config: &Config,
    ) -> Result<(), Failure> {
        let tolerance = tolerance(end.saturating_sub(self.at), config);
        if self.is_any || actual.abs_diff(end) <= tolerance {
            return Ok(());
        }
        Err(late("the call's return", seconds(end), actual, tolerance))
    }
}

/// How long a packet is waited for that may come at any time.
const FOR_EVER: Duration = Duration::from_secs(86_400);

fn tolerance(distance: Duration, config: &Config) -> Duration {
    let share = distance.mul_f64(config.tolerance_percent / 100.0);
    config.tolerance.max(share)
}

fn late(what: &str, expected: String, actual: Duration, tolerance: Duration) -> Failure {
    Failure::new(format!("{what} came at the wrong time"))
        .expected(format!("{what} at {expected}"))
        .seen(format!("{what} at {}", seconds(actual)))
        .difference(format!(
            "time: expected {expected}, was {}, tolerance {}",
            seconds(actual),
            seconds(tolerance)
        ))
}

/// Seconds with six digits.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn started(at: Duration, is_inbound: bool) -> Schedule {
        let mut schedule = Schedule::default();
        let first = schedule.next(When::Absolute(Duration::ZERO), false, Duration::ZERO);
        first.expect("time 0");
        schedule
            .next(When::Absolute(at), is_inbound, at)
            .expect("later");
        schedule
    }

    #[test]
    fn a_relative_time_counts_from_now() {
        let mut schedule = started(ms(100), false);
        let due = schedule
            .next(When::Relative(ms(50)), true, ms(103))
            .expect("due");
        assert_eq!(due.at, ms(153));
    }

    #[test]
    fn between_inbound_packets_it_counts_from_when_the_first_was_due() {
        let mut schedule = started(ms(100), true);
        let due = schedule
            .next(When::Relative(ms(50)), true, ms(103))
            .expect("due");
        assert_eq!(due.at, ms(150));
    }

    #[test]
    fn the_first_event_is_at_time_zero() {
        let first = Schedule::default().next(When::Relative(ms(1)), false, Duration::ZERO);
        assert!(first.is_err());
        let first = Schedule::default().next(When::Relative(ms(0)), false, Duration::ZERO);
        assert!(first.is_ok());
    }

    #[test]
    fn absolute_times_do_not_go_backwards() {
        let mut schedule = started(ms(100), false);
        let error = schedule.next(When::Absolute(ms(99)), false, ms(100));
        let error = error.expect_err("backwards").to_string();
        assert!(error.contains("from 0.100000 to 0.099000"), "{error}");
    }

    #[test]
    fn four_milliseconds_are_tolerated_and_an_eighth_of_the_distance() {
        let config = Config::default();
        let near = started(ms(100), false).next(When::Relative(ms(10)), false, ms(100));
        let near = near.expect("due");
        assert!(near.check(ms(106), &config, "a packet").is_ok());
        assert!(near.check(ms(114), &config, "a packet").is_ok());
        assert!(near.check(ms(105), &config, "a packet").is_err());
        assert!(near.check(ms(115), &config, "a packet").is_err());
        let far = started(ms(100), false).next(When::Relative(ms(800)), false, ms(100));
        let far = far.expect("due");
        assert!(far.check(ms(1000), &config, "a packet").is_ok());
        assert!(far.check(ms(1001), &config, "a packet").is_err());
    }

    #[test]
    fn a_range_is_tolerant_at_either_end_and_a_star_always() {
        let config = Config::default();
        let mut schedule = started(ms(0), false);
        let range = schedule.next(When::RelativeRange(ms(10), ms(20)), false, ms(0));
        let range = range.expect("due");
        assert!(range.check(ms(6), &config, "a packet").is_ok());
        assert!(range.check(ms(24), &config, "a packet").is_ok());
        assert!(range.check(ms(25), &config, "a packet").is_err());
        let any = schedule.next(When::Any, false, ms(25)).expect("due");
        assert!(any.check(ms(99_999), &config, "a packet").is_ok());
    }

    #[test]
    fn the_end_of_a_call_may_miss_by_an_eighth_of_its_length() {
        let config = Config::default();
        let mut schedule = started(ms(0), false);
        let due = schedule
            .next(When::Relative(ms(0)), false, ms(0))
            .expect("due");
        assert!(due.check_end(ms(200), ms(225), &config).is_ok());
        assert!(due.check_end(ms(200), ms(226), &config).is_err());
        assert!(due.check_end(ms(200), ms(175), &config).is_ok());
    }
}
