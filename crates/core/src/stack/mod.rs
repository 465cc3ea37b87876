//! One shard of TCP: all connections of a set of addresses. Packets, time and the application's calls go
//! in; packets and events come out. No I/O, no clock, no threads.

mod admission;
mod arrival;
mod calls;
mod cookies;
mod hand_over;
mod handshake;
mod holdings;
mod icmp;
mod inspect;
mod listening;
mod memory;
mod neglect;
mod ports;
mod settle;
mod slotless;
mod time_wait;
mod transmission;

#[cfg(test)]
mod tests;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use crate::demux::{ListenerId, ListenerStatus};
pub use calls::ConnectOptions;
pub use holdings::Holdings;
pub use listening::ListenOptions;
pub use transmission::Transmit;

use crate::arena::Arena;
use crate::connection::{Connection, Readiness, Status, Timer, TimerKind};
use crate::context::Context;
use crate::counters::Counters;
use crate::demux::{Cookies, Listener, Listeners, Place, Ports, SynQueue, Table, TimeWaitTable};
use crate::list::{Linked, Links, List};
use crate::observe::{Initiator, LifeId, Observer, Silent, StateName};
use crate::origins::Origins;
use crate::timer_wheel::{Timed, TimerEntry, TimerWheel};
use crate::{Config, FourTuple, Instant, Secrets};

/// A handle to a connection: an index and the life it belongs to, so that an old handle finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId {
    index: u32,
    life: LifeId,
}

impl SocketId {
    /// The number of the connection's life.
    #[must_use]
    pub const fn life(self) -> LifeId {
        self.life
    }
}

/// Something an application may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The listener has a connection to accept.
    Acceptable(ListenerId),
    /// The socket may be read or written, or has ended.
    Ready(SocketId, Readiness),
}

/// A TCP stack.
///
/// After any call, [`transmit`](Self::transmit) may have packets, [`next_event`](Self::next_event) events,
/// and [`next_deadline`](Self::next_deadline) may be new.
#[derive(Clone, Debug)]
pub struct Stack<O: Observer = Silent> {
    cx: Context<O>,
    table: Table,
    connections: Arena<Connection>,
    syn_queue: SynQueue,
    cookies: Cookies,
    time_wait: TimeWaitTable,
    listeners: Listeners,
    ports: Ports,
    wheel: TimerWheel,
    /// Connections with something to send.
    ready: List,
    /// Connections with news for their application.
    news: List,
    acceptable: VecDeque<ListenerId>,
    origins: Origins,
    /// Connections left in CLOSE-WAIT, the first first. Linked as the accept queues are, which they have left.
    neglected: List,
    reaped: neglect::Reaped,
    /// Where packets are written, kept from one `transmit` to the next.
    packet: Vec<u8>,
}

impl Timed for Arena<Connection> {
    #[inline]
    fn timer(&mut self, index: u32) -> &mut TimerEntry {
        &mut self[index].timer
    }
}

struct ReadyLinks<'a>(&'a mut Arena<Connection>);
/// Only what an application holds is in the list of news, and only what none holds in an accept queue: both use the
/// same links.
struct NewsLinks<'a>(&'a mut Arena<Connection>);
struct AcceptLinks<'a>(&'a mut Arena<Connection>);
struct NeglectLinks<'a>(&'a mut Arena<Connection>);

impl Linked for ReadyLinks<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].ready_links
    }
}

impl Linked for NewsLinks<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].owner_links
    }
}

impl Linked for AcceptLinks<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].owner_links
    }
}

impl Linked for NeglectLinks<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].neglect_links
    }
}

