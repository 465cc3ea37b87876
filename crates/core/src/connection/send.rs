//! The sending side: what the application wrote, what is in flight, and when more may follow.

use core::time::Duration;

use super::compact::{CompactOptions, Lazy, Work};
use super::queue::{Lost, RetransmissionQueue};
use super::rtt::Rtt;
use super::state::Snd;
use super::{CongestionState, Outstanding, Spare};
use crate::buffer::{ByteQueue, SpareChunks};
use crate::config::{Config, SocketOptions};
use crate::congestion::{Congestion, CongestionControl};
use crate::memory::{Memory, guaranteed};
use crate::{Instant, SeqNumber};

/// Loss recovery (RFC 6582 §3.2, RFC 5681 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing is missing.
    Open,
    /// Fast recovery, until everything sent before `recover` is acknowledged.
    Fast { recover: SeqNumber },
    /// After a timeout: everything is sent again, in slow start, up to `recover`.
    Loss { recover: SeqNumber },
}

/// Why a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    New,
    Retransmission,
    /// A zero-window probe (RFC 9293 §3.8.6.1).
    Probe,
}

/// The sequence numbers the next segment covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seq: SeqNumber,
    /// Sequence numbers, SYN and FIN included. Never zero.
    pub(crate) len: u32,
    pub(crate) kind: Kind,
}

/// What there is only while something is written and not acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct SendWork {
    /// From the first unacknowledged byte on.
    pub(crate) buffer: ByteQueue,
    pub(crate) queue: RetransmissionQueue,
    /// When the oldest unacknowledged thing was sent, or progress was last made.
    pub(crate) waiting_since: Instant,
    /// What duplicate ACKs add to the congestion window for a while (RFC 6582 §3.2, RFC 3042); with SACK the
    /// blocks say it better.
    pub(crate) inflation: u32,
    /// SND.UP, counted from the first unacknowledged byte; zero if no urgent data is ahead.
    pub(crate) urgent_ahead: u32,
    /// The most that was in flight at once in this round trip, in bytes: how much of the window is used.
    used: u32,
    /// The round trip ends when this is acknowledged.
    used_until: SeqNumber,
    /// The end of the last segment sent that was not full.
    pub(crate) small_end: SeqNumber,
    /// Duplicate ACKs in a row.
    pub(crate) duplicate_acks: u8,
    /// Timeouts in a row.
    pub(crate) timeouts: u8,
    /// A zero-window probe is to be sent.
    pub(crate) probe: bool,
    /// A segment must be sent now, whatever the congestion window says: fast retransmit, first after a timeout.
    pub(crate) urgent: bool,
    /// The application would write more and memory is short: the next acknowledgment tells it to try again.
    pub(crate) held_back: bool,
    /// What is written goes out although the socket is corked: it has waited long enough, or was asked to go.
    pub(crate) uncorked: bool,
}

impl SendWork {
    const fn new() -> Self {
        Self {
            buffer: ByteQueue::new(),
            queue: RetransmissionQueue::new(),
            waiting_since: Instant::ZERO,
            inflation: 0,
            urgent_ahead: 0,
            used: 0,
            used_until: SeqNumber(0),
            small_end: SeqNumber(0),
            duplicate_acks: 0,
            timeouts: 0,
            probe: false,
            urgent: false,
            held_back: false,
            uncorked: false,
        }
    }
}

impl Work for SendWork {
    const NONE: &'static Self = &Self::new();

    fn fresh() -> Self {
        Self::new()
    }

    fn bytes_held(&self) -> usize {
        self.buffer.bytes_held() + self.queue.bytes_held()
    }

    fn renew(&mut self, chunks: &mut SpareChunks) {
        let Self {
            buffer,
            queue,
            waiting_since,
            inflation,
            urgent_ahead,
            used,
            used_until,
            small_end,
            duplicate_acks,
            timeouts,
            probe,
            urgent,
            held_back,
            uncorked,
        } = self;
        buffer.clear(chunks);
        queue.clear();
        *waiting_since = Instant::ZERO;
        (*inflation, *urgent_ahead, *used) = (0, 0, 0);
        (*used_until, *small_end) = (SeqNumber(0), SeqNumber(0));
        (*duplicate_acks, *timeouts) = (0, 0);
        (*probe, *urgent, *held_back, *uncorked) = (false, false, false, false);
    }

    fn is_done(&self) -> bool {
        self.buffer.is_empty()
            && self.queue.is_empty()
            && self.timeouts == 0
            && !self.probe
            && !self.urgent
    }
}

