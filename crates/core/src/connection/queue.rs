//! What was sent and is not acknowledged, segment by segment: the retransmission queue (RFC 9293 §3.8).

use alloc::collections::VecDeque;

use bitflags::bitflags;

use super::Outstanding;
use crate::{Instant, SackBlock, SeqNumber};

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Marks: u8 {
        /// Sent more than once: no RTT can be read from it (RFC 6298 §3, Karn).
        const RETRANSMITTED = 1;
        /// Taken for lost; to be sent again.
        const LOST = 1 << 1;
        /// The peer reported it received (RFC 2018 §5).
        const SACKED = 1 << 2;
    }
}

/// One segment as it was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: SeqNumber,
    /// Sequence numbers, SYN and FIN included.
    len: u32,
    at: Instant,
    marks: Marks,
}

impl Sent {
    fn end(&self) -> SeqNumber {
        self.seq + self.len
    }
}

/// What an acknowledgment took from the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When the newest acknowledged segment was sent, if it was sent only once.
    pub(crate) sent_at: Option<Instant>,
}

/// A piece of the queue to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) seq: SeqNumber,
    pub(crate) len: u32,
}

/// Segments that an empty queue may have room for.
const LITTLE: usize = 32;

/// The queue, oldest first, without gaps from SND.UNA to SND.NXT.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetransmissionQueue {
    sent: VecDeque<Sent>,
    /// Sequence numbers marked lost.
    lost: u32,
    /// Sequence numbers marked SACKed.
    sacked: u32,
    /// Segments the peer has received, as it says, modulo 2^32: Linux's `tcpi_delivered`.
    delivered: u32,
}

impl RetransmissionQueue {
    /// Nothing sent, nothing allocated.
    pub(crate) const fn new() -> Self {
        Self {
            sent: VecDeque::new(),
            lost: 0,
            sacked: 0,
            delivered: 0,
        }
    }

    /// Bytes of memory it holds.
    pub(crate) fn bytes_held(&self) -> usize {
        self.sent.capacity() * size_of::<Sent>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Sequence numbers that were sent and are neither acknowledged nor taken for lost.
    pub(crate) fn outstanding(&self) -> u32 {
        match (self.sent.front(), self.sent.back()) {
            (Some(first), Some(last)) => (last.end() - first.seq) - self.lost,
            _ => 0,
        }
    }

    /// Sequence numbers that the peer holds out of order.
    pub(crate) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Segments that the peer has received.
    pub(crate) fn delivered(&self) -> u32 {
        self.delivered
    }

    /// How many segments there are of each kind, as Linux counts them: one that was sent larger than `mss`
    /// counts as often as it takes now.
    pub(crate) fn segments(&self, mss: u32) -> Outstanding {
        let mut all = Outstanding::default();
        for sent in &self.sent {
            // A FIN rides on a full segment.
            let count = sent.len.saturating_sub(1).div_ceil(mss).max(1);
            all.unacked += count;
            if sent.marks.contains(Marks::SACKED) {
                all.sacked += count;
            } else if sent.marks.contains(Marks::LOST) {
                all.lost += count;
            } else if sent.marks.contains(Marks::RETRANSMITTED) {
                all.lost += count;
                all.retransmitted += count;
            }
        }
        all
    }

    /// Something new was sent.
    pub(crate) fn push(&mut self, seq: SeqNumber, len: u32, at: Instant) {
        debug_assert!(self.sent.back().is_none_or(|last| last.end() == seq));
        self.sent.push_back(Sent {
            seq,
            len,
            at,
            marks: Marks::empty(),
        });
    }

    /// Forgets everything, and gives back the memory if it is much.
    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        if self.sent.capacity() > LITTLE {
            self.sent = VecDeque::new();
        }
        (self.lost, self.sacked, self.delivered) = (0, 0, 0);
    }

