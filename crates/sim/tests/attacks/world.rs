//! A server, honest clients, attackers, 5 ms between all of them, and time in milliseconds.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use estab_core::error::{ReadError, WriteError};
use estab_core::observe::{Cause, Silent, StateName};
use estab_core::{
    AcceptPolicy, Checksum, Config, ConnectOptions, Instant, ListenOptions, ListenerId, Secrets,
    Shutdown, SocketId, Stack, Status, SynCookies,
};

use crate::attacker::{Attack, Attacker};
use crate::packet::Segment;

pub(crate) const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), 80);
pub(crate) const CLIENTS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

/// Bytes that a client sends, and then its FIN.
pub(crate) const REQUEST: usize = 2_000;
/// Bytes that it gets for them, and then a FIN.
const ANSWER: usize = 20_000;

const DELAY: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(1);

/// How long the server's application waits for a request, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// A new honest client comes every so many ticks, as long as the attacks last.
const EVERY: u32 = 25;
/// Ticks that the attacks last.
const FLOOD: u32 = 2_000;
/// Ticks after which nobody waits any more.
const END: u32 = 130_000;

/// A connection of the server's application.
struct Child {
    socket: SocketId,
    since: Instant,
    read: usize,
    written: usize,
    shut: bool,
}

/// An honest client.
struct Client {
    socket: SocketId,
    since: Instant,
    asked: bool,
    read: usize,
    /// How long it took, or why it failed.
    outcome: Option<Result<Duration, Cause>>,
}

/// What came of a world.
pub(crate) struct Outcome {
    pub(crate) clients: usize,
    /// How long the honest took who were served, in order.
    pub(crate) served: Vec<Duration>,
    pub(crate) failures: Vec<Cause>,
    /// SYNs and children that the listener turned away.
    pub(crate) overflows: u64,
    /// The most memory the server ever used.
    pub(crate) peak: usize,
    /// How often what names each attack was counted.
    pub(crate) counted: Vec<(Attack, u64)>,
}

pub(crate) struct World {
    now: Instant,
    server: Stack<Silent>,
    listener: ListenerId,
    children: Vec<Child>,
    net: Stack<Silent>,
    clients: Vec<Client>,
    attackers: Vec<Attacker>,
    /// On the way, with the time of arrival.
    wire: VecDeque<(Instant, Vec<u8>)>,
    peak: usize,
    /// Ticks between two calls of accept; zero is as often as there is somebody.
    accepts_every: u32,
}

impl World {
    /// The application accepts one connection every so many ticks, and the listener does this with those beyond its queue.
    pub(crate) fn starving(seed: u64, every: u32, policy: AcceptPolicy) -> Self {
        let mut world = Self::with(seed, &[Attack::Handshakes], |options| {
            options.backlog = 64;
            options.policy = policy;
        });
        world.accepts_every = every;
        world
    }

    /// The attacks happen all at once.
    pub(crate) fn new(seed: u64, attacks: &[Attack]) -> Self {
        Self::with(seed, attacks, |_| ())
    }

    fn with(seed: u64, attacks: &[Attack], edit: impl FnOnce(&mut ListenOptions)) -> Self {
        let now = Instant::from_millis(1_000);
        let config = |address: Ipv4Addr| Config {
            addresses: vec![address.into()],
            ..Config::default()
        };
        let limits = Config {
            memory: 4 << 20,
            max_connections: 4_000,
            max_syn_received: 512,
            syn_cookies: SynCookies::Auto,
            max_time_wait: 1_000,
            max_orphans: 200,
            max_replies: 512,
            ..config(*SERVER.ip())
        };
        let secrets = |salt: u64| Secrets::from_seed(seed * 2 + salt);
        let mut server = Stack::new(limits, secrets(0), Silent, now);
        let mut options = ListenOptions::new(SERVER.into());
        edit(&mut options);
        let listener = server.listen(now, options).expect("the port is free");
        let attackers = attacks.iter().zip(1..);
        Self {
            now,
            server,
            listener,
            children: Vec::new(),
            net: Stack::new(config(CLIENTS), secrets(1), Silent, now),
            clients: Vec::new(),
            attackers: attackers
                .map(|(attack, number)| Attacker::new(*attack, number, seed + u64::from(number)))
                .collect(),
            wire: VecDeque::new(),
            peak: 0,
            accepts_every: 0,
        }
    }