#[derive(Clone, Debug)]
pub(crate) struct SendSide {
    pub(crate) busy: Lazy<SendWork>,
    pub(crate) rtt: Rtt,
    pub(crate) congestion: Congestion,
    pub(crate) recovery: Recovery,
    /// When data was last sent: an idle connection starts slowly again (RFC 5681 §4.1).
    pub(crate) data_sent_at: Instant,
    /// Segments the peer has received, as it says, modulo 2^32: Linux's `tcpi_delivered`. The queue counts on.
    delivered: u32,
    capacity: u32,
    /// The peer's MSS option, or the default.
    pub(crate) peer_mss: u16,
    /// The largest IP packet the path carries, as far as we know.
    pub(crate) path_mtu: u16,
    /// Effective send MSS: data bytes of a segment with the usual options (RFC 9293 §3.7.1).
    pub(crate) mss: u16,
    /// Snd.Wind.Shift: what the peer scales its window by.
    pub(crate) shift: u8,
    /// The peer understands SACK.
    pub(crate) sack: bool,
    /// Both ends scale their windows, by zero perhaps.
    pub(crate) scaling: bool,
}

impl SendSide {
    pub(crate) fn new(config: &Config, options: &SocketOptions, now: Instant) -> Self {
        let mss = DEFAULT_MSS;
        Self {
            busy: Lazy::none(),
            rtt: Rtt::new(config.rto),
            congestion: Congestion::new(config.congestion, u32::from(mss), config.initial_window),
            recovery: Recovery::Open,
            data_sent_at: now,
            delivered: 0,
            capacity: options.send_buffer as u32,
            peer_mss: mss,
            path_mtu: u16::try_from(config.mtu).unwrap_or(u16::MAX),
            mss,
            shift: 0,
            sack: false,
            scaling: false,
        }
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self, spares: &mut Spare) {
        self.delivered = self.delivered();
        self.busy.end(&mut spares.send, &mut spares.chunks);
    }

    /// Segments that the peer has received.
    pub(crate) fn delivered(&self) -> u32 {
        self.delivered.wrapping_add(self.busy.queue.delivered())
    }

    /// A segment that was not in the queue has arrived: the SYN,ACK of a passive open.
    pub(crate) fn count_delivered(&mut self) {
        self.delivered = self.delivered.wrapping_add(1);
    }

    /// Works out the effective send MSS (RFC 9293 §3.7.1, RFC 6691): `overhead` is what IP, TCP and the
    /// options of every segment take, `limit` what the application allows.
    pub(crate) fn set_segment_sizes(&mut self, headers: usize, options: usize, limit: Option<u16>) {
        let path = usize::from(self.path_mtu).saturating_sub(headers);
        let most = path.min(usize::from(self.peer_mss.min(limit.unwrap_or(u16::MAX))));
        self.mss = u16::try_from(most.saturating_sub(options).max(8)).unwrap_or(u16::MAX);
        self.congestion.set_mss(u32::from(self.mss));
    }

    /// RFC 5681 §3.1: when the SYN or SYN,ACK was lost, the initial window is one segment.
    pub(crate) fn start_with_one_segment(&mut self) {
        self.congestion.on_idle(u32::from(self.mss));
    }

    /// The buffer takes as much as the application now wants.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity as u32; // at most 2^29: `SocketOptions::BUFFER`
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// Whether the application should try to write.
    pub(crate) fn is_writable(&self, memory: &Memory) -> bool {
        !self.busy.held_back && self.room(memory) > 0
    }

    /// A write found no room.
    pub(crate) fn hold_back(&mut self) {
        self.busy.held_back = self.busy.buffer.len() < self.capacity as usize;
    }

    /// Bytes on the heap.
    pub(crate) fn bytes_held(&self) -> usize {
        self.busy.bytes_held() + self.congestion.bytes_held()
    }

    /// Room for the application, in bytes: where memory is short up to its limit, and at no time for more than is
    /// left. Two segments always find room.
    pub(crate) fn room(&self, memory: &Memory) -> usize {
        let held = self.busy.buffer.len();
        let most = self.capacity.min(memory.limit(self.mss)) as usize;
        let least = (guaranteed(self.mss) as usize).saturating_sub(held);
        most.saturating_sub(held)
            .min(memory.most_at_once().max(least))
    }

    /// The first data byte in the buffer: our SYN takes one number before it.
    pub(crate) fn data_start(&self, snd: &Snd) -> SeqNumber {
        snd.una + u32::from(snd.syn_unacked())
    }

    /// The number behind the last byte written, which is the FIN's, if there will be one.
    pub(crate) fn data_end(&self, snd: &Snd) -> SeqNumber {
        self.data_start(snd) + self.busy.buffer.len() as u32
    }

    /// What the acknowledgments say of the path.
    pub(crate) fn congestion_state(&self) -> CongestionState {
        match self.recovery {
            Recovery::Fast { .. } => CongestionState::Recovery,
            Recovery::Loss { .. } => CongestionState::Loss,
            Recovery::Open if self.busy.duplicate_acks > 0 || self.busy.queue.sacked() > 0 => {
                CongestionState::Disorder
            }
            Recovery::Open => CongestionState::Open,
        }
    }

