//! How a connection closes, followed segment by segment from the first FIN on.
//!
//! Four things make a close: our FIN, its first ACK, the peer's FIN, its first ACK. Which of them shared a
//! segment is what tells four segments from three.

use estab_core::observe::{Cause, Direction, Seen, StateName};
use estab_core::{Flags, Instant, SeqNumber};

use super::snapshot::{Close, CloseKind, CloseSegment, CloseSign, End};

/// A place in the order of a life's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// How many segments passed before it.
    pub(super) index: u64,
    /// When.
    pub(super) at: Instant,
}

/// A FIN, as it was first seen.
#[derive(Clone, Copy, Debug)]
struct Fin {
    mark: Mark,
    /// The number after it: an ACK of at least this acknowledges it.
    after: SeqNumber,
    data: u32,
    acked: Option<Mark>,
}

impl Fin {
    fn take_ack(&mut self, ack: SeqNumber, mark: Mark) {
        if self.acked.is_none() && self.after.precedes_or_is(ack) {
            self.acked = Some(mark);
        }
    }
}

/// What was seen of the close so far.
#[derive(Clone, Debug, Default)]
pub(super) struct CloseTrace {
    ours: Option<Fin>,
    peers: Option<Fin>,
    reset: Option<(Direction, Mark)>,
    sent_again: u64,
    received_again: u64,
    data_after: u64,
}

impl CloseTrace {
    /// A segment passed that brought `new` bytes; received ones only if they were used.
    pub(super) fn take(&mut self, seen: &Seen, mark: Mark, new: u64) {
        if self.ours.is_some() || self.peers.is_some() {
            self.data_after += new;
        }
        let (own, other) = match seen.direction {
            Direction::Sent => (&mut self.ours, &mut self.peers),
            Direction::Received => (&mut self.peers, &mut self.ours),
        };
        if seen.flags.contains(Flags::RST) {
            if seen.direction == Direction::Received {
                self.reset = Some((Direction::Received, mark));
            }
            return;
        }
        if let (true, Some(fin)) = (seen.flags.contains(Flags::ACK), other) {
            fin.take_ack(seen.ack, mark);
        }
        if seen.flags.contains(Flags::FIN) {
            own.get_or_insert_with(|| fin_of(seen, mark));
        }
    }

    /// Counts a FIN that passes again. To be asked of every segment before it is taken: most that come again
    /// are not used.
    pub(super) fn count_again(&mut self, seen: &Seen) {
        let (fin, again) = match seen.direction {
            Direction::Sent => (&self.ours, &mut self.sent_again),
            Direction::Received => (&self.peers, &mut self.received_again),
        };
        let is_fin = seen.flags.contains(Flags::FIN);
        if is_fin && fin.is_some_and(|fin| fin.after == number_after(seen)) {
            *again += 1;
        }
    }

    /// A RST is decided on. It passes only after the life has ended, so its own `Seen` is not waited for.
    pub(super) fn reset_sent(&mut self, mark: Mark) {
        self.reset = Some((Direction::Sent, mark));
    }

    /// The stack found our FIN acknowledged by this segment, of which perhaps nothing else was used.
    pub(super) fn fin_acknowledged(&mut self, mark: Mark) {
        if let Some(fin) = &mut self.ours {
            fin.acked.get_or_insert(mark);
        }
    }

    /// The close as far as it has come. `ended`: when and why the life ended; `passed_closing`: whether CLOSING
    /// was a state of it.
    pub(super) fn tell(
        &self,
        state: StateName,
        ended: Option<(Instant, Cause)>,
        passed_closing: bool,
    ) -> Close {
        let kind = self.kind(ended, passed_closing);
        let mut segments = self.segments();
        if kind != CloseKind::Reset {
            // A RST that ended nothing is no part of the close.
            segments.retain(|segment| segment.sign != CloseSign::Rst);
        }
        let waits_for = (kind == CloseKind::Unfinished).then(|| self.waits_for(state));
        Close {
            kind,
            segments,
            data_after_first_fin: self.data_after,
            fin_sent_again: self.sent_again,
            fin_received_again: self.received_again,
            cause: ended.map(|(_, cause)| cause),
            waits_for,
        }
    }