    /// Lets the attacks happen, and then waits for the honest.
    pub(crate) fn run(mut self) -> Outcome {
        for tick in 0..END {
            if tick < FLOOD {
                if tick.is_multiple_of(EVERY) {
                    self.connect();
                }
                self.attack(tick);
            } else if self.is_over(tick) {
                break;
            }
            self.deliver();
            self.server.advance(self.now);
            self.net.advance(self.now);
            self.serve(tick);
            self.poll_clients();
            self.transmit();
            self.weigh();
            self.now += TICK;
        }
        self.outcome()
    }

    /// Everybody was served, and the application's patience with all others is over.
    fn is_over(&self, tick: u32) -> bool {
        let is_done = |client: &Client| client.outcome.is_some();
        tick > FLOOD + 100 && self.children.is_empty() && self.clients.iter().all(is_done)
    }

    fn connect(&mut self) {
        let options = ConnectOptions::default();
        let socket = self.net.connect(self.now, SERVER.into(), options);
        self.clients.push(Client {
            socket: socket.expect("a port is free"),
            since: self.now,
            asked: false,
            read: 0,
            outcome: None,
        });
    }

    fn attack(&mut self, tick: u32) {
        let open = self
            .clients
            .iter()
            .filter(|client| client.outcome.is_none());
        let tuples = open.filter_map(|client| self.net.tuple(client.socket).ok());
        let ports: Vec<u16> = tuples.map(|tuple| tuple.local_port()).collect();
        let (wire, at) = (&mut self.wire, self.now + DELAY);
        for attacker in &mut self.attackers {
            attacker.act(tick, &ports, &mut |segment: Segment| {
                wire.push_back((at, segment.packet()));
            });
        }
    }

    /// What has arrived by now.
    fn deliver(&mut self) {
        while self.wire.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, packet)) = self.wire.pop_front() else {
                return;
            };
            let Some(segment) = Segment::read(&packet) else {
                continue;
            };
            let to = *segment.to.ip();
            if to == *SERVER.ip() {
                self.server.receive(self.now, &packet, Checksum::Unknown);
            } else if to == CLIENTS {
                self.net.receive(self.now, &packet, Checksum::Unknown);
            }
            let (wire, at) = (&mut self.wire, self.now + DELAY);
            let whose = self
                .attackers
                .iter_mut()
                .find(|attacker| attacker.is_at(to));
            if let Some(attacker) = whose {
                attacker.hear(&segment, &mut |segment: Segment| {
                    wire.push_back((at, segment.packet()));
                });
            }
        }
    }

    fn transmit(&mut self) {
        let (wire, at) = (&mut self.wire, self.now + DELAY);
        let mut send = |packet: &[u8]| wire.push_back((at, packet.to_vec()));
        self.server.transmit(self.now, &mut send);
        self.net.transmit(self.now, &mut send);
    }

    /// The server's application accepts whoever comes, and bounds what each may take of its time.
    fn serve(&mut self, tick: u32) {
        let every = self.accepts_every;
        if every > 0 && !tick.is_multiple_of(every) {
            return self.poll_children();
        }
        while let Some(socket) = self
            .server
            .accept(self.now, self.listener)
            .expect("it listens")
        {
            self.children.push(Child {
                socket,
                since: self.now,
                read: 0,
                written: 0,
                shut: false,
            });
            if every > 0 {
                break;
            }
        }
        self.poll_children();
    }

    fn poll_children(&mut self) {
        let (server, now) = (&mut self.server, self.now);
        self.children.retain_mut(|child| child.poll(server, now));
    }

    fn poll_clients(&mut self) {
        let (net, now) = (&mut self.net, self.now);
        for client in &mut self.clients {
            if client.outcome.is_none() {
                client.poll(net, now);
            }
        }
    }

    fn weigh(&mut self) {
        let memory = self.server.memory();
        assert!(memory.used <= memory.budget, "{memory:?}");
        self.peak = self.peak.max(memory.used);
    }

    fn outcome(self) -> Outcome {
        assert!(self.children.is_empty(), "the attackers' connections end");
        let outcomes = || self.clients.iter().filter_map(|client| client.outcome);
        let mut served: Vec<_> = outcomes().filter_map(Result::ok).collect();
        served.sort_unstable();
        let counters = self.server.counters();
        let attacks = self.attackers.iter().map(|attacker| attacker.attack);
        Outcome {
            clients: self.clients.len(),
            served,
            failures: outcomes().filter_map(Result::err).collect(),
            overflows: counters.listen_overflows,
            peak: self.peak,
            counted: attacks
                .map(|attack| (attack, attack.counted(counters)))
                .collect(),
        }
    }
}

