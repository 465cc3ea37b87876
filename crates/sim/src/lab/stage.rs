//! Two hosts, a wire and a clock that draw their own ladder.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use estab_core::observe::{Discard, Observer, ResetSent, StateName, Transition};
use estab_core::{
    Checksum, Config, ConnectOptions, Flags, Instant, ListenOptions, ListenerId, Secrets,
    SeqNumber, SocketId, SocketOptions, Stack,
};

use super::record::Record;
use crate::explore::{Numbers, Packet};
use crate::ladder::{Fate, Ladder, Side};
use crate::world::{CLIENT, SERVER, config};

/// Keeps what happened until the stage asks for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tap {
    told: Vec<Told>,
}

#[derive(Clone, Debug)]
enum Told {
    Change(Transition),
    Discard(Discard),
    Reset(ResetSent),
}

impl Observer for Tap {
    fn transition(&mut self, event: &Transition) {
        self.told.push(Told::Change(*event));
    }

    fn discard(&mut self, event: &Discard) {
        self.told.push(Told::Discard(*event));
    }

    fn reset(&mut self, event: &ResetSent) {
        self.told.push(Told::Reset(*event));
    }
}

/// What the wire does to a segment that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trick {
    /// Loses it.
    Lose,
    /// Delivers it, and keeps a copy, which [`Stage::release`] delivers.
    KeepCopy,
}

struct Rule {
    from: Side,
    fits: Box<dyn FnMut(&Packet) -> bool>,
    trick: Trick,
}

/// Two hosts between which whatever happens is drawn.
pub(super) struct Stage {
    pub(super) now: Instant,
    stacks: [Stack<Tap>; 2],
    /// Arrival, whither, what.
    wire: Vec<(Instant, Side, Packet)>,
    latency: Duration,
    rules: Vec<Rule>,
    kept: Vec<(Side, Packet)>,
    pub(super) ladder: Ladder,
    /// Whether anything is drawn.
    pub(super) draws: bool,
    numbers: Numbers,
    pub(super) records: Vec<Record>,
    /// The client's socket, where an experiment begins with it.
    pub(super) client: Option<SocketId>,
}

/// The port of the client, fixed so that it can be used again.
const PORT: u16 = 40_000;

impl Stage {
    /// Two hosts with default settings, changed by `adjust`, and a wire of 10 ms each way.
    pub(super) fn new(names: [&str; 2], adjust: impl FnOnce(&mut Config, &mut Config)) -> Self {
        let now = Instant::from_millis(1_000_000);
        let (mut left, mut right) = (config(CLIENT), config(SERVER));
        adjust(&mut left, &mut right);
        let stack =
            |config, seed| Stack::new(config, Secrets::from_seed(seed), Tap::default(), now);
        let mut ladder = Ladder::new(names[0], names[1]);
        ladder.count_from(now);
        ladder.begin_in(Side::Left, "CLOSED");
        ladder.begin_in(Side::Right, "CLOSED");
        Self {
            now,
            stacks: [stack(left, 21), stack(right, 22)],
            wire: Vec::new(),
            latency: Duration::from_millis(10),
            rules: Vec::new(),
            kept: Vec::new(),
            ladder,
            draws: true,
            numbers: Numbers::default(),
            records: Vec::new(),
            client: None,
        }
    }

    pub(super) fn stack(&mut self, side: Side) -> &mut Stack<Tap> {
        &mut self.stacks[side.index()]
    }

    /// The first segment from `from` that fits is treated so.
    pub(super) fn once(
        &mut self,
        from: Side,
        trick: Trick,
        fits: impl FnMut(&Packet) -> bool + 'static,
    ) {
        let fits = Box::new(fits);
        self.rules.push(Rule { from, fits, trick });
    }

    /// The same, by exact control bits, PSH aside, and without data.
    pub(super) fn lose_bare(&mut self, from: Side, flags: Flags) {
        self.once(from, Trick::Lose, move |packet| {
            packet.flags - Flags::PSH == flags && packet.data.is_empty()
        });
    }

