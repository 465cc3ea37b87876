//! Local ports: who holds one, and how to find a free one (RFC 6056).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;

use super::listener::Scope;
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
    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The size of RFC 6056's table of counters (§3.3.4: "TABLE_LENGTH").
const COUNTERS: usize = 256;

/// Holders of local ports, and the counters of the double-hash port selection.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    /// Those of sockets that are bound and neither listen nor connect yet.
    bound: Vec<(Scope, u16)>,
    holds: HashMap<(IpAddr, u16), Hold, Keyed>,
    counters: [u16; COUNTERS],
}

impl Ports {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            bound: Vec::new(),
            holds: HashMap::with_hasher(Keyed(key)),
            counters: [0; COUNTERS],
        }
    }

    /// Keeps a port from being chosen for anybody else.
    pub(crate) fn hold(&mut self, scope: Scope, port: u16) {
        self.bound.push((scope, port));
    }

    /// Takes back one [`hold`](Self::hold).
    pub(crate) fn release(&mut self, scope: Scope, port: u16) {
        let place = self.bound.iter().position(|held| *held == (scope, port));
        if let Some(place) = place {
            self.bound.swap_remove(place);
        }
    }

    /// Whether somebody is bound to the port at any address of the scope.
    pub(crate) fn is_bound(&self, scope: Scope, port: u16) -> bool {
        let held = |&(other, held): &(Scope, u16)| held == port && other.overlaps(scope);
        self.bound.iter().any(held)
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

    /// The ports that connections hold at any address of the scope.
    pub(crate) fn held_ports(&self, config: &Config, scope: Scope) -> BTreeSet<u16> {
        let ours = |ip: &IpAddr| scope.contains(*ip) && config.addresses.contains(ip);
        self.holds
            .keys()
            .filter(|(ip, _)| ours(ip))
            .map(|(_, port)| *port)
            .collect()
    }

    /// RFC 6056 §3.3.4, Algorithm 4 (double-hash): the next port towards this peer for which `is_free`.
    /// At most every port of the range is tried once.
    pub(crate) fn ephemeral(
        &mut self,
        config: &Config,
        secrets: &Secrets,
        local: IpAddr,
        remote: SocketAddr,
        is_free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let (first, last) = (
            *config.ephemeral_ports.start(),
            *config.ephemeral_ports.end(),
        );
        let count = u32::from(last.checked_sub(first)?) + 1;
        let portless = FourTuple::new(SocketAddr::new(local, 0), remote);
        let (offset, slot) = secrets.port_hashes(&portless);
        let scope = Scope::of(local);
        for _ in 0..count {
            let counter = &mut self.counters[slot as usize % COUNTERS];
            let port = first + (offset.wrapping_add(u32::from(*counter)) % count) as u16;
            *counter = counter.wrapping_add(1);
            if !self.is_bound(scope, port) && is_free(port) {
                return Some(port);
            }
        }
        None
    }
}