    /// Everything before `una` is acknowledged.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber) -> Taken {
        let mut newest = None;
        while let Some(first) = self.sent.front_mut() {
            if una.precedes_or_is(first.seq) {
                break;
            }
            let whole = first.end().precedes_or_is(una);
            let gone = if whole { first.len } else { una - first.seq };
            if first.marks.contains(Marks::LOST) {
                self.lost -= gone;
            }
            let sacked = first.marks.contains(Marks::SACKED);
            if sacked {
                self.sacked -= gone;
            } else {
                newest = Some(*first);
            }
            if whole {
                self.delivered = self.delivered.wrapping_add(u32::from(!sacked));
                self.sent.pop_front();
            } else {
                first.seq = una;
                first.len -= gone;
            }
        }
        if self.sent.is_empty() && self.sent.capacity() > LITTLE {
            self.sent = VecDeque::new();
        }
        // A segment SACKed earlier arrived earlier: it would measure the hole, not the path.
        let sent_at = newest
            .filter(|sent| !sent.marks.contains(Marks::RETRANSMITTED))
            .map(|sent| sent.at);
        Taken { sent_at }
    }

    /// The peer holds this block out of order; answers how many sequence numbers are new in it.
    pub(crate) fn mark_sacked(&mut self, block: SackBlock) -> u32 {
        let mut news = 0;
        for sent in &mut self.sent {
            let inside =
                block.left.precedes_or_is(sent.seq) && sent.end().precedes_or_is(block.right);
            if inside && !sent.marks.contains(Marks::SACKED) {
                if sent.marks.contains(Marks::LOST) {
                    sent.marks.remove(Marks::LOST);
                    self.lost -= sent.len;
                }
                sent.marks.insert(Marks::SACKED);
                self.sacked += sent.len;
                self.delivered = self.delivered.wrapping_add(1);
                news += sent.len;
            }
        }
        news
    }

    /// RFC 6675 §4, IsLost: a segment is lost when more than two full segments above it have arrived. What was
    /// sent again already is left to the timer. Answers whether anything new was found lost.
    pub(crate) fn mark_lost_by_sack(&mut self, mss: u32) -> bool {
        if self.sacked <= 2 * mss {
            return false;
        }
        let (mut above, before) = (0, self.lost);
        for sent in self.sent.iter_mut().rev() {
            if sent.marks.contains(Marks::SACKED) {
                above += sent.len;
            } else if above > 2 * mss && !sent.marks.contains(Marks::RETRANSMITTED) {
                self.lost += mark_lost(sent);
            }
        }
        self.lost > before
    }

    /// Whether the oldest segment was sent more than once.
    pub(crate) fn first_was_resent(&self) -> bool {
        self.sent
            .front()
            .is_some_and(|first| first.marks.contains(Marks::RETRANSMITTED))
    }

    /// The oldest segment is taken for lost, if the peer does not hold it.
    pub(crate) fn mark_first_lost(&mut self) {
        if let Some(first) = self.sent.front_mut() {
            self.lost += mark_lost(first);
        }
    }

    /// What the path no longer carries whole was lost on it: segments of more than `most` data bytes.
    pub(crate) fn mark_larger_lost(&mut self, most: u32) {
        for sent in &mut self.sent {
            // A FIN rides on a full segment.
            if sent.len > most + 1 {
                self.lost += mark_lost(sent);
            }
        }
    }

    /// Everything the peer does not hold is taken for lost. A SACKed head means that the peer threw away
    /// what it had reported: no mark is believed any more (RFC 2018 §8).
    pub(crate) fn mark_all_lost(&mut self) {
        let reneged = self
            .sent
            .front()
            .is_some_and(|first| first.marks.contains(Marks::SACKED));
        for sent in &mut self.sent {
            if reneged && sent.marks.contains(Marks::SACKED) {
                sent.marks.remove(Marks::SACKED);
                self.sacked -= sent.len;
            }
            self.lost += mark_lost(sent);
        }
    }

    /// The oldest segment, or the beginning of it, was sent once more as a probe: its ACK will not say which of
    /// them it is for (RFC 6298 §3, Karn).
    pub(crate) fn probed(&mut self) {
        if let Some(first) = self.sent.front_mut() {
            first.marks.insert(Marks::RETRANSMITTED);
        }
    }

    /// The first piece taken for lost, cut to `limit` sequence numbers.
    pub(crate) fn first_lost(&self, limit: u32) -> Option<Lost> {
        if self.lost == 0 {
            return None;
        }
        let sent = self
            .sent
            .iter()
            .find(|sent| sent.marks.contains(Marks::LOST))?;
        Some(Lost {
            seq: sent.seq,
            len: sent.len.min(limit),
        })
    }

    /// The piece was sent again. What was cut off stays lost.
    pub(crate) fn resent(&mut self, piece: Lost, at: Instant) {
        let Some(place) = self.sent.iter().position(|sent| sent.seq == piece.seq) else {
            return;
        };
        let sent = &mut self.sent[place];
        let rest = Sent {
            seq: piece.seq + piece.len,
            len: sent.len - piece.len,
            ..*sent
        };
        if sent.marks.contains(Marks::LOST) {
            self.lost -= piece.len;
        }
        *sent = Sent {
            len: piece.len,
            at,
            marks: Marks::RETRANSMITTED,
            ..*sent
        };
        if rest.len > 0 {
            self.sent.insert(place + 1, rest);
        }
    }
}

