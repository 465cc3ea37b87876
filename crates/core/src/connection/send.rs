//! The sending side: what the application wrote, what is in flight, and when more may follow.

use core::time::Duration;

use super::queue::{Lost, RetransmissionQueue};
use super::rtt::Rtt;
use super::state::Snd;
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
    pub(crate) capacity: usize,
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
    /// When the oldest unacknowledged thing was sent, or progress was last made.
    pub(crate) waiting_since: Instant,
    /// When anything was last sent: an idle connection starts slowly again (RFC 5681 §4.1).
    pub(crate) sent_at: Instant,
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
}

impl SendSide {
    pub(crate) fn new(config: &Config, options: &SocketOptions, now: Instant) -> Self {
        let mss = DEFAULT_MSS;
        Self {
            buffer: ByteQueue::default(),
            capacity: options.send_buffer,
            queue: RetransmissionQueue::default(),
            rtt: Rtt::new(config.rto),
            congestion: Congestion::new(config.congestion, u32::from(mss)),
            recovery: Recovery::Open,
            duplicate_acks: 0,
            inflation: 0,
            timeouts: 0,
            probe: false,
            urgent: false,
            waiting_since: now,
            sent_at: now,
            peer_mss: mss,
            path_mtu: u16::try_from(config.mtu).unwrap_or(u16::MAX),
            mss,
            shift: 0,
            sack: false,
        }
    }

    /// Works out the effective send MSS (RFC 9293 §3.7.1, RFC 6691): `overhead` is what IP, TCP and the
    /// options of every segment take.
    pub(crate) fn set_segment_sizes(&mut self, headers: usize, options: usize) {
        let path = usize::from(self.path_mtu).saturating_sub(headers);
        let most = path.min(usize::from(self.peer_mss));
        self.mss = u16::try_from(most.saturating_sub(options).max(8)).unwrap_or(u16::MAX);
        self.congestion.set_mss(u32::from(self.mss));
    }

    /// RFC 5681 §3.1: when the SYN or SYN,ACK was lost, the initial window is one segment.
    pub(crate) fn start_with_one_segment(&mut self) {
        self.congestion.on_idle(u32::from(self.mss));
    }

    /// Room for the application, in bytes.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.buffer.len())
    }

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

    /// What the congestion window still allows, in bytes.
    fn congestion_room(&self) -> u32 {
        let window = self.congestion.window().saturating_add(self.inflation);
        // RFC 6675 §4, pipe: what the peer reports has left the network.
        let held = if self.sack { self.queue.sacked() } else { 0 };
        window.saturating_sub(self.queue.outstanding().saturating_sub(held))
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
        let last = len == unsent && (idle || options.nodelay || closing);
        let half_window = len >= snd.max_wnd / 2 && len < unsent;
        if full || last || half_window { len } else { 0 }
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