    /// What happened so far was only to get here: the ladder begins now.
    pub(super) fn begin_again(&mut self) {
        let names = Side::BOTH.map(|side| self.ladder.name(side).to_owned());
        let listens = !self.stack(Side::Right).listeners().is_empty();
        self.ladder = Ladder::new(&names[0], &names[1]);
        if listens {
            self.ladder.rests_in(Side::Right, "LISTEN");
        }
        self.ladder.count_from(self.now);
        for side in Side::BOTH {
            let statuses = self.stack(side).statuses();
            let state = statuses.first().map(|status| status.state);
            let rest = match listens && side == Side::Right {
                true => StateName::Listen,
                false => StateName::Closed,
            };
            self.ladder.begin_in(side, state.unwrap_or(rest));
        }
    }

    pub(super) fn note(&mut self, side: Side, text: impl Into<String>) {
        self.ladder.note(self.now, side, text);
    }

    /// The right host listens on port 80.
    pub(super) fn listen(&mut self) -> ListenerId {
        let options = ListenOptions::new(SERVER.v4(80));
        let listener = self.stacks[1].listen(self.now, options);
        self.collect(Side::Right);
        self.ladder.rests_in(Side::Right, "LISTEN");
        listener.expect("a new host's port is free")
    }

    /// The left host connects to it, always from the same port.
    pub(super) fn connect(&mut self) -> Result<SocketId, estab_core::error::ConnectError> {
        self.open(Side::Left, CLIENT.v4(PORT), SERVER.v4(80))
    }

    /// A host connects from `local` to `remote`.
    pub(super) fn open(
        &mut self,
        side: Side,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<SocketId, estab_core::error::ConnectError> {
        let options = ConnectOptions {
            local: Some(local),
            socket: SocketOptions::default(),
        };
        let now = self.now;
        let made = self.stack(side).connect(now, remote, options);
        self.settle();
        made
    }

    /// Takes what waits to be accepted.
    pub(super) fn accept(&mut self, listener: ListenerId) -> Option<SocketId> {
        let now = self.now;
        let child = self.stack(Side::Right).accept(now, listener).ok().flatten();
        self.settle();
        child
    }

    /// The handshake, and both sockets.
    pub(super) fn establish(&mut self, listener: ListenerId) -> (SocketId, SocketId) {
        let client = self.connect().expect("the port is free");
        self.run_for(Duration::from_millis(40));
        let server = self.accept(listener).expect("nothing is lost");
        (client, server)
    }

    /// Calls the stack of a side, then lets it send.
    pub(super) fn call<T>(
        &mut self,
        side: Side,
        call: impl FnOnce(&mut Stack<Tap>, Instant) -> T,
    ) -> T {
        let now = self.now;
        let result = call(self.stack(side), now);
        self.settle();
        result
    }

    /// Writes all of it, as room comes free.
    pub(super) fn write_all(&mut self, side: Side, socket: SocketId, mut data: &[u8]) {
        while !data.is_empty() {
            let written = self.call(side, |stack, now| stack.write(now, socket, data));
            match written {
                Ok(count) => data = &data[count..],
                Err(_) => self.run_for(Duration::from_millis(1)),
            }
        }
    }

    /// Everything that can be read now.
    pub(super) fn read_all(&mut self, side: Side, socket: SocketId) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = self.call(side, |s, now| s.read(now, socket, &mut buffer)) {
            all.extend_from_slice(&buffer[..count]);
        }
        all
    }

