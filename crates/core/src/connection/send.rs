//! The sending side: what the application wrote, what is in flight, and when more may follow.

use core::time::Duration;

use super::queue::{Lost, RetransmissionQueue};
use super::rtt::Rtt;
use super::state::Snd;
use super::{CongestionState, Outstanding};
use crate::buffer::ByteQueue;
use crate::config::{Config, SocketOptions};
use crate::congestion::{Congestion, CongestionControl};
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

#[derive(Clone, Debug)]
pub(crate) struct SendSide {
    /// From the first unacknowledged byte on.
    pub(crate) buffer: ByteQueue,
    capacity: u32,
    pub(crate) queue: RetransmissionQueue,
    pub(crate) rtt: Rtt,
    pub(crate) congestion: Congestion,
    pub(crate) recovery: Recovery,
    /// Duplicate ACKs in a row.
    pub(crate) duplicate_acks: u8,
    /// What duplicate ACKs add to the congestion window for a while (RFC 6582 §3.2, RFC 3042); with SACK the
    /// blocks say it better.
    pub(crate) inflation: u32,
    /// Timeouts in a row.
    pub(crate) timeouts: u8,
    /// A zero-window probe is to be sent.
    pub(crate) probe: bool,
    /// A segment must be sent now, whatever the congestion window says: fast retransmit, first after a timeout.
    pub(crate) urgent: bool,
    /// What is written goes out although the socket is corked: it has waited long enough, or was asked to go.
    pub(crate) uncorked: bool,
    /// SND.UP, counted from the first unacknowledged byte; zero if no urgent data is ahead.
    pub(crate) urgent_ahead: u32,
    /// The most that was in flight at once in this round trip, in bytes: how much of the window is used.
    used: u32,
    /// The round trip ends when this is acknowledged.
    used_until: SeqNumber,
    /// The end of the last segment sent that was not full.
    pub(crate) small_end: SeqNumber,
    /// When the oldest unacknowledged thing was sent, or progress was last made.
    pub(crate) waiting_since: Instant,
    /// When data was last sent: an idle connection starts slowly again (RFC 5681 §4.1).
    pub(crate) data_sent_at: Instant,
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
            buffer: ByteQueue::default(),
            capacity: options.send_buffer as u32,
            queue: RetransmissionQueue::default(),
            rtt: Rtt::new(config.rto),
            congestion: Congestion::new(config.congestion, u32::from(mss), config.initial_window),
            recovery: Recovery::Open,
            duplicate_acks: 0,
            inflation: 0,
            timeouts: 0,
            probe: false,
            urgent: false,
            uncorked: false,
            urgent_ahead: 0,
            used: 0,
            used_until: SeqNumber(0),
            small_end: SeqNumber(0),
            waiting_since: now,
            data_sent_at: now,
            peer_mss: mss,
            path_mtu: u16::try_from(config.mtu).unwrap_or(u16::MAX),
            mss,
            shift: 0,
            sack: false,
            scaling: false,
        }
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

    /// Room for the application, in bytes.
    pub(crate) fn room(&self) -> usize {
        (self.capacity as usize).saturating_sub(self.buffer.len())
    }

    /// The connection has ended.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.queue.clear();
        self.probe = false;
        self.urgent = false;
    }

    /// The first data byte in the buffer: our SYN takes one number before it.
    pub(crate) fn data_start(&self, snd: &Snd) -> SeqNumber {
        snd.una + u32::from(snd.syn_unacked())
    }

    /// The number behind the last byte written, which is the FIN's, if there will be one.
    pub(crate) fn data_end(&self, snd: &Snd) -> SeqNumber {
        self.data_start(snd) + self.buffer.len() as u32
    }

    /// What the acknowledgments say of the path.
    pub(crate) fn congestion_state(&self) -> CongestionState {
        match self.recovery {
            Recovery::Fast { .. } => CongestionState::Recovery,
            Recovery::Loss { .. } => CongestionState::Loss,
            Recovery::Open if self.duplicate_acks > 0 || self.queue.sacked() > 0 => {
                CongestionState::Disorder
            }
            Recovery::Open => CongestionState::Open,
        }
    }

    /// The retransmission queue in segments. Without SACK each duplicate acknowledgment stands for a segment
    /// that has arrived (RFC 5681 §3.2).
    pub(crate) fn outstanding(&self) -> Outstanding {
        let mut outstanding = self.queue.segments(u32::from(self.mss));
        if !self.sack {
            outstanding.sacked = u32::from(self.duplicate_acks).min(outstanding.unacked);
        }
        outstanding
    }

    /// What the congestion window still allows, in bytes.
    fn congestion_room(&self) -> u32 {
        let window = self.congestion.window().saturating_add(self.inflation);
        // RFC 6675 §4, pipe: what the peer reports has left the network.
        let held = if self.sack { self.queue.sacked() } else { 0 };
        window.saturating_sub(self.queue.outstanding().saturating_sub(held))
    }

    /// Something was sent: how much is in flight now tells how much of the window is used.
    pub(crate) fn note_use(&mut self, snd: &Snd) {
        let flight = self.queue.outstanding();
        if flight > self.used || self.used_until.precedes_or_is(snd.una) {
            self.used = flight;
            self.used_until = snd.nxt;
        }
    }

    /// Whether the application uses the window, so that acknowledgments say that the path bears it: RFC 7661 §4.3,
    /// of whose pipeACK this is the last round trip. Like Linux, slow start needs more than half, so that twice what
    /// was used is never exceeded.
    pub(crate) fn is_window_used(&self) -> bool {
        let window = self.congestion.window();
        self.used.saturating_mul(2) > window
            || self.used.saturating_add(u32::from(self.mss)) >= window
    }

    /// What is to be sent again now, if anything. Our FIN goes with the data before it, as it did.
    pub(crate) fn retransmission(&self, fin: Option<SeqNumber>) -> Option<Lost> {
        let mss = u32::from(self.mss);
        let mut piece = self.queue.first_lost(mss + 1)?;
        if fin.is_none_or(|fin| fin + 1 != piece.seq + piece.len) {
            piece.len = piece.len.min(mss);
        }
        let allowed =
            self.urgent || self.congestion_room() >= piece.len || self.queue.outstanding() == 0;
        allowed.then_some(piece)
    }

    /// How much new data may be sent now: zero if it is better to wait (RFC 9293 §3.8.6.2.1, §3.7.4).
    pub(crate) fn new_data(&self, snd: &Snd, closing: bool, options: &SocketOptions) -> u32 {
        let unsent = self.data_end(snd).distance_from(snd.nxt).max(0) as u32;
        let usable = (snd.una + snd.wnd).distance_from(snd.nxt).max(0) as u32;
        let mss = u32::from(self.mss);
        let len = unsent.min(usable).min(mss);
        if len == 0 {
            return 0;
        }
        let idle = self.queue.is_empty();
        let room = self.congestion_room();
        if room < len && !(idle && room > 0) {
            return 0;
        }
        let full = len == mss;
        // RFC 9293 §3.7.4, Nagle's algorithm with the modification of appendix A.3, unless the application has its
        // own mind: one segment that is not full may be in flight, so the end of a long write does not wait.
        let may_be_short = if options.cork {
            self.uncorked
        } else {
            idle || options.nodelay || !self.has_small_in_flight(snd)
        };
        // Urgent data does not wait, as in Linux.
        let urgent = snd.nxt.precedes(self.data_start(snd) + self.urgent_ahead);
        let last = len == unsent && (may_be_short || closing || urgent);
        let half_window = len >= snd.max_wnd / 2 && len < unsent;
        if full || last || half_window { len } else { 0 }
    }

    /// Whether a segment that was not full is unacknowledged. What was sent long ago says nothing.
    fn has_small_in_flight(&self, snd: &Snd) -> bool {
        snd.una.precedes(self.small_end) && self.small_end.precedes_or_is(snd.nxt)
    }

    /// Whether something waits that only a larger window, or a probe, can release.
    pub(crate) fn is_blocked_by_window(&self, snd: &Snd, fin: Option<SeqNumber>) -> bool {
        let end = fin.map_or_else(|| self.data_end(snd), |fin| fin + 1);
        self.queue.is_empty() && !snd.syn_unacked() && snd.nxt.precedes(end)
    }

    /// The timeout now in force.
    pub(crate) fn rto(&self) -> Duration {
        self.rtt.rto()
    }
}

/// The send MSS when an IPv4 peer says nothing (RFC 9293 §3.7.1, MUST-15).
pub(crate) const DEFAULT_MSS: u16 = 536;
