//! What a connection sends next: one segment a call, the most urgent first. Sending never parses.

use alloc::vec::Vec;

use super::Connection;
use super::receive::AckOwed;
use super::send::{Kind, Plan, Recovery};
use super::state::{Snd, State};
use super::timeout::Deadline;
use crate::congestion::{CongestionControl, initial_window};
use crate::context::{Context, Reply, bare_segment};
use crate::observe::{Direction, Observer};
use crate::wire::Treatment;
use crate::{Config, Flags, Instant, Options, Segment, SeqNumber, Timestamps, wire};

/// NOP, NOP and the timestamps (RFC 7323, appendix A).
const TIMESTAMPS_LEN: usize = 12;

impl Connection {
    /// Writes the next segment into `packet`, if there is one to send now.
    pub(crate) fn emit<O: Observer>(&mut self, cx: &mut Context<O>, packet: &mut Vec<u8>) -> bool {
        if self.state.is_none() {
            return false;
        }
        if let Some(plan) = self.plan() {
            self.emit_plan(cx, packet, plan);
            return true;
        }
        if self.receive.owed == AckOwed::Now && self.state().rcv().is_some() {
            let seq = self.seq_without_text();
            self.write_segment(cx, packet, (seq, Flags::ACK), (0, 0), false);
            return true;
        }
        false
    }

    /// Whether `emit` would find something: a cheap guess, to link the slot into the ready list.
    pub(crate) fn may_emit(&self) -> bool {
        self.state.is_some()
            && ((self.receive.owed == AckOwed::Now && self.state().rcv().is_some())
                || self.plan().is_some())
    }

    /// Which sequence numbers go next: first what must be repeated, then a probe, then what is new.
    fn plan(&self) -> Option<Plan> {
        let state = self.state();
        let snd = state.snd()?;
        if snd.nxt == snd.iss {
            return Some(Plan {
                seq: snd.iss,
                len: 1,
                kind: Kind::New,
            }); // the SYN
        }
        if self.send.busy.probe {
            return Some(self.plan_probe(snd));
        }
        if let Some(piece) = self.send.retransmission(state.fin()) {
            return Some(Plan {
                seq: piece.seq,
                len: piece.len,
                kind: Kind::Retransmission,
            });
        }
        if !state.is_synchronized() {
            return None;
        }
        let fin = state.fin();
        let data = self.send.new_data(snd, fin.is_some(), &self.options);
        // The FIN rides on the last data, or goes alone when all data is sent; a shut window delays it like
        // any other sequence number.
        let usable = (snd.una + snd.wnd).distance_from(snd.nxt).max(0) as u32;
        let with_fin = fin == Some(snd.nxt + data) && usable > data;
        let len = data + u32::from(with_fin);
        (len > 0).then_some(Plan {
            seq: snd.nxt,
            len,
            kind: Kind::New,
        })
    }

    /// A probe is one number, data or FIN; with an open but small window, all that fits (RFC 9293
    /// §3.8.6.1, §3.8.6.2.1).
    fn plan_probe(&self, snd: &Snd) -> Plan {
        let mut len = 1;
        if snd.una == snd.nxt {
            len = snd
                .wnd
                .min(self.send.busy.buffer.len() as u32)
                .min(u32::from(self.send.mss))
                .max(1);
        }
        Plan {
            seq: snd.una,
            len,
            kind: Kind::Probe,
        }
    }

