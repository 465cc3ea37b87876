//! Which port a connection or a listener gets when the application leaves the choice (RFC 6056).

use super::Stack;
use crate::demux::{PLENTY, Place, Pool, Row, Scope, Tick, Towards};
use crate::error::Exhausted;
use crate::observe::Observer;

/// How many ports are tried by chance before all are looked at. With one in eight free, these are all taken once in
/// five thousand times.
const GUESSES: usize = 64;

impl<O: Observer> Stack<O> {
    /// A port that is free: by chance as long as a few guesses find one. Then every port is looked at once, and what
    /// is free or comes free is remembered until it is plenty again: neither scarcity nor exhaustion costs more a call.
    pub(super) fn choose_port(&mut self, towards: &Towards) -> Result<u16, Exhausted> {
        if let Some(pool) = self.ports.take_pool(towards) {
            return self.choose_from(pool, towards);
        }
        let Some(row) = Row::new(&self.cx.config, &self.cx.secrets, towards) else {
            return Err(Exhausted::default());
        };
        for _ in 0..GUESSES.min(row.len()) {
            let port = self.ports.candidate(&row);
            if self.is_free(towards, port) {
                return Ok(port);
            }
        }
        let (pool, first) = self.look_at_every_port(&row, towards);
        match first {
            // Many are free, in one place: the guesses go on from there.
            Some(port) if pool.free() > row.len() / PLENTY => {
                self.ports.skip_to(&row, port);
                Ok(port)
            }
            _ => self.choose_from(pool, towards),
        }
    }

    /// What is free or in TIME-WAIT, and the first that is free.
    fn look_at_every_port(&mut self, row: &Row, towards: &Towards) -> (Pool, Option<u16>) {
        let (mut pool, mut first) = (Pool::new(self.cx.config.ephemeral_ports.clone()), None);
        for _ in 0..row.len() {
            let port = self.ports.candidate(row);
            if self.is_free(towards, port) {
                first.get_or_insert(port);
                pool.offer(port);
            } else if let Some((_, ends)) = self.waiting(towards, port) {
                pool.wait(port, ends, true);
            }
        }
        pool.sort(Tick::floor(self.cx.now));
        (pool, first)
    }

    /// Takes the port that has been free for longest, else that of the oldest connection in TIME-WAIT, if it may.
    fn choose_from(&mut self, mut pool: Pool, towards: &Towards) -> Result<u16, Exhausted> {
        let mut exhausted = Exhausted {
            held: pool.size() as u32, // at most 65,536
            time_wait: pool.time_waits,
            next_free: None,
        };
        let mut port = pool.next(|port| self.is_free(towards, port));
        if port.is_none() {
            let is_waiting = |port, ends| {
                let waiting = self.waiting(towards, port);
                waiting.is_some_and(|(_, really)| really == ends)
            };
            let oldest = pool.oldest(is_waiting);
            let place = oldest.and_then(|port| self.waiting(towards, port));
            exhausted.next_free = place.and_then(|(index, _)| self.comes_free_in(index));
            port = oldest.filter(|port| {
                self.cx.config.time_wait_reuse
                    && place.is_some_and(|(index, _)| self.may_reconnect(index))
                    && !self.is_taken_by_socket(towards, *port)
            });
        }
        self.ports.add_pool(*towards, pool);
        port.ok_or(exhausted)
    }

    fn is_free(&self, towards: &Towards, port: u16) -> bool {
        if self.is_taken_by_socket(towards, port) {
            return false;
        }
        if !towards.is_for_listener() {
            return self.find(&towards.tuple(port)).1.is_none();
        }
        let scope = Scope::of(towards.local);
        self.ports.holders(&self.cx.config, scope, port).is_empty()
    }

    /// Whether a listener has the port, or a socket that is bound to it.
    fn is_taken_by_socket(&self, towards: &Towards, port: u16) -> bool {
        let scope = Scope::of(towards.local);
        self.ports.is_bound(scope, port) || self.listeners.conflicts(scope, port, false)
    }

    /// The place and end of the connection in TIME-WAIT that holds a port.
    fn waiting(&self, towards: &Towards, port: u16) -> Option<(u32, Tick)> {
        if towards.is_for_listener() {
            return None;
        }
        match self.find(&towards.tuple(port)).1 {
            Some(Place::TimeWait(index)) => Some((index, self.time_wait.get(index)?.ends())),
            _ => None,
        }
    }
}