    fn kind(&self, ended: Option<(Instant, Cause)>, passed_closing: bool) -> CloseKind {
        match (&self.ours, &self.peers) {
            (Some(ours), Some(peers)) if ours.acked.is_some() && peers.acked.is_some() => {
                let rode = ours.acked == Some(peers.mark) || peers.acked == Some(ours.mark);
                match (passed_closing, rode) {
                    (true, _) => CloseKind::Simultaneous,
                    (false, true) => CloseKind::ThreeSegments,
                    (false, false) => CloseKind::FourSegments,
                }
            }
            _ => match ended {
                None => CloseKind::Unfinished,
                Some((at, _)) if self.reset.is_some_and(|(_, mark)| mark.at == at) => {
                    CloseKind::Reset
                }
                Some(_) => CloseKind::Dropped,
            },
        }
    }

    /// The segments of the close in their order. What shares a segment is one.
    fn segments(&self) -> Vec<CloseSegment> {
        let both = [
            (&self.ours, Direction::Sent, Direction::Received),
            (&self.peers, Direction::Received, Direction::Sent),
        ];
        let mut marked: Vec<(Mark, CloseSegment)> = Vec::new();
        let mut add = |mark: Mark, direction, sign, data| match marked
            .iter_mut()
            .find(|(other, _)| *other == mark)
        {
            Some((_, segment)) => {
                segment.sign = CloseSign::FinAck;
                segment.data = segment.data.max(data);
            }
            None => marked.push((mark, CloseSegment::new(mark.at, direction, sign, data))),
        };
        for (fin, way, back) in both {
            let Some(fin) = fin else { continue };
            add(fin.mark, way, CloseSign::Fin, fin.data);
            if let Some(acked) = fin.acked {
                add(acked, back, CloseSign::Ack, 0);
            }
        }
        if let Some((direction, mark)) = self.reset {
            let segment = CloseSegment::new(mark.at, direction, CloseSign::Rst, 0);
            marked.push((mark, segment));
        }
        marked.sort_by_key(|(mark, _)| mark.index);
        marked.into_iter().map(|(_, segment)| segment).collect()
    }

    fn waits_for(&self, state: StateName) -> &'static str {
        let unsent = self.ours.is_none();
        match state {
            StateName::Closed | StateName::Listen => "nothing has happened yet",
            StateName::SynSent => "the peer has not answered our SYN",
            StateName::SynReceived => "the peer has not acknowledged our SYN,ACK",
            StateName::Established => "neither end has closed",
            StateName::CloseWait => "the application has not closed",
            StateName::FinWait1 | StateName::Closing | StateName::LastAck if unsent => {
                "our FIN waits behind data that is still to be sent"
            }
            StateName::FinWait1 | StateName::Closing | StateName::LastAck => {
                "the peer has not acknowledged our FIN"
            }
            StateName::FinWait2 => "the peer has not closed",
            StateName::TimeWait => "our last ACK is still to be sent",
        }
    }
}

fn fin_of(seen: &Seen, mark: Mark) -> Fin {
    Fin {
        mark,
        after: number_after(seen),
        data: seen.len,
        acked: None,
    }
}

/// The number after a segment with FIN.
fn number_after(seen: &Seen) -> SeqNumber {
    let syn = u32::from(seen.flags.contains(Flags::SYN));
    seen.seq + syn + seen.len + 1
}

impl CloseSegment {
    fn new(at: Instant, direction: Direction, sign: CloseSign, data: u32) -> Self {
        Self {
            direction,
            sign,
            at,
            data,
        }
    }
}

impl Close {
    /// Whose FIN came second, where there were two.
    pub(crate) fn second_fin(&self) -> Option<(End, CloseSegment)> {
        let is_fin =
            |segment: &&CloseSegment| matches!(segment.sign, CloseSign::Fin | CloseSign::FinAck);
        let second = self.segments.iter().filter(is_fin).nth(1)?;
        let end = match second.direction {
            Direction::Sent => End::Ours,
            Direction::Received => End::Peers,
        };
        Some((end, *second))
    }
}
