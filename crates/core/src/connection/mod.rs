//! One connection: its state, both directions of data, its timers and what there is to tell about it.
//!
//! The parts follow a segment's way: `arrival` and `acknowledgment` judge what comes in, `emission` decides
//! what goes out, `calls` is the application, `timeout` the clock. Arriving never sends: it changes variables
//! and marks that an ACK is owed.

mod acknowledgment;
mod arrival;
pub(crate) mod arrows;
mod calls;
mod compact;
mod diagnosis;
mod emission;
mod history;
mod icmp;
mod opening;
mod queue;
mod reassembly;
mod receive;
mod rtt;
mod send;
pub(crate) mod state;
mod status;
mod timeout;
mod urgent;

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use bitflags::bitflags;

use crate::buffer::SpareChunks;
use crate::context::{Context, bare_segment};
use crate::list::Links;
use crate::memory::Memory;
use crate::observe::{
    Cause, DiscardReason, LifeId, NetworkError, Observer, ResetReason, StateName,
};
use crate::origins::{OriginId, Standing};
use crate::stack::ListenerId;
use crate::timer_wheel::TimerEntry;
use crate::{Flags, FourTuple, Instant, Segment, SeqNumber};

pub use calls::Shutdown;
use compact::{CompactOptions, Spares};
use history::History;
pub use history::{CongestionState, Outstanding};
pub(crate) use opening::{Handshake, PathSeen, advertised_mss, receive_shift, usable_mss};
use receive::{ReceiveSide, ReceiveWork};
use send::{SendSide, SendWork};
use state::{EnterTimeWait, Next, State};
pub use status::{Call, CallResult, LastCall, Status, Timer, TimerKind};
use timeout::Timers;

bitflags! {
    /// What an application waiting on a socket may now find.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Readiness: u8 {
        /// A read would not block: data, end of file or an error.
        const READABLE = 1;
        /// A write would not block: room, a connection made, or an error.
        const WRITABLE = 1 << 1;
        /// The peer says that urgent data is ahead (RFC 9293 §3.8.5): see [`urgent`](crate::Stack::urgent).
        const URGENT = 1 << 2;
        /// Everything written is acknowledged, and the FIN, if the sending side is closed; or the connection has
        /// ended: see [`delivery`](crate::Stack::delivery).
        const ACKNOWLEDGED = 1 << 3;
    }
}

/// What the peer has acknowledged of what was written. That its TCP has it does not say that its application read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes written that were not acknowledged; of a connection that has ended, that never will be. The peer may have
    /// them even so: its acknowledgment may be lost, or under way.
    pub unacknowledged: usize,
    /// Our FIN is acknowledged, and with it everything before it.
    pub fin_acknowledged: bool,
    /// Why the connection ended, once it has; TIME-WAIT is an end here.
    pub ended: Option<Cause>,
}

impl Delivery {
    /// Of a connection that was taken from its application: only one with nothing in flight is.
    pub(crate) fn of_neglected(cause: Cause) -> Self {
        Self {
            unacknowledged: 0,
            fin_acknowledged: false,
            ended: Some(cause),
        }
    }
}

/// Who holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An application, by a socket.
    Application,
    /// A listener's accept queue.
    AcceptQueue(ListenerId),
    /// Nobody: the application has closed, the connection ends on its own.
    Nobody,
}

/// How a connection left its state: `transition` says it, and `settle`, which follows at once, takes it.
#[derive(Clone, Debug)]
pub(crate) enum Exit {
    TimeWait(EnterTimeWait),
    Closed,
}

/// The timestamps of a connection (RFC 7323 §4.3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimestampState {
    /// TS.Recent.
    pub(crate) recent: u32,
    /// When TS.Recent was taken: it is worthless after 24 days (RFC 7323 §5.5).
    pub(crate) recent_at: Instant,
    /// Last.ACK.sent.
    pub(crate) last_ack_sent: SeqNumber,
    /// What our clock adds to the stack's. Not zero, so that having no timestamps takes no room.
    pub(crate) offset: NonZeroU32,
}

impl TimestampState {
    /// TSval of a moment.
    pub(crate) fn clock(&self, at: Instant) -> u32 {
        self.offset.get().wrapping_add(at.as_millis() as u32)
    }
}

