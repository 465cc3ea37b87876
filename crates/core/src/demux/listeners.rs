//! All listeners, and who of them answers at an address.

use alloc::vec;
use alloc::vec::Vec;
use core::hash::{BuildHasherDefault, Hasher};
use core::net::IpAddr;

use hashbrown::HashMap;
use slab::Slab;

use super::listener::{Listener, ListenerId, Scope};

/// All listeners, by port.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    slots: Slab<Listener>,
    /// The groups of a port in the order of their scopes: those of one address first, `[::]` last.
    by_port: HashMap<u16, Vec<Group>, BuildHasherDefault<PortHasher>>,
}

/// Listeners at the same addresses and port: one, or several that share it.
#[derive(Clone, Debug)]
struct Group {
    scope: Scope,
    members: Vec<u32>,
}

impl Group {
    /// The member for connections of this hash: whoever it is stays so, while the group is the same.
    fn choose(&self, hash: u64) -> Option<u32> {
        // The table uses the lower bits.
        let place = ((hash >> 32) * self.members.len() as u64) >> 32;
        self.members.get(place as usize).copied()
    }
}

impl Listeners {
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

    /// Whether another listener holds the port for any of these addresses, and does not share it. `shares`: whoever
    /// asks would.
    pub(crate) fn conflicts(&self, scope: Scope, port: u16, shares: bool) -> bool {
        let mut others = self.overlapping(scope, port);
        others.any(|group| !shares || !self.is_shared(group))
    }

    /// Whether a group that a listener there could join, or stand beside, shares the port.
    pub(crate) fn shares(&self, scope: Scope, port: u16) -> bool {
        let mut others = self.overlapping(scope, port);
        others.any(|group| self.is_shared(group))
    }

    fn overlapping(&self, scope: Scope, port: u16) -> impl Iterator<Item = &Group> {
        let groups = self.by_port.get(&port).into_iter().flatten();
        groups.filter(move |group| group.scope.overlaps(scope))
    }

    fn is_shared(&self, group: &Group) -> bool {
        let mut members = group.members.iter();
        members.all(|&index| self.slots[index as usize].options.reuse_port)
    }

    /// Who answers at this address: one bound to it exactly goes before one bound to all. `hash`: the 4-tuple's, by
    /// which listeners that share the port are chosen.
    pub(crate) fn find(&self, address: IpAddr, port: u16, hash: u64) -> Option<ListenerId> {
        let groups = self.by_port.get(&port)?;
        let exact = groups.binary_search_by_key(&Scope::One(address), |group| group.scope);
        let group = match exact {
            Ok(place) => &groups[place],
            Err(_) => {
                let wide = groups.len().saturating_sub(2);
                let mut wide = groups[wide..].iter();
                wide.find(|group| group.scope.contains(address))?
            }
        };
        let index = group.choose(hash)?;
        Some(ListenerId {
            index,
            life: self.slots[index as usize].life,
        })
    }

    pub(crate) fn insert(&mut self, listener: Listener) -> ListenerId {
        let (life, port, scope) = (listener.life, listener.address.port(), listener.scope);
        let index = self.slots.insert(listener) as u32;
        let groups = self.by_port.entry(port).or_default();
        match groups.binary_search_by_key(&scope, |group| group.scope) {
            Ok(place) => groups[place].members.push(index),
            Err(place) => groups.insert(
                place,
                Group {
                    scope,
                    members: vec![index],
                },
            ),
        }
        ListenerId { index, life }
    }

    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        self.get(id)?;
        let listener = self.slots.remove(id.index as usize);
        let port = listener.address.port();
        if let Some(groups) = self.by_port.get_mut(&port) {
            for group in groups.iter_mut() {
                group.members.retain(|&index| index != id.index);
            }
            groups.retain(|group| !group.members.is_empty());
            if groups.is_empty() {
                self.by_port.remove(&port);
            }
        }
        Some(listener)
    }
}

/// Spreads ports. It needs no key: which ports are listened on is the application's choice.
#[derive(Clone, Copy, Debug, Default)]
struct PortHasher(u64);

impl Hasher for PortHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u16(u16::from(*byte));
        }
    }

    fn write_u16(&mut self, port: u16) {
        self.0 = (self.0 ^ u64::from(port)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
