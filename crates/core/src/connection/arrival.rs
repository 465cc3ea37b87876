//! A segment arrives for a connection: the steps of RFC 9293 §3.10.7.3 and §3.10.7.4, in their order.
//!
//! A step that ends the processing answers `None`. Nothing here sends; it changes variables and marks
//! that an ACK is owed.

use core::time::Duration;

use super::state::{Next, Rcv, State};
use super::timeout::Deadline;
use super::{Connection, Owner, Readiness, urgent};
use crate::context::{Context, rst_for};
use crate::observe::{Cause, DiscardReason, Observer, ResetReason};
use crate::{Flags, Instant, SackBlock, Segment, SeqNumber};

impl Connection {
    /// Takes an arriving segment that was found to belong to this connection.
    pub(crate) fn arrive<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) {
        self.note_arrival(cx, segment);
        let _ = match self.state() {
            State::SynSent(_) => self.arrive_in_syn_sent(cx, segment),
            _ => self.arrive_synchronized(cx, segment),
        };
        if self.state.is_some() {
            self.arm_delayed_ack(cx);
        }
    }

    /// Takes the segment that completed the passive handshake: it may have data and a FIN.
    pub(crate) fn arrive_first<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) {
        self.history.count_arrival(segment.payload.len());
        let _ = self.arrive_synchronized(cx, segment);
        if self.state.is_some() {
            self.arm_delayed_ack(cx);
        }
    }

    /// Takes data that came on the SYN.
    pub(crate) fn take_early<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        seq: SeqNumber,
        data: &[u8],
    ) {
        let wnd = self.state().rcv().map_or(0, |rcv| rcv.wnd as usize);
        self.take_data(cx, seq, &data[..data.len().min(wnd)]);
        self.receive.owe_ack_now();
    }

    /// RFC 9293 §3.10.7.4.
    fn arrive_synchronized<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        let crossing = self.is_crossing_syn_ack(segment);
        let segment = if crossing {
            self.without_syn(segment)
        } else {
            *segment
        };
        self.check_timestamps(cx, &segment)?;
        let urgent = urgent::pointer(&segment);
        let duplicate = self.received_before(&segment);
        let mut segment = self.check_sequence(cx, segment)?;
        self.check_reset(cx, &segment)?;
        self.check_syn(cx, &segment)?;
        if crossing {
            // Its window is that of a SYN: never scaled (RFC 7323 §2.2).
            segment.flags.insert(Flags::SYN);
            segment.seq = segment.seq - 1;
        }
        self.check_ack(cx, &segment)?;
        self.take_urgent(urgent);
        if let Some(duplicate) = duplicate {
            self.receive.report_duplicate(duplicate);
        }
        self.take_text(cx, &segment)?;
        self.take_fin(cx);
        Some(())
    }

    /// In a simultaneous open the peer's SYN,ACK repeats the SYN that was taken already (RFC 9293 §3.5,
    /// Figure 7). The application may have closed in between: SYN-RECEIVED or FIN-WAIT-1.
    fn is_crossing_syn_ack(&self, segment: &Segment<'_>) -> bool {
        let (Some(snd), Some(rcv)) = (self.state().snd(), self.state().rcv()) else {
            return false;
        };
        snd.syn_unacked() && segment.has(Flags::SYN | Flags::ACK) && segment.seq == rcv.irs
    }

    /// Of a crossing SYN,ACK only the ACK is news, and what of its data did not come with the SYN. It is to
    /// be acknowledged.
    fn without_syn<'a>(&mut self, segment: &Segment<'a>) -> Segment<'a> {
        let mut segment = *segment;
        segment.seq += 1;
        segment.flags.remove(Flags::SYN);
        if let Some(rcv) = self.state().rcv() {
            cut_to_window(rcv, &mut segment);
        }
        self.receive.owe_ack_now();
        segment
    }

    /// PAWS (RFC 7323 §5.3, R1) and the timestamps that must be there (§3.2).
    fn check_timestamps<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        let Some(agreed) = self.timestamps else {
            return Some(());
        };
        if segment.has(Flags::RST) {
            return Some(());
        }
        let Some(timestamps) = segment.options.timestamps else {
            self.discard(cx, DiscardReason::NoTimestamp);
            return None;
        };
        let older = timestamps.ahead_of(agreed.recent) < 0;
        // RFC 7323 §5.5: after 24 days TS.Recent says nothing.
        if !older || cx.now - agreed.recent_at > PAWS_IDLE {
            return Some(());
        }
        self.discard(cx, DiscardReason::Paws);
        self.acknowledge_unacceptable(cx, segment);
        None
    }

    /// First step: the sequence number. Answers the segment cut to the window.
    fn check_sequence<'a, O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        mut segment: Segment<'a>,
    ) -> Option<Segment<'a>> {
        let rcv = *self.state().rcv()?;
        if is_acceptable(&rcv, &segment) {
            cut_to_window(&rcv, &mut segment);
            return Some(segment);
        }
        // "special allowance should be made to accept valid ACKs, URGs, and RSTs" at a shut window. A peer whose
        // probe was refused may count that byte in the SND.NXT of its ACKs.
        let behind_probe = segment.is_empty() && !segment.has(Flags::RST);
        if rcv.wnd == 0 && behind_probe && segment.seq == rcv.nxt + 1 {
            segment.seq = rcv.nxt;
            return Some(segment);
        }
        let at_shut_window = rcv.wnd == 0 && segment.seq == rcv.nxt;
        if at_shut_window && !segment.has(Flags::SYN) {
            self.discard(cx, DiscardReason::OutsideWindow);
            self.receive.owe_ack_now();
            segment.payload = &[];
            segment.flags.remove(Flags::FIN);
            return Some(segment);
        }
        if segment.has(Flags::RST) {
            self.discard(cx, DiscardReason::ResetOutside);
            return None;
        }
        let old = !segment.is_empty() && segment.end().precedes_or_is(rcv.nxt);
        let reason = if old {
            DiscardReason::OldDuplicate
        } else {
            DiscardReason::OutsideWindow
        };
        self.discard(cx, reason);
        self.acknowledge_unacceptable(cx, &segment);
        None
    }

    /// "If an incoming segment is not acceptable, an acknowledgment should be sent in reply". Where no data
    /// asks for it the answer is rate-limited, so that two confused ends do not echo for ever.
    fn acknowledge_unacceptable<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) {
        if let Some(duplicate) = self.received_before(segment) {
            self.receive.report_duplicate(duplicate);
        }
        let has_text = !segment.payload.is_empty() || segment.has(Flags::FIN);
        if has_text || self.may_challenge(cx) {
            self.receive.owe_ack_now();
        }
    }

    /// What of a segment's data was received before (RFC 2883).
    fn received_before(&self, segment: &Segment<'_>) -> Option<SackBlock> {
        let start = segment.data_seq();
        let end = start + segment.payload.len() as u32;
        self.receive
            .received_before(self.state().rcv()?, start, end)
    }

    /// Second step: RST (RFC 5961 §3.2, if it is to be exact).
    fn check_reset<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        if !segment.has(Flags::RST) {
            return Some(());
        }
        let exact = self.state().rcv().is_some_and(|rcv| rcv.nxt == segment.seq);
        if exact || (!cx.config.exact_resets && self.begins_in_window(segment)) {
            let cause = match self.state() {
                // "If this connection was initiated with an active OPEN [...] then the connection was
                // refused" (RFC 9293 §3.10.7.4).
                State::SynReceived(_) => Cause::ResetInSynSent,
                _ if exact => Cause::Reset,
                _ => Cause::ResetInWindow,
            };
            self.end(cx, cause);
        } else {
            self.challenge(cx, DiscardReason::ResetInexact);
        }
        None
    }

    /// Whether it is the segment's first number that made it acceptable: a RST and a SYN are there.
    fn begins_in_window(&self, segment: &Segment<'_>) -> bool {
        let rcv = self.state().rcv();
        rcv.is_some_and(|rcv| segment.seq.is_within(rcv.nxt, rcv.wnd))
    }

    /// Fourth step: SYN (RFC 5961 §4.2, or "the original behavior described in RFC 793").
    fn check_syn<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) -> Option<()> {
        if !segment.has(Flags::SYN) {
            return Some(());
        }
        if cx.config.challenge_syns || !self.begins_in_window(segment) {
            self.challenge(cx, DiscardReason::SynInWindow);
            return None;
        }
        self.send_reset(cx, ResetReason::SynInWindow);
        self.end(cx, Cause::SynInWindow);
        None
    }

    /// TS.Recent follows the segments that begin at or before the last ACK sent (RFC 7323 §4.3). As in Linux
    /// only those whose ACK is acceptable: a forged one could shut out the peer.
    pub(super) fn remember_timestamp<O: Observer>(
        &mut self,
        cx: &Context<O>,
        segment: &Segment<'_>,
    ) {
        let (Some(agreed), Some(theirs)) = (&mut self.timestamps, segment.options.timestamps)
        else {
            return;
        };
        let newer = theirs.ahead_of(agreed.recent) >= 0 || cx.now - agreed.recent_at > PAWS_IDLE;
        if newer && segment.seq.precedes_or_is(agreed.last_ack_sent) {
            agreed.recent = theirs.value;
            agreed.recent_at = cx.now;
        }
    }

    /// Fifth step: ACK.
    fn check_ack<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) -> Option<()> {
        if !segment.has(Flags::ACK) {
            self.discard(cx, DiscardReason::NoAck);
            return None;
        }
        if let State::SynReceived(open) = self.state() {
            let acceptable =
                open.snd.una.precedes(segment.ack) && segment.ack.precedes_or_is(open.snd.nxt);
            if !acceptable {
                self.discard(cx, DiscardReason::AckUnacceptable);
                cx.reset_for(segment, ResetReason::AckUnacceptable, Some(&self.options()));
                return None;
            }
            self.transition(cx, Cause::AckOfSyn, State::syn_acked);
            self.established(cx.now);
            let wnd = self.scaled_window(segment);
            if let Some(snd) = self.state_mut().snd_mut() {
                snd.update_window(wnd, segment.seq, segment.ack);
            }
        }
        self.take_acknowledgment(cx, segment)?;
        self.hear(cx.now);
        self.state.is_some().then_some(())
    }

    /// Seventh step: the data.
    fn take_text<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) -> Option<()> {
        let has_fin = segment.has(Flags::FIN);
        if segment.payload.is_empty() && !has_fin {
            return Some(());
        }
        if !self.state().can_receive() {
            // After the peer's FIN: "This should not occur since a FIN has been received from the remote side.
            // Ignore the segment text." The window check has cut old data off.
            self.discard(cx, DiscardReason::AfterFin);
            return None;
        }
        if !segment.payload.is_empty() {
            if self.has_no_reader() {
                let reason = ResetReason::DataAfterClose;
                let options = self.options();
                cx.reset(Some(self.life), rst_for(segment), reason, Some(&options));
                self.end(cx, Cause::DataAfterClose);
                return None;
            }
            self.take_data(cx, segment.data_seq(), segment.payload);
        }
        if has_fin {
            self.forget_overtaken_fin();
            let fin = *self.receive.fin.get_or_insert(segment.end() - 1);
            if self.state().rcv().is_some_and(|rcv| rcv.nxt != fin) {
                self.receive.owe_ack_now(); // a hole before the FIN
            }
        }
        Some(())
    }

    /// A peer that sends data beyond its own FIN did not mean that FIN: it must not keep a later one out.
    fn forget_overtaken_fin(&mut self) {
        let Some(nxt) = self.state().rcv().map(|rcv| rcv.nxt) else {
            return;
        };
        self.receive.fin = self.receive.fin.filter(|fin| !fin.precedes(nxt));
    }

    /// RFC 1122 §4.2.2.13: data that nobody can ever read is answered with a RST, so that the peer learns
    /// that it was lost.
    fn has_no_reader(&self) -> bool {
        let closing = matches!(self.state(), State::FinWait1(_) | State::FinWait2(_));
        closing && (self.owner == Owner::Nobody || self.receive.shut)
    }

    fn take_data<O: Observer>(&mut self, cx: &mut Context<O>, seq: SeqNumber, data: &[u8]) {
        let Some(rcv) = self.state.as_mut().and_then(State::rcv_mut) else {
            return;
        };
        let in_order = seq == rcv.nxt;
        if self.receive.lacks_memory(&cx.memory, in_order, data.len()) {
            if in_order {
                cx.counters.tcp_rcv_q_drop += 1;
            } else {
                cx.counters.tcp_ofo_drop += 1;
            }
            self.receive.owe_ack_now();
            return self.discard(cx, DiscardReason::NoMemory);
        }
        self.receive.busy.begin(&mut cx.spares.receive);
        match self.receive.take(rcv, seq, data, &mut cx.spares.chunks) {
            None => self.discard(cx, DiscardReason::ReassemblyFull),
            Some(taken) => {
                self.history.bytes_received += u64::from(taken);
                if in_order {
                    self.history.data_received_at = cx.now;
                    self.receive.measure_segment(data.len());
                }
                if taken > 0 && self.may_deliver() {
                    self.readiness |= Readiness::READABLE;
                }
                if !in_order {
                    cx.counters.tcp_ofo_queue += 1;
                }
            }
        }
    }

    /// Eighth step: FIN, once everything before it has arrived.
    fn take_fin<O: Observer>(&mut self, cx: &mut Context<O>) {
        let Some(fin) = self.receive.fin else { return };
        let state = self.state();
        if !state.can_receive() || state.rcv().is_none_or(|rcv| rcv.nxt != fin) {
            return;
        }
        if cx.config.quick_fin_acks {
            self.receive.owe_ack_now();
        } else {
            self.receive.owe_ack_for_fin();
        }
        self.receive.forget_out_of_order();
        self.receive.finished = true;
        self.receive.cut_urgent();
        self.readiness |= Readiness::READABLE;
        // An ACK of our own FIN, riding on the same segment, was taken in the fifth step.
        self.transition(cx, Cause::Fin, State::fin_arrived);
    }

    /// RFC 9293 §3.10.7.3.
    fn arrive_in_syn_sent<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        let snd = *self.state().snd()?;
        let has_ack = segment.has(Flags::ACK);
        let acceptable =
            has_ack && snd.una.precedes(segment.ack) && segment.ack.precedes_or_is(snd.nxt);
        if segment.has(Flags::RST) {
            if acceptable {
                self.end(cx, Cause::ResetInSynSent);
            } else {
                self.discard(cx, DiscardReason::ResetUnacceptable);
            }
            return None;
        }
        if has_ack && !acceptable {
            self.discard(cx, DiscardReason::AckUnacceptable);
            cx.reset_for(segment, ResetReason::AckUnacceptable, Some(&self.options()));
            return None;
        }
        if !segment.has(Flags::SYN) {
            self.discard(cx, DiscardReason::NotASyn);
            return None;
        }
        self.hear(cx.now);
        self.agree_on_options(cx, segment);
        let wnd = self.receive.capacity().min(usize::from(u16::MAX)) as u32;
        if has_ack {
            self.transition(cx, Cause::SynAck, |state| match state {
                State::SynSent(sent) => {
                    Next::Enter(State::Established(sent.syn_ack_arrived(segment.seq, wnd)))
                }
                stay => Next::Stay(stay),
            });
            self.advance_una(cx, segment);
            self.receive.owe_ack_now();
            self.established(cx.now);
        } else {
            self.transition(cx, Cause::SimultaneousSyn, |state| match state {
                State::SynSent(sent) => {
                    Next::Enter(State::SynReceived(sent.syn_arrived(segment.seq, wnd)))
                }
                stay => Next::Stay(stay),
            });
            self.answer_simultaneous_syn(cx.now);
        }
        if let Some(snd) = self.state_mut().snd_mut() {
            let ack = if has_ack { segment.ack } else { snd.una };
            snd.update_window(u32::from(segment.wnd), segment.seq, ack);
        }
        self.take_text_of_syn(cx, segment);
        Some(())
    }

    /// The connection is made: idle times count from here.
    fn established(&mut self, now: Instant) {
        self.readiness |= Readiness::WRITABLE;
        self.send.data_sent_at = now;
        self.history.data_received_at = now;
        self.arm_keep_alive(now);
    }

    /// Data and FIN on a SYN or SYN,ACK are kept: delivered once established (RFC 9293 §3.10.7.3).
    fn take_text_of_syn<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) {
        let mut text = *segment;
        text.seq += 1;
        text.flags.remove(Flags::SYN);
        if let Some(rcv) = self.state().rcv() {
            cut_to_window(rcv, &mut text);
        }
        if self.take_text(cx, &text).is_some() && matches!(self.state, Some(State::Established(_)))
        {
            self.take_fin(cx);
        }
    }

    /// Our SYN goes out again, now as a SYN,ACK, with a patience of its own.
    fn answer_simultaneous_syn(&mut self, now: Instant) {
        self.send.busy.queue.mark_all_lost();
        self.send.busy.urgent = true;
        self.send.busy.timeouts = 0;
        self.send.rtt.reset_back_off();
        self.arm_retransmission(now);
    }

    /// Starts the delayed-ACK timer if an ACK is owed that way (RFC 9293 §3.8.6.3).
    fn arm_delayed_ack<O: Observer>(&mut self, cx: &Context<O>) {
        if self.receive.owed == super::receive::AckOwed::Delayed
            && !self.timers.delayed_ack.is_set()
        {
            self.timers.delayed_ack = Deadline::at(cx.now + cx.config.delayed_ack);
        }
    }
}

