//! Why a connection is still there: TCP lets CLOSE-WAIT last for as long as the application likes, and cannot say
//! whether it forgot the socket or still works for it (RFC 9293 §3.6). The variables can.

use core::time::Duration;

use super::state::State;
use super::timeout::Deadline;
use super::{Connection, Owner, Status};
use crate::context::Context;
use crate::observe::{Cause, Diagnosis, Observer, ResetReason, StateName};
use crate::{Config, Instant};

/// What a diagnosis rests on.
#[derive(Clone, Copy, Debug)]
struct Facts {
    state: StateName,
    is_owned: bool,
    awaits_accept: bool,
    /// Bytes that wait to be read.
    unread: usize,
    /// Bytes written that the peer has not acknowledged.
    unacknowledged: usize,
    end_of_file_delivered: bool,
    /// The application has called `read`, whatever came of it.
    has_read: bool,
    /// In this state.
    age: Duration,
    /// Since the application, or data either way, did something.
    idle: Duration,
}

impl Facts {
    /// Why the connection is still there; `None` if nothing is odd, or not for long enough to tell.
    ///
    /// In CLOSE-WAIT, after `patience`: what was written and is not acknowledged is work, however long it takes. An
    /// application that has called within `patience` is at work, too, if it has still something to read; without, it
    /// may be about to close. Any other has forgotten the connection, at one of four places: before its first read, in
    /// front of unread data, and at the end of file, told of it or not.
    fn diagnose(&self, patience: Duration) -> Option<Diagnosis> {
        let is_idle = self.idle >= patience;
        if self.awaits_accept {
            return is_idle.then_some(Diagnosis::NeverAccepted);
        }
        let never_read = self.unread > 0 && !self.has_read;
        match self.state {
            _ if !self.is_owned => None,
            StateName::CloseWait if self.age < patience => None,
            StateName::CloseWait if self.unacknowledged > 0 => Some(Diagnosis::StillWriting),
            StateName::CloseWait if !is_idle => {
                (self.unread > 0 && self.has_read).then_some(Diagnosis::StillReading)
            }
            StateName::CloseWait if never_read => Some(Diagnosis::NeverRead),
            StateName::CloseWait if self.unread > 0 => Some(Diagnosis::StuckBehindData),
            StateName::CloseWait if self.end_of_file_delivered => Some(Diagnosis::NotClosed),
            StateName::CloseWait => Some(Diagnosis::EndNotRead),
            StateName::Established | StateName::FinWait1 | StateName::FinWait2 => {
                (is_idle && never_read).then_some(Diagnosis::NeverRead)
            }
            _ => None,
        }
    }
}

impl Status {
    /// Why the connection is still there, if its application has done nothing for it for `patience`, or is too slow
    /// with it; `None` if there is nothing to say. See [`Diagnosis`] for the answers.
    ///
    /// From outside, two things look alike: a program that forgot a socket, and one that thinks for longer than
    /// `patience` before it answers a peer which has half-closed.
    #[must_use]
    pub fn diagnose(&self, now: Instant, patience: Duration) -> Option<Diagnosis> {
        let facts = Facts {
            state: self.state,
            is_owned: self.is_owned,
            awaits_accept: self.awaits_accept,
            unread: self.unread,
            unacknowledged: self.unacknowledged,
            end_of_file_delivered: self.end_of_file_delivered,
            has_read: self.has_read,
            age: now - self.entered_at,
            idle: now - self.idle_since,
        };
        facts.diagnose(patience)
    }
}

impl Connection {
    /// Since when nothing has happened that the application, or data either way, took part in. Segments without data
    /// are the stacks' affair: a peer's keep-alives must not keep a forgotten socket alive.
    pub(super) fn idle_since(&self) -> Instant {
        let called = self.history.last_call.map_or(Instant::ZERO, |call| call.at);
        let data = self.send.data_sent_at.max(self.history.data_received_at);
        self.history.entered_at.max(called).max(data)
    }

    fn diagnose(&self, now: Instant, patience: Duration) -> Option<Diagnosis> {
        let facts = Facts {
            state: self.state_name(),
            is_owned: self.owner == Owner::Application,
            awaits_accept: matches!(self.owner, Owner::AcceptQueue(_)),
            unread: self.receive.busy.buffer.len(),
            unacknowledged: self.send.busy.buffer.len(),
            end_of_file_delivered: self.history.end_of_file_delivered,
            has_read: self.has_read,
            age: now - self.history.entered_at,
            idle: now - self.idle_since(),
        };
        facts.diagnose(patience)
    }

    /// CLOSE-WAIT was entered or left, or its application has just done something.
    pub(super) fn watch_close_wait(&mut self, config: &Config) {
        self.is_neglected = false;
        let is_watched = self.owner == Owner::Application;
        if let Some(State::CloseWait(_)) = &self.state
            && is_watched
        {
            let limit = self.next_limit(config).unwrap_or(Duration::MAX);
            self.timers.last = Deadline::at(self.idle_since() + limit);
        }
    }

    /// After how much idle time there is something to decide.
    fn next_limit(&self, config: &Config) -> Option<Duration> {
        let reap = config.close_wait.limit();
        let count = (!self.is_neglected).then_some(config.close_wait_patience);
        [reap, count].into_iter().flatten().min()
    }

