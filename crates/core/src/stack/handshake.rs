//! The passive handshake: a SYN becomes an entry of the SYN queue, its ACK a connection in the accept queue.

use super::admission::{Admission, Room};
use super::slotless::SlotlessAck;
use super::time_wait::EndedTimeWait;
use super::{AcceptLinks, Stack};
use crate::connection::{Connection, Owner, PathSeen, advertised_mss, receive_shift, usable_mss};
use crate::context::{Reply, bare_segment};
use crate::demux::{Answer, Listener, ListenerId, Listening, Place, SynReceived};
use crate::observe::{
    Cause, Direction, DiscardReason, LifeId, Observer, RefusalReason, ResetReason, StateName,
};
use crate::{Config, Flags, FourTuple, Options, Segment, SeqNumber, SocketOptions, Timestamps};

impl<O: Observer> Stack<O> {
    /// A SYN for a listener (RFC 9293 §3.10.7.2): it is answered if there is room for what follows.
    /// `hash`: the 4-tuple's.
    pub(super) fn answer_syn(&mut self, id: ListenerId, segment: &Segment<'_>, hash: u32) {
        match self.admit(id, segment, None) {
            Admission::Entry => self.open_half(id, (segment, hash), None),
            Admission::Cookie => self.answer_with_cookie(id, segment),
            Admission::Refused => {}
        }
    }

    /// A SYN that was admitted gets its entry. `old`: the connection in TIME-WAIT that gave way to it.
    pub(super) fn open_half(
        &mut self,
        id: ListenerId,
        (segment, hash): (&Segment<'_>, u32),
        old: Option<&EndedTimeWait>,
    ) {
        let life = self.cx.next_life();
        let Some(listener) = self.listeners.get(id) else {
            return;
        };
        let answer = self.answer_to(life, (id, &listener.options), segment, old);
        let entry = listener.state.syn_arrived(answer);
        let len = segment.payload.len() as u32;
        self.cx.seen(life, segment, len, Direction::Received, false);
        let cause = if old.is_some() {
            Cause::SynInTimeWait
        } else {
            Cause::Syn
        };
        let states = (StateName::Listen, StateName::SynReceived);
        self.cx.transition(life, segment.tuple, states, cause);
        let index = self.insert_half_open(entry, hash);
        self.syn_queue
            .keep_early(index, segment.payload, self.cx.config.max_syn_data);
        self.send_syn_ack(index, false);
    }

    /// Puts an entry into the SYN queue and the table.
    pub(super) fn insert_half_open(&mut self, entry: SynReceived, hash: u32) -> u32 {
        if let Some(listener) = self.listeners.get_mut(entry.listener) {
            listener.half_open += 1;
        }
        let index = self.syn_queue.insert(entry, self.cx.now, &self.cx.config);
        self.table.insert(hash, Place::SynReceived(index));
        index
    }

    /// What is settled by the SYN.
    fn answer_to(
        &self,
        life: LifeId,
        (listener, socket): (ListenerId, &SocketOptions),
        segment: &Segment<'_>,
        old: Option<&EndedTimeWait>,
    ) -> Answer {
        let (tuple, config) = (segment.tuple, &self.cx.config);
        let options = accepted(&segment.options, config, socket);
        let mut iss = self.cx.secrets.initial_sequence_number(&tuple, self.cx.now);
        if let Some(old) = old {
            iss = next_incarnation(iss, old.snd_nxt);
        }
        Answer {
            life,
            tuple,
            listener,
            iss,
            irs: segment.seq,
            wnd: segment.wnd,
            peer_mss: usable_mss(options.mss, tuple.is_ipv4()),
            peer_shift: options.window_scale,
            sack: options.sack_permitted,
            shift: receive_shift(config, socket),
            ts_recent: options.timestamps.map(|theirs| theirs.value),
        }
    }

    /// Queues the SYN,ACK of an entry. The options answer those of the SYN.
    fn send_syn_ack(&mut self, index: u32, again: bool) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let (config, life) = (&self.cx.config, entry.life);
        let Some(listener) = self.listeners.get(entry.listener) else {
            return;
        };
        let options = &listener.options;
        let mut segment = syn_ack(config, options, (entry.tuple(), entry.iss, entry.irs));
        segment.options.window_scale = entry.shift();
        segment.options.sack_permitted = entry.sack();
        segment.options.timestamps = entry.ts_recent().map(|echo| Timestamps {
            value: entry.timestamp(&self.cx.secrets, self.cx.now),
            echo,
        });
        if again {
            self.cx.counters.tcp_synack_retrans += 1;
        }
        let treatment = config.treatment(Some(options));
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
            let hash = self.cx.secrets.table_hash(&segment.tuple);
            return self.arrive_without_connection(segment, hash);
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
        } else if segment.flags & controls == Flags::ACK && self.replace_by_cookie(index, segment) {
            // It belongs to the connection that has begun.
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
        } else if segment.ack != iss + 1 && !self.adopt_cookie(index, segment) {
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
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        if self.defers(entry, segment) {
            self.cx.counters.tcp_defer_accept_drop += 1;
            if let Some(entry) = self.syn_queue.get_mut(index) {
                entry.defer();
            }
            return;
        }
        self.promote_if_room(index, Some(segment));
    }

