//! A host: a stack, the programs that use it, and a device that may be slow.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use estab_core::{
    ConnectOptions, Event, FourTuple, Instant, ListenOptions, ListenerId, Readiness, Secrets,
    SeqNumber, SocketId, Stack, Transmit,
};

use super::application::{Application, Desk, Outcome};
use super::draw::Draw;
use super::lives::Lives;
use super::profile::{Profile, addresses};

/// How a server takes its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    Eager,
    Slow(Duration),
    Never,
}

/// A program that listens.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) id: Option<ListenerId>,
    pub(super) options: ListenOptions,
    pub(super) accepting: Accepting,
}

/// What a host asks of the world: to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Wake(usize, Instant),
    Accept(usize, Instant),
    Transmit(Instant),
}

/// A device that takes so many packets at once, and is ready again after a while.
#[derive(Clone, Copy, Debug)]
struct Gate {
    burst: usize,
    pause: Duration,
    opens_at: Instant,
}

/// One host.
pub(super) struct Host {
    pub(super) stack: Stack<Lives>,
    pub(super) servers: Vec<Server>,
    pub(super) applications: Vec<Application>,
    by_life: HashMap<u32, usize>,
    gate: Option<Gate>,
    /// It does nothing until then, as a machine that is suspended.
    pub(super) stalled_until: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) wishes: Vec<Wish>,
    pub(super) sent: Vec<Vec<u8>>,
    /// How often it was touched: some checks are made now and then.
    pub(super) touched: u32,
    /// SYN,ACKs sent without a life of their own: the numbers of both ends.
    pub(super) cookies: HashSet<(FourTuple, (SeqNumber, SeqNumber))>,
    /// A listener's children were handed to another, whose queues they may exceed.
    pub(super) has_handed_over: bool,
    /// Accepts whatever waits: the end is near.
    pub(super) winds_down: bool,
    scratch: Vec<u8>,
    /// The application that ran last.
    ran: Option<usize>,
}

struct Wire<'a> {
    sent: &'a mut Vec<Vec<u8>>,
    room: usize,
}

impl Transmit for Wire<'_> {
    fn is_ready(&mut self) -> bool {
        self.room > 0
    }

    fn transmit(&mut self, packet: &[u8]) {
        self.room -= 1;
        self.sent.push(packet.to_vec());
    }
}

impl Host {
    pub(super) fn draw(
        draw: &mut Draw,
        profile: &Profile,
        (number, secrets): (usize, Secrets),
        traced: bool,
    ) -> Self {
        let families = draw.pick(&[2, 2, 2, 2, 0, 1]);
        let families = if profile.holes { 0 } else { families };
        let config = profile.config(draw, addresses(number, families));
        let lives = Lives::new(config.time_wait, traced);
        let stack = Stack::new(config, secrets, lives, profile.start);
        let gate = (draw.chance(0.2) && !profile.holes).then(|| Gate {
            burst: draw.pick(&[1, 2, 8]),
            pause: draw.time(10..=5_000),
            opens_at: profile.start,
        });
        Self {
            stack,
            servers: Vec::new(),
            applications: Vec::new(),
            by_life: HashMap::new(),
            gate,
            stalled_until: Instant::ZERO,
            deadline: None,
            outcomes: Vec::new(),
            wishes: Vec::new(),
            sent: Vec::new(),
            touched: 0,
            cookies: HashSet::new(),
            has_handed_over: false,
            winds_down: false,
            scratch: vec![0; 16_384],
            ran: None,
        }
    }

    /// The application that holds, or held, a life's socket.
    pub(super) fn application_of(&self, life: u32) -> Option<&Application> {
        self.applications.get(*self.by_life.get(&life)?)
    }

    /// The connection whose application ran last.
    pub(super) fn last_run(&self) -> Option<FourTuple> {
        Some(self.applications.get(self.ran?)?.tuple)
    }

    /// The device takes all it is given.
    pub(super) fn open_gate(&mut self) {
        self.gate = None;
    }

    pub(super) fn connect(
        &mut self,
        draw: &mut Draw,
        profile: &Profile,
        now: Instant,
        remote: std::net::SocketAddr,
        options: ConnectOptions,
    ) -> Result<(), String> {
        if let Ok(id) = self.stack.connect(now, remote, options) {
            let application = self.adopt(draw, profile, now, id)?;
            self.run(draw, now, application)?;
        }
        Ok(())
    }