/// Marks one segment; answers how many sequence numbers became lost by it.
fn mark_lost(sent: &mut Sent) -> u32 {
    if sent.marks.intersects(Marks::SACKED | Marks::LOST) {
        return 0;
    }
    sent.marks.insert(Marks::LOST);
    sent.len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn three_segments() -> RetransmissionQueue {
        let mut queue = RetransmissionQueue::default();
        let start = SeqNumber(u32::MAX - 150);
        for index in 0..3 {
            queue.push(start + index * 100, 100, at(u64::from(index)));
        }
        queue
    }

    const START: SeqNumber = SeqNumber(u32::MAX - 150);

    #[test]
    fn an_acknowledgment_inside_a_segment_keeps_its_rest() {
        let mut queue = three_segments();
        assert_eq!(queue.acknowledge(START + 150).sent_at, Some(at(1)));
        assert_eq!(queue.outstanding(), 150);
        queue.acknowledge(START + 300);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_was_sent_twice_measures_nothing() {
        let mut queue = three_segments();
        queue.mark_first_lost();
        assert_eq!(queue.outstanding(), 200);
        let piece = queue.first_lost(1000).unwrap();
        queue.resent(piece, at(50));
        assert_eq!(queue.outstanding(), 300);
        assert_eq!(queue.acknowledge(START + 100).sent_at, None);
        assert_eq!(queue.acknowledge(START + 200).sent_at, Some(at(1)));
    }

    #[test]
    fn a_smaller_limit_cuts_what_is_sent_again() {
        let mut queue = three_segments();
        queue.mark_all_lost();
        assert_eq!(queue.outstanding(), 0);
        let mut pieces = alloc::vec::Vec::new();
        while let Some(piece) = queue.first_lost(60) {
            queue.resent(piece, at(9));
            pieces.push(piece.len);
        }
        assert_eq!(pieces, [60, 40, 60, 40, 60, 40]);
        assert_eq!((queue.outstanding(), queue.lost), (300, 0));
    }

    #[test]
    fn what_the_peer_holds_is_not_sent_again_unless_it_reneges() {
        let mut queue = three_segments();
        let block = SackBlock {
            left: START + 100,
            right: START + 200,
        };
        assert_eq!(queue.mark_sacked(block), 100);
        assert_eq!(queue.mark_sacked(block), 0);
        queue.mark_all_lost();
        assert_eq!(queue.lost, 200);
        queue.acknowledge(START + 100);
        queue.mark_all_lost();
        assert_eq!(
            (queue.sacked(), queue.lost),
            (0, 200),
            "the head was SACKed: reneged"
        );
    }
}