    /// The application may have forgotten the connection. The timer is re-armed lazily: calls only push it out.
    pub(super) fn close_wait_timeout<O: Observer>(&mut self, cx: &mut Context<O>) {
        let is_neglect = |connection: &Self, limit| {
            let diagnosis = connection.diagnose(cx.now, limit);
            diagnosis.is_some_and(Diagnosis::is_neglect)
        };
        let limit = cx.config.close_wait.limit();
        if limit.is_some_and(|limit| is_neglect(self, limit)) {
            return self.abandon(cx, Cause::Neglected);
        }
        self.is_neglected = is_neglect(self, cx.config.close_wait_patience);
        if let Some(limit) = self.next_limit(&cx.config) {
            let due = self.idle_since() + limit;
            // What keeps it busy is not the application: what was written waits for the peer.
            let again = cx.now + limit.max(LOOK_AGAIN);
            let due = if due > cx.now { due } else { again };
            self.timers.last = Deadline::at(due);
        }
    }

    /// Takes the connection from an application that has forgotten it.
    pub(crate) fn abandon<O: Observer>(&mut self, cx: &mut Context<O>, cause: Cause) {
        self.reset(cx, cause, ResetReason::Neglected);
        self.owner = Owner::Nobody;
    }
}

/// How soon a connection that is at work is looked at again, at the earliest.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// CLOSE-WAIT, everything read, and the application silent for longer than one is patient.
    const LEFT: Facts = Facts {
        state: StateName::CloseWait,
        is_owned: true,
        awaits_accept: false,
        unread: 0,
        unacknowledged: 0,
        end_of_file_delivered: true,
        has_read: true,
        age: PATIENCE,
        idle: PATIENCE,
    };

    fn diagnose(change: impl FnOnce(&mut Facts)) -> Option<Diagnosis> {
        let mut facts = LEFT;
        change(&mut facts);
        facts.diagnose(PATIENCE)
    }

    #[test]
    fn a_leak_is_told_by_where_the_application_stopped() {
        assert_eq!(diagnose(|_| ()), Some(Diagnosis::NotClosed));
        let unaware = diagnose(|facts| facts.end_of_file_delivered = false);
        assert_eq!(unaware, Some(Diagnosis::EndNotRead));
        let stuck = diagnose(|facts| {
            facts.end_of_file_delivered = false;
            facts.unread = 1;
        });
        assert_eq!(stuck, Some(Diagnosis::StuckBehindData));
        let blind = diagnose(|facts| {
            facts.end_of_file_delivered = false;
            facts.has_read = false;
            facts.unread = 1;
        });
        assert_eq!(blind, Some(Diagnosis::NeverRead));
    }

    #[test]
    fn who_writes_is_overloaded_however_long_it_takes() {
        let writing = diagnose(|facts| {
            facts.unacknowledged = 1;
            facts.idle = PATIENCE * 1000;
        });
        assert_eq!(writing, Some(Diagnosis::StillWriting));
        let trouble = writing.map(Diagnosis::trouble);
        assert_eq!(trouble, Some(crate::observe::Trouble::Overload));
    }

    #[test]
    fn before_patience_is_over_nothing_is_a_leak() {
        let soon = PATIENCE - Duration::from_nanos(1);
        let answering = diagnose(|facts| {
            facts.age = soon;
            facts.idle = soon;
            facts.unacknowledged = 1;
        });
        assert_eq!(answering, None);
        assert_eq!(diagnose(|facts| facts.idle = soon), None);
        let reading = diagnose(|facts| {
            facts.idle = soon;
            facts.unread = 1;
        });
        assert_eq!(reading, Some(Diagnosis::StillReading));
        let fresh = diagnose(|facts| {
            facts.idle = soon;
            facts.unread = 1;
            facts.has_read = false;
        });
        assert_eq!(fresh, None);
    }

    #[test]
    fn an_open_connection_is_odd_only_if_it_was_never_read() {
        for state in StateName::ALL {
            let odd = diagnose(|facts| {
                facts.state = state;
                facts.unread = 1;
                facts.has_read = false;
            });
            let may_be_read = matches!(
                state,
                StateName::Established
                    | StateName::FinWait1
                    | StateName::FinWait2
                    | StateName::CloseWait
            );
            assert_eq!(odd, may_be_read.then_some(Diagnosis::NeverRead), "{state}");
        }
        let quiet = diagnose(|facts| facts.state = StateName::Established);
        assert_eq!(quiet, None);
    }

    #[test]
    fn without_an_owner_only_the_accept_queue_is_to_blame() {
        assert_eq!(diagnose(|facts| facts.is_owned = false), None);
        let waiting = diagnose(|facts| {
            facts.is_owned = false;
            facts.awaits_accept = true;
            facts.state = StateName::Established;
        });
        assert_eq!(waiting, Some(Diagnosis::NeverAccepted));
        let fresh = diagnose(|facts| {
            facts.awaits_accept = true;
            facts.idle = Duration::ZERO;
        });
        assert_eq!(fresh, None);
    }
}
