//! One life while it is lived: what its events leave behind.

use std::time::Duration;

use estab_core::observe::{
    Cause, Direction, Discard, Initiator, LifeId, ResetReason, ResetSent, Seen, StateName,
    Transition,
};
use estab_core::{Flags, FourTuple, Instant, SeqNumber};

use super::close::{CloseTrace, Mark};
use super::snapshot::{
    FirstCloser, Holder, LifeSnapshot, Retransmissions, Role, TimeWait, Traffic, Until,
};

/// A life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    id: LifeId,
    tuple: FourTuple,
    started: Instant,
    transitions: Vec<Transition>,
    traffic: Traffic,
    sent: Stream,
    received: Stream,
    close: CloseTrace,
    time_wait: Option<Wait>,
    last_received: Option<Mark>,
    /// The segment that has just arrived: a discard that follows says that it is not used.
    arrived: Option<(Seen, Mark)>,
}

/// TIME-WAIT at this end.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    /// Its beginning, or the peer's last FIN that came again.
    restarted: Instant,
}

impl Life {
    pub(super) fn new(id: LifeId, tuple: FourTuple, started: Instant) -> Self {
        Self {
            id,
            tuple,
            started,
            transitions: Vec::new(),
            traffic: Traffic::default(),
            sent: Stream::default(),
            received: Stream::default(),
            close: CloseTrace::default(),
            time_wait: None,
            last_received: None,
            arrived: None,
        }
    }

    pub(super) fn tuple(&self) -> FourTuple {
        self.tuple
    }

    pub(super) fn transition(&mut self, event: &Transition) {
        self.use_arrived();
        if let (Cause::AckOfFin, Some(mark)) = (event.cause, self.last_received) {
            self.close.fin_acknowledged(mark);
        }
        if event.to == StateName::TimeWait {
            self.time_wait = Some(Wait {
                since: event.at,
                restarted: event.at,
            });
        }
        self.transitions.push(*event);
    }

    pub(super) fn seen(&mut self, event: &Seen) {
        self.use_arrived();
        let mark = self.mark(event.at);
        self.close.count_again(event);
        match event.direction {
            Direction::Received => {
                self.traffic.segments_in += 1;
                self.last_received = Some(mark);
                self.arrived = Some((*event, mark));
            }
            Direction::Sent => {
                self.traffic.segments_out += 1;
                if event.retransmission {
                    self.traffic.retransmissions.add(event.flags);
                }
                let new = self.sent.take(event);
                self.traffic.bytes_out += new;
                self.close.take(event, mark, new);
            }
        }
    }

    pub(super) fn discard(&mut self, event: &Discard) {
        self.arrived = None;
        *self.traffic.discards.entry(event.reason).or_default() += 1;
    }

    pub(super) fn reset(&mut self, event: &ResetSent) {
        if event.reason == ResetReason::DataAfterClose {
            self.arrived = None; // nobody will ever read it
        }
        self.use_arrived();
        *self.traffic.resets_sent.entry(event.reason).or_default() += 1;
        self.close.reset_sent(self.mark(event.at));
    }

    /// The place of a segment that passes now.
    fn mark(&self, at: Instant) -> Mark {
        let index = self.traffic.segments_in + self.traffic.segments_out;
        Mark { index, at }
    }

    /// The segment that arrived last was not discarded.
    fn use_arrived(&mut self) {
        let Some((seen, mark)) = self.arrived.take() else {
            return;
        };
        if seen.flags.contains(Flags::RST) {
            self.traffic.resets_received += 1;
        }
        let mut new = 0;
        match &mut self.time_wait {
            None => new = self.received.take(&seen),
            Some(wait) if seen.flags.contains(Flags::FIN) => wait.restarted = seen.at,
            Some(_) => {}
        }
        self.traffic.bytes_in += new;
        self.close.take(&seen, mark, new);
    }

    fn state(&self) -> StateName {
        self.transitions
            .last()
            .map_or(StateName::Closed, |last| last.to)
    }

