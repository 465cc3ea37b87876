//! A state of the world that is explored: two ends, their applications, the segments under way, and what may happen
//! next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{Flags, Instant};

use super::application::Application;
use super::endpoint::{Endpoint, News, NewsKind, Read};
use super::fingerprint::end_hash;
use super::packet::{Numbers, Packet};
use super::scenario::{Scenario, Step};
use crate::ladder::Side;

/// The longest a segment stays under way: half of the default TIME-WAIT (RFC 9293 §3.4.2, MSL).
pub const MSL: Duration = Duration::from_secs(30);

/// How long a restart takes, and an application that waits: long enough for the ISNs before and after to lie apart by
/// more than a window, as RFC 9293 §3.4.1 counts on, and short enough that no SYN is sent again meanwhile.
const PAUSE: Duration = Duration::from_millis(900);

/// Segments take no time in an exploration, so that the order of independent ones makes no difference. A connection that
/// ended has taken some: enough for the next one's ISN to differ.
const LEAST_LIFE: Duration = Duration::from_micros(40);

/// How often the network, or time, misbehaves: what was done so far, or what may be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Segments lost.
    pub losses: u8,
    /// Segments doubled.
    pub duplicates: u8,
    /// Timers that fire while segments are under way or an application could act: delays longer than a timeout.
    pub early_timers: u8,
    /// Segments of an earlier incarnation that arrive.
    pub old: u8,
    /// Times the right end loses all it knew and starts again.
    pub restarts: u8,
}

/// One thing that happens. Segments under way are numbered from the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A segment under way arrives; any of them may be next.
    Deliver(u8),
    /// One is lost.
    Lose(u8),
    /// One is doubled.
    Duplicate(u8),
    /// One of the scenario's segments of an earlier incarnation arrives.
    Old(u8),
    /// Time passes until the next timer of either end.
    Timer,
    /// An application takes its next step.
    Step(Side),
    /// The right end's host restarts.
    Restart,
}

/// A segment under way.
#[derive(Clone, Debug)]
pub struct Flying {
    /// Whither.
    pub to: Side,
    /// Since when.
    pub since: Instant,
    /// Whether the network made it from another.
    pub is_copy: bool,
    /// The segment.
    pub packet: Packet,
}

#[derive(Clone)]
struct End<E> {
    protocol: E,
    application: Application,
    /// The hash of what it is in, until it is touched or time passes.
    hash: Option<u64>,
}

/// A state of the world.
#[derive(Clone)]
pub struct Net<E> {
    /// The time.
    pub now: Instant,
    ends: [End<E>; 2],
    flight: Vec<Flying>,
    /// The ISNs there have been.
    pub numbers: Numbers,
    /// What has gone wrong so far.
    pub used: Faults,
    /// What must never happen has happened.
    pub broken: Option<String>,
    news: [Vec<News>; 2],
}

impl<E: Endpoint> Net<E> {
    /// Two ends between which nothing has happened.
    pub fn new(now: Instant, left: E, right: E, numbers: Numbers) -> Self {
        let end = |protocol| End {
            protocol,
            application: Application::default(),
            hash: None,
        };
        Self {
            now,
            ends: [end(left), end(right)],
            flight: Vec::new(),
            numbers,
            used: Faults::default(),
            broken: None,
            news: [Vec::new(), Vec::new()],
        }
    }

    /// Both applications count their connections from `incarnation`, less one.
    pub(super) fn count_from(&mut self, incarnation: u8) {
        for end in &mut self.ends {
            end.application.count_from(incarnation);
        }
    }

    /// An end.
    pub fn end(&self, side: Side) -> &E {
        &self.ends[side.index()].protocol
    }

    /// An end's application.
    pub fn application(&self, side: Side) -> &Application {
        &self.ends[side.index()].application
    }

    /// The segments under way, oldest first.
    pub fn flight(&self) -> &[Flying] {
        &self.flight
    }

    /// What an end has told since this was asked last.
    pub fn take_news(&mut self, side: Side) -> Vec<News> {
        std::mem::take(&mut self.news[side.index()])
    }

