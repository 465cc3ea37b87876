//! The receiving side: the bytes that wait for the application, those that wait for a hole to fill, the
//! window we offer and the ACK we owe.

use super::compact::{Lazy, Work};
use super::reassembly::Reassembly;
use super::send::DEFAULT_MSS;
use super::state::Rcv;
use crate::buffer::{ByteQueue, SpareChunks};
use crate::memory::{Memory, MemoryLevel, guaranteed};
use crate::{SackBlock, SackBlocks, SeqNumber};

/// Out-of-order blocks held for one connection.
const MAX_BLOCKS: usize = 256;

/// No block.
const NOTHING: SackBlock = SackBlock {
    left: SeqNumber(0),
    right: SeqNumber(0),
};

/// Quick acknowledgments that never come to an end: the application asked for them.
pub(crate) const ALWAYS_QUICK: u8 = u8::MAX;

/// Whether the peer waits for an acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckOwed {
    No,
    /// By the delayed-ACK timer, if nothing else goes out before (RFC 9293 §3.8.6.3).
    Delayed,
    Now,
}

/// What there is only while received data waits.
#[derive(Clone, Debug)]
pub(crate) struct ReceiveWork {
    /// In order, for the application.
    pub(crate) buffer: ByteQueue,
    /// Out of order, for a hole to fill.
    reassembly: Reassembly,
    /// What came twice, to be reported with the next ACK; empty if nothing did (RFC 2883).
    duplicate: SackBlock,
    /// RCV.UP, counted from the next byte to be read; zero if no urgent data is ahead.
    pub(crate) urgent: u32,
}

impl ReceiveWork {
    const fn new() -> Self {
        Self {
            buffer: ByteQueue::new(),
            reassembly: Reassembly::new(),
            duplicate: NOTHING,
            urgent: 0,
        }
    }
}

impl Work for ReceiveWork {
    const NONE: &'static Self = &Self::new();

    fn fresh() -> Self {
        Self::new()
    }

    fn bytes_held(&self) -> usize {
        self.buffer.bytes_held() + self.reassembly.bytes_held()
    }

    fn renew(&mut self, chunks: &mut SpareChunks) {
        let Self {
            buffer,
            reassembly,
            duplicate,
            urgent,
        } = self;
        buffer.clear(chunks);
        reassembly.clear();
        (*duplicate, *urgent) = (NOTHING, 0);
    }