impl<O: Observer> Stack<O> {
    /// A stack without connections. `now` begins its time.
    pub fn new(config: Config, secrets: Secrets, observer: O, now: Instant) -> Self {
        let (hash, cookies) = (secrets.hash, Cookies::new(secrets.cookie));
        let config = config.clamped();
        let syn_queue = SynQueue::new(&config);
        let origins = Origins::new(hash, config.max_origins, now);
        let mut cx = Context::new(config, secrets, observer);
        cx.now = now;
        cx.memory.weigh(0, cx.config.memory);
        Self {
            cx,
            table: Table::default(),
            connections: Arena::new(),
            syn_queue,
            cookies,
            time_wait: TimeWaitTable::default(),
            listeners: Listeners::default(),
            ports: Ports::new(hash),
            wheel: TimerWheel::new(now),
            ready: List::new(),
            news: List::new(),
            acceptable: VecDeque::new(),
            origins,
            neglected: List::new(),
            reaped: neglect::Reaped::new(hash),
            packet: Vec::new(),
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.cx.config
    }

    /// The settings, to change: those that a connection was made with stay as they are, what is asked anew is
    /// answered by the new ones. Retries of SYN-ACKs cannot be changed.
    pub fn config_mut(&mut self) -> &mut Config {
        self.ports.forget_pools();
        &mut self.cx.config
    }

    /// What happened how often.
    pub fn counters(&self) -> &Counters {
        &self.cx.counters
    }

    /// The observer.
    pub fn observer(&self) -> &O {
        &self.cx.observer
    }

    /// The observer, to change.
    pub fn observer_mut(&mut self) -> &mut O {
        &mut self.cx.observer
    }

    /// Lets time pass: fires every timer that is due by `now`.
    pub fn advance(&mut self, now: Instant) {
        self.set_now(now);
        while let Some(index) = self.wheel.expired(&mut self.connections, self.cx.now) {
            if let Some(connection) = self.connections.get_mut(index) {
                if !connection.has_ended() {
                    connection.advance(&mut self.cx);
                }
                self.settle(index);
            }
        }
        self.advance_syn_queue();
        self.advance_time_wait();
    }

    /// When [`advance`](Self::advance) is to be called next, at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let others = [
            self.syn_queue.next_deadline(),
            self.time_wait.next_deadline(self.cx.now),
        ];
        others
            .into_iter()
            .chain([self.wheel.next_deadline()])
            .flatten()
            .min()
    }

    /// The next thing an application may wait for.
    pub fn next_event(&mut self) -> Option<Event> {
        while let Some(id) = self.acceptable.pop_front() {
            if let Some(listener) = self.listeners.get_mut(id) {
                listener.told = false;
                return Some(Event::Acceptable(id));
            }
        }
        let Some(index) = self.news.pop_front(&mut NewsLinks(&mut self.connections)) else {
            return self.reaped.next_event();
        };
        let connection = &mut self.connections[index];
        connection.has_news = false;
        let readiness = core::mem::take(&mut connection.readiness);
        Some(Event::Ready(
            SocketId {
                index,
                life: connection.life,
            },
            readiness,
        ))
    }

    /// Time never goes back: a caller's older `now` counts as the last one.
    fn set_now(&mut self, now: Instant) {
        self.cx.now = self.cx.now.max(now);
    }

    /// The table and hash of a tuple.
    fn find(&self, tuple: &FourTuple) -> (u32, Option<Place>) {
        let hash = self.cx.secrets.table_hash(tuple);
        let tuple_of = |place| match place {
            Place::Connection(index) => self.connections.get(index).map(|c| c.tuple),
            Place::SynReceived(index) => self.syn_queue.get(index).map(|entry| entry.tuple()),
            Place::TimeWait(index) => self.time_wait.get(index).map(|entry| entry.tuple()),
        };
        (hash, self.table.find(hash, tuple, tuple_of))
    }

    /// Whether an address is ours.
    fn is_ours(&self, address: IpAddr) -> bool {
        self.cx.config.addresses.contains(&address)
    }

    fn connection(&self, id: SocketId) -> Option<&Connection> {
        self.connections
            .get(id.index)
            .filter(|connection| connection.life == id.life)
    }

    /// How many connections there are in any state but LISTEN and CLOSED.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slots in use, those of ended connections whose socket is still held included.
    pub fn slots(&self) -> usize {
        self.connections.len()
    }

    /// How many connections are in TIME-WAIT.
    pub fn time_waits(&self) -> usize {
        self.time_wait.len()
    }

    /// How many passive connections are in SYN-RECEIVED.
    pub fn half_open(&self) -> usize {
        self.syn_queue.len()
    }

    /// Everything about one connection, also one that has ended and whose socket is still held.
    pub fn status(&self, id: SocketId) -> Option<Status> {
        self.connection(id)
            .map(|connection| self.status_of(connection))
    }

    /// Everything about every connection: those in slots, the half-open and those in TIME-WAIT.
    pub fn statuses(&self) -> Vec<Status> {
        let slots = self.connections.iter().map(|(_, connection)| connection);
        let slots = slots
            .filter(|slot| !self.is_in_time_wait(slot))
            .map(|slot| self.status_of(slot));
        let half_open = self.syn_queue.iter().map(|entry| {
            let timer = Timer {
                kind: TimerKind::SynAck,
                at: entry.deadline,
            };
            let opened_at = entry.opened_at(&self.cx.config);
            let mut status = Status::bare(
                (entry.life, entry.tuple()),
                (StateName::SynReceived, opened_at),
                timer,
            );
            status.snd_una = entry.iss;
            status.snd_nxt = entry.iss + 1;
            status.rcv_nxt = entry.rcv_nxt();
            status.backoff = entry.retries;
            status
        });
        let time_wait = self.time_wait.iter().map(|entry| {
            let ends_at = entry.ends_at(self.cx.now);
            let length = self.cx.config.time_wait.as_nanos() as u64;
            let entered_at = Instant::from_nanos(ends_at.as_nanos().saturating_sub(length));
            let timer = Timer {
                kind: TimerKind::TimeWait,
                at: ends_at,
            };
            let mut status = Status::bare(
                (entry.life, entry.tuple()),
                (StateName::TimeWait, entered_at),
                timer,
            );
            // Only who has sent its FIN before the other's came enters TIME-WAIT.
            status.first_closer = Some(Initiator::Local);
            status.snd_nxt = entry.snd_nxt;
            status.rcv_nxt = entry.rcv_nxt;
            status
        });
        slots.chain(half_open).chain(time_wait).collect()
    }

    /// Whether a slot's connection has left it for TIME-WAIT: its entry there tells the rest.
    fn is_in_time_wait(&self, slot: &Connection) -> bool {
        let Some(Place::TimeWait(index)) = self.find(&slot.tuple).1.filter(|_| slot.has_ended())
        else {
            return false;
        };
        self.time_wait
            .get(index)
            .is_some_and(|entry| entry.life == slot.life)
    }

    /// Every listener.
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        let listeners = self.listeners.iter();
        listeners
            .map(|listener| self.listener_status_of(listener))
            .collect()
    }

    /// One listener.
    pub fn listener_status(&self, id: ListenerId) -> Option<ListenerStatus> {
        self.listeners
            .get(id)
            .map(|listener| self.listener_status_of(listener))
    }

    fn listener_status_of(&self, listener: &Listener) -> ListenerStatus {
        let oldest = listener.queue.front();
        let oldest = oldest.and_then(|index| self.connections.get(index));
        listener.status(oldest.map(Connection::opened_at), &self.cx.config)
    }

    /// Whether `accept` would find a child.
    pub fn has_acceptable(&self, id: ListenerId) -> bool {
        let listener = self.listeners.get(id);
        listener.is_some_and(|listener| !listener.queue.is_empty())
    }

    /// The address a listener was bound to, its port chosen if none was given.
    pub fn listener_address(&self, id: ListenerId) -> Option<SocketAddr> {
        self.listeners.get(id).map(|listener| listener.address)
    }
}