    /// The retransmission queue in segments. Without SACK each duplicate acknowledgment stands for a segment
    /// that has arrived (RFC 5681 §3.2).
    pub(crate) fn outstanding(&self) -> Outstanding {
        let mut outstanding = self.busy.queue.segments(u32::from(self.mss));
        if !self.sack {
            outstanding.sacked = u32::from(self.busy.duplicate_acks).min(outstanding.unacked);
        }
        outstanding
    }

    /// What the congestion window still allows, in bytes.
    fn congestion_room(&self) -> u32 {
        let window = self.congestion.window().saturating_add(self.busy.inflation);
        // RFC 6675 §4, pipe: what the peer reports has left the network.
        let held = if self.sack {
            self.busy.queue.sacked()
        } else {
            0
        };
        window.saturating_sub(self.busy.queue.outstanding().saturating_sub(held))
    }

    /// Something was sent: how much is in flight now tells how much of the window is used.
    pub(crate) fn note_use(&mut self, snd: &Snd) {
        let flight = self.busy.queue.outstanding();
        if flight > self.busy.used || self.busy.used_until.precedes_or_is(snd.una) {
            self.busy.used = flight;
            self.busy.used_until = snd.nxt;
        }
    }

    /// Whether the application uses the window, so that acknowledgments say that the path bears it: RFC 7661 §4.3,
    /// of whose pipeACK this is the last round trip. Like Linux, slow start needs more than half, so that twice what
    /// was used is never exceeded.
    pub(crate) fn is_window_used(&self) -> bool {
        let window = self.congestion.window();
        self.busy.used.saturating_mul(2) > window
            || self.busy.used.saturating_add(u32::from(self.mss)) >= window
    }

    /// What is to be sent again now, if anything. Our FIN goes with the data before it, as it did.
    pub(crate) fn retransmission(&self, fin: Option<SeqNumber>) -> Option<Lost> {
        let mss = u32::from(self.mss);
        let mut piece = self.busy.queue.first_lost(mss + 1)?;
        if fin.is_none_or(|fin| fin + 1 != piece.seq + piece.len) {
            piece.len = piece.len.min(mss);
        }
        let allowed = self.busy.urgent
            || self.congestion_room() >= piece.len
            || self.busy.queue.outstanding() == 0;
        allowed.then_some(piece)
    }

    /// How much new data may be sent now: zero if it is better to wait (RFC 9293 §3.8.6.2.1, §3.7.4).
    pub(crate) fn new_data(&self, snd: &Snd, closing: bool, options: &CompactOptions) -> u32 {
        let unsent = self.data_end(snd).distance_from(snd.nxt).max(0) as u32;
        let usable = (snd.una + snd.wnd).distance_from(snd.nxt).max(0) as u32;
        let mss = u32::from(self.mss);
        let len = unsent.min(usable).min(mss);
        if len == 0 {
            return 0;
        }
        let idle = self.busy.queue.is_empty();
        let room = self.congestion_room();
        if room < len && !(idle && room > 0) {
            return 0;
        }
        let full = len == mss;
        // RFC 9293 §3.7.4, Nagle's algorithm with the modification of appendix A.3, unless the application has its
        // own mind: one segment that is not full may be in flight, so the end of a long write does not wait.
        let may_be_short = if options.cork() {
            self.busy.uncorked
        } else {
            idle || options.nodelay() || !self.has_small_in_flight(snd)
        };
        // Urgent data does not wait, as in Linux.
        let urgent = snd
            .nxt
            .precedes(self.data_start(snd) + self.busy.urgent_ahead);
        let last = len == unsent && (may_be_short || closing || urgent);
        let half_window = len >= snd.max_wnd / 2 && len < unsent;
        if full || last || half_window { len } else { 0 }
    }

    /// Whether a segment that was not full is unacknowledged. What was sent long ago says nothing.
    fn has_small_in_flight(&self, snd: &Snd) -> bool {
        snd.una.precedes(self.busy.small_end) && self.busy.small_end.precedes_or_is(snd.nxt)
    }

    /// Whether something waits that only a larger window, or a probe, can release.
    pub(crate) fn is_blocked_by_window(&self, snd: &Snd, fin: Option<SeqNumber>) -> bool {
        let end = fin.map_or_else(|| self.data_end(snd), |fin| fin + 1);
        self.busy.queue.is_empty() && !snd.syn_unacked() && snd.nxt.precedes(end)
    }

    /// The timeout now in force.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.rto()
    }
}

/// The send MSS when an IPv4 peer says nothing (RFC 9293 §3.7.1, MUST-15).
pub(crate) const DEFAULT_MSS: u16 = 536;
