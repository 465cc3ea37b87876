//! Whether a listener has room: for a SYN, and for a child whose handshake is done. Every refusal is counted at the
//! listener by its reason.

use super::{AcceptLinks, Stack};
use crate::FourTuple;
use crate::config::{AcceptPolicy, SynCookies};
use crate::demux::{Listener, ListenerId, SynReceived, levels_within};
use crate::observe::{Cause, DiscardReason, LifeId, Observer, RefusalReason};
use crate::{Config, Segment};

/// What becomes of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It gets an entry of the SYN queue.
    Entry,
    /// It is answered by a cookie.
    Cookie,
    /// It is not answered, and that has been told.
    Refused,
}

/// What becomes of a child whose handshake is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It has a place in the accept queue.
    Place,
    /// It may wait for one.
    Wait,
    /// It is told that there is none.
    None,
}

impl<O: Observer> Stack<O> {
    /// Judges a SYN. Never a silent half-connection: while no place is left in the accept queue, it is not answered.
    /// `old`: the connection in TIME-WAIT that would give way to it.
    pub(super) fn admit(
        &mut self,
        id: ListenerId,
        segment: &Segment<'_>,
        old: Option<LifeId>,
    ) -> Admission {
        let Some(listener) = self.listeners.get(id) else {
            return Admission::Refused;
        };
        let (tuple, mode) = (segment.tuple, self.cx.config.syn_cookies);
        if listener.is_full() && listener.policy == AcceptPolicy::Hold {
            self.overflow(id, tuple, old);
            return Admission::Refused;
        }
        let has_room = self.has_syn_room(listener, old.is_some());
        let takes_cookie = old.is_none() && mode != SynCookies::Off;
        if takes_cookie && (mode == SynCookies::Always || !has_room) {
            self.cx.counters.tcp_req_q_full_do_cookies += u64::from(!has_room);
            return Admission::Cookie;
        }
        if has_room {
            return Admission::Entry;
        }
        self.cx.counters.tcp_req_q_full_drop += 1;
        self.cx.counters.listen_drops += 1;
        self.cx
            .discard(Some(tuple), old, DiscardReason::SynQueueFull);
        self.refuse_at(id, tuple, RefusalReason::SynQueueFull);
        Admission::Refused
    }

    /// Whether the SYN queue has room for one more entry. `succeeds`: it takes over from a connection in TIME-WAIT, so
    /// that its peer is no flood's.
    pub(super) fn has_syn_room(&self, listener: &Listener, succeeds: bool) -> bool {
        let used = self.syn_queue.len();
        let Config {
            max_syn_received: most,
            syn_cookies,
            ..
        } = self.cx.config;
        if succeeds {
            return used < most;
        }
        let kept = if syn_cookies == SynCookies::Off {
            0
        } else {
            most / 8
        };
        used < most - kept && listener.half_open < listener.syn_backlog()
    }

    /// Times the SYN-ACK of an entry may be sent again: each halving of the room left takes one away.
    pub(super) fn retries_left(&self, entry: &SynReceived) -> u8 {
        let config = &self.cx.config;
        let halvings = |used: usize, most: usize| {
            let room = most.saturating_sub(used).max(1);
            (most / room).max(1).ilog2() as u8
        };
        let stack = halvings(self.syn_queue.len(), config.max_syn_received);
        let listener = self.listeners.get(entry.listener);
        let own = listener.map_or(0, |own| halvings(own.half_open, own.syn_backlog()));
        config.syn_ack_retries.saturating_sub(stack.max(own))
    }

    /// Judges a child whose handshake is done, by the policy of its listener.
    pub(super) fn room_for_child(
        &mut self,
        id: ListenerId,
        tuple: FourTuple,
        life: LifeId,
    ) -> Room {
        let Some(listener) = self.listeners.get(id) else {
            return Room::None;
        };
        if !listener.is_full() {
            return Room::Place;
        }
        match listener.policy {
            AcceptPolicy::Hold => {
                self.overflow(id, tuple, Some(life));
                Room::Wait
            }
            AcceptPolicy::Reset => {
                self.count_overflow(id, tuple);
                Room::None
            }
            AcceptPolicy::ShedOldest => {
                self.count_overflow(id, tuple);
                self.shed_oldest(id);
                Room::Place
            }
        }
    }

    /// Something that arrived for a full accept queue is not used.
    fn overflow(&mut self, id: ListenerId, tuple: FourTuple, life: Option<LifeId>) {
        self.cx
            .discard(Some(tuple), life, DiscardReason::AcceptQueueFull);
        self.count_overflow(id, tuple);
    }

    fn count_overflow(&mut self, id: ListenerId, tuple: FourTuple) {
        self.cx.counters.listen_overflows += 1;
        self.cx.counters.listen_drops += 1;
        self.refuse_at(id, tuple, RefusalReason::AcceptQueueFull);
    }

    /// A listener refuses somebody.
    pub(super) fn refuse_at(&mut self, id: ListenerId, tuple: FourTuple, reason: RefusalReason) {
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.tally.refusals[reason as usize] += 1;
        }
        self.cx.refuse(Some(tuple), reason);
    }

    fn shed_oldest(&mut self, id: ListenerId) {
        let Some(listener) = self.listeners.get_mut(id) else {
            return;
        };
        let links = &mut AcceptLinks(&mut self.connections);
        if let Some(oldest) = listener.queue.pop_front(links) {
            self.connections[oldest as usize].abort(&mut self.cx, Cause::Shed);
            self.settle(oldest);
        }
    }

    /// Whether a listener that waits for data leaves this handshake's end for later: it is a bare ACK, and the time
    /// for data is not over.
    pub(super) fn defers(&self, entry: &SynReceived, segment: &Segment<'_>) -> bool {
        segment.is_empty() && entry.retries < self.deferred_levels(entry.listener)
    }

    /// How many times of the SYN-ACK's timer a listener waits for data.
    pub(super) fn deferred_levels(&self, id: ListenerId) -> u8 {
        let time = self
            .listeners
            .get(id)
            .and_then(|listener| listener.defer_accept);
        time.map_or(0, |time| levels_within(&self.cx.config, time))
    }
}
