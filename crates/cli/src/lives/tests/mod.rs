//! Lives from events as a stack gives them: the SYN for a listener is seen before its transition, an arriving
//! segment before what it causes, a sent one when it goes.

mod closing;
mod stacks;
mod telling;

use std::time::Duration;

use estab_core::observe::StateName::*;
use estab_core::observe::{
    Cause, Direction, Discard, DiscardReason, LifeId, Observer, ResetReason, ResetSent, Seen,
    StateName, Transition,
};
use estab_core::{Flags, FourTuple, Instant, SeqNumber};

use super::Lives;
use super::snapshot::LifeSnapshot;

const OUR_ISS: u32 = u32::MAX - 3; // data wraps
const PEERS_ISS: u32 = 1000;

/// A stack's part: tells a life's events, a millisecond apart.
struct Script {
    lives: Lives,
    observer: Box<dyn Observer>,
    life: LifeId,
    tuple: FourTuple,
    state: StateName,
    now: Instant,
}

impl Script {
    fn new() -> Self {
        let lives = Lives::new(100);
        lives.set_time_wait(Duration::from_secs(60));
        Self {
            observer: Box::new(lives.observer()),
            lives,
            life: LifeId(2),
            tuple: tuple(41234),
            state: Closed,
            now: Instant::from_millis(5000),
        }
    }

    /// A connection made by the peer, established.
    fn passive() -> Self {
        let mut script = Self::new();
        script.open_passively();
        script
    }

    fn open_passively(&mut self) {
        self.state = Listen;
        self.received("S", 0, 0, 0);
        self.becomes(SynReceived, Cause::Syn);
        self.sent("SA", 0, 1, 0);
        self.received("A", 1, 1, 0);
        self.becomes(Established, Cause::AckOfSyn);
    }

    /// A connection made by us, established.
    fn active() -> Self {
        let mut script = Self::new();
        script.becomes(SynSent, Cause::Connect);
        script.sent("S", 0, 0, 0);
        script.received("SA", 0, 1, 0);
        script.becomes(Established, Cause::SynAck);
        script.sent("A", 1, 1, 0);
        script
    }

    fn becomes(&mut self, to: StateName, cause: Cause) {
        self.observer.transition(&Transition {
            life: self.life,
            tuple: self.tuple,
            from: self.state,
            to,
            cause,
            at: self.now,
        });
        self.state = to;
    }

    /// Numbers are relative to the ISS of their side.
    fn segment(&mut self, direction: Direction, flags: &str, seq: u32, ack: u32, len: u32) {
        self.now += Duration::from_millis(1);
        let (iss, other) = match direction {
            Direction::Sent => (OUR_ISS, PEERS_ISS),
            Direction::Received => (PEERS_ISS, OUR_ISS),
        };
        let mut bits = Flags::empty();
        for (letter, flag) in [
            ('S', Flags::SYN),
            ('A', Flags::ACK),
            ('F', Flags::FIN),
            ('R', Flags::RST),
        ] {
            bits.set(flag, flags.contains(letter));
        }
        self.observer.seen(&Seen {
            life: self.life,
            tuple: self.tuple,
            direction,
            flags: bits,
            seq: SeqNumber(iss) + seq,
            ack: SeqNumber(other) + ack,
            len,
            retransmission: flags.contains('!'),
            at: self.now,
        });
    }

    fn received(&mut self, flags: &str, seq: u32, ack: u32, len: u32) {
        self.segment(Direction::Received, flags, seq, ack, len);
    }

    fn sent(&mut self, flags: &str, seq: u32, ack: u32, len: u32) {
        self.segment(Direction::Sent, flags, seq, ack, len);
    }

    fn discarded(&mut self, reason: DiscardReason) {
        self.observer.discard(&Discard {
            tuple: Some(self.tuple),
            life: Some(self.life),
            reason,
            at: self.now,
        });
    }

    fn resets(&mut self, life: Option<LifeId>, reason: ResetReason) {
        self.observer.reset(&ResetSent {
            tuple: self.tuple,
            life,
            reason,
            at: self.now,
        });
    }

    fn waits(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn life(&self) -> LifeSnapshot {
        let report = self.lives.snapshot(self.now);
        let mut lives = report.lives.into_iter();
        lives.find(|life| life.id == self.life).unwrap()
    }
}

fn tuple(port: u16) -> FourTuple {
    FourTuple::new(
        "198.18.0.1:80".parse().unwrap(),
        ([198, 18, 0, 2], port).into(),
    )
}

/// 78 bytes in, 1204 out.
fn exchange(script: &mut Script) {
    script.received("A", 1, 1, 78);
    script.sent("A", 1, 79, 1204);
}

/// The peer closes, and our FIN rides on the ACK.
fn peer_closes_in_three(script: &mut Script) {
    script.received("FA", 79, 1205, 0);
    script.becomes(CloseWait, Cause::Fin);
    script.becomes(LastAck, Cause::Close);
    script.sent("FA", 1205, 80, 0);
    script.received("A", 80, 1206, 0);
    script.becomes(Closed, Cause::AckOfFin);
}
