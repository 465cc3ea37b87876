//! The observer of a simulated stack: follows every life and holds each change of state against the figure.

use std::collections::HashMap;
use std::time::Duration;

use estab_core::observe::{
    Cause, Direction, Discard, LifeId, Observer, Refusal, ResetSent, Seen, StateName, Transition,
};
use estab_core::{ARROWS, Flags, FourTuple, Instant, SeqNumber};

use super::coverage::Coverage;

/// What is known of one life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) tuple: FourTuple,
    pub(super) state: StateName,
    /// It began with `connect`.
    is_active: bool,
    pub(super) opened_at: Instant,
    entered_at: Instant,
    pub(super) iss: Option<SeqNumber>,
    pub(super) irs: Option<SeqNumber>,
    /// The last SYN received, which the next change of state may accept.
    last_syn: Option<SeqNumber>,
    pub(super) ended: Option<Cause>,
    /// Our FIN was acknowledged.
    pub(super) fin_acked: bool,
    /// The farthest acknowledgment sent.
    pub(super) acked: Option<SeqNumber>,
    /// The right edge of the receive window when last looked at.
    pub(super) right_edge: Option<SeqNumber>,
    /// The host and life at the other end, once both have agreed.
    pub(super) peer: Option<(usize, LifeId)>,
    /// It believed a forged segment: its data proves nothing.
    pub(super) tainted: bool,
}

impl Life {
    /// Whether the numbers of what it received passed 2^32.
    pub(super) fn has_wrapped(&self) -> bool {
        let passed = |(irs, acked): (SeqNumber, SeqNumber)| acked.0 < irs.0;
        self.peer.is_some() && self.irs.zip(self.acked).is_some_and(passed)
    }
}

/// Something told, for the ladder.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) tuple: Option<FourTuple>,
    pub(super) text: String,
}

/// Follows the lives of one stack.
#[derive(Debug, Default)]
pub(super) struct Lives {
    lives: Vec<Life>,
    by_tuple: HashMap<FourTuple, LifeId>,
    listening: HashMap<LifeId, StateName>,
    /// A SYN whose life is about to begin, or an ACK that brings back a cookie: the peer's ISN, and ours if it says.
    unborn: Option<(LifeId, SeqNumber, Option<SeqNumber>)>,
    pub(super) coverage: Coverage,
    /// Lives that have just become established.
    pub(super) established: Vec<LifeId>,
    /// Connections that ended because an accept queue was full, since they were last looked at.
    pub(super) overflowed: Vec<FourTuple>,
    /// The first rule that was broken.
    pub(super) broken: Option<(FourTuple, String)>,
    /// Changes of state, and bytes sent for the first time.
    pub(super) progress: u64,
    /// 2 MSL.
    time_wait: Duration,
    pub(super) traced: bool,
    pub(super) told: Vec<Told>,
    /// State changes since they were last taken: only when traced.
    pub(super) transitions: Vec<Transition>,
}

impl Lives {
    pub(super) fn new(time_wait: Duration, traced: bool) -> Self {
        Self {
            time_wait,
            traced,
            ..Self::default()
        }
    }

    pub(super) fn get(&self, life: LifeId) -> Option<&Life> {
        self.lives.get((life.0 as usize).wrapping_sub(1))
    }

    pub(super) fn get_mut(&mut self, life: LifeId) -> Option<&mut Life> {
        self.lives.get_mut((life.0 as usize).wrapping_sub(1))
    }

    pub(super) fn len(&self) -> usize {
        self.lives.len()
    }