    /// Everything that may happen next, within the scenario's bounds: what is fair first.
    pub fn actions(&self, scenario: &Scenario) -> Vec<Action> {
        let mut actions = Vec::new();
        let distinct: Vec<u8> = (0..self.flight.len())
            .filter(|&index| !self.has_twin_before(index))
            .map(|index| index as u8)
            .collect();
        actions.extend(distinct.iter().copied().map(Action::Deliver));
        for side in Side::BOTH {
            if self.can_step(side, scenario) {
                actions.push(Action::Step(side));
            }
        }
        let (used, bounds) = (self.used, scenario.bounds);
        let is_early = !actions.is_empty();
        if self.next_deadline().is_some() && (!is_early || used.early_timers < bounds.early_timers)
        {
            actions.push(Action::Timer);
        }
        if used.losses < bounds.losses {
            actions.extend(distinct.iter().copied().map(Action::Lose));
        }
        if used.duplicates < bounds.duplicates {
            actions.extend(distinct.iter().copied().map(Action::Duplicate));
        }
        if used.old < bounds.old {
            actions.extend((0..scenario.old.len()).map(|index| Action::Old(index as u8)));
        }
        if used.restarts < bounds.restarts {
            actions.push(Action::Restart);
        }
        actions
    }

    /// What happens when nothing goes wrong any more: segments arrive in order, applications act, timers fire.
    pub fn fair_action(&self, scenario: &Scenario) -> Option<Action> {
        if !self.flight.is_empty() {
            return Some(Action::Deliver(0));
        }
        let side = Side::BOTH
            .into_iter()
            .find(|side| self.can_step(*side, scenario));
        let timer = || self.next_deadline().map(|_| Action::Timer);
        side.map(Action::Step).or_else(timer)
    }

    /// Whether an equal segment is under way that set out earlier: one of both is enough to look at.
    fn has_twin_before(&self, index: usize) -> bool {
        let this = &self.flight[index];
        let is_twin = |other: &Flying| {
            other.to == this.to && other.since == this.since && other.packet == this.packet
        };
        self.flight[..index].iter().any(is_twin)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self.ends.iter().map(|end| end.protocol.next_deadline());
        deadlines.flatten().min()
    }

    /// Whether an application's next step can be taken now. Tried on a copy where only trying tells.
    fn can_step(&self, side: Side, scenario: &Scenario) -> bool {
        let end = &self.ends[side.index()];
        let Some(step) = end.application.next_step(scenario, side) else {
            return false;
        };
        match step {
            Step::AwaitEnd => end.application.at_end,
            Step::AwaitByte => end.application.at_end || end.application.has_read(),
            Step::Shutdown | Step::Close => true,
            // Not while something is being sent again: that is explored without a pause.
            Step::Pause => self
                .next_deadline()
                .is_none_or(|next| next > self.now + PAUSE),
            Step::Connect => end.protocol.clone().connect(self.now),
            Step::Accept => end.protocol.clone().accept(self.now),
            Step::Write => end.protocol.clone().write(self.now, 0),
        }
    }

    /// Lets an action happen.
    pub fn apply(&mut self, action: Action, scenario: &Scenario) {
        match action {
            Action::Deliver(index) => {
                let flying = self.flight.remove(usize::from(index));
                self.deliver(flying.to, &flying.packet);
            }
            Action::Lose(index) => {
                self.used.losses += 1;
                self.flight.remove(usize::from(index));
            }
            Action::Duplicate(index) => {
                self.used.duplicates += 1;
                let mut copy = self.flight[usize::from(index)].clone();
                copy.is_copy = true;
                self.flight.push(copy);
            }
            Action::Old(index) => {
                self.used.old += 1;
                let (to, packet) = &scenario.old[usize::from(index)];
                self.deliver(*to, packet);
            }
            Action::Timer => self.fire(scenario),
            Action::Step(side) => self.step(side, scenario),
            Action::Restart => {
                self.used.restarts += 1;
                self.pass(PAUSE);
                let end = &mut self.ends[Side::Right.index()];
                end.protocol.restart(self.now);
                end.application.restart();
                self.settle(Side::Right);
            }
        }
    }

    fn deliver(&mut self, to: Side, packet: &Packet) {
        let now = self.now;
        self.ends[to.index()].protocol.receive(now, packet);
        self.settle(to);
    }

    /// Time passes until the next timer.
    fn fire(&mut self, scenario: &Scenario) {
        let is_early = self.fair_action(scenario) != Some(Action::Timer);
        self.used.early_timers += u8::from(is_early);
        if let Some(next) = self.next_deadline() {
            self.pass_until(next);
        }
    }