    /// When and why it ended, if it has: a half-open child that is dropped goes back to LISTEN.
    pub(super) fn ended(&self) -> Option<(Instant, Cause)> {
        let last = self.transitions.last()?;
        let ended = matches!(last.to, StateName::Closed | StateName::Listen);
        ended.then_some((last.at, last.cause))
    }

    /// The life as it is now. `length` is that of TIME-WAIT, if it is known.
    pub(super) fn snapshot(&self, length: Option<Duration>) -> LifeSnapshot {
        let mut life = self.clone();
        life.use_arrived();
        let ended = life.ended();
        let state = match ended {
            Some(_) => StateName::Closed,
            None => life.state(),
        };
        LifeSnapshot {
            id: life.id,
            tuple: life.tuple,
            role: life.role(),
            state,
            started: life.started,
            ended: ended.map(|(at, _)| at),
            first_closer: life.first_closer(),
            close: life
                .close
                .tell(state, ended, life.passed(StateName::Closing)),
            time_wait: life.time_wait(length),
            transitions: life.transitions,
            traffic: life.traffic,
        }
    }

    fn passed(&self, state: StateName) -> bool {
        self.transitions.iter().any(|step| step.to == state)
    }

    fn role(&self) -> Role {
        match (
            self.passed(StateName::SynSent),
            self.passed(StateName::SynReceived),
        ) {
            (true, true) => Role::Simultaneous,
            (true, false) => Role::Active,
            (false, _) => Role::Passive,
        }
    }

    /// Who said first that there will be no more, by a FIN, a RST or by giving up.
    fn first_closer(&self) -> Option<FirstCloser> {
        if self.passed(StateName::Closing) {
            return Some(FirstCloser::Both);
        }
        let is_open = |state| {
            matches!(
                state,
                StateName::SynSent | StateName::SynReceived | StateName::Established
            )
        };
        let closes = |step: &&Transition| is_open(step.from) && !is_open(step.to);
        let first = self.transitions.iter().find(closes)?;
        Some(match first.cause.initiator() {
            Initiator::Local => FirstCloser::Application,
            Initiator::Peer => FirstCloser::Peer,
            Initiator::Stack => FirstCloser::Stack,
        })
    }

    fn time_wait(&self, length: Option<Duration>) -> TimeWait {
        let ended = self.ended();
        let cause = ended.map(|(_, cause)| cause);
        let holder = match (self.time_wait, cause) {
            (_, Some(Cause::TimeWaitSkipped)) => Holder::Nobody,
            (Some(_), _) if self.passed(StateName::Closing) => Holder::Both,
            (Some(_), _) => Holder::Us,
            (None, None) => Holder::Undecided,
            (None, Some(Cause::AckOfFin)) => Holder::Peer,
            (None, Some(_)) => Holder::Nobody,
        };
        let until = self.time_wait.and_then(|wait| match ended {
            Some((at, cause)) => Some(Until::Over(at, cause)),
            None => length.map(|length| Until::Expected(wait.restarted + length)),
        });
        TimeWait {
            holder,
            since: self.time_wait.map(|wait| wait.since),
            until,
        }
    }
}

impl Retransmissions {
    fn add(&mut self, flags: Flags) {
        let place = if flags.contains(Flags::SYN | Flags::ACK) {
            &mut self.syn_ack
        } else if flags.contains(Flags::SYN) {
            &mut self.syn
        } else if flags.contains(Flags::FIN) {
            &mut self.fin
        } else {
            &mut self.data
        };
        *place += 1;
    }
}

/// One direction's data: how far it has come.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// The number after the last byte seen.
    end: Option<SeqNumber>,
}

impl Stream {
    /// Takes a segment; answers how many bytes it brought the stream forward. A hole counts as filled: either
    /// it will be, or the connection does not get beyond it.
    fn take(&mut self, seen: &Seen) -> u64 {
        if seen.flags.contains(Flags::RST) {
            return 0;
        }
        let start = seen.seq + u32::from(seen.flags.contains(Flags::SYN));
        let end = self.end.get_or_insert(start);
        if seen.len == 0 {
            return 0; // after a FIN it lies one number ahead
        }
        let new = (start + seen.len).distance_from(*end).max(0);
        *end += new as u32;
        new as u64
    }
}