    /// Every life, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (LifeId, &Life)> {
        let numbered = self.lives.iter().enumerate().rev();
        numbered.map(|(index, life)| (LifeId(index as u32 + 1), life))
    }

    /// The newest life of a tuple.
    pub(super) fn current(&self, tuple: &FourTuple) -> Option<(LifeId, &Life)> {
        let id = *self.by_tuple.get(tuple)?;
        Some((id, self.get(id)?))
    }

    /// Lives that have not ended.
    pub(super) fn living(&self) -> impl Iterator<Item = (LifeId, &Life)> {
        self.newest_first().filter(|(_, life)| life.ended.is_none())
    }

    /// Listeners that have not ended.
    pub(super) fn listening(&self) -> usize {
        let states = self.listening.values();
        states.filter(|state| **state == StateName::Listen).count()
    }

    fn breaks(&mut self, tuple: FourTuple, what: String) {
        self.broken.get_or_insert((tuple, what));
    }

    fn tell(&mut self, tuple: Option<FourTuple>, text: impl FnOnce() -> String) {
        if self.traced {
            let text = text();
            self.told.push(Told { tuple, text });
        }
    }

    fn listener_changes(&mut self, event: &Transition) {
        let before = self.listening.insert(event.life, event.to);
        if before.unwrap_or(StateName::Closed) != event.from {
            let what = format!("a listener leaves {} but was in {before:?}", event.from);
            self.breaks(event.tuple, what);
        }
    }

    fn begin(&mut self, event: &Transition) {
        if event.life.0 as usize != self.lives.len() + 1 {
            let what = format!(
                "life {} begins as number {}",
                event.life,
                self.lives.len() + 1
            );
            return self.breaks(event.tuple, what);
        }
        self.by_tuple.insert(event.tuple, event.life);
        let (last_syn, iss) = self.numbers(event);
        self.lives.push(Life {
            tuple: event.tuple,
            state: event.from,
            is_active: event.from == StateName::Closed,
            opened_at: event.at,
            entered_at: event.at,
            iss,
            irs: None,
            last_syn,
            ended: None,
            fin_acked: false,
            acked: None,
            right_edge: None,
            peer: None,
            tainted: false,
        });
    }

    /// What a passive open begins with is seen just before its life begins: the peer's ISN and ours.
    fn numbers(&mut self, event: &Transition) -> (Option<SeqNumber>, Option<SeqNumber>) {
        match self.unborn.take() {
            Some((life, irs, iss)) if life == event.life => (Some(irs), iss),
            _ => (None, None),
        }
    }

    fn life_changes(&mut self, event: &Transition) {
        if self.get(event.life).is_none() {
            self.begin(event);
        }
        let Some(life) = self.get_mut(event.life) else {
            return;
        };
        let (was, ended) = (life.state, life.ended);
        life.state = event.to;
        let stayed = event.at - std::mem::replace(&mut life.entered_at, event.at);
        if event.cause == Cause::AckOfFin {
            life.fin_acked = true;
        }
        if matches!(event.from, StateName::SynSent | StateName::Listen) {
            life.irs = life.irs.or(life.last_syn);
        }
        if matches!(event.to, StateName::Closed | StateName::Listen) {
            life.ended = Some(event.cause);
        }
        if was != event.from || ended.is_some() {
            let what = format!(
                "{} changes {} to {} for {}, but it was in {was}, ended for {ended:?}",
                event.life, event.from, event.to, event.cause
            );
            self.breaks(event.tuple, what);
        }
        if event.cause == Cause::TimeWaitExpired && stayed < self.time_wait {
            self.breaks(
                event.tuple,
                format!("{} was in TIME-WAIT for {stayed:?}", event.life),
            );
        }
        if event.to == StateName::Established {
            self.established.push(event.life);
        }
    }
}

