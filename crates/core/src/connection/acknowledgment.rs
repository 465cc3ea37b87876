//! What an arriving acknowledgment does: the send window, RTT, congestion control and loss recovery.

use core::time::Duration;

use super::send::Recovery;
use super::state::{Snd, State, Synchronized};
use super::timeout::Deadline;
use super::{Connection, Owner, Readiness};
use crate::congestion::CongestionControl;
use crate::context::Context;
use crate::observe::{Cause, DiscardReason, Observer};
use crate::{Flags, Instant, SackBlock, Segment};

impl Connection {
    /// RFC 9293 §3.10.7.4, fifth step, for a segment with ACK. `None`: drop the segment.
    pub(super) fn take_acknowledgment<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        let Some(snd) = self.state().snd().copied() else {
            // FIN-WAIT-2: everything is acknowledged already.
            return self.check_final_acknowledgment(cx, segment);
        };
        if snd.nxt.precedes(segment.ack) {
            self.challenge(cx, DiscardReason::AckUnsent);
            return None;
        }
        if segment.ack.precedes(snd.una - snd.max_wnd) {
            self.challenge(cx, DiscardReason::AckOld);
            return None;
        }
        self.remember_timestamp(cx, segment);
        let news = self.take_sack_blocks(&snd, segment);
        let wnd = self.scaled_window(segment);
        if snd.una.precedes(segment.ack) {
            self.advance_una(cx, segment);
        } else if snd.una == segment.ack {
            self.judge_duplicate(cx, segment, wnd, news);
        }
        if news > 0 {
            self.find_lost_by_sack(cx);
        }
        self.update_send_window(cx.now, segment, wnd);
        self.after_acknowledgment(cx);
        Some(())
    }

    /// Marks what the peer holds out of order (RFC 2018 §5); answers how many bytes of it are news.
    fn take_sack_blocks(&mut self, snd: &Snd, segment: &Segment<'_>) -> u32 {
        if !self.send.sack {
            return 0;
        }
        let is_sane = |block: &SackBlock| {
            snd.una.precedes(block.left)
                && block.left.precedes(block.right)
                && block.right.precedes_or_is(snd.nxt)
        };
        let blocks = segment.options.sack.iter().filter(is_sane);
        blocks
            .map(|block| self.send.busy.queue.mark_sacked(block))
            .sum()
    }

    /// RFC 6675 §5: what the blocks show to be lost is sent again; the first loss begins recovery.
    fn find_lost_by_sack<O: Observer>(&mut self, cx: &mut Context<O>) {
        let mss = u32::from(self.send.mss);
        if !matches!(self.send.recovery, Recovery::Loss { .. })
            && self.send.busy.queue.mark_lost_by_sack(mss)
            && self.send.recovery == Recovery::Open
        {
            self.begin_recovery(cx);
        }
    }

    /// RFC 5681 §3.2, step 2: less is sent, and what is missing at once.
    fn begin_recovery<O: Observer>(&mut self, cx: &mut Context<O>) {
        let Some(snd) = self.state().snd().copied() else {
            return;
        };
        cx.counters.tcp_fast_retrans += 1;
        let send = &mut self.send;
        send.recovery = Recovery::Fast { recover: snd.nxt };
        send.congestion.on_congestion(cx.now, snd.nxt - snd.una);
        send.busy.queue.mark_first_lost();
        send.busy.inflation = if send.sack {
            0
        } else {
            3 * u32::from(send.mss)
        };
        send.busy.urgent = true;
    }

    /// In FIN-WAIT-2 there is nothing left to acknowledge; the limits are the same.
    fn check_final_acknowledgment<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        let State::FinWait2(Synchronized { send, .. }) = self.state() else {
            return Some(());
        };
        if send.nxt.precedes(segment.ack) {
            self.challenge(cx, DiscardReason::AckUnsent);
            return None;
        }
        if segment.ack.precedes(send.nxt - send.max_wnd) {
            self.challenge(cx, DiscardReason::AckOld);
            return None;
        }
        self.remember_timestamp(cx, segment);
        Some(())
    }

    /// SEG.WND, scaled; the window of a SYN never is (RFC 7323 §2.2).
    pub(super) fn scaled_window(&self, segment: &Segment<'_>) -> u32 {
        let shift = if segment.has(Flags::SYN) {
            0
        } else {
            self.send.shift
        };
        u32::from(segment.wnd) << shift
    }

    /// New data, our SYN or our FIN is acknowledged.
    pub(super) fn advance_una<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) {
        let now = cx.now;
        let fin = self.state().fin();
        let Some(snd) = self.state.as_mut().and_then(State::snd_mut) else {
            return;
        };
        let old = *snd;
        snd.una = segment.ack;
        let acked = segment.ack - old.una;
        let controls = u32::from(old.syn_unacked())
            + u32::from(fin.is_some_and(|fin| fin.precedes(segment.ack)));
        let data = acked - controls;
        let spares = &mut cx.spares.chunks;
        self.send.busy.buffer.consume(data as usize, spares);
        self.send.busy.urgent_ahead = self.send.busy.urgent_ahead.saturating_sub(data);
        let sacked = self.send.busy.queue.sacked();
        let taken = self.send.busy.queue.acknowledge(segment.ack);
        let known = if self.send.sack {
            sacked - self.send.busy.queue.sacked()
        } else {
            u32::from(self.send.busy.duplicate_acks) * u32::from(self.send.mss)
        };
        self.measure(now, segment, taken.sent_at);
        let resent = old.syn_unacked() && self.send.busy.timeouts > 0 && taken.sent_at.is_none();
        if resent && !self.first_syn_sufficed(cx, segment) {
            self.send.rtt.syn_was_retransmitted();
            self.send.start_with_one_segment();
        }
        if old.syn_unacked() && !self.receive.busy.buffer.is_empty() {
            self.readiness |= Readiness::READABLE; // data that came on a crossing SYN
        }
        self.send.busy.timeouts = 0;
        // A probe that fell due and was not sent yet may have nothing left to repeat.
        self.send.busy.probe = false;
        self.send.busy.duplicate_acks = 0;
        self.send.busy.waiting_since = now;
        self.history.bytes_acked += u64::from(data);
        if data > 0 {
            self.readiness |= Readiness::WRITABLE;
            let acknowledged = self.is_acknowledged();
            self.readiness.set(Readiness::ACKNOWLEDGED, acknowledged);
            self.send.busy.held_back = false;
            self.recover_or_grow(now, segment.ack, data, data.saturating_sub(known));
        }
        self.arm_retransmission(now);
    }

    /// RFC 3522 §3.2, step 4: the SYN,ACK echoes a timestamp from before our SYN was sent again, so that none was
    /// lost and the path is merely long.
    fn first_syn_sufficed<O: Observer>(&self, cx: &Context<O>, segment: &Segment<'_>) -> bool {
        let (Some(ours), Some(theirs)) = (self.timestamps, segment.options.timestamps) else {
            return false;
        };
        let again_at = self.history.opened_at + cx.config.rto.initial;
        let again = ours.clock(again_at);
        (theirs.echo.wrapping_sub(again) as i32) < 0
    }

    /// A round trip: of a segment sent once (RFC 6298 §3), else by its timestamp (RFC 7323 §4).
    fn measure(&mut self, now: Instant, segment: &Segment<'_>, sent_at: Option<Instant>) {
        if let Some(sent_at) = sent_at {
            self.send.rtt.sample(now - sent_at);
            self.send.rtt.reset_back_off();
            return;
        }
        let (Some(ours), Some(theirs)) = (self.timestamps, segment.options.timestamps) else {
            return;
        };
        let clock = ours.clock(now);
        let elapsed = clock.wrapping_sub(theirs.echo);
        // An echo from the future, or of half the clock ago, is no measurement.
        if elapsed < u32::MAX / 2 {
            let elapsed = Duration::from_millis(u64::from(elapsed.max(1)));
            if elapsed < now - self.history.opened_at + Duration::from_millis(2) {
                self.send.rtt.sample(elapsed);
                self.send.rtt.reset_back_off();
            }
        }
    }

    /// RFC 6582 §3.2 step 3 in recovery; else the congestion window grows, by what of the `data` acknowledged is
    /// `news`: what was known to have arrived has left the window already.
    fn recover_or_grow(&mut self, now: Instant, ack: crate::SeqNumber, data: u32, news: u32) {
        let send = &mut self.send;
        match send.recovery {
            Recovery::Fast { recover } if ack.precedes(recover) => {
                // Partial ACK: the next hole is lost too, unless it was filled again already.
                if !send.busy.queue.first_was_resent() {
                    send.busy.queue.mark_first_lost();
                    send.busy.urgent = true;
                }
                let mss = u32::from(send.mss);
                send.busy.inflation = send.busy.inflation.saturating_sub(data);
                if data >= mss && !send.sack {
                    send.busy.inflation += mss;
                }
            }
            Recovery::Fast { .. } => {
                send.recovery = Recovery::Open;
                send.busy.inflation = 0;
                if !send.sack {
                    send.congestion
                        .on_recovered(now, send.busy.queue.outstanding());
                }
            }
            Recovery::Loss { recover } => {
                // RFC 6582 §3.2 step 2: "covers more than recover". Until then duplicate ACKs may come from
                // what was sent twice; with SACK they would say so.
                if recover.precedes(ack) || (send.sack && recover == ack) {
                    send.recovery = Recovery::Open;
                }
                send.congestion.on_ack(now, data, send.rtt.srtt(), true);
            }
            Recovery::Open => {
                send.busy.inflation = 0;
                let used = send.is_window_used();
                send.congestion.on_ack(now, news, send.rtt.srtt(), used);
            }
        }
    }

    /// RFC 5681 §2: a duplicate acknowledgment acknowledges nothing new while data is in flight, has no
    /// data, no SYN, no FIN and the same window; with SACK, it reports something new (RFC 6675 §2). Three of
    /// them show a loss (RFC 5681 §3.2).
    fn judge_duplicate<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
        wnd: u32,
        news: u32,
    ) {
        let Some(snd) = self.state().snd().copied() else {
            return;
        };
        let same = segment.is_empty() && wnd == snd.wnd;
        let duplicate = if self.send.sack { news > 0 } else { same };
        if !duplicate || self.send.busy.queue.is_empty() || snd.wnd == 0 || snd.syn_unacked() {
            return;
        }
        let send = &mut self.send;
        let mss = u32::from(send.mss);
        send.busy.duplicate_acks = send.busy.duplicate_acks.saturating_add(1);
        match send.recovery {
            Recovery::Fast { .. } if send.sack => {}
            Recovery::Fast { .. } => send.busy.inflation = send.busy.inflation.saturating_add(mss),
            // RFC 6582 §3.2: what went out before the timeout may still draw duplicates.
            Recovery::Loss { .. } => {}
            Recovery::Open if send.busy.duplicate_acks >= 3 => self.begin_recovery(cx),
            Recovery::Open if send.sack => {}
            Recovery::Open => send.busy.inflation = u32::from(send.busy.duplicate_acks) * mss, // RFC 3042
        }
    }

    /// RFC 9293 §3.10.7.4: the window of the newest segment counts.
    fn update_send_window(&mut self, now: Instant, segment: &Segment<'_>, wnd: u32) {
        let Some(snd) = self.state.as_mut().and_then(State::snd_mut) else {
            return;
        };
        let current = snd.una.precedes_or_is(segment.ack);
        let newer = snd.wl1.precedes(segment.seq)
            || (snd.wl1 == segment.seq && snd.wl2.precedes_or_is(segment.ack));
        if !current || !newer {
            return;
        }
        let before = snd.wnd;
        snd.update_window(wnd, segment.seq, segment.ack);
        if before == 0 && wnd > 0 {
            // The window opens: what waited goes on, with its own timer.
            self.send.busy.probe = false;
            self.send.busy.timeouts = 0;
            self.send.rtt.reset_back_off();
            if !self.send.busy.queue.is_empty() {
                self.send.busy.queue.mark_all_lost();
                self.send.busy.urgent = true;
            }
            self.arm_retransmission(now);
        } else if wnd == 0 {
            // RFC 9293 §3.8.6.1: the connection stays as long as its probes are answered, but not for ever
            // when nobody owns it any more.
            if self.owner != Owner::Nobody {
                self.send.busy.timeouts = self.send.busy.timeouts.min(1);
            }
            if !self.timers.retransmit.is_set() {
                self.arm_retransmission(now);
            }
        }
    }

    /// Our FIN may be acknowledged, and with it a state passed.
    fn after_acknowledgment<O: Observer>(&mut self, cx: &mut Context<O>) {
        let state = self.state();
        let (Some(fin), Some(snd)) = (state.fin(), state.snd()) else {
            return;
        };
        if !fin.precedes(snd.una) {
            return;
        }
        self.timers.retransmit = Deadline::NEVER;
        self.timers.last = Deadline::NEVER;
        self.readiness |= Readiness::ACKNOWLEDGED;
        self.transition(cx, Cause::AckOfFin, State::fin_acked);
        self.arm_fin_wait_2(cx);
    }
}
