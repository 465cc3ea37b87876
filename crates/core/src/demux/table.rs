//! One hash table over all connections, whatever their state, keyed by the 4-tuple.

use hashbrown::HashTable;

use crate::FourTuple;

/// Where the owner of a 4-tuple is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Connection(u32),
    SynReceived(u32),
    TimeWait(u32),
}

/// A place in 32 bits: two say which table, thirty where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tagged(u32);

const INDEX_BITS: u32 = 30;

impl From<Place> for Tagged {
    fn from(place: Place) -> Self {
        let (tag, index) = match place {
            Place::Connection(index) => (0, index),
            Place::SynReceived(index) => (1, index),
            Place::TimeWait(index) => (2, index),
        };
        debug_assert!(index < 1 << INDEX_BITS);
        Self(tag << INDEX_BITS | index)
    }
}

impl From<Tagged> for Place {
    fn from(tagged: Tagged) -> Self {
        let index = tagged.0 & ((1 << INDEX_BITS) - 1);
        match tagged.0 >> INDEX_BITS {
            0 => Self::Connection(index),
            1 => Self::SynReceived(index),
            _ => Self::TimeWait(index),
        }
    }
}

/// The table: places only. The tuples live with their owners; `tuple_of` looks them up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    places: HashTable<(u64, Tagged)>,
}

impl Table {
    pub(crate) fn find(
        &self,
        hash: u64,
        tuple: &FourTuple,
        tuple_of: impl Fn(Place) -> Option<FourTuple>,
    ) -> Option<Place> {
        let is_it = |(_, tagged): &(u64, Tagged)| tuple_of((*tagged).into()) == Some(*tuple);
        self.places
            .find(hash, is_it)
            .map(|(_, tagged)| (*tagged).into())
    }

    /// Adds a place for a tuple that has none.
    pub(crate) fn insert(&mut self, hash: u64, place: Place) {
        self.places
            .insert_unique(hash, (hash, place.into()), |(hash, _)| *hash);
    }

    /// Removes a place.
    pub(crate) fn remove(&mut self, hash: u64, place: Place) {
        let tagged = Tagged::from(place);
        if let Ok(entry) = self.places.find_entry(hash, |(_, other)| *other == tagged) {
            entry.remove();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of the places taken.
    pub(crate) fn bytes_held(&self) -> usize {
        self.places.len() * size_of::<(u64, Tagged)>()
    }
}
