//! Listeners and their accept queues.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use slab::Slab;

use super::ports::Keyed;
use crate::SocketOptions;
use crate::config::AcceptPolicy;
use crate::connection::state::Closed;
use crate::list::List;
use crate::observe::LifeId;
use crate::origins::OriginId;

/// A handle to a listener: an index and the life it belongs to, so that an old handle finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId {
    pub(crate) index: u32,
    pub(crate) life: LifeId,
}

/// LISTEN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening;

impl Listening {
    /// CLOSE / delete TCB.
    pub(crate) fn close(self) -> Closed {
        Closed
    }
}

/// Which local addresses a listener answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    One(IpAddr),
    /// `0.0.0.0`.
    AllV4,
    /// `[::]`: IPv4, too, as on Linux by default.
    All,
}

impl Scope {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) if v4.is_unspecified() => Self::AllV4,
            IpAddr::V6(v6) if v6.is_unspecified() => Self::All,
            one => Self::One(one),
        }
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match self {
            Self::One(one) => one == address,
            Self::AllV4 => address.is_ipv4(),
            Self::All => true,
        }
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(one), scope) | (scope, Self::One(one)) => scope.contains(one),
            _ => true,
        }
    }
}

/// Somebody who waits for connections.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) state: Listening,
    pub(crate) life: LifeId,
    pub(crate) address: SocketAddr,
    pub(crate) scope: Scope,
    pub(crate) backlog: usize,
    pub(crate) policy: AcceptPolicy,
    pub(crate) options: SocketOptions,
    /// Children ready to be accepted, linked through their slots.
    pub(crate) queue: List,
    /// Half-open children whose handshake is done and who wait for a place: index and life.
    pub(crate) held: VecDeque<(u32, LifeId)>,
    /// Half-open children.
    pub(crate) half_open: usize,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) origin: OriginId,
    /// An event tells that the queue is not empty.
    pub(crate) told: bool,
}

impl Listener {
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= self.backlog
    }
}

/// A listener as `ss -l` shows it.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    /// Its life.
    pub life: LifeId,
    /// The address it was bound to; unspecified for all.
    pub address: SocketAddr,
    /// Children that wait for `accept`.
    pub accept_queue: usize,
    /// How many may.
    pub backlog: usize,
    /// Half-open children.
    pub half_open: usize,
    /// Children accepted.
    pub accepted: u64,
    /// SYNs and children refused because a queue was full.
    pub refused: u64,
}

/// All listeners, by port.
#[derive(Clone, Debug)]
pub(crate) struct Listeners {
    slots: Slab<Listener>,
    by_port: HashMap<u16, Vec<u32>, Keyed>,
}

impl Listeners {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            slots: Slab::new(),
            by_port: HashMap::with_hasher(Keyed(key)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, id: ListenerId) -> Option<&Listener> {
        self.slots
            .get(id.index as usize)
            .filter(|listener| listener.life == id.life)
    }

    pub(crate) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.slots
            .get_mut(id.index as usize)
            .filter(|listener| listener.life == id.life)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.slots.iter().map(|(_, listener)| listener)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ListenerId> + '_ {
        let id = |(index, listener): (usize, &Listener)| ListenerId {
            index: index as u32,
            life: listener.life,
        };
        self.slots.iter().map(id)
    }

    /// Whether another listener holds the port for any of these addresses.
    pub(crate) fn conflicts(&self, scope: Scope, port: u16) -> bool {
        self.on(port)
            .any(|(_, listener)| listener.scope.overlaps(scope))
    }

    /// Who answers at this address: one bound to it exactly goes before one bound to all.
    pub(crate) fn find(&self, address: IpAddr, port: u16) -> Option<ListenerId> {
        self.on(port)
            .filter(|(_, listener)| listener.scope.contains(address))
            .min_by_key(|(_, listener)| !matches!(listener.scope, Scope::One(_)))
            .map(|(index, listener)| ListenerId {
                index,
                life: listener.life,
            })
    }

    fn on(&self, port: u16) -> impl Iterator<Item = (u32, &Listener)> {
        let indices = self.by_port.get(&port).into_iter().flatten();
        indices.map(|&index| (index, &self.slots[index as usize]))
    }

    pub(crate) fn insert(&mut self, listener: Listener) -> ListenerId {
        let (life, port) = (listener.life, listener.address.port());
        let index = self.slots.insert(listener) as u32;
        self.by_port.entry(port).or_default().push(index);
        ListenerId { index, life }
    }

    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        self.get(id)?;
        let listener = self.slots.remove(id.index as usize);
        let port = listener.address.port();
        if let Some(indices) = self.by_port.get_mut(&port) {
            indices.retain(|&index| index != id.index);
            if indices.is_empty() {
                self.by_port.remove(&port);
            }
        }
        Some(listener)
    }
}

impl From<&Listener> for ListenerStatus {
    fn from(listener: &Listener) -> Self {
        Self {
            life: listener.life,
            address: listener.address,
            accept_queue: listener.queue.len(),
            backlog: listener.backlog,
            half_open: listener.half_open,
            accepted: listener.accepted,
            refused: listener.refused,
        }
    }
}