/// Room for work that connections at rest have given back.
#[derive(Clone, Debug)]
pub(crate) struct Spare {
    send: Spares<SendWork>,
    receive: Spares<ReceiveWork>,
    pub(crate) chunks: SpareChunks,
}

impl Spare {
    pub(crate) const fn new() -> Self {
        Self {
            send: Spares::new(),
            receive: Spares::new(),
            chunks: SpareChunks::new(),
        }
    }
}

/// A slot of the connection table.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) life: LifeId,
    pub(crate) tuple: FourTuple,
    /// `None` once the connection has ended; what was received may still be read.
    state: Option<State>,
    /// Why it ended, once it has.
    pub(crate) ended: Option<Cause>,
    /// The same, until the application was told.
    error: Option<Cause>,
    send: SendSide,
    receive: ReceiveSide,
    timestamps: Option<TimestampState>,
    timers: Timers,
    /// The earliest of them, or an earlier one, in the wheel.
    pub(crate) timer: TimerEntry,
    options: CompactOptions,
    pub(crate) owner: Owner,
    history: History,
    challenged: Challenged,
    /// Bytes on the heap, as last accounted.
    accounted: u32,
    /// What became ready and was not yet told.
    pub(crate) readiness: Readiness,
    pub(crate) ready_links: Links,
    /// In the list of news or in an accept queue, by its owner.
    pub(crate) owner_links: Links,
    /// Among those that were neglected.
    pub(crate) neglect_links: Links,
    pub(crate) origin: OriginId,
    /// As what its origin counts it.
    pub(crate) counted: Standing,
    /// It was left in CLOSE-WAIT for longer than the settings have patience.
    is_neglected: bool,
    /// The application has called `read`.
    has_read: bool,
    /// Keep-alive probes sent since the peer was last heard.
    keep_alive_probes: u8,
    /// Whether the slot is linked into the ready list.
    pub(crate) is_ready: bool,
    /// Whether it is linked into the list of news.
    pub(crate) has_news: bool,
    /// The state it ended in.
    ended_in: Option<StateName>,
    /// Bytes that were not acknowledged when it ended.
    lost: u32,
    /// The last ICMP error since the peer was heard (RFC 5461 §2).
    network_error: Option<NetworkError>,
}

impl Connection {
    /// The bare name of the state, CLOSED once it has ended.
    pub(crate) fn state_name(&self) -> StateName {
        self.state.as_ref().map_or(StateName::Closed, State::name)
    }

    /// The state of a connection that has not ended.
    fn state(&self) -> &State {
        self.state
            .as_ref()
            .expect("an ended connection is in no table that leads here")
    }

    fn state_mut(&mut self) -> &mut State {
        self.state
            .as_mut()
            .expect("an ended connection is in no table that leads here")
    }

