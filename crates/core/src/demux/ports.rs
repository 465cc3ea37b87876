//! Local ports: who holds one, and how to find a free one (RFC 6056).

use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

use super::listener::Scope;
use super::port_pool::{Pool, Pools, Towards};
use super::time_wait::Tick;
use crate::{Config, FourTuple, Secrets};

/// Builds keyed hashers, so that nobody outside can choose what collides.
#[derive(Clone, Debug)]
pub(crate) struct Keyed(pub(crate) [u8; 16]);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

/// How many connections hold a local address and port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) live: u32,
    pub(crate) time_wait: u32,
}

impl Hold {
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The size of RFC 6056's table of counters (§3.3.4: "TABLE_LENGTH").
const COUNTERS: usize = 256;

/// Holders of local ports, and the counters of the double-hash port selection.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    /// Those of sockets that are bound and neither listen nor connect yet, and how often.
    bound: HashMap<u16, Vec<(Scope, u32)>, Keyed>,
    holds: HashMap<(IpAddr, u16), Hold, Keyed>,
    counters: [u16; COUNTERS],
    pools: Pools,
}

impl Ports {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            bound: HashMap::with_hasher(Keyed(key)),
            holds: HashMap::with_hasher(Keyed(key)),
            counters: [0; COUNTERS],
            pools: Pools::new(key),
        }
    }

    /// Keeps a port from being chosen for anybody else.
    pub(crate) fn hold(&mut self, scope: Scope, port: u16) {
        let scopes = self.bound.entry(port).or_default();
        match scopes.iter_mut().find(|(held, _)| *held == scope) {
            Some((_, count)) => *count += 1,
            None => scopes.push((scope, 1)),
        }
    }

    /// Takes back one [`hold`](Self::hold).
    pub(crate) fn release(&mut self, scope: Scope, port: u16) {
        let Some(scopes) = self.bound.get_mut(&port) else {
            return;
        };
        if let Some((_, count)) = scopes.iter_mut().find(|(held, _)| *held == scope) {
            *count -= 1;
        }
        scopes.retain(|(_, count)| *count > 0);
        if scopes.is_empty() {
            self.bound.remove(&port);
        }
        self.pools.offer_to_all(port);
    }

    /// Whether somebody is bound to the port at any address of the scope.
    pub(crate) fn is_bound(&self, scope: Scope, port: u16) -> bool {
        let scopes = self.bound.get(&port);
        scopes.is_some_and(|scopes| scopes.iter().any(|(other, _)| other.overlaps(scope)))
    }

    /// How many local sockets are held.
    pub(crate) fn len(&self) -> usize {
        self.holds.len()
    }

    /// Changes the count of holders of a local socket.
    pub(crate) fn change(&mut self, local: SocketAddr, change: impl FnOnce(&mut Hold)) {
        let key = (local.ip(), local.port());
        let hold = self.holds.entry(key).or_default();
        change(hold);
        if hold.is_empty() {
            self.holds.remove(&key);
            for address in listening_at(local.ip()) {
                let pool = Towards::nobody(address);
                self.pools.change(&pool, |pool| pool.offer(local.port()));
            }
        }
    }

    /// Everybody who holds the port at any address of the scope.
    pub(crate) fn holders(&self, config: &Config, scope: Scope, port: u16) -> Hold {
        let ours = config
            .addresses
            .iter()
            .filter(|address| scope.contains(**address));
        let holds = ours.filter_map(|address| self.holds.get(&(*address, port)));
        holds.fold(Hold::default(), |sum, hold| Hold {
            live: sum.live + hold.live,
            time_wait: sum.time_wait + hold.time_wait,
        })
    }

    /// RFC 6056 §3.3.4, Algorithm 4 (double-hash): the next port to try.
    pub(crate) fn candidate(&mut self, row: &Row) -> u16 {
        let counter = &mut self.counters[row.slot];
        let port = row.port(*counter);
        *counter = counter.wrapping_add(1);
        port
    }

    /// The one to be tried next is that behind `port`.
    pub(crate) fn skip_to(&mut self, row: &Row, port: u16) {
        let counter = self.counters[row.slot];
        let steps = row.steps(row.port(counter), port);
        self.counters[row.slot] = counter.wrapping_add(steps).wrapping_add(1);
    }

    /// The pool of a peer, or a listener's address, for which ports have run short: to be given back.
    pub(crate) fn take_pool(&mut self, towards: &Towards) -> Option<Pool> {
        self.pools.take(towards)
    }

    /// Ports have run short.
    pub(crate) fn add_pool(&mut self, towards: Towards, pool: Pool) {
        self.pools.insert(towards, pool);
    }

    /// Nothing is remembered of ports that had run short: the settings have changed.
    pub(crate) fn forget_pools(&mut self) {
        self.pools.clear();
    }

    /// No connection has this tuple any more.
    pub(crate) fn came_free(&mut self, tuple: &FourTuple) {
        let port = tuple.local().port();
        self.pools
            .change(&Towards::peer_of(tuple), |pool| pool.offer(port));
    }

    /// A connection has entered TIME-WAIT, or 2·MSL began anew.
    pub(crate) fn waits(&mut self, tuple: &FourTuple, ends: Tick, is_new: bool) {
        let port = tuple.local().port();
        self.pools.change(&Towards::peer_of(tuple), |pool| {
            pool.wait(port, ends, is_new)
        });
    }

    /// A connection has left TIME-WAIT.
    pub(crate) fn waited(&mut self, tuple: &FourTuple) {
        let port = tuple.local().port();
        self.pools
            .change(&Towards::peer_of(tuple), |pool| pool.waited(port));
    }

    /// No listener has this port any more, at some address.
    pub(crate) fn stopped_listening(&mut self, port: u16) {
        self.pools.offer_to_all(port);
    }
}

/// All ports of the range, in the order in which they are tried towards one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    first: u16,
    count: u32,
    offset: u32,
    slot: usize,
}

impl Row {
    /// `None`: the range is empty.
    pub(crate) fn new(config: &Config, secrets: &Secrets, towards: &Towards) -> Option<Self> {
        let range = &config.ephemeral_ports;
        let (offset, slot) = secrets.port_hashes(&towards.tuple(0));
        (!range.is_empty()).then_some(Self {
            first: *range.start(),
            count: range.len() as u32,
            offset,
            slot: slot as usize % COUNTERS,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.count as usize
    }

    fn port(&self, counter: u16) -> u16 {
        self.first + (self.offset.wrapping_add(u32::from(counter)) % self.count) as u16
    }

    /// How far behind `from` another port stands.
    fn steps(&self, from: u16, to: u16) -> u16 {
        let ahead = i32::from(to) - i32::from(from);
        ahead.rem_euclid(self.count as i32) as u16
    }
}

/// The addresses under which a listener may answer at `address`.
fn listening_at(address: IpAddr) -> [IpAddr; 3] {
    use core::net::{Ipv4Addr, Ipv6Addr};
    [
        address,
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::UNSPECIFIED.into(),
    ]
}
