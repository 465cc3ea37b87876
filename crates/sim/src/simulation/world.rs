//! The world: hosts, the network between them, a clock, and a heap of what is to happen.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use estab_core::observe::LifeId;
use estab_core::{Checksum, Flags, FourTuple, Instant, Secrets};

use super::actions::Action;
use super::application::Outcome;
use super::checks;
use super::coverage::{Coverage, Fate};
use super::draw::Draw;
use super::host::{Host, Wish};
use super::network::{Network, Origin, Packet, Passage};
use super::packet::Header;
use super::profile::{Profile, host_of};
use super::trace::Trace;
use super::wrap;
use super::{Caps, Failure};

/// What is to happen.
pub(super) enum Event {
    Arrive(Box<Packet>),
    Wake(usize, usize),
    Accept(usize, usize),
    Transmit(usize),
    Act(Action),
}

struct Queued {
    at: Instant,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A whole world.
pub(super) struct World {
    pub(super) profile: Profile,
    pub(super) draw: Draw,
    pub(super) now: Instant,
    pub(super) hosts: Vec<Host>,
    pub(super) network: Network,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    pub(super) coverage: Coverage,
    pub(super) trace: Option<Trace>,
    /// When everything must be gone, once the network has healed.
    pub(super) limit: Option<Instant>,
    pub(super) healed_at: Instant,
    emptied_at: Instant,
    pace: Pace,
}

/// Packets since the last progress, in the present second.
#[derive(Default)]
struct Pace {
    second: u64,
    packets: u64,
    progress: u64,
}

/// How often a host is looked at closely.
const CLOSE_LOOK: u32 = 24;

impl World {
    pub(super) fn new(seed: u64, caps: &Caps, trace: Option<Trace>) -> Self {
        let mut draw = Draw::new(seed);
        let mut profile = Profile::draw(&mut draw);
        profile.hosts = profile.hosts.min(caps.hosts.max(2));
        profile.connections = profile.connections.min(caps.connections);
        let traced = trace.is_some();
        let secrets = Secrets::from_seed(draw.long());
        let wraps = wrap::aim(&mut draw, &mut profile, &secrets);
        let hosts = (0..profile.hosts)
            .map(|number| {
                let secrets = match number {
                    wrap::HOST => secrets.clone(),
                    _ => Secrets::from_seed(draw.long()),
                };
                Host::draw(&mut draw, &profile, (number, secrets), traced)
            })
            .collect();
        let network = Network::draw(&mut draw, &profile);
        let now = profile.start;
        let mut world = Self {
            profile,
            draw,
            now,
            hosts,
            network,
            queue: BinaryHeap::new(),
            order: 0,
            coverage: Coverage::default(),
            trace,
            limit: None,
            healed_at: now,
            emptied_at: now,
            pace: Pace::default(),
        };
        world.coverage.worlds = 1;
        world.coverage.hosts = world.hosts.len() as u64;
        world.draw_actions();
        if let Some((at, connect)) = wraps {
            world.push(at, Event::Act(connect));
        }
        world
    }

    pub(super) fn push(&mut self, at: Instant, event: Event) {
        self.order += 1;
        let order = self.order;
        self.queue.push(Reverse(Queued { at, order, event }));
    }

    pub(super) fn failure(&self, tuple: Option<FourTuple>, what: impl Into<String>) -> Failure {
        Failure {
            at: self.now,
            tuple,
            what: what.into(),
        }
    }