    /// Sends what was planned and remembers it.
    fn emit_plan<O: Observer>(&mut self, cx: &mut Context<O>, packet: &mut Vec<u8>, plan: Plan) {
        self.restart_after_idle(cx);
        let now = cx.now;
        let snd = *self
            .state()
            .snd()
            .expect("a plan is made from a send sequence space");
        let (flags, data) = self.describe(plan);
        let has_data = data.1 > 0;
        self.write_segment(
            cx,
            packet,
            (plan.seq, flags),
            data,
            plan.seq.precedes(snd.nxt),
        );
        let end = plan.seq + plan.len;
        let drained = self.send.data_end(&snd).precedes_or_is(end);
        self.send.busy.begin(&mut cx.spares.send);
        let send = &mut self.send;
        let was_empty = send.busy.queue.is_empty();
        match plan.kind {
            Kind::Retransmission => {
                let piece = super::queue::Lost {
                    seq: plan.seq,
                    len: plan.len,
                };
                send.busy.queue.resent(piece, now);
            }
            Kind::Probe if plan.seq != snd.nxt => send.busy.queue.probed(),
            Kind::New | Kind::Probe => send.busy.queue.push(plan.seq, plan.len, now),
        }
        send.busy.urgent = false;
        send.busy.probe = false;
        send.busy.uncorked &= !drained;
        if has_data {
            send.data_sent_at = now;
        }
        if plan.kind == Kind::New && data.1 < usize::from(send.mss) {
            send.busy.small_end = end;
        }
        if was_empty && plan.kind == Kind::New {
            send.busy.waiting_since = now;
        }
        let Self { state, send, .. } = self;
        if let Some(snd) = state.as_mut().and_then(State::snd_mut) {
            snd.nxt = snd.nxt.later(end);
            send.note_use(snd);
        }
        // RFC 6298 §5.1: the timer runs while anything is in flight.
        let retransmits = plan.kind == Kind::Retransmission;
        if !self.timers.retransmit.is_set() || (was_empty && plan.kind == Kind::New) || retransmits
        {
            self.arm_retransmission(now);
        }
    }

    /// RFC 5681 §4.1: after an idle time of more than one RTO the window says nothing about the path.
    fn restart_after_idle<O: Observer>(&mut self, cx: &Context<O>) {
        let send = &mut self.send;
        let idle = send.busy.queue.is_empty() && cx.now - send.data_sent_at > send.rto();
        if idle && cx.config.slow_start_after_idle && send.recovery == Recovery::Open {
            let restart = initial_window(u32::from(send.mss), cx.config.initial_window);
            send.congestion.on_idle(restart);
        }
    }

    /// The control bits of a plan, and the offset and length of its data in the send buffer.
    fn describe(&self, plan: Plan) -> (Flags, (usize, usize)) {
        let state = self.state();
        let snd = state
            .snd()
            .expect("a plan is made from a send sequence space");
        let has_syn = plan.seq == snd.iss && snd.syn_unacked();
        let end = plan.seq + plan.len;
        let has_fin = state.fin().is_some_and(|fin| fin + 1 == end);
        let mut flags = Flags::empty();
        flags.set(Flags::SYN, has_syn);
        flags.set(Flags::FIN, has_fin);
        flags.set(Flags::ACK, !matches!(state, State::SynSent(_)));
        let length = plan.len - u32::from(has_syn) - u32::from(has_fin);
        let start = plan.seq + u32::from(has_syn);
        let offset = start - self.send.data_start(snd);
        // PSH: nothing more follows at once (RFC 9293 §3.9.1.2).
        let drained = start + length == self.send.data_end(snd);
        flags.set(Flags::PSH, length > 0 && drained);
        (flags, (offset as usize, length as usize))
    }

