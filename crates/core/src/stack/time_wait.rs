//! Segments and time for connections in TIME-WAIT (RFC 9293 §3.10.7.4, RFC 6191, RFC 1337).

use super::Stack;
use super::admission::Admission;
use super::handshake::next_incarnation;
use super::settle::MAX_TIME_WAIT;
use super::slotless::SlotlessAck;
use crate::demux::{ListenerId, Place, TimeWait};
use crate::observe::{Cause, Direction, DiscardReason, Observer};
use crate::{Flags, FourTuple, Segment, SeqNumber, SynFin};

/// What a new incarnation must know of the old one.
pub(super) struct EndedTimeWait {
    pub(super) snd_nxt: SeqNumber,
}

impl<O: Observer> Stack<O> {
    pub(super) fn arrive_in_time_wait(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let (life, tuple) = (entry.life, Some(entry.tuple()));
        let rcv_nxt = entry.rcv_nxt;
        self.cx.seen(
            life,
            segment,
            segment.payload.len() as u32,
            Direction::Received,
            false,
        );
        if segment.has(Flags::RST) {
            return self.reset_in_time_wait(index, segment);
        }
        let mut controls = Flags::SYN | Flags::ACK;
        if self.cx.config.syn_fin != SynFin::Taken {
            controls.insert(Flags::FIN);
        }
        if segment.flags & controls == Flags::SYN {
            return self.syn_in_time_wait(index, segment);
        }
        let reason = if segment.has(Flags::SYN) {
            DiscardReason::SynInWindow
        } else if !segment.has(Flags::ACK) {
            return self.cx.discard(tuple, Some(life), DiscardReason::NoAck);
        } else if is_older(entry, segment) {
            DiscardReason::Paws
        } else if segment.has(Flags::FIN) && segment.end() == rcv_nxt {
            // "The only thing that can arrive in this state is a retransmission of the remote FIN.
            // Acknowledge it, and restart the 2 MSL timeout."
            let length = self.cx.config.time_wait.min(MAX_TIME_WAIT);
            self.time_wait.restart(index, self.cx.now, length);
            return self.acknowledge_entry(index);
        } else if entry.snd_nxt.precedes(segment.ack) {
            // RFC 5961 §5: an ACK of what was never sent "MUST be discarded and an ACK sent back".
            DiscardReason::AckUnsent
        } else if segment.is_empty() && segment.seq == rcv_nxt {
            return self
                .cx
                .discard(tuple, Some(life), DiscardReason::InTimeWait);
        } else {
            DiscardReason::InTimeWait
        };
        self.cx.discard(tuple, Some(life), reason);
        self.challenge_entry(index);
    }

    /// RFC 1337: a RST must not end TIME-WAIT, unless configured as Linux has it.
    fn reset_in_time_wait(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let (life, tuple) = (entry.life, Some(entry.tuple()));
        if self.cx.config.reset_ends_time_wait && segment.seq == entry.rcv_nxt {
            self.end_time_wait(index, Cause::ResetInTimeWait);
        } else {
            self.cx
                .discard(tuple, Some(life), DiscardReason::ResetInTimeWait);
        }
    }

    /// A SYN may open the connection anew (RFC 9293 §3.6.1, RFC 6191 §2).
    fn syn_in_time_wait(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let local = segment.tuple.local();
        let hash = self.cx.secrets.table_hash(&segment.tuple);
        let listener = self.listeners.find(local.ip(), local.port(), hash);
        let timestamps = self.cx.config.timestamps;
        match listener.filter(|_| is_newer_incarnation(entry, segment, timestamps)) {
            Some(listener) => self.reopen(index, listener, segment, hash),
            None => {
                let (life, tuple) = (entry.life, Some(entry.tuple()));
                self.cx
                    .discard(tuple, Some(life), DiscardReason::OldSynInTimeWait);
                self.challenge_entry(index);
            }
        }
    }

    /// The old incarnation gives way, if the new SYN can be answered at all.
    fn reopen(&mut self, index: u32, listener: ListenerId, segment: &Segment<'_>, hash: u64) {
        let life = self.time_wait.get(index).map(|entry| entry.life);
        if self.admit(listener, segment, life) != Admission::Entry {
            return;
        }
        self.cx.counters.tw_recycled += 1;
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let old = EndedTimeWait {
            snd_nxt: entry.snd_nxt,
        };
        self.end_time_wait(index, Cause::SynInTimeWait);
        self.open_half(listener, (segment, hash), Some(&old));
    }