    /// A socket gets its application.
    fn adopt(
        &mut self,
        draw: &mut Draw,
        profile: &Profile,
        now: Instant,
        id: SocketId,
    ) -> Result<usize, String> {
        let tuple: FourTuple = self
            .stack
            .tuple(id)
            .map_err(|_| "a new socket is not known")?;
        let mut application = Application::draw(draw, profile, (id, tuple), now);
        if self.winds_down {
            application.wind_down(draw, now, Duration::from_secs(30));
        }
        let number = self.applications.len();
        let observer = self.stack.observer_mut();
        if observer.traced {
            let text = format!("{} is used by {}", id.life(), application.describe());
            observer.told.push(super::lives::Told {
                tuple: Some(tuple),
                text,
            });
        }
        self.applications.push(application);
        self.by_life.insert(id.life().0, number);
        Ok(number)
    }

    /// Runs an application and notes when it wants to run again.
    pub(super) fn run(
        &mut self,
        draw: &mut Draw,
        now: Instant,
        number: usize,
    ) -> Result<(), String> {
        self.ran = Some(number);
        let application = &mut self.applications[number];
        application.run(&mut Desk {
            stack: &mut self.stack,
            draw,
            now,
            scratch: &mut self.scratch,
            outcomes: &mut self.outcomes,
        })?;
        if let Some(at) = application.wakes_at.filter(|_| !application.closed) {
            self.wishes.push(Wish::Wake(number, at));
        }
        Ok(())
    }

    /// Takes connections as the server does.
    pub(super) fn accept(
        &mut self,
        draw: &mut Draw,
        profile: &Profile,
        now: Instant,
        server: usize,
    ) -> Result<(), String> {
        let Server { id, accepting, .. } = &self.servers[server];
        let (Some(id), accepting) = (*id, *accepting) else {
            return Ok(());
        };
        if accepting == Accepting::Never && !self.winds_down {
            return Ok(());
        }
        loop {
            let accepted = self.stack.accept(now, id);
            let Some(socket) = accepted.map_err(|_| "accept does not know its listener")? else {
                return Ok(());
            };
            let number = self.adopt(draw, profile, now, socket)?;
            self.run(draw, now, number)?;
            if let (Accepting::Slow(pause), false) = (accepting, self.winds_down) {
                self.wishes.push(Wish::Accept(server, now + pause));
                return Ok(());
            }
        }
    }

    /// Hands out events and sends what is to be sent, until nothing is left to do.
    pub(super) fn settle(
        &mut self,
        draw: &mut Draw,
        profile: &Profile,
        now: Instant,
    ) -> Result<(), String> {
        for _ in 0..1000 {
            let told = self.hand_out_events(draw, profile, now)?;
            let sent = self.transmit(now);
            if !told && !sent {
                self.deadline = self.stack.next_deadline();
                return Ok(());
            }
        }
        Err("events and packets follow each other without end at one moment".into())
    }

    fn hand_out_events(
        &mut self,
        draw: &mut Draw,
        profile: &Profile,
        now: Instant,
    ) -> Result<bool, String> {
        let mut told = false;
        while let Some(event) = self.stack.next_event() {
            told = true;
            match event {
                Event::Acceptable(id) => {
                    let ids = self.servers.iter();
                    let server = ids.enumerate().find(|(_, server)| server.id == Some(id));
                    let (server, accepting) = match server {
                        Some((number, server)) => (number, server.accepting),
                        None => return Err("an event tells of a closed listener".into()),
                    };
                    match accepting {
                        Accepting::Slow(pause) if !self.winds_down => {
                            self.wishes.push(Wish::Accept(server, now + pause));
                        }
                        _ => self.accept(draw, profile, now, server)?,
                    }
                }
                Event::Ready(id, readiness) => {
                    if readiness == Readiness::empty() {
                        return Err("an event says nothing".into());
                    }
                    let Some(&number) = self.by_life.get(&id.life().0) else {
                        return Err("an event tells of a socket nobody holds".into());
                    };
                    self.run(draw, now, number)?;
                }
            }
        }
        Ok(told)
    }

    /// Answers whether anything was sent.
    fn transmit(&mut self, now: Instant) -> bool {
        if !self.stack.wants_to_transmit() {
            return false;
        }
        let room = match &self.gate {
            Some(gate) if now < gate.opens_at => return false,
            Some(gate) => gate.burst,
            None => usize::MAX,
        };
        let before = self.sent.len();
        let sent = &mut self.sent;
        self.stack.transmit(now, &mut Wire { sent, room });
        let count = self.sent.len() - before;
        if let Some(gate) = self.gate.as_mut().filter(|gate| count >= gate.burst) {
            gate.opens_at = now + gate.pause;
            self.wishes.push(Wish::Transmit(gate.opens_at));
        }
        count > 0
    }

    /// Whether packets wait for the device.
    pub(super) fn waits_for_gate(&self, now: Instant) -> bool {
        self.gate.is_some_and(|gate| now < gate.opens_at)
    }
}
