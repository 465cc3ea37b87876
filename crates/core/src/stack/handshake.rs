//! The passive handshake: a SYN becomes an entry of the SYN queue, its ACK a connection in the accept queue.

use super::slotless::SlotlessAck;
use super::time_wait::EndedTimeWait;
use super::{AcceptLinks, Stack};
use crate::config::AcceptPolicy;
use crate::connection::{Connection, Owner, advertised_mss, receive_shift, usable_mss};
use crate::context::{Reply, bare_segment};
use crate::demux::{Answer, Listener, ListenerId, Listening, Place, SynReceived};
use crate::observe::{
    Cause, Direction, DiscardReason, LifeId, Observer, RefusalReason, ResetReason, StateName,
};
use crate::{Flags, Options, Segment, SeqNumber, Timestamps};

impl<O: Observer> Stack<O> {
    /// A SYN for a listener (RFC 9293 §3.10.7.2): it is answered if there is room for what follows.
    /// `old`: the connection in TIME-WAIT that gives way to it.
    pub(super) fn answer_syn(
        &mut self,
        id: ListenerId,
        segment: &Segment<'_>,
        old: Option<&EndedTimeWait>,
    ) {
        let tuple = segment.tuple;
        if self.refuses_syn(id, segment, None) {
            return;
        }
        let Some(listener) = self.listeners.get_mut(id) else {
            return;
        };
        listener.half_open += 1;
        let state = listener.state;
        let entry = state.syn_arrived(self.answer_to(id, segment, old));
        let life = entry.life;
        self.cx.seen(
            life,
            segment,
            segment.payload.len() as u32,
            Direction::Received,
            false,
        );
        let cause = if old.is_some() {
            Cause::SynInTimeWait
        } else {
            Cause::Syn
        };
        self.cx.transition(
            life,
            tuple,
            (StateName::Listen, StateName::SynReceived),
            cause,
        );
        let index = self.syn_queue.insert(entry, self.cx.now, &self.cx.config);
        self.syn_queue
            .keep_early(index, segment.payload, self.cx.config.max_syn_data);
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.insert(hash, Place::SynReceived(index));
        self.send_syn_ack(index, false);
    }

    /// Never a silent half-connection: while no place is left, a SYN is not answered. `life`: that of the
    /// connection in TIME-WAIT which would have given way to it.
    pub(super) fn refuses_syn(
        &mut self,
        id: ListenerId,
        segment: &Segment<'_>,
        life: Option<LifeId>,
    ) -> bool {
        let is_memory_spent = self.is_memory_spent();
        let Some(listener) = self.listeners.get_mut(id) else {
            return true;
        };
        let (discard, refusal) = if listener.is_full() && listener.policy == AcceptPolicy::Hold {
            (
                DiscardReason::AcceptQueueFull,
                RefusalReason::AcceptQueueFull,
            )
        } else if self.syn_queue.len() >= self.cx.config.max_syn_received {
            (DiscardReason::SynQueueFull, RefusalReason::SynQueueFull)
        } else if is_memory_spent {
            (DiscardReason::NoMemory, RefusalReason::NoMemory)
        } else {
            return false;
        };
        listener.refused += 1;
        self.cx.discard(Some(segment.tuple), life, discard);
        self.cx.refuse(Some(segment.tuple), refusal);
        true
    }

    /// What is settled by the SYN.
    fn answer_to(
        &mut self,
        id: ListenerId,
        segment: &Segment<'_>,
        old: Option<&EndedTimeWait>,
    ) -> Answer {
        let Segment { tuple, options, .. } = segment;
        let config = &self.cx.config;
        let listener = self.listeners.get(id);
        let offers = !listener.is_some_and(|listener| listener.options.no_options);
        let mut iss = self.cx.secrets.initial_sequence_number(tuple, self.cx.now);
        if let Some(old) = old {
            iss = next_incarnation(iss, old.snd_nxt);
        }
        Answer {
            tuple: *tuple,
            listener: id,
            iss,
            irs: segment.seq,
            wnd: segment.wnd,
            peer_mss: usable_mss(options.mss, tuple.is_ipv4()),
            peer_shift: options
                .window_scale
                .filter(|_| config.window_scaling && offers),
            sack: options.sack_permitted && config.sack && offers,
            ts_recent: options
                .timestamps
                .filter(|_| config.timestamps && offers)
                .map(|ts| ts.value),
            life: self.cx.next_life(),
        }
    }

