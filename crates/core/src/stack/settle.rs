//! After a connection was touched: its slot, timer, place in the lists and tables are brought up to date.

use super::{AcceptLinks, NewsLinks, ReadyLinks, Stack};
use crate::connection::{Exit, Owner};
use crate::demux::{Place, TimeWait};
use crate::observe::{Cause, Observer, RefusalReason, StateName};

impl<O: Observer> Stack<O> {
    /// Brings everything that follows from a connection's variables up to date.
    pub(super) fn settle(&mut self, index: u32) {
        let Some(connection) = self.connections.get(index) else {
            return;
        };
        if let Some(exit) = self.cx.take_exit(connection.life) {
            self.leave_slot(index, exit);
        }
        let connection = &mut self.connections[index];
        if connection.counted != connection.standing() {
            self.recount(index);
        }
        let connection = &mut self.connections[index];
        let is_owned = connection.owner == Owner::Application;
        if connection.has_ended() && !is_owned {
            return self.free_slot(index);
        }
        connection.rest(&mut self.cx);
        connection.account(&mut self.cx.memory);
        let deadline = connection.earlier_deadline();
        let emits = !connection.is_ready && connection.may_emit();
        connection.is_ready |= emits;
        let tells = is_owned && !connection.has_news && !connection.readiness.is_empty();
        connection.has_news |= tells;
        if let Some(deadline) = deadline {
            self.wheel.set(&mut self.connections, index, deadline);
        }
        if emits {
            self.ready
                .push_back(&mut ReadyLinks(&mut self.connections), index);
        }
        if tells {
            self.news
                .push_back(&mut NewsLinks(&mut self.connections), index);
        }
        if self.neglected.len() > self.cx.config.close_wait.most() {
            self.cap_neglected();
        }
        if self.cx.memory.is_to_be_weighed() {
            self.weigh();
        }
    }

    /// The connection has left its slot for TIME-WAIT or for good.
    fn leave_slot(&mut self, index: u32, exit: Exit) {
        let connection = &mut self.connections[index];
        let (life, tuple, ts_recent) = (connection.life, connection.tuple, connection.ts_recent());
        // The ACK of the peer's FIN is still owed: the slot can no longer send it.
        let owed = connection.take_owed_ack();
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.remove(hash, Place::Connection(index));
        self.ports.change(tuple.local(), |hold| hold.live -= 1);
        let Exit::TimeWait(entry) = exit else {
            return self.ports.came_free(&tuple);
        };
        let entry = TimeWait::new(life, tuple, entry, ts_recent);
        let entered = self.enter_time_wait(hash, entry);
        if owed {
            self.acknowledge_entry(entered);
        }
    }

    fn enter_time_wait(&mut self, hash: u32, entry: TimeWait) -> u32 {
        let tuple = entry.tuple();
        self.cx.counters.time_waited += 1;
        if self.time_wait.len() >= self.cx.config.max_time_wait {
            self.cx.refuse(Some(tuple), RefusalReason::TimeWaitLimit);
            if let Some(oldest) = self.time_wait.oldest() {
                self.cx.counters.tcp_time_wait_overflow += 1;
                self.end_time_wait(oldest, Cause::TimeWaitEvicted);
            }
        }
        let length = self.cx.config.time_wait.min(MAX_TIME_WAIT);
        let index = self.time_wait.insert(entry, self.cx.now, length);
        self.table.insert(hash, Place::TimeWait(index));
        self.ports.change(tuple.local(), |hold| hold.time_wait += 1);
        if let Some(entry) = self.time_wait.get(index) {
            self.ports.waits(&tuple, entry.ends(), true);
        }
        index
    }

    /// Ends a connection in TIME-WAIT.
    pub(super) fn end_time_wait(&mut self, index: u32, cause: Cause) {
        let entry = self.time_wait.remove(index);
        let (tuple, life) = (entry.tuple(), entry.life);
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.remove(hash, Place::TimeWait(index));
        self.ports.change(tuple.local(), |hold| hold.time_wait -= 1);
        self.ports.waited(&tuple);
        let crate::connection::state::Closed = entry.expire();
        self.cx
            .transition(life, tuple, (StateName::TimeWait, StateName::Closed), cause);
    }

    /// Nobody will ask for this slot again.
    pub(super) fn free_slot(&mut self, index: u32) {
        let queued_by = match self.connections[index].owner {
            Owner::AcceptQueue(listener) => Some(listener),
            Owner::Application | Owner::Nobody => None,
        };
        if let Some(listener) = queued_by.and_then(|id| self.listeners.get_mut(id)) {
            listener
                .queue
                .remove(&mut AcceptLinks(&mut self.connections), index);
        }
        self.ready
            .remove(&mut ReadyLinks(&mut self.connections), index);
        if self.connections[index].has_news {
            self.news
                .remove(&mut NewsLinks(&mut self.connections), index);
        }
        self.wheel.clear(&mut self.connections, index);
        let mut connection = self.connections.remove(index);
        connection.close_account(&mut self.cx.memory);
        if self.cx.memory.is_to_be_weighed() {
            self.weigh();
        }
        if let Some(listener) = queued_by {
            self.promote_held(listener);
        }
    }
}

/// Ten days: the table's clock compares moments within a year.
pub(super) const MAX_TIME_WAIT: core::time::Duration =
    core::time::Duration::from_secs(10 * 24 * 3600);
