//! All lives: which event belongs to which, and which are forgotten.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use estab_core::observe::{
    Direction, Discard, LifeId, Refusal, ResetSent, Seen, StateName, Transition,
};
use estab_core::{Flags, FourTuple, Instant};

use super::life::Life;
use super::snapshot::{Outside, Report};

/// The lives of a stack.
#[derive(Debug)]
pub(super) struct Register {
    limit: usize,
    lives: HashMap<LifeId, Life>,
    /// Who lives: to find the life of a RST that names only the connection.
    living: HashMap<FourTuple, LifeId>,
    /// Who has ended, the oldest first.
    ended: VecDeque<LifeId>,
    forgotten: u64,
    outside: Outside,
    time_wait: Option<Duration>,
}

impl Register {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            lives: HashMap::new(),
            living: HashMap::new(),
            ended: VecDeque::new(),
            forgotten: 0,
            outside: Outside::default(),
            time_wait: None,
        }
    }

    pub(super) fn set_time_wait(&mut self, length: Duration) {
        self.time_wait = Some(length);
    }

    pub(super) fn transition(&mut self, event: &Transition) {
        if is_of_listener(event) {
            return;
        }
        let begins = matches!(event.from, StateName::Closed | StateName::Listen);
        if begins && self.living.get(&event.tuple) != Some(&event.life) {
            self.begin(event.life, event.tuple, event.at);
        }
        let Some(life) = self.lives.get_mut(&event.life) else {
            return;
        };
        life.transition(event);
        if life.ended().is_some() {
            self.end(event.life);
        }
    }

    pub(super) fn seen(&mut self, event: &Seen) {
        // The SYN for a listener is seen before the state that it makes.
        let is_first = event.direction == Direction::Received
            && event.flags & (Flags::SYN | Flags::ACK) == Flags::SYN;
        if is_first && self.living.get(&event.tuple) != Some(&event.life) {
            self.begin(event.life, event.tuple, event.at);
        }
        if let Some(life) = self.lives.get_mut(&event.life) {
            life.seen(event);
        }
    }

    pub(super) fn discard(&mut self, event: &Discard) {
        let life = event.life.and_then(|id| self.lives.get_mut(&id));
        match life {
            Some(life) => life.discard(event),
            None => *self.outside.discards.entry(event.reason).or_default() += 1,
        }
    }

    pub(super) fn refusal(&mut self, event: &Refusal) {
        *self.outside.refusals.entry(event.reason).or_default() += 1;
    }

    pub(super) fn reset(&mut self, event: &ResetSent) {
        let id = event
            .life
            .or_else(|| self.living.get(&event.tuple).copied());
        match id.and_then(|id| self.lives.get_mut(&id)) {
            Some(life) => life.reset(event),
            None => *self.outside.resets.entry(event.reason).or_default() += 1,
        }
    }

    pub(super) fn snapshot(&self, now: Instant) -> Report {
        let snapshot = |life: &Life| life.snapshot(self.time_wait);
        let mut lives: Vec<_> = self.lives.values().map(snapshot).collect();
        lives.sort_by_key(|life| life.id);
        Report {
            now,
            lives,
            forgotten: self.forgotten,
            outside: self.outside.clone(),
        }
    }

    fn begin(&mut self, id: LifeId, tuple: FourTuple, at: Instant) {
        self.living.insert(tuple, id);
        self.lives.insert(id, Life::new(id, tuple, at));
        self.forget();
    }

    fn end(&mut self, id: LifeId) {
        if let Some(life) = self.lives.get(&id) {
            let tuple = life.tuple();
            if self.living.get(&tuple) == Some(&id) {
                self.living.remove(&tuple);
            }
        }
        self.ended.push_back(id);
        self.forget();
    }

    /// Drops the oldest ended lives beyond the limit. Who lives is never dropped: the stack bounds them.
    fn forget(&mut self) {
        while self.lives.len() > self.limit {
            let Some(oldest) = self.ended.pop_front() else {
                return;
            };
            if self.lives.remove(&oldest).is_some() {
                self.forgotten += 1;
            }
        }
    }
}

/// A listener has a life number, too, but no peer.
fn is_of_listener(event: &Transition) -> bool {
    let pair = (event.from, event.to);
    event.tuple.remote_port() == 0
        || matches!(
            pair,
            (StateName::Closed, StateName::Listen) | (StateName::Listen, StateName::Closed)
        )
}