    /// Whether nothing waits to be acknowledged, or ever will be.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.state.as_ref().is_none_or(|state| {
            state.is_synchronized() && self.send.busy.buffer.is_empty() && state.fin().is_none()
        })
    }

    /// What was acknowledged of what was written.
    pub(crate) fn delivery(&self) -> Delivery {
        let unacknowledged = match self.ended {
            Some(_) => self.lost as usize,
            None => self.send.busy.buffer.len(),
        };
        let finished = StateName::FinWait2;
        Delivery {
            unacknowledged,
            fin_acknowledged: self.state_name() == finished
                || self.ended_in == Some(finished)
                || self.ended == Some(Cause::AckOfFin),
            ended: self.ended,
        }
    }

    /// As what its origin is to count it.
    pub(crate) fn standing(&self) -> Standing {
        match &self.state {
            Some(_) if self.owner != Owner::Application => Standing::Elsewhere,
            None => Standing::Elsewhere,
            Some(State::CloseWait(_)) if self.is_neglected => Standing::Leaked,
            Some(State::CloseWait(_)) => Standing::CloseWait,
            Some(_) => Standing::Open,
        }
    }

    /// Bytes held for either direction.
    pub(crate) fn bytes(&self) -> usize {
        self.send.busy.buffer.len() + self.receive.busy.buffer.len() + self.receive.out_of_order()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.is_none()
    }

    /// Brings the account of memory up to date.
    pub(crate) fn account(&mut self, memory: &mut Memory) {
        let held = u32::try_from(self.buffered()).unwrap_or(u32::MAX);
        if held != self.accounted {
            memory.change(self.accounted, held);
            self.accounted = held;
        }
    }

    /// The slot is given up: the account is closed.
    pub(crate) fn close_account(&mut self, memory: &mut Memory) {
        memory.change(self.accounted, 0);
        self.accounted = 0;
    }

    /// Bytes on the heap: data both ways, and what is remembered of segments in flight.
    pub(crate) fn buffered(&self) -> usize {
        self.send.bytes_held() + self.receive.bytes_held()
    }

    /// TS.Recent, if timestamps are in use.
    pub(crate) fn ts_recent(&self) -> Option<u32> {
        self.timestamps.map(|timestamps| timestamps.recent)
    }

    /// Whether an ACK was owed when the connection left its slot.
    pub(crate) fn take_owed_ack(&mut self) -> bool {
        let owed = self.receive.owed != receive::AckOwed::No;
        self.receive.acked();
        owed
    }

    /// The host goes away: the peer is told, the application will be.
    pub(crate) fn shut_down<O: Observer>(&mut self, cx: &mut Context<O>) {
        self.reset(cx, Cause::Shutdown, ResetReason::Shutdown);
    }

    /// Gives back what only work needs, if there is none.
    pub(crate) fn rest<O: Observer>(&mut self, cx: &mut Context<O>) {
        if self.send.busy.is_done() && !self.timers.retransmit.is_set() {
            self.send.clear(&mut cx.spares);
        }
        if self.receive.busy.is_done() {
            let Spare {
                receive, chunks, ..
            } = &mut cx.spares;
            self.receive.busy.end(receive, chunks);
        }
    }

    /// The only way to change the state: by an arrow and for a cause.
    fn transition<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        cause: Cause,
        arrow: impl FnOnce(State) -> Next,
    ) {
        let state = self
            .state
            .take()
            .expect("an ended connection takes no arrow");
        let from = state.name();
        let to = match arrow(state) {
            Next::Stay(state) => {
                self.state = Some(state);
                return;
            }
            Next::Enter(state) => self.state.insert(state).name(),
            Next::TimeWait(entry) => {
                cx.leave(self.life, Exit::TimeWait(entry));
                StateName::TimeWait
            }
            Next::Closed => {
                cx.leave(self.life, Exit::Closed);
                StateName::Closed
            }
        };
        self.history.entered_at = cx.now;
        self.remember_closer(from, to, cause);
        if from == StateName::CloseWait {
            self.timers.last = timeout::Deadline::NEVER;
        }
        self.watch_close_wait(&cx.config);
        cx.transition(self.life, self.tuple, (from, to), cause);
        if self.state.is_none() {
            self.leave(cx, from, cause);
        }
    }

    /// Who said first that there will be no more.
    fn remember_closer(&mut self, from: StateName, to: StateName, cause: Cause) {
        let closes = matches!(
            to,
            StateName::FinWait1 | StateName::CloseWait | StateName::TimeWait | StateName::Closed
        );
        let was_open = matches!(
            from,
            StateName::SynSent | StateName::SynReceived | StateName::Established
        );
        if closes && was_open && self.history.first_closer.is_none() {
            self.history.first_closer = Some(cause.initiator());
        }
    }

    /// The slot's part of an ending: nothing more is sent, what was received stays readable.
    fn leave<O: Observer>(&mut self, cx: &mut Context<O>, from: StateName, cause: Cause) {
        self.ended = Some(cause);
        self.ended_in = Some(from);
        if self.owner == Owner::Nobody {
            cx.orphans -= 1;
        }
        self.lost = self.send.busy.buffer.len() as u32; // at most 2^29: `SocketOptions::BUFFER`
        self.send.clear(&mut cx.spares);
        self.receive.forget_out_of_order();
        self.timers = Timers::default();
        self.readiness |= Readiness::READABLE | Readiness::WRITABLE | Readiness::ACKNOWLEDGED;
        let normal = matches!(
            cause,
            Cause::AckOfFin | Cause::Fin | Cause::Close | Cause::ShutdownWrite | Cause::LingerZero
        );
        if normal {
            return;
        }
        self.error = Some(cause);
        match from {
            StateName::SynSent | StateName::SynReceived => cx.counters.attempt_fails += 1,
            StateName::Established | StateName::CloseWait => cx.counters.estab_resets += 1,
            _ => {}
        }
    }

    /// Ends the connection without another word to the peer.
    pub(crate) fn end<O: Observer>(&mut self, cx: &mut Context<O>, cause: Cause) {
        self.transition(cx, cause, |_| Next::Closed);
    }

    /// Ends the connection with a RST (RFC 9293 §3.10.5), where the peer knows of it at all.
    pub(crate) fn reset<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        cause: Cause,
        reason: ResetReason,
    ) {
        let farewell = !matches!(
            self.state(),
            State::SynSent(_) | State::Closing(_) | State::LastAck(_)
        );
        if farewell {
            self.send_reset(cx, reason);
        }
        self.end(cx, cause);
    }

    /// Queues a RST for the peer of this connection.
    fn send_reset<O: Observer>(&self, cx: &mut Context<O>, reason: ResetReason) {
        let seq = self.seq_without_text();
        let ack = self.state().rcv().map_or(SeqNumber(0), |rcv| rcv.nxt);
        let mut rst = bare_segment(self.tuple, seq, ack, Flags::RST | Flags::ACK);
        // RFC 7323 §5.2: "if [...] Snd.TS.OK is set, then a Timestamps option SHOULD be included".
        rst.options.timestamps = self.own_timestamps(cx.now);
        cx.reset(Some(self.life), rst, reason, Some(&self.options()));
    }

    /// SEG.SEQ of a segment without text: SND.NXT, but never beyond the window. There the peer would refuse it,
    /// and with it the ACK: at a shut window that it was probed at, or after it has shrunk its window.
    fn seq_without_text(&self) -> SeqNumber {
        let state = self.state();
        let edge = state.snd().map(|snd| self.send.data_start(snd) + snd.wnd);
        edge.map_or(state.snd_nxt(), |edge| state.snd_nxt().earlier(edge))
    }

    fn discard<O: Observer>(&self, cx: &mut Context<O>, reason: DiscardReason) {
        cx.discard(Some(self.tuple), Some(self.life), reason);
    }

    /// Whether a segment with these numbers may be sent to correct the peer's picture: not more often than
    /// twice a second, and within the stack's budget (RFC 5961 §10).
    fn may_challenge<O: Observer>(&mut self, cx: &mut Context<O>) -> bool {
        if !self.challenged.is_long_ago(cx.now) || !cx.may_challenge() {
            cx.counters.tcp_ack_skipped_challenge += 1;
            return false;
        }
        self.challenged = Challenged::at(cx.now);
        true
    }

    /// Answers a suspicious segment with an ACK (RFC 5961 §3.2, §4.2, §5.2).
    fn challenge<O: Observer>(&mut self, cx: &mut Context<O>, reason: DiscardReason) {
        self.discard(cx, reason);
        if self.may_challenge(cx) {
            cx.counters.tcp_challenge_ack += 1;
            self.receive.owe_ack_now();
        }
    }

    /// The peer has spoken: not just anybody with its addresses, but with numbers that fit.
    fn hear(&mut self, now: Instant) {
        self.history.heard_at = now;
        self.network_error = None;
        self.keep_alive_probes = 0;
    }

    /// Tells an observer that a segment of this connection arrived.
    fn note_arrival<O: Observer>(&mut self, cx: &mut Context<O>, segment: &Segment<'_>) {
        self.history.count_arrival(segment.payload.len());
        let len = segment.payload.len() as u32;
        cx.seen(
            self.life,
            segment,
            len,
            crate::observe::Direction::Received,
            false,
        );
    }
}

/// When a connection last answered a suspicious segment, in milliseconds modulo 2^32; zero is never. After 49 days it
/// may be taken for half a second ago, which costs an answer that need not be given.
#[derive(Clone, Copy, Default)]
pub(crate) struct Challenged(u32);

impl Challenged {
    fn at(now: Instant) -> Self {
        Self((now.as_millis() as u32).max(1))
    }

    /// Whether it may do so again (Linux's `tcp_invalid_ratelimit`).
    fn is_long_ago(self, now: Instant) -> bool {
        let since = Self::at(now).0.wrapping_sub(self.0);
        self.0 == 0 || Duration::from_millis(since.into()) >= CHALLENGE_INTERVAL
    }
}

impl fmt::Debug for Challenged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Instant::from_millis(self.0.into()).fmt(f)
    }
}

/// How often one connection may answer suspicious segments.
pub(crate) const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

// An idle connection takes no more than 512 bytes: this, its place in the table and its chunk's header.
const _: () = assert!(size_of::<Option<Connection>>() <= 488);
