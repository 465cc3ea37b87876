//! Segments and time for connections in TIME-WAIT (RFC 9293 §3.10.7.4, RFC 6191, RFC 1337).

use core::time::Duration;

use super::Stack;
use super::admission::Admission;
use super::handshake::next_incarnation;
use super::settle::MAX_TIME_WAIT;
use super::slotless::SlotlessAck;
use crate::connection::CHALLENGE_INTERVAL;
use crate::demux::{ListenerId, TimeWait};
use crate::observe::{Cause, Direction, DiscardReason, Observer};
use crate::{Flags, Segment, SeqNumber, SynFin};

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
            return self.fin_in_time_wait(index);
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

    /// 2·MSL begins anew, and the FIN is acknowledged again. One that follows another at once is no retransmission by
    /// a timer: its answer counts as one to a suspicious segment, so that a flood of them is not answered by another.
    fn fin_in_time_wait(&mut self, index: u32) {
        let now = self.cx.now;
        let length = self.cx.config.time_wait.min(MAX_TIME_WAIT);
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let is_early = length < entry.ends_at(now) - now + CHALLENGE_INTERVAL;
        let tuple = entry.tuple();
        self.time_wait.restart(index, now, length);
        if let Some(entry) = self.time_wait.get(index) {
            self.ports.waits(&tuple, entry.ends(), false);
        }
        if is_early {
            self.challenge_entry(index);
        } else {
            self.acknowledge_entry(index);
        }
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

    /// A SYN may open the connection anew (RFC 9293 §3.6.1, RFC 6191 §2). Two sentences are not followed, as in Linux:
    /// an old SYN is not dropped in silence but acknowledged, so that a peer that has lost its state learns of ours;
    /// and "returns to TIME-WAIT state if the SYN turns out to be an old duplicate" would need the old numbers until
    /// then. Where timestamps told the SYN from a duplicate it cannot turn out to be one.
    fn syn_in_time_wait(&mut self, index: u32, segment: &Segment<'_>) {
        let Some(entry) = self.time_wait.get(index) else {
            return;
        };
        let local = segment.tuple.local();
        let hash = self.cx.secrets.table_hash(&segment.tuple);
        let listener = self.listeners.find(local.ip(), local.port(), hash);
        // "The SYN/ACK segment that would be sent in response to it would also contain a Timestamps option."
        let offers = |id| {
            self.listeners
                .get(id)
                .is_some_and(|it| !it.options.no_options)
        };
        let timestamps = self.cx.config.timestamps && listener.is_some_and(offers);
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
    fn reopen(&mut self, index: u32, listener: ListenerId, segment: &Segment<'_>, hash: u32) {
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
        self.may_reconnect_in(index) == Some(Duration::ZERO)
    }

    /// How long until then; `None` without timestamps, or if it ends before.
    pub(super) fn may_reconnect_in(&self, index: u32) -> Option<Duration> {
        let entry = self.time_wait.get(index)?;
        let config = &self.cx.config;
        let left = entry.ends_at(self.cx.now) - self.cx.now;
        let length = config.time_wait.min(MAX_TIME_WAIT);
        let has_timestamps = config.timestamps && entry.ts_recent().is_some();
        let wait = (left + RECONNECT).saturating_sub(length);
        (has_timestamps && wait <= left).then_some(wait)
    }

    /// How long until a `connect` that finds no port may have this one's.
    pub(super) fn comes_free_in(&self, index: u32) -> Option<Duration> {
        let left = self.time_wait.get(index)?.ends_at(self.cx.now) - self.cx.now;
        let sooner = self.may_reconnect_in(index);
        let sooner = sooner.filter(|_| self.cx.config.time_wait_reuse);
        Some(sooner.unwrap_or(left))
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

    /// Acknowledges the peer's FIN.
    pub(super) fn acknowledge_entry(&mut self, index: u32) {
        let wnd = self.cx.config.time_wait_window;
        if let Some(ack) = self.time_wait.get(index).map(|entry| ack_of(entry, wnd)) {
            self.acknowledge_without_slot(ack);
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
const RECONNECT: Duration = Duration::from_secs(1);

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
