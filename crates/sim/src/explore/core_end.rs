//! The real core as an end, and mutants of it, by which the explorer shows that it can find something.

use std::net::SocketAddr;
use std::rc::Rc;

use estab_core::observe::{Discard, Observer, ResetSent, StateName, Transition};
use estab_core::{
    Checksum, Config, ConnectOptions, Flags, Instant, ListenOptions, ListenerId, Readiness,
    Secrets, Shutdown, SocketId, SocketOptions, Stack, allows,
};

use super::endpoint::{Endpoint, News, NewsKind, Read, View};
use super::packet::Packet;

/// Keeps what happened until it is asked for, and holds every change of state against Figure 5.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    news: Vec<News>,
}

impl Watch {
    fn tell(&mut self, kind: NewsKind, why: &'static str, rule: &'static str) {
        self.news.push(News { kind, why, rule });
    }
}

impl Observer for Watch {
    fn transition(&mut self, event: &Transition) {
        let Transition {
            from, to, cause, ..
        } = *event;
        self.tell(NewsKind::Change(from, to), cause.text(), cause.rule());
        if !allows(from, to, cause) {
            self.tell(NewsKind::Broken, "a change of state that is no arrow", "");
        }
    }

    fn discard(&mut self, event: &Discard) {
        let reason = event.reason;
        self.tell(NewsKind::Discard, reason.text(), reason.rule());
    }

    fn reset(&mut self, event: &ResetSent) {
        let reason = event.reason;
        self.tell(NewsKind::Reset, reason.text(), reason.rule());
    }
}

/// How a mutant differs from the real core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutation {
    /// Not at all.
    #[default]
    None,
    /// Half-open, it takes any ACK for that of its SYN,ACK: the ISN is not checked.
    AnyIsn,
    /// No timer ever fires.
    NoTimers,
}

/// Sockets whose window is far smaller than the distance between two ISNs.
fn small() -> SocketOptions {
    SocketOptions {
        receive_buffer: 4096,
        ..SocketOptions::default()
    }
}

/// Where an end is and what it may do.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its settings.
    pub config: Config,
    /// Its secrets come from this.
    pub seed: u64,
    /// Its address and port.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    /// Whether it listens.
    pub listens: bool,
    /// How it differs from the real core.
    pub mutation: Mutation,
}

/// A stack with the one socket that its application may hold.
#[derive(Clone)]
pub struct CoreEnd {
    stack: Stack<Watch>,
    seat: Rc<Seat>,
    listener: Option<ListenerId>,
    socket: Option<SocketId>,
}

impl CoreEnd {
    /// A new stack, which listens if its seat says so.
    ///
    /// # Panics
    /// If the seat's address is not one of its configuration's.
    #[must_use]
    pub fn new(seat: Rc<Seat>, now: Instant) -> Self {
        let secrets = Secrets::from_seed(seat.seed);
        let mut stack = Stack::new(seat.config.clone(), secrets, Watch::default(), now);
        let listener = seat.listens.then(|| {
            let options = ListenOptions {
                socket: small(),
                ..ListenOptions::new(seat.local)
            };
            stack.listen(now, options).expect("a new stack's port")
        });
        stack.observer_mut().news.clear();
        Self {
            stack,
            seat,
            listener,
            socket: None,
        }
    }

    /// A mutant's ears: the segment as it would have to be for the real core to make the mutant's mistake.
    fn mishear(&self, packet: &Packet) -> Option<Packet> {
        let status = self.stack.statuses().into_iter().next()?;
        let half_open = status.state == StateName::SynReceived;
        let bare_ack = packet.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::ACK;
        if !half_open || !bare_ack {
            return None;
        }
        let mut bytes = packet.bytes.to_vec();
        let header = usize::from(bytes[0] & 15) * 4;
        bytes[header + 8..header + 12].copy_from_slice(&status.snd_nxt.0.to_be_bytes());
        Packet::parse(&bytes)
    }
}

impl Endpoint for CoreEnd {
    fn receive(&mut self, now: Instant, packet: &Packet) {
        let misheard = match self.seat.mutation {
            Mutation::AnyIsn => self.mishear(packet),
            _ => None,
        };
        let packet = misheard.as_ref().unwrap_or(packet);
        self.stack.receive(now, &packet.bytes, Checksum::Verified);
    }

    fn advance(&mut self, now: Instant) {
        if self.seat.mutation != Mutation::NoTimers {
            self.stack.advance(now);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.stack
            .next_deadline()
            .filter(|_| self.seat.mutation != Mutation::NoTimers)
    }

    fn transmit(&mut self, now: Instant, out: &mut Vec<Packet>) {
        while self.stack.next_event().is_some() {}
        self.stack
            .transmit(now, &mut |bytes: &[u8]| out.extend(Packet::parse(bytes)));
    }

    fn connect(&mut self, now: Instant) -> bool {
        let options = ConnectOptions {
            local: Some(self.seat.local),
            socket: small(),
        };
        let made = self.stack.connect(now, self.seat.remote, options);
        self.socket = made.ok();
        self.socket.is_some()
    }

    fn accept(&mut self, now: Instant) -> bool {
        if let (None, Some(listener)) = (self.socket, self.listener) {
            self.socket = self.stack.accept(now, listener).ok().flatten();
            return self.socket.is_some();
        }
        false
    }

    fn write(&mut self, now: Instant, byte: u8) -> bool {
        let Some(socket) = self.socket else {
            return true;
        };
        let ready = self.stack.readiness(socket);
        if !ready.is_ok_and(|ready| ready.contains(Readiness::WRITABLE)) {
            return false;
        }
        let _ended = self.stack.write(now, socket, &[byte]);
        true
    }

    fn read(&mut self, now: Instant) -> Read {
        let Some(socket) = self.socket else {
            return Read::Nothing;
        };
        let ready = self.stack.readiness(socket);
        if !ready.is_ok_and(|ready| ready.contains(Readiness::READABLE)) {
            return Read::Nothing;
        }
        let mut byte = [0];
        match self.stack.read(now, socket, &mut byte) {
            Ok(1..) => Read::Byte(byte[0]),
            _ => Read::End,
        }
    }

    fn shut_down(&mut self, now: Instant) {
        if let Some(socket) = self.socket {
            let _ended = self.stack.shutdown(now, socket, Shutdown::Write);
        }
    }

    fn close(&mut self, now: Instant) {
        if let Some(socket) = self.socket.take() {
            let _ended = self.stack.close(now, socket);
        }
    }

    fn restart(&mut self, now: Instant) {
        *self = Self::new(Rc::clone(&self.seat), now);
    }

    fn connection(&self) -> Option<View> {
        let statuses = self.stack.statuses();
        let status = statuses
            .iter()
            .find(|status| status.state != StateName::Closed)?;
        let keeps_una = status.state != StateName::TimeWait;
        Some(View {
            state: status.state,
            snd_una: keeps_una.then_some(status.snd_una),
            snd_nxt: status.snd_nxt,
            rcv_nxt: Some(status.rcv_nxt),
        })
    }

    fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.stack.slots() == 0 && self.stack.bytes_held() == 0
    }

    fn describe(&self, out: &mut String) {
        let _never = self.stack.write_state(out);
        out.push(if self.socket.is_some() { 's' } else { '-' });
    }

    fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.stack.observer_mut().news)
    }
}
