//! The clock's part: what each timer of a connection does when it fires.

use core::time::Duration;

use super::send::Recovery;
use super::state::State;
use super::{Connection, Owner};
use crate::congestion::CongestionControl;
use crate::context::Context;
use crate::observe::{Cause, Observer, ResetReason};
use crate::{Config, Instant};

/// A moment, or never, in 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) const NEVER: Self = Self(Instant::from_nanos(u64::MAX));

    pub(crate) fn at(moment: Instant) -> Self {
        Self(moment)
    }

    pub(crate) fn is_set(self) -> bool {
        self != Self::NEVER
    }

    pub(crate) fn get(self) -> Option<Instant> {
        self.is_set().then_some(self.0)
    }

    fn has_passed(self, now: Instant) -> bool {
        self.is_set() && self.0 <= now
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::NEVER
    }
}

/// The timers of a connection. The wheel holds only the earliest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    /// Retransmission (RFC 6298), or the next zero-window probe (RFC 9293 §3.8.6.1).
    pub(crate) retransmit: Deadline,
    pub(crate) delayed_ack: Deadline,
    pub(crate) keep_alive: Deadline,
    /// The end of a connection without an owner: of its FIN-WAIT-2, else of the linger time, or of its time at all. In
    /// CLOSE-WAIT, which has one, a look at the application.
    pub(crate) last: Deadline,
}

impl Timers {
    /// The earliest.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.retransmit
            .min(self.delayed_ack)
            .min(self.keep_alive)
            .min(self.last)
            .get()
    }
}

impl Connection {
    /// When the next timer fires, if the wheel does not call earlier anyway. It never holds a deadline later than the
    /// connection's next. A later one, or none, is left to fire early and be re-armed then: most segments only push
    /// the deadline out, or take it back for a moment.
    pub(crate) fn earlier_deadline(&self) -> Option<Instant> {
        let armed = self.timer.deadline();
        let next = self.timers.next()?;
        armed.is_none_or(|armed| next < armed).then_some(next)
    }

    /// Fires every timer that is due.
    pub(crate) fn advance<O: Observer>(&mut self, cx: &mut Context<O>) {
        let now = cx.now;
        if self.timers.delayed_ack.has_passed(now) {
            self.timers.delayed_ack = Deadline::NEVER;
            cx.counters.delayed_acks += 1;
            self.receive.owe_ack_now();
        }
        if self.timers.retransmit.has_passed(now) {
            self.timers.retransmit = Deadline::NEVER;
            self.retransmission_timeout(cx);
        }
        if self.state.is_some() && self.timers.keep_alive.has_passed(now) {
            self.timers.keep_alive = Deadline::NEVER;
            self.keep_alive_timeout(cx);
        }
        if self.state.is_some() && self.timers.last.has_passed(now) {
            self.timers.last = Deadline::NEVER;
            self.last_timeout(cx);
        }
    }

    /// Nothing was acknowledged in time, or the window stayed shut.
    fn retransmission_timeout<O: Observer>(&mut self, cx: &mut Context<O>) {
        if self.is_corked() {
            self.send.busy.uncorked = true;
            return;
        }
        if let Some(cause) = self.patience_is_over(cx) {
            return self.give_up(cx, cause);
        }
        let Some(snd) = self.state().snd().copied() else {
            return;
        };
        self.send.busy.timeouts = self.send.busy.timeouts.saturating_add(1);
        self.send.rtt.back_off();
        // RFC 9293 §3.8.6.1: a shut window is probed, in flight or not, and that is no congestion.
        if snd.wnd == 0 && !snd.syn_unacked() {
            cx.counters.tcp_win_probe += 1;
            self.send.busy.probe = true;
        } else if self.send.busy.queue.is_empty() {
            // The window is open but too small for the rules of silly-window avoidance: send what fits.
            self.send.busy.probe = true;
        } else {
            cx.counters.tcp_timeouts += 1;
            self.history.timeouts = self.history.timeouts.saturating_add(1);
            self.lose_everything(cx, snd.nxt);
        }
        self.arm_retransmission(cx.now);
    }

    /// RFC 5681 §3.1, RFC 6298 §5.4: everything in flight is taken for lost and sent again in slow start.
    fn lose_everything<O: Observer>(&mut self, cx: &mut Context<O>, recover: crate::SeqNumber) {
        let flight = self.send.busy.queue.outstanding();
        let first = self.send.busy.timeouts == 1;
        let syn = self.state().snd().is_some_and(|snd| snd.syn_unacked());
        if !syn {
            // A lost SYN says nothing about the data that follows: that may be fast retransmitted.
            self.send.congestion.on_timeout(cx.now, flight, first);
            self.send.recovery = Recovery::Loss { recover };
        }
        self.send.busy.queue.mark_all_lost();
        self.send.busy.duplicate_acks = 0;
        self.send.busy.inflation = 0;
        self.send.busy.urgent = true;
    }

    /// Whether the limit of retries or of time is reached (RFC 9293 §3.8.3).
    fn patience_is_over<O: Observer>(&self, cx: &Context<O>) -> Option<Cause> {
        let config = &cx.config;
        let waited = cx.now - self.send.busy.waiting_since;
        if self
            .options
            .user_timeout()
            .is_some_and(|limit| waited >= limit)
        {
            return Some(Cause::UserTimeout);
        }
        let (limit, cause) = match self.state() {
            State::SynSent(_) => {
                let limit = self.options.syn_retries().unwrap_or(config.syn_retries);
                (limit, Cause::SynRetries)
            }
            State::SynReceived(_) => (config.syn_ack_retries, Cause::SynAckRetries),
            _ if self.owner == Owner::Nobody => (config.orphan_retries, Cause::OrphanRetries),
            // MUST-21: the user timeout is this connection's own R2, also where it is the longer.
            _ if self.options.user_timeout().is_some() => return None,
            _ => (config.data_retries, Cause::DataRetries),
        };
        (self.send.busy.timeouts >= limit).then_some(cause)
    }