impl Observer for Lives {
    fn transition(&mut self, event: &Transition) {
        self.progress += 1;
        let Transition {
            tuple,
            from,
            to,
            cause,
            ..
        } = *event;
        let arrow = |arrow: &estab_core::Arrow| {
            arrow.from == from && arrow.to == to && arrow.causes.contains(&cause)
        };
        // SYN-RECEIVED stands twice: after a passive OPEN, and after a simultaneous one.
        let taken = if self.get(event.life).is_some_and(|life| life.is_active) {
            ARROWS.iter().rposition(arrow)
        } else {
            ARROWS.iter().position(arrow)
        };
        match taken {
            Some(index) => self.coverage.arrows[index] += 1,
            None if to == StateName::Closed && may_end(from, cause) => {}
            None => self.breaks(
                tuple,
                format!("no arrow leads from {from} to {to} for: {cause}"),
            ),
        }
        self.coverage.causes[cause as usize] += 1;
        self.coverage.states[place(to)] += 1;
        if cause == Cause::AcceptOverflow {
            self.overflowed.push(tuple);
        }
        if to == StateName::Closed {
            self.coverage.ends[cause as usize] += 1;
        }
        if event.life.0 > u32::MAX / 2 {
            self.listener_changes(event);
        } else {
            self.life_changes(event);
        }
        self.tell(Some(tuple), || {
            format!("{} {from} -> {to}: {cause}", event.life)
        });
        if self.traced {
            self.transitions.push(*event);
        }
    }

    fn discard(&mut self, event: &Discard) {
        self.coverage.discards[event.reason as usize] += 1;
        self.tell(event.tuple, || format!("discarded: {}", event.reason));
    }

    fn refusal(&mut self, event: &Refusal) {
        self.coverage.refusals[event.reason as usize] += 1;
        self.tell(event.tuple, || format!("refused: {}", event.reason));
    }

    fn reset(&mut self, event: &ResetSent) {
        self.coverage.resets[event.reason as usize] += 1;
        self.tell(Some(event.tuple), || format!("RST for: {}", event.reason));
    }

    fn seen(&mut self, event: &Seen) {
        let syn = event.flags.contains(Flags::SYN);
        let mut fresh = 0;
        let Some(life) = self.get_mut(event.life) else {
            self.unborn = Some(if syn {
                (event.life, event.seq, None)
            } else {
                (event.life, event.seq - 1, Some(event.ack - 1))
            });
            return;
        };
        match event.direction {
            Direction::Received if syn => life.last_syn = Some(event.seq),
            Direction::Received => {}
            Direction::Sent => {
                fresh = u64::from(event.len) * u64::from(!event.retransmission);
                if syn {
                    life.iss = Some(event.seq);
                }
                if event.flags.contains(Flags::ACK) {
                    life.acked = Some(life.acked.map_or(event.ack, |acked| acked.later(event.ack)));
                }
            }
        }
        self.progress += fresh;
    }
}

/// The place of a state in the counts.
pub(super) fn place(state: StateName) -> usize {
    let mut all = StateName::ALL.iter();
    all.position(|other| *other == state).unwrap_or(0)
}

/// From where a cause may end a connection in CLOSED without an arrow of the figure: what Note 3 leaves out
/// "for legibility".
fn may_end(from: StateName, cause: Cause) -> bool {
    use Cause::*;
    use StateName::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent,
        TimeWait,
    };
    let alive = !matches!(from, Closed | StateName::Listen | TimeWait);
    let synchronized = alive && !matches!(from, SynSent | SynReceived);
    match cause {
        Abort | Shutdown => alive,
        LingerZero | CloseUnread => alive && from != SynSent,
        ListenerClosed => matches!(from, SynReceived | Established | CloseWait),
        Reset => synchronized,
        ResetInWindow | SynInWindow => alive && from != SynSent,
        ResetInSynSent | Unreachable | Refused => matches!(from, SynSent | SynReceived),
        ResetInTimeWait | SynInTimeWait | Reconnect | TimeWaitEvicted | TimeWaitSkipped => {
            from == TimeWait
        }
        DataAfterClose => matches!(from, FinWait1 | FinWait2),
        SynRetries => from == SynSent,
        SynAckRetries | AcceptOverflow | NoMemory => from == SynReceived,
        DataRetries => synchronized && from != FinWait2,
        OrphanRetries => matches!(from, FinWait1 | Closing | LastAck),
        UserTimeout => alive && from != FinWait2,
        // Also behind a FIN that a small window keeps back.
        KeepAlive => synchronized,
        Linger => matches!(from, FinWait1 | Closing | LastAck),
        FinWait2Timeout => from == FinWait2,
        Shed => matches!(from, Established | CloseWait),
        _ => false,
    }
}