    fn is_done(&self) -> bool {
        self.buffer.is_empty()
            && self.reassembly.is_empty()
            && self.duplicate == NOTHING
            && self.urgent == 0
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ReceiveSide {
    pub(crate) busy: Lazy<ReceiveWork>,
    capacity: u32,
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
    /// The largest segment the peer may send us: what our MSS option said.
    mss: u16,
    /// The largest it did send, in data bytes; before, a guess.
    segment: u16,
}

impl ReceiveSide {
    pub(crate) fn new(capacity: usize, shift: u8, mss: u16, quick: u8) -> Self {
        Self {
            busy: Lazy::none(),
            capacity: capacity as u32, // at most 2^29: `SocketOptions::BUFFER`
            fin: None,
            shift,
            sack: false,
            owed: AckOwed::No,
            unacked: 0,
            quick,
            shut: false,
            finished: false,
            mss,
            segment: mss.min(DEFAULT_MSS),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// A smaller buffer takes effect as the application reads: the window never shrinks (RFC 9293 §3.8.6).
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity as u32;
    }

    /// Bytes on the heap.
    pub(crate) fn bytes_held(&self) -> usize {
        self.busy.bytes_held()
    }

    /// Bytes held out of order.
    pub(crate) fn out_of_order(&self) -> usize {
        self.busy.reassembly.bytes()
    }

    pub(crate) fn forget_out_of_order(&mut self) {
        if !self.busy.reassembly.is_empty() {
            self.busy.reassembly.clear();
        }
        self.fin = None;
    }

    pub(crate) fn owe_ack_now(&mut self) {
        self.owed = AckOwed::Now;
    }

    /// Takes acceptable data, already cut to the window. Answers how many bytes became readable, or `None`
    /// if out-of-order data could not be held.
    pub(crate) fn take(
        &mut self,
        rcv: &mut Rcv,
        seq: SeqNumber,
        data: &[u8],
        chunks: &mut SpareChunks,
    ) -> Option<u32> {
        if seq != rcv.nxt {
            // RFC 5681 §4.2: out-of-order data is acknowledged at once, so that the sender sees the hole.
            self.owe_ack_now();
            return self
                .busy
                .reassembly
                .insert(seq, data, MAX_BLOCKS)
                .ok()
                .map(|_| 0);
        }
        self.busy.buffer.push(data, chunks);
        rcv.nxt += data.len() as u32;
        let mut taken = data.len() as u32;
        if self.busy.reassembly.is_empty() {
            self.owe_ack_for_data();
        } else {
            // RFC 5681 §4.2: so is data that fills a hole.
            let ReceiveWork {
                buffer, reassembly, ..
            } = &mut *self.busy;
            taken += reassembly.take_contiguous(rcv.nxt, |bytes| buffer.push(bytes, chunks));
            rcv.nxt = seq + taken;
            self.owe_ack_now();
        }
        rcv.wnd = rcv.wnd.saturating_sub(taken);
        Some(taken)
    }

    /// Linux's `tcpi_rcv_mss`: the data bytes of the peer's largest segment.
    pub(crate) fn segment(&self) -> u16 {
        self.segment
    }

    /// A segment with `length` bytes of data came.
    pub(crate) fn measure_segment(&mut self, length: usize) {
        let length = u16::try_from(length).unwrap_or(u16::MAX).min(self.mss);
        self.segment = self.segment.max(length);
    }

    /// At least every second segment is acknowledged at once (RFC 9293 §3.8.6.3), and the first ones too.
    fn owe_ack_for_data(&mut self) {
        self.unacked = self.unacked.saturating_add(1);
        if self.quick > 0 {
            self.quick -= u8::from(self.quick != ALWAYS_QUICK);
            self.owe_ack_now();
        } else if self.unacked >= 2 {
            self.owe_ack_now();
        } else if self.owed == AckOwed::No {
            self.owed = AckOwed::Delayed;
        }
    }

    /// The application wants every segment acknowledged at once, or no longer so. What is owed goes now.
    pub(crate) fn set_quick(&mut self, quick: bool) {
        if quick {
            self.quick = ALWAYS_QUICK;
            if self.owed == AckOwed::Delayed {
                self.owe_ack_now();
            }
        } else if self.quick == ALWAYS_QUICK {
            self.quick = 0;
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
        if self.busy.duplicate != NOTHING {
            self.busy.duplicate = NOTHING;
        }
    }

    /// What the buffer has room for, where memory allows no more than `limit`.
    fn free(&self, limit: u32) -> u32 {
        // More than the capacity waits when it was made smaller.
        let used = u32::try_from(self.busy.buffer.len()).unwrap_or(u32::MAX);
        self.capacity.min(limit).saturating_sub(used)
    }

    /// Whether memory is too short to take `length` more bytes. In order, a couple of segments always find room.
    pub(crate) fn lacks_memory(&self, memory: &Memory, in_order: bool, length: usize) -> bool {
        match memory.level() {
            MemoryLevel::Low => false,
            level if in_order => {
                level == MemoryLevel::High
                    && self.busy.buffer.len() >= guaranteed(self.mss) as usize
            }
            _ => self.bytes_held() + length > memory.limit(self.mss) as usize,
        }
    }

    /// How far memory lets the buffer grow.
    pub(crate) fn limit(&self, memory: &Memory) -> u32 {
        memory.limit(self.mss)
    }

    /// How far the window's right edge could be moved now.
    fn growth(&self, rcv: &Rcv, limit: u32) -> u32 {
        self.free(limit).saturating_sub(rcv.wnd)
    }

    /// The least window worth offering, and the least step worth a segment of its own: half the buffer or a full
    /// segment (RFC 9293 §3.8.6.2.2).
    fn least_step(&self) -> u32 {
        (self.capacity / 2).min(u32::from(self.mss))
    }

    /// Chooses the window to offer, without ever taking back what was offered (RFC 9293 §3.8.6), and
    /// answers the field for the header. It is all the room there is, as in Linux and FreeBSD, but no silly
    /// one: "the receiver should not advance the window" by less than a segment (§3.8.6.2.2, MUST-39) unless a
    /// segment fits into it anyway.
    ///
    /// Where memory is short no more than `limit` may wait: the window then grows no further.
    pub(crate) fn offer_window(&self, rcv: &mut Rcv, limit: u32) -> u16 {
        if self.free(limit) >= self.least_step() {
            rcv.wnd += self.growth(rcv, limit);
        }
        // Rounding up keeps the right edge where it was; the buffer bears the few bytes more.
        let unit = 1_u32 << self.shift;
        let field = u16::try_from(rcv.wnd.div_ceil(unit)).unwrap_or(u16::MAX);
        rcv.wnd = u32::from(field) << self.shift;
        field
    }

    /// After the application has read: whether the peer should hear of the larger window by itself.
    pub(crate) fn wants_window_update(&self, rcv: &Rcv, limit: u32) -> bool {
        // No further than the field can say, scaled (RFC 7323 §2.2): without scaling the buffer may be larger.
        let most = u32::from(u16::MAX) << self.shift;
        let growth = self.growth(rcv, limit).min(most.saturating_sub(rcv.wnd));
        let half = self.capacity.min(most).min(limit) / 2;
        growth >= half || (rcv.wnd < 2 * u32::from(self.mss) && growth >= self.least_step())
    }

    /// The first bytes from `start` to before `end` that were received before: "only the first such duplicate
    /// sub-segment is reported" (RFC 2883 §4.2).
    pub(crate) fn received_before(
        &self,
        rcv: &Rcv,
        start: SeqNumber,
        end: SeqNumber,
    ) -> Option<SackBlock> {
        if !self.sack || !start.precedes(end) {
            return None;
        }
        if start.precedes(rcv.nxt) {
            return Some(SackBlock {
                left: start,
                right: end.earlier(rcv.nxt),
            });
        }
        self.busy.reassembly.first_held(start, end)
    }

    /// Reports at once what came twice: the sender may have repeated it needlessly.
    pub(crate) fn report_duplicate(&mut self, duplicate: SackBlock) {
        self.busy.duplicate = duplicate;
        self.owe_ack_now();
    }

    /// The blocks to report with an ACK, as many as the header has room for.
    pub(crate) fn sack_blocks(&self, most: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        if !self.sack || most == 0 {
            return blocks;
        }
        // RFC 2883 §4: "the first block of the SACK option should be a D-SACK block".
        if self.busy.duplicate != NOTHING {
            blocks.push(self.busy.duplicate);
        }
        self.busy.reassembly.sack_blocks(most, blocks)
    }
}