    /// Runs until nothing can happen any more.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        while let Some((at, host)) = self.next() {
            if self.limit.is_some_and(|limit| limit < at) {
                return Err(checks::what_is_left(self));
            }
            self.now = self.now.max(at);
            match host {
                Some(host) => self.advance(host)?,
                None => self.happen()?,
            }
        }
        self.now = self.now.max(self.emptied_at);
        checks::everything_is_gone(self)?;
        self.add_up();
        Ok(())
    }

    /// The next moment at which something happens, and on which host, unless it is in the heap.
    fn next(&self) -> Option<(Instant, Option<usize>)> {
        let deadlines = self.hosts.iter().enumerate().filter_map(|(number, host)| {
            let at = host.deadline?.max(host.stalled_until);
            Some((at, Some(number)))
        });
        let queued = self.queue.peek().map(|Reverse(queued)| (queued.at, None));
        deadlines.chain(queued).min_by_key(|(at, _)| *at)
    }

    /// A timer of a host is due.
    fn advance(&mut self, number: usize) -> Result<(), Failure> {
        let host = &mut self.hosts[number];
        let now = self.now;
        host.stack.observer_mut().overflowed.clear();
        host.stack.advance(now);
        if host.stack.next_deadline().is_some_and(|next| next <= now) {
            return Err(self.failure(
                None,
                format!("host {number}: a deadline has passed and stays"),
            ));
        }
        checks::held_children(self, number)?;
        self.settle(number)
    }

    fn happen(&mut self) -> Result<(), Failure> {
        let Some(Reverse(queued)) = self.queue.pop() else {
            return Ok(());
        };
        let number = match &queued.event {
            Event::Arrive(packet) => packet.to,
            Event::Wake(host, _) | Event::Accept(host, _) | Event::Transmit(host) => *host,
            Event::Act(action) => {
                let action = *action;
                return self.act(action);
            }
        };
        let stalled_until = self.hosts[number].stalled_until;
        if self.now < stalled_until {
            self.push(stalled_until, queued.event);
            return Ok(());
        }
        let (now, draw, profile) = (self.now, &mut self.draw, &self.profile);
        let host = &mut self.hosts[number];
        let done = match queued.event {
            Event::Arrive(packet) => return self.arrive(*packet),
            Event::Wake(_, application) => {
                // Only the last wish counts: the others are from before it ran again.
                let wanted = host.applications[application].wakes_at;
                if wanted.is_some_and(|at| at <= now) {
                    host.run(draw, now, application)
                } else {
                    Ok(())
                }
            }
            Event::Accept(_, server) => host.accept(draw, profile, now, server),
            Event::Transmit(_) | Event::Act(_) => Ok(()),
        };
        done.map_err(|what| self.failure(None, format!("host {number}: {what}")))?;
        self.settle(number)
    }

    /// A packet reaches its host.
    fn arrive(&mut self, packet: Packet) -> Result<(), Failure> {
        let number = packet.to;
        if checks::is_ambiguous(self, &packet) {
            self.coverage.fates[Fate::Ambiguous as usize] += 1;
            self.note_packet(&packet, "arrives, of an earlier incarnation; not delivered");
            return Ok(());
        }
        self.note_packet(&packet, "arrives");
        let tuple = packet.header.map(|header| header.tuple.reversed());
        let stack = &mut self.hosts[number].stack;
        let before = checks::Before::of(stack, &packet);
        let unseen = packet.origin == Origin::Forged && checks::completes_unseen(self, &packet);
        let stack = &mut self.hosts[number].stack;
        stack.receive(self.now, &packet.bytes, Checksum::Unknown);
        let verdict = before.compare(stack, &packet);
        match verdict {
            Ok(changed) if changed || unseen => self.taint(number, &packet),
            Ok(_) => {}
            Err(what) => return Err(self.failure(tuple, format!("host {number}: {what}"))),
        }
        // A burst that arrives together is taken in together.
        if let Some(Reverse(next)) = self.queue.peek() {
            let together = matches!(&next.event, Event::Arrive(other) if other.to == number);
            if next.at == self.now && together {
                return Ok(());
            }
        }
        self.settle(number)
    }

    /// A connection believed what nobody sent: what its two ends say of their data proves nothing any more.
    fn taint(&mut self, number: usize, packet: &Packet) {
        let Some(header) = packet.header.filter(|_| packet.origin == Origin::Forged) else {
            return;
        };
        self.coverage.fates[Fate::Believed as usize] += 1;
        self.note(Some(header.tuple), "believed".into());
        let ours = header.tuple.reversed();
        let other = host_of(header.tuple.local().ip()).filter(|other| *other < self.hosts.len());
        let observer = self.hosts[number].stack.observer_mut();
        let current = observer.current(&ours).map(|(id, life)| (id, life.peer));
        let peer = current.and_then(|(_, peer)| peer);
        if let Some(life) = current.and_then(|(id, _)| observer.get_mut(id)) {
            life.tainted = true;
        }
        let mut lives: Vec<(usize, LifeId)> = peer.into_iter().collect();
        if let Some(other) = other {
            let observer = self.hosts[other].stack.observer();
            lives.extend(observer.current(&header.tuple).map(|(id, _)| (other, id)));
        }
        for (host, life) in lives {
            if let Some(life) = self.hosts[host].stack.observer_mut().get_mut(life) {
                life.tainted = true;
            }
        }
    }

    /// Everything that follows from a host having been touched.
    pub(super) fn settle(&mut self, number: usize) -> Result<(), Failure> {
        let now = self.now;
        checks::agree(self, number)?;
        let host = &mut self.hosts[number];
        let settled = host.settle(&mut self.draw, &self.profile, now);
        if let Err(what) = settled {
            let last = self.hosts[number].outcomes.last();
            let tuple = last.and_then(|outcome| self.tuple_of(number, outcome));
            let blamed = self.hosts[number].last_run();
            return Err(self.failure(tuple.or(blamed), format!("host {number}: {what}")));
        }
        self.take_notes(number);
        self.take_wishes(number);
        self.send(number);
        checks::agree(self, number)?;
        self.judge(number)?;
        let host = &mut self.hosts[number];
        host.touched += 1;
        let small = self.profile.connections < 20;
        if host.touched.is_multiple_of(CLOSE_LOOK) || (self.trace.is_some() && small) {
            checks::look_closely(self, number)?;
        }
        self.keep_pace()
    }

    fn tuple_of(&self, number: usize, outcome: &Outcome) -> Option<FourTuple> {
        let (Outcome::EndOfFile(id, _) | Outcome::Ended(id, _)) = outcome;
        let life = self.hosts[number].stack.observer().get(id.life())?;
        Some(life.tuple)
    }

    /// What a host's observer and its applications have found.
    fn judge(&mut self, number: usize) -> Result<(), Failure> {
        if let Some((tuple, what)) = self.hosts[number].stack.observer_mut().broken.take() {
            return Err(self.failure(Some(tuple), format!("host {number}: {what}")));
        }
        let outcomes = std::mem::take(&mut self.hosts[number].outcomes);
        for outcome in &outcomes {
            checks::outcome(self, number, outcome)?;
        }
        Ok(())
    }

    fn take_wishes(&mut self, number: usize) {
        for wish in std::mem::take(&mut self.hosts[number].wishes) {
            let (at, event) = match wish {
                Wish::Wake(application, at) => (at, Event::Wake(number, application)),
                Wish::Accept(server, at) => (at, Event::Accept(number, server)),
                Wish::Transmit(at) => (at, Event::Transmit(number)),
            };
            self.push(at.max(self.now), event);
        }
    }

    /// Puts what a host has sent on the wire.
    fn send(&mut self, number: usize) {
        let sent = std::mem::take(&mut self.hosts[number].sent);
        if sent.is_empty() {
            return;
        }
        let mut passage = Passage::default();
        self.pace.packets += sent.len() as u64;
        self.coverage.packets += sent.len() as u64;
        for bytes in sent {
            let header = Header::read(&bytes);
            let to = destination(&bytes).filter(|to| *to < self.hosts.len());
            let Some(to) = to.filter(|to| *to != number) else {
                continue; // an answer to an address that nobody has
            };
            let host = &mut self.hosts[number];
            let observer = host.stack.observer();
            let life = header.and_then(|header| observer.current(&header.tuple));
            if let Some(header) = header.filter(|header| header.flags == SYN_ACK)
                && life.is_none_or(|(_, life)| life.iss != Some(header.seq))
            {
                let numbers = (header.seq, header.ack - 1);
                host.cookies.insert((header.tuple, numbers));
            }
            let life = header.and_then(|header| host.stack.observer().current(&header.tuple));
            let packet = Packet {
                header,
                bytes,
                from: number,
                to,
                origin: Origin::Genuine,
                iss: life.and_then(|(_, life)| life.iss),
                sent_at: self.now,
            };
            let kept = self.trace.is_some().then(|| packet.clone());
            let (draw, now) = (&mut self.draw, self.now);
            self.network.carry(draw, now, packet, &mut passage);
            if let Some(packet) = kept {
                self.note_packet(&packet, &format!("sent: {:?}", passage.fates));
                if let Some(trace) = &mut self.trace {
                    trace.capture(now, &packet.bytes);
                }
            }
            for fate in passage.fates.drain(..) {
                self.coverage.fates[fate as usize] += 1;
            }
            for (at, packet) in std::mem::take(&mut passage.arrivals) {
                self.push(at, Event::Arrive(Box::new(packet)));
            }
        }
    }

    /// No livelock: packets without progress are few.
    fn keep_pace(&mut self) -> Result<(), Failure> {
        let second = self.now.as_millis() / 1000;
        let lives = self.hosts.iter().map(|host| host.stack.len() as u64);
        let limit = 5_000 + 400 * lives.sum::<u64>();
        if second == self.pace.second && self.pace.packets <= limit {
            return Ok(());
        }
        let observers = self.hosts.iter().map(|host| host.stack.observer());
        let progress = observers
            .map(|lives| lives.progress + lives.coverage.bytes)
            .sum();
        if self.pace.packets > limit && progress == self.pace.progress {
            let what = format!(
                "{} packets within a second, and nothing comes of it",
                self.pace.packets
            );
            return Err(self.failure(None, what));
        }
        self.pace = Pace {
            second,
            packets: 0,
            progress,
        };
        if self.limit.is_some() && self.hosts.iter().any(|host| !host.stack.is_empty()) {
            self.emptied_at = self.now;
        }
        Ok(())
    }

    /// Everything from now on goes well: the network is healed and applications come to an end.
    pub(super) fn heal(&mut self) -> Result<(), Failure> {
        self.network.heal();
        self.healed_at = self.now;
        self.emptied_at = self.now;
        self.limit = Some(self.now + checks::bound(self));
        let now = self.now;
        for number in 0..self.hosts.len() {
            let host = &mut self.hosts[number];
            host.winds_down = true;
            host.open_gate();
            for application in 0..host.applications.len() {
                let patience = self.draw.within(Duration::from_secs(30));
                let host = &mut self.hosts[number];
                host.applications[application].wind_down(&mut self.draw, now, patience);
                let ran = host.run(&mut self.draw, now, application);
                ran.map_err(|what| self.failure(None, format!("host {number}: {what}")))?;
            }
            for server in 0..self.hosts[number].servers.len() {
                let after = self.draw.within(Duration::from_secs(20));
                let after = if self.draw.chance(0.3) {
                    Duration::ZERO
                } else {
                    after
                };
                self.push(
                    now + after,
                    Event::Act(Action::CloseListener {
                        host: number,
                        server,
                    }),
                );
                self.push(now, Event::Accept(number, server));
            }
            self.settle(number)?;
        }
        Ok(())
    }

    pub(super) fn note(&mut self, tuple: Option<FourTuple>, text: String) {
        if let Some(trace) = &mut self.trace {
            trace.note(self.now, tuple, text);
        }
    }

    fn note_packet(&mut self, packet: &Packet, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.packet(self.now, packet, what);
        }
    }

    /// What the observer of a host was told goes into the ladder.
    fn take_notes(&mut self, number: usize) {
        let Some(trace) = &mut self.trace else { return };
        let observer = self.hosts[number].stack.observer_mut();
        for told in observer.told.drain(..) {
            trace.note(self.now, told.tuple, format!("h{number} {}", told.text));
        }
        for transition in observer.transitions.drain(..) {
            trace.annotate(&transition);
        }
    }

    fn add_up(&mut self) {
        for host in &self.hosts {
            let lives = host.stack.observer();
            self.coverage.add(&lives.coverage);
            self.coverage.lives += lives.len() as u64;
            let agreed = lives.newest_first().filter(|(_, life)| life.peer.is_some());
            self.coverage.agreed += agreed.count() as u64;
            let wrapped = lives.newest_first().filter(|(_, life)| life.has_wrapped());
            self.coverage.wrapped += wrapped.count() as u64;
        }
        self.coverage.nanos = (self.now - self.profile.start).as_nanos();
        self.coverage.longest_end = (self.emptied_at - self.healed_at).as_secs();
    }
}

const SYN_ACK: Flags = Flags::SYN.union(Flags::ACK);

/// The host that a packet is for.
fn destination(packet: &[u8]) -> Option<usize> {
    match packet.first()? >> 4 {
        4 => host_of((*packet.get(16..)?.first_chunk::<4>()?).into()),
        6 => host_of((*packet.get(24..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}
