//! What a connection remembers of its life, and what is told of the traffic in it: the part of Linux's
//! `TCP_INFO` that no other variable knows.

use super::{Call, CallResult, LastCall};
use crate::Instant;
use crate::observe::Initiator;

/// What a connection remembers of its life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    pub(crate) opened_at: Instant,
    pub(crate) entered_at: Instant,
    /// The last segment received: keep-alive counts from here.
    pub(crate) heard_at: Instant,
    /// The last data received in order.
    pub(crate) data_received_at: Instant,
    /// Who sent, or decided to send, the first FIN or RST.
    pub(crate) first_closer: Option<Initiator>,
    pub(crate) end_of_file_delivered: bool,
    /// Retransmission timeouts, those of the SYN or SYN,ACK included.
    pub(crate) timeouts: u16,
    pub(crate) last_call: Option<PastCall>,
    /// These five count modulo 2^32, as in Linux.
    segs_in: u32,
    pub(crate) segs_out: u32,
    pub(crate) retransmissions: u32,
    pub(crate) data_segs_in: u32,
    pub(crate) data_segs_out: u32,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_retransmitted: u64,
}

impl History {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            opened_at: now,
            entered_at: now,
            heard_at: now,
            data_received_at: now,
            first_closer: None,
            end_of_file_delivered: false,
            timeouts: 0,
            last_call: None,
            segs_in: 0,
            segs_out: 0,
            retransmissions: 0,
            data_segs_in: 0,
            data_segs_out: 0,
            bytes_received: 0,
            bytes_acked: 0,
            bytes_retransmitted: 0,
        }
    }

    /// Segments received, modulo 2^32.
    pub(crate) fn segs_in(&self) -> u32 {
        self.segs_in
    }

    /// A segment with `length` bytes of data arrived.
    pub(crate) fn count_arrival(&mut self, length: usize) {
        self.segs_in = self.segs_in.wrapping_add(1);
        self.data_segs_in = self.data_segs_in.wrapping_add(u32::from(length > 0));
    }

    /// A segment with `length` bytes of data was sent.
    pub(crate) fn count_departure(&mut self, length: usize, retransmission: bool) {
        self.segs_out = self.segs_out.wrapping_add(1);
        self.data_segs_out = self.data_segs_out.wrapping_add(u32::from(length > 0));
        if retransmission {
            self.retransmissions = self.retransmissions.wrapping_add(1);
            self.bytes_retransmitted += length as u64;
        }
    }
}

/// A [`LastCall`] in 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PastCall {
    pub(crate) at: Instant,
    bytes: u32,
    call: Call,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Done,
    WouldBlock,
    Failed,
}

const _: () = assert!(size_of::<Option<PastCall>>() <= 16);

impl PastCall {
    pub(crate) fn new(at: Instant, call: Call, result: CallResult) -> Self {
        let (bytes, outcome) = match result {
            CallResult::Done(bytes) => (bytes, Outcome::Done),
            CallResult::WouldBlock => (0, Outcome::WouldBlock),
            CallResult::Failed => (0, Outcome::Failed),
        };
        Self {
            at,
            bytes,
            call,
            outcome,
        }
    }
}

impl From<PastCall> for LastCall {
    fn from(past: PastCall) -> Self {
        let result = match past.outcome {
            Outcome::Done => CallResult::Done(past.bytes),
            Outcome::WouldBlock => CallResult::WouldBlock,
            Outcome::Failed => CallResult::Failed,
        };
        Self {
            call: past.call,
            at: past.at,
            result,
        }
    }
}

/// What the sender makes of the path: Linux's `tcpi_ca_state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CongestionState {
    /// Nothing is missing.
    #[default]
    Open,
    /// Duplicate acknowledgments or SACK blocks came: something is late or lost.
    Disorder,
    /// The window was reduced without a loss, as the path asked for. Nothing in estab asks for it yet.
    Cwr,
    /// Fast recovery (RFC 5681 §3.2).
    Recovery,
    /// After a retransmission timeout (RFC 5681 §3.1).
    Loss,
}

impl CongestionState {
    /// As it is written: `open`, `disorder`, `cwr`, `recovery`, `loss`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Disorder => "disorder",
            Self::Cwr => "cwr",
            Self::Recovery => "recovery",
            Self::Loss => "loss",
        }
    }
}

/// The retransmission queue in segments, as Linux counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Sent and not acknowledged (`packets_out`).
    pub unacked: u32,
    /// Of these, held by the peer out of order: as SACK says, or one for each duplicate acknowledgment
    /// (`sacked_out`).
    pub sacked: u32,
    /// Taken for lost, those sent again since included (`lost_out`).
    pub lost: u32,
    /// Sent again and still under way (`retrans_out`).
    pub retransmitted: u32,
}

/// Segments that may overtake each other before one counts as lost: RFC 5681 §3.2's three duplicate
/// acknowledgments. Nothing measures the path's own degree.
pub(crate) const REORDERING: u32 = 3;
