//! The lives of connections: recorded by an [`Observer`], told as text or JSON.
//!
//! [`Lives`] is a handle that many may hold. Its observer goes into the stack; the others ask it.
//!
//! ```text
//! #2  198.18.0.2:41234 → 198.18.0.1:80   passive open, 12.4 ms
//!       +0.000 ms  LISTEN       → SYN-RECEIVED  SYN received             RFC 9293 §3.10.7.2
//!       +0.121 ms  SYN-RECEIVED → ESTABLISHED   our SYN is acknowledged  RFC 9293 §3.10.7.4
//!       …
//!       closed first by the peer; three segments: our FIN rode on the ACK of the peer's FIN
//! ```
//!
//! What it does not do: keep the segments. Everything is counted as it passes, so that a life takes the same
//! memory whether it moved a byte or a terabyte.

mod close;
mod json;
mod life;
mod register;
pub(crate) mod snapshot;
mod text;
pub(crate) mod units;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use estab_core::Instant;
use estab_core::observe::{Discard, Observer, Refusal, ResetSent, Seen, Transition};

use register::Register;
use snapshot::Report;
pub(crate) use text::Style;

/// The lives of a stack's connections. Clones are handles to the same lives.
#[derive(Clone, Debug)]
pub(crate) struct Lives {
    register: Arc<Mutex<Register>>,
}

impl Lives {
    /// No lives yet. Of more than `limit` the oldest that have ended are forgotten, and counted.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            register: Arc::new(Mutex::new(Register::new(limit))),
        }
    }

    /// Says how long TIME-WAIT lasts (2 MSL), so that a report can tell until when one is held.
    pub(crate) fn set_time_wait(&self, length: Duration) {
        self.lock().set_time_wait(length);
    }

    /// What a stack is to be given. There may be several; one stack has one.
    pub(crate) fn observer(&self) -> Recorder {
        Recorder {
            lives: self.clone(),
        }
    }

    /// Everything known at `now`, lives in the order of their numbers.
    pub(crate) fn snapshot(&self, now: Instant) -> Report {
        self.lock().snapshot(now)
    }

    /// The same for people: a block of lines for each life.
    pub(crate) fn report(&self, now: Instant, style: Style) -> String {
        text::report(&self.snapshot(now), style)
    }

    /// The same for programs: one JSON object a line, `kind` says what it is.
    pub(crate) fn json(&self, now: Instant) -> String {
        json::report(&self.snapshot(now))
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        // A panic elsewhere leaves nothing half-written that a report could not bear.
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records what happens for [`Lives`].
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    lives: Lives,
}

impl Observer for Recorder {
    fn transition(&mut self, event: &Transition) {
        self.lives.lock().transition(event);
    }

    fn discard(&mut self, event: &Discard) {
        self.lives.lock().discard(event);
    }

    fn refusal(&mut self, event: &Refusal) {
        self.lives.lock().refusal(event);
    }

    fn reset(&mut self, event: &ResetSent) {
        self.lives.lock().reset(event);
    }

    fn seen(&mut self, event: &Seen) {
        self.lives.lock().seen(event);
    }
}