    /// Time passes, and every timer that is due meanwhile fires.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_deadline().filter(|next| *next < end) {
            self.pass_until(next);
        }
        self.pass_until(end);
    }

    /// It is later; whatever is older than MSL then is gone.
    fn pass_until(&mut self, moment: Instant) {
        self.now = self.now.max(moment);
        let now = self.now;
        for side in Side::BOTH {
            self.ends[side.index()].protocol.advance(now);
            self.settle(side);
        }
        self.flight.retain(|flying| now - flying.since <= MSL);
    }

    fn step(&mut self, side: Side, scenario: &Scenario) {
        let now = self.now;
        let End {
            protocol,
            application,
            ..
        } = &mut self.ends[side.index()];
        let Some(step) = application.next_step(scenario, side) else {
            return;
        };
        match step {
            Step::Connect => {
                application.open();
                protocol.connect(now);
            }
            Step::Accept => {
                application.open();
                protocol.accept(now);
            }
            Step::Write => {
                protocol.write(now, application.next_byte());
            }
            Step::Shutdown => protocol.shut_down(now),
            Step::Pause => {
                application.step_done(scenario, side);
                return self.pass(PAUSE);
            }
            Step::Close => {
                protocol.close(now);
                application.forget();
            }
            Step::AwaitEnd | Step::AwaitByte => {}
        }
        application.step_done(scenario, side);
        self.settle(side);
    }

    /// An end was touched: its application reads, what it sends is under way, and what it tells is kept.
    fn settle(&mut self, side: Side) {
        let Self {
            now,
            ends,
            flight,
            numbers,
            broken,
            ..
        } = self;
        let End {
            protocol,
            application,
            hash,
        } = &mut ends[side.index()];
        *hash = None;
        let mut read = |protocol: &mut E| {
            while !application.at_end {
                match protocol.read(*now) {
                    Read::Byte(byte) => {
                        if let Err(what) = application.take(byte) {
                            broken.get_or_insert(what);
                        }
                    }
                    Read::End => application.at_end = true,
                    Read::Nothing => break,
                }
            }
        };
        read(protocol);
        let mut sent = Vec::new();
        protocol.transmit(*now, &mut sent);
        for packet in sent {
            if packet.has(Flags::SYN) {
                numbers.learn(side, packet.seq);
            }
            flight.push(Flying {
                to: side.other(),
                since: *now,
                is_copy: false,
                packet,
            });
        }
        let told = protocol.take_news();
        for item in &told {
            if item.kind == NewsKind::Broken {
                broken.get_or_insert_with(|| item.why.to_owned());
            }
        }
        let is_over = |item: &News| {
            matches!(
                item.kind,
                NewsKind::Change(_, StateName::Closed | StateName::Listen)
            )
        };
        if told.iter().any(is_over) {
            self.now += LEAST_LIFE;
            for end in &mut self.ends {
                end.hash = None;
            }
        }
        // Kept only until the next action: a state is not what happened on the way to it.
        self.news[side.index()].extend(told);
    }

    /// Forgets what was told: it is no part of the state.
    pub fn clear_news(&mut self) {
        self.news.iter_mut().for_each(Vec::clear);
    }

    /// Names the state, as far as it matters for what comes next; `faults`: whether those used do.
    pub fn fingerprint(&mut self, faults: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Self {
            now, ends, numbers, ..
        } = self;
        for end in ends {
            let protocol = &end.protocol;
            let hash = *end
                .hash
                .get_or_insert_with(|| end_hash(protocol, *now, numbers));
            (hash, &end.application).hash(&mut hasher);
        }
        // The network is a bag: the order in which segments set out is no part of the state.
        let each = |flying: &Flying| {
            let mut hasher = DefaultHasher::new();
            (flying.to.index(), self.now - flying.since).hash(&mut hasher);
            flying.packet.hash_into(&self.numbers, &mut hasher);
            hasher.finish()
        };
        let mut bag: Vec<u64> = self.flight.iter().map(each).collect();
        bag.sort_unstable();
        bag.hash(&mut hasher);
        if faults {
            self.used.hash(&mut hasher);
        }
        hasher.finish()
    }
}
