//! What is left of the ephemeral ports where they have run short: so that a call that finds none costs as little as one
//! that does.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use hashbrown::HashMap;

use super::ports::Keyed;
use super::time_wait::Tick;
use crate::FourTuple;

/// What a port is wanted for: connections from one address of ours to one peer, or a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Towards {
    pub(crate) local: IpAddr,
    pub(crate) remote: SocketAddr,
}

impl Towards {
    /// A listener has no peer.
    pub(crate) fn nobody(local: IpAddr) -> Self {
        Self {
            local,
            remote: SocketAddr::new(local, 0),
        }
    }

    pub(crate) fn peer_of(tuple: &FourTuple) -> Self {
        Self {
            local: tuple.local().ip(),
            remote: tuple.remote(),
        }
    }

    pub(crate) fn is_for_listener(&self) -> bool {
        self.remote.port() == 0
    }

    pub(crate) fn tuple(&self, port: u16) -> FourTuple {
        FourTuple::new(SocketAddr::new(self.local, port), self.remote)
    }
}

/// The few ports that may be free, and those in TIME-WAIT. Both lists are hints: who takes a port looks first.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    range: RangeInclusive<u16>,
    /// The longest free first.
    free: VecDeque<u16>,
    /// Who ends first being first.
    waiting: VecDeque<(u16, Tick)>,
    /// How many connections towards the peer are in TIME-WAIT, from ports of the range.
    pub(crate) time_waits: u32,
}

impl Pool {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        Self {
            range,
            free: VecDeque::new(),
            waiting: VecDeque::new(),
            time_waits: 0,
        }
    }

    /// A port that was found free, or came free.
    pub(crate) fn offer(&mut self, port: u16) {
        if self.range.contains(&port) {
            self.free.push_back(port);
        }
    }

    /// A connection from the port is in TIME-WAIT; one that is not new has begun it anew.
    pub(crate) fn wait(&mut self, port: u16, ends: Tick, is_new: bool) {
        if self.range.contains(&port) {
            self.waiting.push_back((port, ends));
            self.time_waits += u32::from(is_new);
        }
    }

    /// The TIME-WAIT of a connection from the port is over.
    pub(crate) fn waited(&mut self, port: u16) {
        if self.range.contains(&port) {
            self.time_waits = self.time_waits.saturating_sub(1);
            self.free.push_back(port);
        }
    }

    /// Puts those in TIME-WAIT, found in no order, into that of their ends.
    pub(crate) fn sort(&mut self, now: Tick) {
        let waiting = self.waiting.make_contiguous();
        waiting.sort_by_key(|(_, ends)| ends.ahead_of(now));
    }

    /// How many are free, those taken since included.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// The next that may be free. It goes to the end of the row: it is not taken yet.
    pub(crate) fn next(&mut self, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        while let Some(port) = self.free.pop_front() {
            if is_free(port) {
                self.free.push_back(port);
                return Some(port);
            }
        }
        None
    }

    /// The one whose TIME-WAIT ends first.
    pub(crate) fn oldest(&mut self, is_waiting: impl Fn(u16, Tick) -> bool) -> Option<u16> {
        while let Some(&(port, ends)) = self.waiting.front() {
            if is_waiting(port, ends) {
                return Some(port);
            }
            self.waiting.pop_front();
        }
        None
    }

    /// How many ports there are at all.
    pub(crate) fn size(&self) -> usize {
        self.range.len()
    }

    /// Whether guessing finds a port again as fast, or the hints outgrow the ports.
    fn is_needless(&self) -> bool {
        self.free.len() > self.size() / PLENTY || self.waiting.len() > 2 * self.size()
    }
}

/// With one port of so many free, a few guesses find one.
pub(crate) const PLENTY: usize = 8;

/// How many pools there are at most: each stands for a peer, or a listener's address, for which nearly all ports are held.
const POOLS: usize = 64;

/// The pools, by what they are for.
#[derive(Clone, Debug)]
pub(crate) struct Pools(HashMap<Towards, Pool, Keyed>);

impl Pools {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self(HashMap::with_hasher(Keyed(key)))
    }

    pub(crate) fn take(&mut self, towards: &Towards) -> Option<Pool> {
        if self.0.is_empty() {
            return None;
        }
        self.0.remove(towards)
    }

    pub(crate) fn insert(&mut self, towards: Towards, pool: Pool) {
        if self.0.len() >= POOLS {
            let any = self.0.keys().next().copied();
            any.and_then(|any| self.0.remove(&any));
        }
        self.0.insert(towards, pool);
    }

    /// The settings have changed.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Changes a pool, if there is one.
    pub(crate) fn change(&mut self, towards: &Towards, change: impl FnOnce(&mut Pool)) {
        if self.0.is_empty() {
            return;
        }
        let Some(pool) = self.0.get_mut(towards) else {
            return;
        };
        change(pool);
        if pool.is_needless() {
            self.0.remove(towards);
        }
    }

    /// Somebody who held the port for everybody holds it no more.
    pub(crate) fn offer_to_all(&mut self, port: u16) {
        self.0.retain(|_, pool| {
            pool.offer(port);
            !pool.is_needless()
        });
    }
}