    /// Queues the SYN,ACK of an entry. The options answer those of the SYN.
    fn send_syn_ack(&mut self, index: u32, again: bool) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let tuple = entry.tuple();
        let life = entry.life;
        let config = &self.cx.config;
        let options = match self.listeners.get(entry.listener) {
            Some(listener) => listener.options,
            None => return,
        };
        let mut segment = bare_segment(tuple, entry.iss, entry.rcv_nxt(), Flags::SYN | Flags::ACK);
        segment.wnd = u16::try_from(options.receive_buffer).unwrap_or(u16::MAX);
        segment.options = Options {
            mss: (!options.no_options)
                .then(|| advertised_mss(config, options.max_segment, tuple.is_ipv4())),
            window_scale: entry.peer_shift().map(|_| receive_shift(config, &options)),
            sack_permitted: entry.sack(),
            timestamps: entry.ts_recent().map(|echo| Timestamps {
                value: self.cx.secrets.timestamp(&tuple, self.cx.now),
                echo,
            }),
            ..Options::default()
        };
        if again {
            self.cx.counters.tcp_synack_retrans += 1;
        }
        let treatment = self.cx.config.treatment(Some(&options));
        self.cx
            .reply(Reply::Segment(segment, Some(life), again, treatment));
    }

    /// A segment for a half-open connection (RFC 9293 §3.10.7.4, for SYN-RECEIVED after a passive OPEN).
    pub(super) fn arrive_in_syn_received(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let (life, listener) = (entry.life, entry.listener);
        let tuple = Some(segment.tuple);
        let len = segment.payload.len() as u32;
        let (rcv_nxt, iss, irs) = (entry.rcv_nxt(), entry.iss, entry.irs);
        let window = self.offered_window(listener);
        let (old_timestamp, no_timestamp) = match (entry.ts_recent(), segment.options.timestamps) {
            (Some(recent), Some(theirs)) => (theirs.ahead_of(recent) < 0, false),
            (Some(_), None) => (false, true),
            (None, _) => (false, false),
        };
        self.cx.seen(life, segment, len, Direction::Received, false);
        if self.listeners.get(listener).is_none() {
            // The listener is gone: what still comes belongs to nobody, or to the listener after it.
            self.drop_half_open(index, Cause::ListenerClosed);
            return self.arrive_without_connection(segment);
        }
        let controls = Flags::SYN | Flags::ACK | Flags::RST;
        if segment.flags & controls == Flags::SYN && segment.seq == irs {
            // The SYN again: our answer was lost.
            return self.send_syn_ack(index, true);
        }
        let in_window = segment.seq.is_within(rcv_nxt, window)
            || (!segment.is_empty() && (segment.end() - 1).is_within(rcv_nxt, window));
        let discard = |stack: &mut Self, reason| stack.cx.discard(tuple, Some(life), reason);
        if segment.has(Flags::RST) {
            if segment.seq == rcv_nxt {
                self.drop_half_open(index, Cause::Reset);
            } else if !self.cx.config.exact_resets && segment.seq.is_within(rcv_nxt, window) {
                self.drop_half_open(index, Cause::ResetInWindow);
            } else if in_window {
                discard(self, DiscardReason::ResetInexact);
                self.challenge_half_open(index);
            } else {
                discard(self, DiscardReason::ResetOutside);
            }
        } else if no_timestamp {
            discard(self, DiscardReason::NoTimestamp);
        } else if old_timestamp || !in_window {
            let reason = if old_timestamp {
                DiscardReason::Paws
            } else {
                DiscardReason::OutsideWindow
            };
            discard(self, reason);
            self.challenge_half_open(index);
        } else if segment.has(Flags::SYN) {
            // "If the connection was initiated with a passive OPEN, then return this connection to the
            // LISTEN state": the peer has begun anew, its next SYN finds a listener.
            discard(self, DiscardReason::SynInWindow);
            self.drop_half_open(index, Cause::OtherSyn);
        } else if !segment.has(Flags::ACK) {
            discard(self, DiscardReason::NoAck);
        } else if segment.ack != iss + 1 {
            discard(self, DiscardReason::AckUnacceptable);
            let options = self
                .listeners
                .get(listener)
                .map(|listener| &listener.options);
            self.cx
                .reset_for(segment, ResetReason::AckUnacceptable, options);
        } else {
            self.complete_handshake(index, segment);
        }
    }

    /// The window that the SYN,ACK offered.
    fn offered_window(&self, listener: ListenerId) -> u32 {
        let buffer = self
            .listeners
            .get(listener)
            .map_or(0, |l| l.options.receive_buffer);
        buffer.min(usize::from(u16::MAX)) as u32
    }

    /// Our SYN is acknowledged: ESTABLISHED, if the accept queue has a place.
    fn complete_handshake(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.syn_queue.get_mut(index) else {
            return;
        };
        let (id, life, tuple) = (entry.listener, entry.life, entry.tuple());
        let Some(listener) = self.listeners.get_mut(id) else {
            return;
        };
        if listener.is_full() {
            listener.refused += 1;
            match listener.policy {
                AcceptPolicy::Hold => {
                    if !entry.is_held() {
                        entry.hold();
                        listener.held.push_back((index, life));
                    }
                    self.cx
                        .discard(Some(tuple), Some(life), DiscardReason::AcceptQueueFull);
                    return self.cx.refuse(Some(tuple), RefusalReason::AcceptQueueFull);
                }
                AcceptPolicy::Reset => {
                    self.cx.refuse(Some(tuple), RefusalReason::AcceptQueueFull);
                    return self.reset_half_open(
                        index,
                        Cause::AcceptOverflow,
                        ResetReason::AcceptOverflow,
                    );
                }
                AcceptPolicy::ShedOldest => self.shed_oldest(id),
            }
        }
        let echo = segment.options.timestamps.map(|theirs| theirs.echo);
        if let Some(connection) = self.promote(index, echo) {
            // The same segment may have data and a FIN.
            self.connections[connection].arrive_first(&mut self.cx, segment);
            self.settle(connection);
        }
    }

    fn shed_oldest(&mut self, id: ListenerId) {
        let oldest = self
            .listeners
            .get(id)
            .and_then(|listener| listener.queue.front());
        if let Some(oldest) = oldest {
            if let Some(listener) = self.listeners.get_mut(id) {
                listener
                    .queue
                    .remove(&mut AcceptLinks(&mut self.connections), oldest);
            }
            self.connections[oldest].abort(&mut self.cx, Cause::Shed);
            self.settle(oldest);
        }
    }

    /// Makes a connection of a half-open one and puts it into the accept queue. Answers its slot. `echo`: TSecr of
    /// the ACK, if it has just come.
    pub(super) fn promote(&mut self, index: u32, echo: Option<u32>) -> Option<u32> {
        if self.connections.len() >= self.cx.config.max_connections {
            let tuple = self.syn_queue.get(index)?.tuple();
            self.cx.refuse(Some(tuple), RefusalReason::ConnectionLimit);
            self.reset_half_open(index, Cause::NoMemory, ResetReason::NoMemory);
            return None;
        }
        let mut entry = self.unlink_half_open(index);
        let id = entry.listener;
        let options = self.listeners.get(id)?.options;
        let early = entry.early.take();
        let (life, tuple, irs) = (entry.life, entry.tuple(), entry.irs);
        let mut handshake = entry.handshake(&self.cx.config);
        if self.first_syn_ack_sufficed(&entry, echo) {
            handshake.answered_at = Some(handshake.opened_at);
        }
        let state = entry.syn_acked();
        self.cx.counters.passive_opens += 1;
        self.cx.transition(
            life,
            tuple,
            (StateName::SynReceived, StateName::Established),
            Cause::AckOfSyn,
        );
        let owner = Owner::AcceptQueue(id);
        let mut connection = Connection::accept(&self.cx, handshake, state, options, owner);
        if let Some(early) = early {
            connection.take_early(&mut self.cx, irs + 1, &early);
        }
        let slot = self.connections.insert(connection);
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.insert(hash, Place::Connection(slot));
        self.ports.change(tuple.local(), |hold| hold.live += 1);
        let listener = self.listeners.get_mut(id)?;
        listener
            .queue
            .push_back(&mut AcceptLinks(&mut self.connections), slot);
        if !listener.told {
            listener.told = true;
            self.acceptable.push_back(id);
        }
        self.settle(slot);
        Some(slot)
    }

    /// RFC 3522 §3.2, step 4: the ACK echoes a timestamp from before the first retransmission, so the SYN,ACK was
    /// never lost, and the path is merely long. It has then been measured, too.
    fn first_syn_ack_sufficed(&self, entry: &SynReceived, echo: Option<u32>) -> bool {
        let Some(echo) = echo.filter(|_| entry.ts_recent().is_some() && !entry.is_held()) else {
            return false;
        };
        let opened_at = entry.opened_at(&self.cx.config);
        let first = self.cx.secrets.timestamp(&entry.tuple(), opened_at);
        echo.wrapping_sub(first) as i32 <= 0
    }

    /// A place came free: the child that has waited longest takes it.
    pub(super) fn promote_held(&mut self, id: ListenerId) {
        while let Some(listener) = self.listeners.get_mut(id) {
            if listener.is_full() {
                return;
            }
            let Some((index, life)) = listener.held.pop_front() else {
                return;
            };
            if self.is_held(index, life) {
                self.promote(index, None);
            }
        }
    }

    /// Takes an entry out of every table.
    fn unlink_half_open(&mut self, index: u32) -> SynReceived {
        let entry = self.syn_queue.remove(index);
        let hash = self.cx.secrets.table_hash(&entry.tuple());
        self.table.remove(hash, Place::SynReceived(index));
        if let Some(listener) = self.listeners.get_mut(entry.listener) {
            listener.half_open -= 1;
        }
        entry
    }

    /// Ends a half-open connection without a word.
    pub(super) fn drop_half_open(&mut self, index: u32, cause: Cause) {
        let entry = self.unlink_half_open(index);
        let (life, tuple) = (entry.life, entry.tuple());
        self.cx.counters.attempt_fails += 1;
        let to = if matches!(cause, Cause::Reset | Cause::ResetInWindow | Cause::OtherSyn) {
            let Listening = entry.reset_arrived();
            StateName::Listen
        } else {
            StateName::Closed
        };
        self.cx
            .transition(life, tuple, (StateName::SynReceived, to), cause);
    }

    /// Ends a half-open connection and tells the peer.
    pub(super) fn reset_half_open(&mut self, index: u32, cause: Cause, reason: ResetReason) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let (life, tuple) = (entry.life, entry.tuple());
        let flags = Flags::RST | Flags::ACK;
        let mut rst = bare_segment(tuple, entry.iss + 1, entry.rcv_nxt(), flags);
        let value = self.cx.secrets.timestamp(&tuple, self.cx.now);
        rst.options.timestamps = entry.ts_recent().map(|echo| Timestamps { value, echo });
        let options = self
            .listeners
            .get(entry.listener)
            .map(|listener| &listener.options);
        self.cx.reset(Some(life), rst, reason, options);
        self.drop_half_open(index, cause);
    }

    /// Answers a suspicious segment with an ACK (RFC 5961). Not each of them: the answer may itself be suspicious to a
    /// peer that answers it in turn, such as one in TIME-WAIT, whose entry has no room to count.
    fn challenge_half_open(&mut self, index: u32) {
        let Some(entry) = self.syn_queue.get_mut(index) else {
            return;
        };
        if !entry.may_challenge(self.cx.now) {
            self.cx.counters.tcp_ack_skipped_challenge += 1;
            return;
        }
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let ack = SlotlessAck {
            life: entry.life,
            tuple: entry.tuple(),
            seq: entry.iss + 1,
            ack: entry.rcv_nxt(),
            wnd: self.scaled_offer(entry),
            echo: entry.ts_recent(),
            socket: self
                .listeners
                .get(entry.listener)
                .map(|listener| listener.options),
        };
        self.challenge_without_slot(ack);
    }

    /// The window of the SYN,ACK as a segment without SYN says it. The peer may be ESTABLISHED already and
    /// would stop at a smaller one.
    fn scaled_offer(&self, entry: &SynReceived) -> u16 {
        let Some(listener) = self.listeners.get(entry.listener) else {
            return 0;
        };
        let options = listener.options;
        let shift = match entry.peer_shift() {
            Some(_) => receive_shift(&self.cx.config, &options),
            None => 0,
        };
        let field = self.offered_window(entry.listener).div_ceil(1 << shift);
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    /// SYN-ACKs that were not acknowledged in time go out again; the last ones end.
    pub(super) fn advance_syn_queue(&mut self) {
        while let Some(index) = self.syn_queue.expired(self.cx.now) {
            if self.syn_queue.back_off(index, self.cx.now, &self.cx.config) {
                self.send_syn_ack(index, true);
            } else if self.syn_queue.get(index).is_some_and(SynReceived::is_held) {
                // The peer believes in a connection: it must hear that there is none.
                self.reset_half_open(index, Cause::AcceptOverflow, ResetReason::AcceptOverflow);
            } else {
                self.drop_half_open(index, Cause::SynAckRetries);
            }
        }
    }

    /// The children of a listener that closed: those whose handshake is done are reset, in the accept queue
    /// or waiting for a place there. The half-open ones get a RST when they are heard of again.
    pub(super) fn close_children(&mut self, mut listener: Listener) {
        let queue = &mut listener.queue;
        while let Some(index) = queue.pop_front(&mut AcceptLinks(&mut self.connections)) {
            self.connections[index].abort(&mut self.cx, Cause::ListenerClosed);
            self.settle(index);
        }
        for (index, life) in listener.held {
            if self.is_held(index, life) {
                self.reset_half_open(index, Cause::ListenerClosed, ResetReason::ListenerClosed);
            }
        }
    }

    /// Whether the child that was put on the list of the held ones is still there.
    fn is_held(&self, index: u32, life: LifeId) -> bool {
        self.syn_queue
            .get(index)
            .is_some_and(|entry| entry.life == life)
    }
}

/// RFC 9293 §3.6.1: the ISN of a new incarnation is "larger than the largest sequence number it used on the
/// previous connection incarnation".
pub(super) fn next_incarnation(iss: SeqNumber, last: SeqNumber) -> SeqNumber {
    if last.precedes(iss) {
        iss
    } else {
        last + NEXT_INCARNATION
    }
}

/// How far a new incarnation's ISN lies ahead of the old one's last number, as Linux.
const NEXT_INCARNATION: u32 = 65_537;
