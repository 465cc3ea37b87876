//! The receiving side: the bytes that wait for the application, those that wait for a hole to fill, the
//! window we offer and the ACK we owe.

use super::reassembly::Reassembly;
use super::state::Rcv;
use crate::buffer::ByteQueue;
use crate::{SackBlocks, SeqNumber};

/// Out-of-order blocks held for one connection.
const MAX_BLOCKS: usize = 256;

/// Whether the peer waits for an acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckOwed {
    No,
    /// By the delayed-ACK timer, if nothing else goes out before (RFC 9293 §3.8.6.3).
    Delayed,
    Now,
}

#[derive(Clone, Debug)]
pub(crate) struct ReceiveSide {
    pub(crate) buffer: ByteQueue,
    capacity: usize,
    reassembly: Reassembly,
    /// The number of the peer's FIN, while something before it is missing.
    pub(crate) fin: Option<SeqNumber>,
    /// Rcv.Wind.Shift: what we scale our window by (RFC 7323 §2.3).
    pub(crate) shift: u8,
    /// SACK was agreed.
    pub(crate) sack: bool,
    pub(crate) owed: AckOwed,
    /// Segments with data since the last ACK.
    unacked: u8,
    /// Segments still to be acknowledged at once.
    quick: u8,
    /// The application reads no more.
    pub(crate) shut: bool,
    /// The peer's FIN has arrived, and everything before it.
    pub(crate) finished: bool,
    /// The largest segment the peer sends us: what our MSS option said.
    mss: u32,
}

impl ReceiveSide {
    pub(crate) fn new(capacity: usize, shift: u8, mss: u16, quick: u8) -> Self {
        Self {
            buffer: ByteQueue::default(),
            capacity,
            reassembly: Reassembly::default(),
            fin: None,
            shift,
            sack: false,
            owed: AckOwed::No,
            unacked: 0,
            quick,
            shut: false,
            finished: false,
            mss: u32::from(mss),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// A smaller buffer takes effect as the application reads: the window never shrinks (RFC 9293 §3.8.6).
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Bytes held out of order.
    pub(crate) fn out_of_order(&self) -> usize {
        self.reassembly.bytes()
    }

    pub(crate) fn forget_out_of_order(&mut self) {
        self.reassembly.clear();
        self.fin = None;
    }

    pub(crate) fn owe_ack_now(&mut self) {
        self.owed = AckOwed::Now;
    }

    /// Takes acceptable data, already cut to the window. Answers how many bytes became readable, or `None`
    /// if out-of-order data could not be held.
    pub(crate) fn take(&mut self, rcv: &mut Rcv, seq: SeqNumber, data: &[u8]) -> Option<u32> {
        if seq != rcv.nxt {
            // RFC 5681 §4.2: out-of-order data is acknowledged at once, so that the sender sees the hole.
            self.owe_ack_now();
            return self
                .reassembly
                .insert(seq, data, MAX_BLOCKS)
                .ok()
                .map(|_| 0);
        }
        self.buffer.push(data);
        rcv.nxt += data.len() as u32;
        let mut taken = data.len() as u32;
        if self.reassembly.is_empty() {
            self.owe_ack_for_data();
        } else {
            // RFC 5681 §4.2: so is data that fills a hole.
            let buffer = &mut self.buffer;
            taken += self
                .reassembly
                .take_contiguous(rcv.nxt, |bytes| buffer.push(bytes));
            rcv.nxt = seq + taken;
            self.owe_ack_now();
        }
        rcv.wnd = rcv.wnd.saturating_sub(taken);
        Some(taken)
    }

    /// At least every second segment is acknowledged at once (RFC 9293 §3.8.6.3), and the first ones too.
    fn owe_ack_for_data(&mut self) {
        self.unacked = self.unacked.saturating_add(1);
        if self.quick > 0 {
            self.quick -= 1;
            self.owe_ack_now();
        } else if self.unacked >= 2 {
            self.owe_ack_now();
        } else if self.owed == AckOwed::No {
            self.owed = AckOwed::Delayed;
        }
    }

    /// The ACK of a FIN may wait like that of data: an application that closes at once lets its own FIN ride
    /// on it, and the close takes three segments.
    pub(crate) fn owe_ack_for_fin(&mut self) {
        self.owe_ack_for_data();
    }

    /// An ACK, alone or riding on something, goes out.
    pub(crate) fn acked(&mut self) {
        self.owed = AckOwed::No;
        self.unacked = 0;
    }

    /// How far the window's right edge could be moved now.
    fn growth(&self, rcv: &Rcv) -> u32 {
        let free = self.capacity.saturating_sub(self.buffer.len());
        u32::try_from(free)
            .unwrap_or(u32::MAX)
            .saturating_sub(rcv.wnd)
    }

    /// The least step of the right edge: half the buffer or a full segment (RFC 9293 §3.8.6.2.2).
    fn least_step(&self) -> u32 {
        ((self.capacity / 2) as u32).min(self.mss)
    }

    /// Chooses the window to offer, without ever taking back what was offered (RFC 9293 §3.8.6), and
    /// answers the field for the header.
    pub(crate) fn offer_window(&self, rcv: &mut Rcv) -> u16 {
        let growth = self.growth(rcv);
        if growth >= self.least_step() {
            rcv.wnd += growth;
        }
        // Rounding up keeps the right edge where it was; the buffer bears the few bytes more.
        let unit = 1_u32 << self.shift;
        let field = u16::try_from(rcv.wnd.div_ceil(unit)).unwrap_or(u16::MAX);
        rcv.wnd = u32::from(field) << self.shift;
        field
    }

    /// After the application has read: whether the peer should hear of the larger window by itself.
    pub(crate) fn wants_window_update(&self, rcv: &Rcv) -> bool {
        // No further than the field can say, scaled (RFC 7323 §2.2): without scaling the buffer may be larger.
        let most = u32::from(u16::MAX) << self.shift;
        let growth = self.growth(rcv).min(most.saturating_sub(rcv.wnd));
        let half = (self.capacity.min(most as usize) / 2) as u32;
        growth >= half || (rcv.wnd < 2 * self.mss && growth >= self.least_step())
    }

    /// The blocks to report with an ACK, as many as the header has room for.
    pub(crate) fn sack_blocks(&self, most: usize) -> SackBlocks {
        if self.sack {
            self.reassembly.sack_blocks(most)
        } else {
            SackBlocks::default()
        }
    }
}
