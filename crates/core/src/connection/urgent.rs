//! Urgent data (RFC 9293 §3.8.5): a mark in the stream up to which the peer wants it read at once. The data
//! stays in the stream, as with BSD's SO_OOBINLINE; there is no data out of band in TCP (RFC 6093 §3).

use super::state::Rcv;
use super::{Connection, Readiness};
use crate::context::Context;
use crate::error::WriteError;
use crate::observe::Observer;
use crate::{Flags, Segment, SeqNumber};

/// SEG.UP: "the sequence number of the octet following the urgent data" (MUST-62), as Linux and BSD have it,
/// too. To be taken before the segment is cut to the window.
pub(super) fn pointer(segment: &Segment<'_>) -> Option<SeqNumber> {
    segment
        .has(Flags::URG)
        .then(|| segment.seq + u32::from(segment.urgent))
}

impl Connection {
    /// RFC 9293 §3.10.7.4, sixth step: "RCV.UP <- max(RCV.UP,SEG.UP), and signal the user [...] if the urgent
    /// pointer (RCV.UP) is in advance of the data consumed", and again whenever it advances (MUST-32).
    pub(super) fn take_urgent(&mut self, pointer: Option<SeqNumber>) {
        let (Some(pointer), Some(state)) = (pointer, self.state.as_ref()) else {
            return;
        };
        let Some(rcv) = state.rcv().filter(|_| state.can_receive()) else {
            return; // "This should not occur [...]. Ignore the URG."
        };
        if self.receive.mark_urgent(rcv, pointer) {
            self.readiness |= Readiness::URGENT;
        }
    }

    /// How many bytes are to be read until the end of the urgent data (MUST-33); the last of them is BSD's
    /// urgent byte.
    pub(crate) fn urgent(&self) -> Option<usize> {
        (self.receive.busy.urgent > 0).then_some(self.receive.busy.urgent as usize)
    }

    /// The last byte of the urgent data, if it has arrived and was not read.
    pub(crate) fn urgent_byte(&self) -> Option<u8> {
        let place = self.urgent()?.checked_sub(1)?;
        if place >= self.receive.busy.buffer.len() || !self.may_deliver() {
            return None;
        }
        let mut byte = self.receive.busy.buffer.range(place, 1).flatten();
        byte.next().copied()
    }

    /// SEND with the URGENT flag (RFC 9293 §3.10.2): what was taken, and all before it, is urgent.
    pub(crate) fn write_urgent<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        data: &[u8],
    ) -> Result<usize, WriteError> {
        let taken = self.write(cx, data)?;
        if taken > 0 {
            self.send.busy.urgent_ahead = self.send.busy.buffer.len() as u32;
            // A shut window keeps the data back, not the news (RFC 9293 §3.8.5: "all segments transmitted").
            let snd = self
                .state()
                .snd()
                .filter(|_| self.state().is_synchronized());
            if snd.is_some_and(|snd| snd.wnd == 0) {
                self.receive.owe_ack_now();
            }
        }
        Ok(taken)
    }

    /// The urgent field of a segment that begins at `seq`: only while urgent data is ahead. Where that is too
    /// far for 16 bits it says as far as it can, as Linux; later segments say it exactly (MUST-31).
    pub(super) fn urgent_field(&self, seq: SeqNumber) -> Option<u16> {
        let snd = self
            .state()
            .snd()
            .filter(|_| self.send.busy.urgent_ahead > 0)?;
        let up = self.send.data_start(snd) + self.send.busy.urgent_ahead;
        let ahead = up.distance_from(seq);
        (ahead > 0).then(|| u16::try_from(ahead).unwrap_or(u16::MAX))
    }
}

impl super::receive::ReceiveSide {
    /// RCV.UP is `pointer`, unless it lies further ahead already. Answers whether it moved.
    fn mark_urgent(&mut self, rcv: &Rcv, pointer: SeqNumber) -> bool {
        let next_to_read = rcv.nxt - self.busy.buffer.len() as u32;
        let ahead = pointer.distance_from(next_to_read).max(0) as u32;
        let moves = ahead > self.busy.urgent;
        if moves {
            self.busy.urgent = ahead;
        }
        moves
    }

    /// How many bytes one read may hand over: none on both sides of BSD's mark, which stands before the last
    /// urgent byte, nor of RFC 9293's, which stands behind it (§3.9.1.3: data following "cannot be delivered to
    /// the user in the same buffer").
    pub(super) fn readable_at_once(&self) -> usize {
        match self.busy.urgent {
            0 => usize::MAX,
            1 => 1,
            ahead => ahead as usize - 1,
        }
    }

    /// The peer's stream has ended: no urgent data lies beyond.
    pub(super) fn cut_urgent(&mut self) {
        let arrived = self.busy.buffer.len() as u32;
        if self.busy.urgent > arrived {
            self.busy.urgent = arrived;
        }
    }
}