/// How long TS.Recent is good for (RFC 7323 §5.5).
const PAWS_IDLE: Duration = Duration::from_secs(24 * 24 * 3600);

/// The four cases of RFC 9293 §3.10.7.4, Table 6.
fn is_acceptable(rcv: &Rcv, segment: &Segment<'_>) -> bool {
    let first = segment.seq;
    match (segment.len(), rcv.wnd) {
        (0, 0) => first == rcv.nxt,
        (0, wnd) => first.is_within(rcv.nxt, wnd),
        (_, 0) => false,
        (len, wnd) => {
            first.is_within(rcv.nxt, wnd) || (first + (len - 1)).is_within(rcv.nxt, wnd)
                // A segment that begins before the window and ends beyond it.
                || (first.precedes(rcv.nxt) && (rcv.nxt + wnd).precedes_or_is(first + (len - 1)))
        }
    }
}

/// Cuts off what lies outside the window: data received before, data beyond the right edge, and with it
/// the FIN behind it. A SYN is left: the fourth step judges it.
fn cut_to_window(rcv: &Rcv, segment: &mut Segment<'_>) {
    if segment.has(Flags::SYN) || segment.has(Flags::RST) {
        return;
    }
    let old = rcv.nxt.distance_from(segment.seq);
    if old > 0 {
        let cut = (old as usize).min(segment.payload.len());
        segment.payload = &segment.payload[cut..];
        segment.seq += cut as u32;
    }
    let room = (rcv.nxt + rcv.wnd).distance_from(segment.seq).max(0) as usize;
    if segment.payload.len() > room {
        segment.payload = &segment.payload[..room];
        segment.flags.remove(Flags::FIN);
    }
}