    /// Ends the connection by our own decision, telling the peer in case it is there.
    fn give_up<O: Observer>(&mut self, cx: &mut Context<O>, cause: Cause) {
        self.reset(cx, cause, ResetReason::Timeout);
    }

    /// RFC 6298 §5.1 to §5.3, and the probe timer of RFC 9293 §3.8.6.1, which never runs beside it.
    pub(crate) fn arm_retransmission(&mut self, now: Instant) {
        let snd = self.state().snd();
        let in_flight = !self.send.busy.queue.is_empty();
        let blocked =
            snd.is_some_and(|snd| self.send.is_blocked_by_window(snd, self.state().fin()));
        if !in_flight && !blocked {
            self.timers.retransmit = Deadline::NEVER;
            return;
        }
        if self.is_corked() {
            self.timers.retransmit = Deadline::at(now + CORKED);
            return;
        }
        let mut deadline = now + self.send.rto();
        if let Some(limit) = self.options.user_timeout() {
            let end = self.send.busy.waiting_since + limit;
            deadline = deadline.min(end.max(now + Duration::from_millis(1)));
        }
        self.timers.retransmit = Deadline::at(deadline);
    }

    /// Whether nothing but the cork keeps back what was written: it would go out if it made a full segment.
    fn is_corked(&self) -> bool {
        let snd = self.state().snd();
        self.options.cork()
            && self.state().fin().is_none()
            && self.send.busy.queue.is_empty()
            && snd.is_some_and(|snd| {
                let unsent = self.send.data_end(snd) - snd.nxt;
                unsent > 0 && unsent < u32::from(self.send.mss) && unsent <= snd.wnd
            })
    }

    /// Starts or stops keep-alive: only for an idle connection (RFC 9293 §3.8.4).
    pub(crate) fn arm_keep_alive(&mut self, now: Instant) {
        let Some(keep_alive) = self.options.keep_alive() else {
            self.timers.keep_alive = Deadline::NEVER;
            return;
        };
        let due = if self.keep_alive_probes == 0 {
            self.history.heard_at + keep_alive.idle
        } else {
            now + keep_alive.interval
        };
        self.timers.keep_alive = Deadline::at(due.max(now));
    }

    /// The peer has been silent. The timer is re-armed lazily: it may have spoken since it was set.
    fn keep_alive_timeout<O: Observer>(&mut self, cx: &mut Context<O>) {
        let Some(keep_alive) = self.options.keep_alive() else {
            return;
        };
        let can_probe = self.state().is_synchronized() && self.send.busy.queue.is_empty();
        if !can_probe {
            self.timers.keep_alive = Deadline::at(cx.now + keep_alive.idle);
            return;
        }
        if self.keep_alive_probes == 0 {
            self.arm_keep_alive(cx.now);
            if !self.timers.keep_alive.has_passed(cx.now) {
                return;
            }
        }
        if self.keep_alive_probes >= keep_alive.count {
            return self.give_up(cx, Cause::KeepAlive);
        }
        self.keep_alive_probes += 1;
        cx.counters.tcp_keep_alive += 1;
        self.send_keep_alive(cx);
        self.arm_keep_alive(cx.now);
    }

    /// The time of a connection without an owner is over.
    fn last_timeout<O: Observer>(&mut self, cx: &mut Context<O>) {
        match self.state() {
            State::FinWait2(_) => self.end(cx, Cause::FinWait2Timeout),
            State::CloseWait(_) => self.close_wait_timeout(cx),
            _ if self.lingers(&cx.config) => self.reset(cx, Cause::Linger, ResetReason::Timeout),
            _ => self.reset(cx, Cause::OrphanTime, ResetReason::Timeout),
        }
    }

    /// Whether it is the application's linger time that ends it.
    pub(super) fn lingers(&self, config: &Config) -> bool {
        let linger = self.options.linger();
        linger.is_some_and(|time| time < config.orphan_time)
    }

    /// A connection without an owner ends in bounded time, whatever its peer does: window updates, and bytes
    /// acknowledged one by one, would keep it for ever.
    pub(super) fn arm_orphan<O: Observer>(&mut self, cx: &Context<O>) {
        let limit = cx.config.orphan_time;
        let time = self.options.linger().map_or(limit, |time| time.min(limit));
        self.timers.last = Deadline::at(cx.now + time);
        self.arm_fin_wait_2(cx);
    }

    /// FIN-WAIT-2 without an owner lasts only so long: nobody is left to read what the peer might send.
    pub(crate) fn arm_fin_wait_2<O: Observer>(&mut self, cx: &Context<O>) {
        if self.owner == Owner::Nobody && matches!(self.state, Some(State::FinWait2(_))) {
            self.timers.last = Deadline::at(cx.now + cx.config.fin_wait_2);
        }
    }
}

/// How long a corked segment waits for more, once everything before it is acknowledged: "a 200 millisecond
/// ceiling" (Linux, tcp(7)).
const CORKED: Duration = Duration::from_millis(200);
