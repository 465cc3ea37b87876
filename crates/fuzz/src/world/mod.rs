//! A stack, a peer that is nearly right, an application and the time: driven by steps, watched at each.
//!
//! Everybody's bytes follow from their place in the stream, so that each can be checked wherever it turns up: the
//! peer's from its sequence number, ours from how many were written before.

mod application;
mod check;
mod message;
mod peer;
mod settings;
mod step;
mod witness;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{FourTuple, Instant, ListenerId, Secrets, SocketId, Stack};

pub(crate) use message::Message;
pub(crate) use step::Step;
pub use witness::Reached;

use settings::Settings;
use step::Kind;
use witness::Witness;

/// The port that is listened on.
const PORT: u16 = 80;

/// Packets that may come again.
const REMEMBERED: usize = 8;

/// A stack and all there is around it.
pub(crate) struct World {
    settings: Settings,
    stack: Stack<Witness>,
    now: Instant,
    listener: Option<ListenerId>,
    sockets: Vec<Socket>,
    /// The device takes nothing.
    busy: bool,
    /// If set, every segment of the peer carries these options and no other.
    pub(crate) raw_options: Option<Vec<u8>>,
    /// Anything may have come: what is read is not the peer's stream.
    garbled: bool,
    /// Packets of the peer, the latest last.
    injected: VecDeque<Vec<u8>>,
    /// The last packet each connection sent.
    last_sent: BTreeMap<[u8; 36], Vec<u8>>,
    /// TSval of the peer's last segment, and of ours if it had one.
    timestamps: BTreeMap<[u8; 36], (u32, Option<u32>)>,
}

/// A socket that the application holds.
#[derive(Clone, Copy, Debug)]
struct Socket {
    id: SocketId,
    /// Bytes that were read.
    read: u32,
}

/// What was sent in answer to something.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    packets: usize,
    data: usize,
    resets: usize,
}

impl World {
    /// A stack with a listener.
    pub(crate) fn new(settings: [u8; 4]) -> Self {
        let settings = Settings::from(settings);
        let now = settings.start();
        let secrets = Secrets::from_seed(settings.seed());
        let mut world = Self {
            stack: Stack::new(settings.config(), secrets, Witness::default(), now),
            settings,
            now,
            listener: None,
            sockets: Vec::new(),
            busy: false,
            raw_options: None,
            garbled: false,
            injected: VecDeque::new(),
            last_sent: BTreeMap::new(),
            timestamps: BTreeMap::new(),
        };
        world.toggle_listener(0);
        world
    }

    /// Takes a step and checks everything.
    pub(crate) fn step(&mut self, step: &Step) {
        match step.kind {
            Kind::Segment => self.send_near(step),
            Kind::Listen => self.toggle_listener(step.flags),
            Kind::Connect => self.connect(step),
            Kind::Accept => self.accept(),
            Kind::Read => self.read(step),
            Kind::Write => self.write(step),
            Kind::Shutdown => self.shut_down(step),
            Kind::Close => self.close(step),
            Kind::Abort => self.abort(step),
            Kind::Time => self.advance(step.time()),
            Kind::Odds => self.odds(step),
        }
        self.flush();
        self.check();
    }

    /// What belongs nowhere else.
    fn odds(&mut self, step: &Step) {
        match step.flags % 8 {
            0 => self.jump_to_deadline(),
            1 => self.busy = !self.busy,
            2 => {
                let again = self
                    .injected
                    .get(usize::from(step.who) % REMEMBERED)
                    .cloned();
                if let Some(packet) = again {
                    self.inject(packet);
                }
            }
            3 => self.stack.begin_shut_down(self.now),
            4 => self.stack.shut_down(self.now),
            5 => self.garble(step),
            _ => self.set_options(step),
        }
        self.forget_listener();
    }

    /// The application gives everything up, by RST if `abruptly`. In time nothing is left of anything.
    pub(crate) fn end(mut self, abruptly: bool) -> Reached {
        self.busy = false;
        self.flush();
        if let Some(listener) = self.listener.take() {
            let closed = self.stack.close_listener(self.now, listener);
            closed.expect("it listens");
        }
        for Socket { id, .. } in std::mem::take(&mut self.sockets) {
            let given_up = if abruptly {
                self.stack.abort(self.now, id)
            } else {
                self.stack.close(self.now, id)
            };
            given_up.expect("a socket is there until it is closed");
        }
        self.flush();
        self.check();
        for steps in 0.. {
            assert!(
                steps < 3_000,
                "it does not end: {:?}",
                self.stack.statuses()
            );
            let Some(due) = self.stack.next_deadline() else {
                break;
            };
            self.now = self.now.max(due);
            self.stack.advance(self.now);
            self.flush();
        }
        self.check();
        self.assert_empty();
        std::mem::take(&mut self.stack.observer_mut().reached)
    }

    fn assert_empty(&self) {
        let stack = &self.stack;
        assert!(stack.is_empty(), "{:?}", stack.statuses());
        assert_eq!(
            (stack.slots(), stack.half_open(), stack.time_waits()),
            (0, 0, 0)
        );
        assert!(stack.statuses().is_empty() && stack.listeners().is_empty());
        assert!(!stack.wants_to_transmit());
        for (life, known) in &stack.observer().lives {
            // A half-open connection that is reset returns to LISTEN.
            let over = matches!(known.state, StateName::Closed | StateName::Listen);
            assert!(over, "{life} is left in {}", known.state);
        }
    }

    /// Lets time pass, with every timer at its moment as long as there are not too many.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..200 {
            match self.stack.next_deadline().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.fire();
        }
        self.now = end;
        self.fire();
    }

    fn jump_to_deadline(&mut self) {
        if let Some(due) = self.stack.next_deadline() {
            self.now = self.now.max(due);
            self.fire();
        }
    }

    /// What is due now fires, and is not due again.
    fn fire(&mut self) {
        self.stack.advance(self.now);
        self.flush();
        let due = self.stack.next_deadline();
        assert!(
            due.is_none_or(|due| due > self.now),
            "{due:?} is not after {:?}: {:?}",
            self.now,
            self.stack.statuses()
        );
    }

    /// Shutting the stack down closes listeners.
    fn forget_listener(&mut self) {
        let gone = |id: &ListenerId| self.stack.listener_address(*id).is_none();
        if self.listener.as_ref().is_some_and(gone) {
            self.listener = None;
        }
    }
}

/// The peer's byte at a sequence number.
fn theirs(seq: u32) -> u8 {
    (seq.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

/// Our byte at a place in the stream.
fn ours(place: u32) -> u8 {
    (place % 251) as u8
}

/// A tuple's place in maps.
fn key(tuple: &FourTuple) -> [u8; 36] {
    tuple.to_bytes()
}