    /// The handshake of an entry is done: it leaves the SYN queue, unless it has to wait for a place. `segment`: what
    /// has just come.
    fn promote_if_room(&mut self, index: u32, segment: Option<&Segment<'_>>) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        match self.room_for_child(entry.listener, entry.tuple(), entry.life) {
            Room::Place => {
                let entry = self.unlink_half_open(index);
                self.establish(entry, segment);
            }
            Room::Wait => self.hold(index),
            Room::None => {
                self.reset_half_open(index, Cause::AcceptOverflow, ResetReason::AcceptOverflow);
            }
        }
    }

    /// The child waits for a place in the accept queue.
    pub(super) fn hold(&mut self, index: u32) {
        let Some(entry) = self.syn_queue.get_mut(index) else {
            return;
        };
        if entry.is_held() {
            return;
        }
        entry.hold();
        if let Some(listener) = self.listeners.get_mut(entry.listener) {
            listener.held.push_back((index, entry.life));
            listener.held_now += 1;
            // Those that have gone are forgotten before they are more than those that are there.
            if listener.held.len() > 2 * listener.held_now + 16 {
                let entries = &self.syn_queue;
                let is_there = |&(index, life): &(u32, LifeId)| entries.holds(index, life);
                listener.held.retain(is_there);
            }
        }
    }

    /// Makes a connection of a half-open one that is in no table any more, and puts it into the accept queue.
    /// `segment`: the one that completed the handshake, if it has just come; it may have data and a FIN.
    pub(super) fn establish(&mut self, mut entry: SynReceived, segment: Option<&Segment<'_>>) {
        let (id, life, tuple) = (entry.listener, entry.life, entry.tuple());
        if self.connections.len() >= self.cx.config.max_connections {
            self.refuse_at(id, tuple, RefusalReason::ConnectionLimit);
            return self.reset_entry(entry, Cause::NoMemory, ResetReason::NoMemory);
        }
        let Some(listener) = self.listeners.get(id) else {
            return;
        };
        let options = listener.options;
        let (early, irs) = (entry.take_early(), entry.irs);
        let mut handshake = entry.handshake(&self.cx.config);
        let echo = segment.and_then(|segment| segment.options.timestamps);
        if self.first_syn_ack_sufficed(&entry, handshake.path, echo.map(|theirs| theirs.echo)) {
            handshake.path = PathSeen::Measured(handshake.opened_at);
        }
        let offset = entry.ts_offset(&self.cx.secrets);
        let state = entry.syn_acked();
        self.cx.counters.passive_opens += 1;
        let states = (StateName::SynReceived, StateName::Established);
        self.cx.transition(life, tuple, states, Cause::AckOfSyn);
        let owner = Owner::AcceptQueue(id);
        let mut connection =
            Connection::accept(&self.cx, (handshake, offset), state, options, owner);
        if !early.is_empty() {
            connection.take_early(&mut self.cx, irs + 1, &early);
        }
        let slot = self.connections.insert(connection);
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.insert(hash, Place::Connection(slot));
        self.ports.change(tuple.local(), |hold| hold.live += 1);
        self.enqueue(id, slot);
        self.settle(slot);
        if let Some(segment) = segment {
            self.connections[slot].arrive_first(&mut self.cx, segment);
            self.settle(slot);
        }
    }

    /// Puts a connection into an accept queue, and says so.
    pub(super) fn enqueue(&mut self, id: ListenerId, slot: u32) {
        let Some(listener) = self.listeners.get_mut(id) else {
            return;
        };
        let links = &mut AcceptLinks(&mut self.connections);
        listener.queue.push_back(links, slot);
        if !listener.told {
            listener.told = true;
            self.acceptable.push_back(id);
        }
    }

    /// RFC 3522 §3.2, step 4: the ACK echoes a timestamp from before the first retransmission, so the SYN,ACK was
    /// never lost, and the path is merely long. It has then been measured, too.
    fn first_syn_ack_sufficed(
        &self,
        entry: &SynReceived,
        path: PathSeen,
        echo: Option<u32>,
    ) -> bool {
        let may = path == PathSeen::Lossy && entry.ts_recent().is_some() && !entry.is_held();
        let Some(echo) = echo.filter(|_| may) else {
            return false;
        };
        let opened_at = entry.opened_at(&self.cx.config);
        let first = entry.timestamp(&self.cx.secrets, opened_at);
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
            if self.syn_queue.holds(index, life) {
                let entry = self.unlink_half_open(index);
                self.establish(entry, None);
            }
        }
    }

    /// Takes an entry out of every table.
    pub(super) fn unlink_half_open(&mut self, index: u32) -> SynReceived {
        let entry = self.syn_queue.remove(index);
        let hash = self.cx.secrets.table_hash(&entry.tuple());
        self.table.remove(hash, Place::SynReceived(index));
        self.ports.came_free(&entry.tuple());
        if let Some(listener) = self.listeners.get_mut(entry.listener) {
            listener.half_open -= 1;
            listener.held_now -= usize::from(entry.is_held());
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
        if self.syn_queue.get(index).is_some() {
            let entry = self.unlink_half_open(index);
            self.reset_entry(entry, cause, reason);
        }
    }

    /// The same for one that is in no table any more.
    pub(super) fn reset_entry(&mut self, entry: SynReceived, cause: Cause, reason: ResetReason) {
        let (life, tuple) = (entry.life, entry.tuple());
        let flags = Flags::RST | Flags::ACK;
        let mut rst = bare_segment(tuple, entry.iss + 1, entry.rcv_nxt(), flags);
        let value = entry.timestamp(&self.cx.secrets, self.cx.now);
        rst.options.timestamps = entry.ts_recent().map(|echo| Timestamps { value, echo });
        let listener = self.listeners.get(entry.listener);
        let options = listener.map(|listener| &listener.options);
        self.cx.reset(Some(life), rst, reason, options);
        self.cx.counters.attempt_fails += 1;
        let states = (StateName::SynReceived, StateName::Closed);
        self.cx.transition(life, tuple, states, cause);
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
            self.syn_ack_expired(index);
        }
    }

    fn syn_ack_expired(&mut self, index: u32) {
        let Some(entry) = self.syn_queue.get(index) else {
            return;
        };
        let (held, deferred) = (entry.is_held(), entry.is_deferred());
        let most = if deferred {
            self.deferred_levels(entry.listener).saturating_sub(1)
        } else if held {
            u8::MAX
        } else {
            self.retries_left(entry)
        };
        let (now, config) = (self.cx.now, &self.cx.config);
        if self.syn_queue.back_off(index, most, now, config) {
            // Who waits for data has been heard.
            if !deferred {
                self.send_syn_ack(index, true);
            }
        } else if deferred {
            self.stop_deferring(index);
        } else if held {
            // The peer believes in a connection: it must hear that there is none.
            self.reset_half_open(index, Cause::AcceptOverflow, ResetReason::AcceptOverflow);
        } else {
            self.drop_half_open(index, Cause::SynAckRetries);
        }
    }

    /// The time for data is over: the listener gets the child without.
    fn stop_deferring(&mut self, index: u32) {
        let listener = self.syn_queue.get(index).map(|entry| entry.listener);
        if listener.is_some_and(|id| self.listeners.get(id).is_none()) {
            let (cause, reason) = (Cause::ListenerClosed, ResetReason::ListenerClosed);
            return self.reset_half_open(index, cause, reason);
        }
        self.promote_if_room(index, None);
        if let Some(entry) = self.syn_queue.get(index) {
            // It is held now, for as long as any.
            debug_assert!(entry.is_held());
            self.syn_queue.restart(index, self.cx.now, &self.cx.config);
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
            if self.syn_queue.holds(index, life) {
                self.reset_half_open(index, Cause::ListenerClosed, ResetReason::ListenerClosed);
            }
        }
    }
}

/// The options of a SYN that we go along with.
pub(super) fn accepted(offered: &Options, config: &Config, socket: &SocketOptions) -> Options {
    let offers = !socket.no_options;
    Options {
        mss: offered.mss,
        window_scale: offered
            .window_scale
            .filter(|_| config.window_scaling && offers),
        sack_permitted: offered.sack_permitted && config.sack && offers,
        timestamps: offered.timestamps.filter(|_| config.timestamps && offers),
        ..Options::default()
    }
}

/// A SYN,ACK without the options that answer those of the SYN.
pub(super) fn syn_ack(
    config: &Config,
    socket: &SocketOptions,
    (tuple, iss, irs): (FourTuple, SeqNumber, SeqNumber),
) -> Segment<'static> {
    let mut segment = bare_segment(tuple, iss, irs + 1, Flags::SYN | Flags::ACK);
    segment.wnd = u16::try_from(socket.receive_buffer).unwrap_or(u16::MAX);
    if !socket.no_options {
        segment.options.mss = Some(advertised_mss(config, socket.max_segment, tuple.is_ipv4()));
    }
    segment
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