    /// Whether a new connection may take the place of one in TIME-WAIT by an active OPEN: "an old duplicate segment
    /// from an earlier incarnation" is told by its timestamp (RFC 7323, appendix B.2). A second lets our clock, and
    /// the peer's, pass what was sent last, as in Linux.
    pub(super) fn may_reconnect(&self, index: u32) -> bool {
        let Some(entry) = self.time_wait.get(index) else {
            return false;
        };
        let config = &self.cx.config;
        let left = entry.ends_at(self.cx.now) - self.cx.now;
        let length = config.time_wait.min(MAX_TIME_WAIT);
        config.timestamps && entry.ts_recent().is_some() && left + RECONNECT <= length
    }

    /// The old incarnation gives way; answers the ISN of the new one.
    pub(super) fn reconnect(&mut self, index: u32, iss: SeqNumber) -> SeqNumber {
        let last = self.time_wait.get(index).map(|entry| entry.snd_nxt);
        self.cx.counters.tw_recycled += 1;
        self.end_time_wait(index, Cause::Reconnect);
        last.map_or(iss, |last| next_incarnation(iss, last))
    }

    fn challenge_entry(&mut self, index: u32) {
        let wnd = self.cx.config.time_wait_window;
        if let Some(ack) = self.time_wait.get(index).map(|entry| ack_of(entry, wnd)) {
            self.challenge_without_slot(ack);
        }
    }

    fn acknowledge_entry(&mut self, index: u32) {
        let wnd = self.cx.config.time_wait_window;
        if let Some(ack) = self.time_wait.get(index).map(|entry| ack_of(entry, wnd)) {
            self.acknowledge_without_slot(ack);
        }
    }

    /// Acknowledges the peer's FIN, for a connection that has just entered TIME-WAIT.
    pub(super) fn acknowledge_in_time_wait(&mut self, tuple: &FourTuple) {
        if let (_, Some(Place::TimeWait(index))) = self.find(tuple) {
            self.acknowledge_entry(index);
        }
    }

    /// Ends every TIME-WAIT that is over.
    pub(super) fn advance_time_wait(&mut self) {
        while let Some(index) = self.time_wait.expired(self.cx.now) {
            let cause = if self.cx.config.time_wait.is_zero() {
                Cause::TimeWaitSkipped
            } else {
                Cause::TimeWaitExpired
            };
            self.end_time_wait(index, cause);
        }
    }
}

/// How long TIME-WAIT lasts at least before it is left for a new active OPEN.
const RECONNECT: core::time::Duration = core::time::Duration::from_secs(1);

/// What an entry says when it acknowledges.
fn ack_of(entry: &TimeWait, wnd: u16) -> SlotlessAck {
    SlotlessAck {
        life: entry.life,
        tuple: entry.tuple(),
        seq: entry.snd_nxt,
        ack: entry.rcv_nxt,
        wnd,
        echo: entry.ts_recent(),
        socket: None,
    }
}

/// PAWS in TIME-WAIT (RFC 7323 §5.3).
fn is_older(entry: &TimeWait, segment: &Segment<'_>) -> bool {
    match (entry.ts_recent(), segment.options.timestamps) {
        (Some(recent), Some(theirs)) => theirs.ahead_of(recent) < 0,
        _ => false,
    }
}

/// RFC 6191 §2: a newer timestamp opens, an equal one with a higher sequence number too; without
/// timestamps the sequence number decides (RFC 9293 §3.6.1). A SYN with timestamps after a connection without
/// is always new. `timestamps`: whether we would use them.
fn is_newer_incarnation(entry: &TimeWait, segment: &Segment<'_>, timestamps: bool) -> bool {
    // The last number seen was the FIN's, one before RCV.NXT.
    let higher = entry.rcv_nxt.precedes_or_is(segment.seq);
    let theirs = segment.options.timestamps.filter(|_| timestamps);
    match (entry.ts_recent(), theirs) {
        (None, Some(_)) => true,
        (Some(recent), Some(theirs)) => {
            let ahead = theirs.ahead_of(recent);
            ahead > 0 || (ahead == 0 && higher)
        }
        _ => higher,
    }
}