impl Child {
    /// Answers whether there is more to do.
    fn poll(&mut self, server: &mut Stack<Silent>, now: Instant) -> bool {
        let gone = self.work(server, now).is_err();
        if gone || now - self.since > PATIENCE {
            let _ = server.abort(now, self.socket);
            return false;
        }
        // What is left is the stack's, once the peer has acknowledged the FIN.
        if self.shut
            && server
                .status(self.socket)
                .is_none_or(|status| status.unacknowledged == 0)
        {
            let _ = server.close(now, self.socket);
            return false;
        }
        true
    }

    fn work(&mut self, server: &mut Stack<Silent>, now: Instant) -> Result<(), ()> {
        let mut buffer = [0; 4_096];
        while self.read < REQUEST {
            match server.read(now, self.socket, &mut buffer) {
                Ok(count @ 1..) => self.read += count,
                Err(ReadError::WouldBlock) => return Ok(()),
                Ok(0) | Err(_) => return Err(()),
            }
        }
        while self.written < ANSWER {
            match server.write(now, self.socket, &[b'a'; ANSWER][self.written..]) {
                Ok(count) => self.written += count,
                Err(WriteError::WouldBlock) => return Ok(()),
                Err(_) => return Err(()),
            }
        }
        if !self.shut {
            self.shut = true;
            server
                .shutdown(now, self.socket, Shutdown::Write)
                .map_err(|_| ())?;
        }
        Ok(())
    }
}

impl Client {
    fn poll(&mut self, net: &mut Stack<Silent>, now: Instant) {
        let is_open = |status: &Status| status.state == StateName::Established;
        if !self.asked && net.status(self.socket).as_ref().is_some_and(is_open) {
            match net.write(now, self.socket, &[b'q'; REQUEST]) {
                Ok(count) => {
                    assert_eq!(count, REQUEST, "the buffer takes it all");
                    self.asked = true;
                    let _ = net.shutdown(now, self.socket, Shutdown::Write);
                }
                Err(error) => panic!("write: {error}"),
            }
        }
        let mut buffer = [0; 4_096];
        loop {
            match net.read(now, self.socket, &mut buffer) {
                Ok(0) => {
                    assert_eq!(self.read, ANSWER, "the end of file came early");
                    return self.end(net, now, Ok(now - self.since));
                }
                Ok(count) => {
                    assert!(buffer[..count].iter().all(|byte| *byte == b'a'));
                    self.read += count;
                }
                Err(ReadError::Ended(cause)) => return self.end(net, now, Err(cause)),
                Err(_) => return,
            }
        }
    }

    fn end(&mut self, net: &mut Stack<Silent>, now: Instant, outcome: Result<Duration, Cause>) {
        self.outcome = Some(outcome);
        let _ = net.close(now, self.socket);
    }
}