    /// Writes a segment with this connection's acknowledgment, window and options.
    fn write_segment<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        packet: &mut Vec<u8>,
        (seq, flags): (SeqNumber, Flags),
        (offset, length): (usize, usize),
        retransmission: bool,
    ) {
        let wnd = self.window_field(cx, flags);
        let ack = self.state().rcv().map_or(SeqNumber(0), |rcv| rcv.nxt);
        let options = self.segment_options(cx, flags, length);
        let urgent = self
            .urgent_field(seq)
            .filter(|_| !flags.contains(Flags::SYN));
        let urg = urgent.map_or(Flags::empty(), |_| Flags::URG);
        let mut pieces = self.send.busy.buffer.range(offset, length);
        let payload = pieces.next().unwrap_or_default();
        let segment = Segment {
            tuple: self.tuple,
            seq,
            ack,
            wnd,
            flags: flags | urg,
            urgent: urgent.unwrap_or(0),
            options,
            payload,
        };
        let identification = self.history.segs_out as u16;
        let treatment = self.treatment(&cx.config);
        wire::write_segment(packet, &segment, pieces, identification, treatment);
        cx.seen(
            self.life,
            &segment,
            length as u32,
            Direction::Sent,
            retransmission,
        );
        if retransmission {
            cx.counters.retrans_segs += 1;
        } else {
            cx.counters.out_segs += 1;
        }
        self.history.count_departure(length, retransmission);
        if flags.contains(Flags::ACK) {
            self.receive.acked();
            self.timers.delayed_ack = Deadline::NEVER;
            if let Some(timestamps) = &mut self.timestamps {
                timestamps.last_ack_sent = ack;
            }
        }
    }

    /// How IP is to treat a segment.
    fn treatment(&self, config: &Config) -> Treatment {
        config.treatment_of(self.options.ttl(), self.options.traffic_class())
    }

    /// The window field: never scaled on a SYN (RFC 7323 §2.2).
    fn window_field<O: Observer>(&mut self, cx: &Context<O>, flags: Flags) -> u16 {
        if flags.contains(Flags::SYN) {
            return u16::try_from(self.receive.capacity()).unwrap_or(u16::MAX);
        }
        let Self {
            state: Some(state),
            receive,
            ..
        } = self
        else {
            return 0;
        };
        match state.rcv_mut() {
            Some(rcv) => receive.offer_window(rcv, receive.limit(&cx.memory)),
            None => 0,
        }
    }

    /// The options of a segment with `length` bytes of data.
    pub(super) fn segment_options<O: Observer>(
        &self,
        cx: &Context<O>,
        flags: Flags,
        length: usize,
    ) -> Options {
        if flags.contains(Flags::SYN) {
            return self.syn_options(cx, flags.contains(Flags::ACK));
        }
        let mut options = Options::default();
        let mut space = 40;
        options.timestamps = self.own_timestamps(cx.now);
        if options.timestamps.is_some() {
            space -= TIMESTAMPS_LEN;
        }
        // With data only as many blocks as leave it whole: usually none.
        let spare = usize::from(self.send.mss).saturating_sub(length);
        let most = (space.min(spare).saturating_sub(4) / 8).min(4);
        options.sack = self.receive.sack_blocks(most);
        options
    }

    /// The timestamps of every segment sent now, if they were agreed on (RFC 7323 §3.2).
    pub(super) fn own_timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.timestamps.map(|agreed| Timestamps {
            value: agreed.clock(now),
            echo: agreed.recent,
        })
    }

    /// The send MSS follows from what the peer said, the path and the options of every segment.
    pub(super) fn set_segment_sizes(&mut self) {
        let headers = wire::header_len(self.tuple.is_ipv4());
        let options = if self.timestamps.is_some() {
            TIMESTAMPS_LEN
        } else {
            0
        };
        self.send
            .set_segment_sizes(headers, options, self.options.max_segment());
    }

    /// A keep-alive: no data, one number before what the peer expects (RFC 9293 §3.8.4).
    pub(super) fn send_keep_alive<O: Observer>(&mut self, cx: &mut Context<O>) {
        let seq = self.state().snd_nxt() - 1;
        let ack = self.state().rcv().map_or(SeqNumber(0), |rcv| rcv.nxt);
        let mut segment = bare_segment(self.tuple, seq, ack, Flags::ACK);
        segment.wnd = self.window_field(cx, Flags::ACK);
        segment.options = self.segment_options(cx, Flags::ACK, 0);
        self.history.count_departure(0, false);
        let treatment = self.treatment(&cx.config);
        cx.reply(Reply::Segment(segment, Some(self.life), false, treatment));
    }
}
