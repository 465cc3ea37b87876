//! After a connection was touched: its slot, timer, place in the lists and tables are brought up to date.

use super::{AcceptLinks, NewsLinks, ReadyLinks, Stack};
use crate::FourTuple;
use crate::connection::state::EnterTimeWait;
use crate::connection::{Exit, Owner};
use crate::demux::{Place, TimeWait};
use crate::observe::{Cause, LifeId, Observer, RefusalReason, StateName};

impl<O: Observer> Stack<O> {
    /// Brings everything that follows from a connection's variables up to date.
    pub(super) fn settle(&mut self, index: u32) {
        let Some(connection) = self.connections.get_mut(index as usize) else {
            return;
        };
        if let Some(exit) = connection.take_exit() {
            self.leave_slot(index, exit);
        }
        let connection = &mut self.connections[index as usize];
        if connection.counted != connection.standing() {
            self.recount(index);
        }
        let connection = &mut self.connections[index as usize];
        if connection.has_ended() && connection.owner != Owner::Application {
            return self.free_slot(index);
        }
        self.arm_timer(index);
        let connection = &mut self.connections[index as usize];
        if !connection.is_ready && connection.may_emit() {
            connection.is_ready = true;
            self.ready
                .push_back(&mut ReadyLinks(&mut self.connections), index);
        }
        self.tell(index);
        if self.neglected.len() > self.cx.config.close_wait.most() {
            self.cap_neglected();
        }
    }

    /// The wheel holds a deadline no later than the connection's next. A later one is left to fire early
    /// and be re-armed then: most segments only push the deadline out.
    fn arm_timer(&mut self, index: u32) {
        let wanted = self.connections[index as usize].next_deadline();
        let armed = self.wheel.deadline(index);
        match (wanted, armed) {
            (Some(wanted), Some(armed)) if armed <= wanted => {}
            (Some(wanted), _) => self.wheel.set(index, wanted),
            (None, Some(_)) => self.wheel.clear(index),
            (None, None) => {}
        }
    }

    /// Queues an event for the application that holds the socket.
    fn tell(&mut self, index: u32) {
        let connection = &self.connections[index as usize];
        let has_news = !connection.readiness.is_empty() && connection.owner == Owner::Application;
        if has_news && !connection.has_news {
            self.connections[index as usize].has_news = true;
            self.news
                .push_back(&mut NewsLinks(&mut self.connections), index);
        }
    }

    /// The connection has left its slot for TIME-WAIT or for good.
    fn leave_slot(&mut self, index: u32, exit: Exit) {
        let connection = &self.connections[index as usize];
        let (life, tuple, ts_recent) = (connection.life, connection.tuple, connection.ts_recent());
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.remove(hash, Place::Connection(index));
        self.ports.change(tuple.local(), |hold| hold.live -= 1);
        if let Exit::TimeWait(entry) = exit {
            // The ACK of the peer's FIN is still owed: the slot can no longer send it.
            let owed = self.connections[index as usize].take_owed_ack();
            self.enter_time_wait(life, tuple, entry, ts_recent);
            if owed {
                self.acknowledge_in_time_wait(&tuple);
            }
        }
    }

    fn enter_time_wait(
        &mut self,
        life: LifeId,
        tuple: FourTuple,
        entry: EnterTimeWait,
        ts_recent: Option<u32>,
    ) {
        self.cx.counters.time_waited += 1;
        if self.time_wait.len() >= self.cx.config.max_time_wait {
            self.cx.refuse(Some(tuple), RefusalReason::TimeWaitLimit);
            if let Some(oldest) = self.time_wait.oldest() {
                self.end_time_wait(oldest, Cause::TimeWaitEvicted);
            }
        }
        let hash = self.cx.secrets.table_hash(&tuple);
        let entry = TimeWait::new(life, tuple, entry, ts_recent);
        let length = self.cx.config.time_wait.min(MAX_TIME_WAIT);
        let index = self.time_wait.insert(entry, self.cx.now, length);
        self.table.insert(hash, Place::TimeWait(index));
        self.ports.change(tuple.local(), |hold| hold.time_wait += 1);
    }

    /// Ends a connection in TIME-WAIT.
    pub(super) fn end_time_wait(&mut self, index: u32, cause: Cause) {
        let entry = self.time_wait.remove(index);
        let (tuple, life) = (entry.tuple(), entry.life);
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.remove(hash, Place::TimeWait(index));
        self.ports.change(tuple.local(), |hold| hold.time_wait -= 1);
        let crate::connection::state::Closed = entry.expire();
        self.cx
            .transition(life, tuple, (StateName::TimeWait, StateName::Closed), cause);
    }

    /// Nobody will ask for this slot again.
    pub(super) fn free_slot(&mut self, index: u32) {
        let queued_by = match self.connections[index as usize].owner {
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
        self.news
            .remove(&mut NewsLinks(&mut self.connections), index);
        self.wheel.clear(index);
        self.connections.remove(index as usize);
        if let Some(listener) = queued_by {
            self.promote_held(listener);
        }
    }
}

/// Ten days: the table's clock compares moments within a year.
pub(super) const MAX_TIME_WAIT: core::time::Duration =
    core::time::Duration::from_secs(10 * 24 * 3600);