    /// Lets time pass.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_moment().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.arrive();
            for side in Side::BOTH {
                let now = self.now;
                self.stack(side).advance(now);
            }
            self.settle();
        }
        self.now = end;
    }

    /// Delivers the copies that were kept, as what they are: segments of another time.
    pub(super) fn release(&mut self) {
        for (from, packet) in std::mem::take(&mut self.kept) {
            let text = packet.describe(&self.numbers);
            self.ladder.segment(self.now, from, text, Fate::Old);
            self.deliver(from.other(), &packet);
        }
        self.settle();
    }

    /// The network carries the copies that were kept no longer.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// Hands a host a packet of nobody on the stage.
    pub(super) fn inject(&mut self, to: Side, bytes: &[u8]) {
        let now = self.now;
        if to == Side::Right {
            self.records.push(Record::Received(now, bytes.to_vec()));
        }
        self.stack(to).receive(now, bytes, Checksum::Unknown);
    }

    /// The number of the segment that was kept.
    pub(super) fn kept_number(&self) -> Option<SeqNumber> {
        self.kept.first().map(|(_, packet)| packet.seq)
    }

    fn next_moment(&self) -> Option<Instant> {
        let arrivals = self.wire.iter().map(|(at, ..)| *at);
        let timers = self.stacks.iter().filter_map(Stack::next_deadline);
        arrivals.chain(timers).min()
    }

    fn arrive(&mut self) {
        while let Some(index) = self.wire.iter().position(|(at, ..)| *at <= self.now) {
            let (_, to, packet) = self.wire.remove(index);
            self.deliver(to, &packet);
        }
    }

    fn deliver(&mut self, to: Side, packet: &Packet) {
        self.inject(to, &packet.bytes);
        self.collect(to);
    }

    /// Lets both hosts send, and draws what they tell.
    pub(super) fn settle(&mut self) {
        for side in Side::BOTH {
            self.collect(side);
            let now = self.now;
            let mut sent = Vec::new();
            let stack = self.stack(side);
            while stack.next_event().is_some() {}
            stack.transmit(now, &mut |bytes: &[u8]| sent.extend(Packet::parse(bytes)));
            for packet in sent {
                self.send(side, packet);
            }
            self.collect(side);
        }
    }

    fn send(&mut self, from: Side, packet: Packet) {
        if from == Side::Right {
            let bytes = packet.bytes.to_vec();
            self.records.push(Record::Sent(self.now, bytes));
        }
        let hosts = [CLIENT, SERVER].map(|host| host.v4(0).ip());
        if !hosts.contains(&destination(&packet)) {
            return;
        }
        if packet.has(Flags::SYN) {
            self.numbers.learn(from, packet.seq);
        }
        let fits = |rule: &mut Rule| rule.from == from && (rule.fits)(&packet);
        let trick = self.rules.iter_mut().position(fits);
        let trick = trick.map(|index| self.rules.remove(index).trick);
        let fate = match trick {
            Some(Trick::Lose) => Fate::Lost,
            _ => Fate::Delivered,
        };
        if self.draws {
            let text = packet.describe(&self.numbers);
            self.ladder.segment(self.now, from, text, fate);
        }
        if trick == Some(Trick::KeepCopy) {
            self.kept.push((from, packet.clone()));
        }
        if fate != Fate::Lost {
            let arrival = self.now + self.latency;
            self.wire.push((arrival, from.other(), packet));
        }
    }

    /// Draws what a host has told.
    fn collect(&mut self, side: Side) {
        let told = std::mem::take(&mut self.stack(side).observer_mut().told);
        for item in told {
            match item {
                Told::Change(event) => self.change(side, &event),
                Told::Discard(Discard { reason, .. }) if self.draws => {
                    let (why, rule) = (reason.text(), reason.rule());
                    self.note(side, format!("not used: {why} ({rule})"));
                }
                Told::Reset(ResetSent { reason, .. }) if self.draws => {
                    let (why, rule) = (reason.text(), reason.rule());
                    self.note(side, format!("sends RST: {why} ({rule})"));
                }
                Told::Discard(_) | Told::Reset(_) => {}
            }
        }
    }

    fn change(&mut self, side: Side, event: &Transition) {
        if side == Side::Right {
            self.records.push(Record::Change(*event));
        }
        let Transition {
            from, to, cause, ..
        } = event;
        let on_stage = [CLIENT, SERVER].map(|host| host.v4(0).ip());
        let remote = event.tuple.remote().ip();
        // A listener's peer is nobody yet; the lives of a flood have no place in a ladder of two.
        if self.draws && (on_stage.contains(&remote) || remote.is_unspecified()) {
            let why = format!("{} ({})", cause.text(), cause.rule());
            self.ladder.change(self.now, side, (from, to), why);
        }
    }
}

/// Whither an IPv4 packet goes.
fn destination(packet: &Packet) -> IpAddr {
    let address: Option<[u8; 4]> = packet.bytes.get(16..20).and_then(|at| at.try_into().ok());
    Ipv4Addr::from(address.unwrap_or_default()).into()
}
