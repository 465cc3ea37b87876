//! One hash table over all connections, whatever their state, keyed by the 4-tuple.
//!
//! An entry is 8 bytes: 32 bits of the tuple's hash, which is keyed by a secret, and where its owner is kept. The
//! hash's upper bits choose one of 64 parts, which grow and shrink each for itself: doubling one moves a 64th of all
//! entries, and needs no look at their owners.

use core::array;

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

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    place: Tagged,
}

const _: () = assert!(size_of::<Entry>() == 8);

/// Bytes that an entry takes when its part has just doubled: with a byte of its hash, where 7 of 16 places are taken.
const SHARE: usize = (size_of::<Entry>() + 1) * 16 / 7 + 1;

/// Bits of the hash that choose a part.
const PART_BITS: u32 = 6;
const PARTS: usize = 1 << PART_BITS;

fn part_of(hash: u32) -> usize {
    (hash >> (u32::BITS - PART_BITS)) as usize
}

/// The hash as a part takes it: its lowest bits choose a bucket, its highest 7 are compared first. These are taken
/// from below the bits that chose the part; up to 2^25 buckets in all, no bit serves twice.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << (u32::BITS + PART_BITS) | u64::from(hash)
}

/// The table: places only. The tuples live with their owners; `tuple_of` looks them up.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    parts: [HashTable<Entry>; PARTS],
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            parts: array::from_fn(|_| HashTable::new()),
            len: 0,
        }
    }
}

impl Table {
    pub(crate) fn find(
        &self,
        hash: u32,
        tuple: &FourTuple,
        tuple_of: impl Fn(Place) -> Option<FourTuple>,
    ) -> Option<Place> {
        let is_it = |entry: &Entry| {
            entry.hash == hash && tuple_of(entry.place.into()).as_ref() == Some(tuple)
        };
        let entry = self.parts[part_of(hash)].find(spread(hash), is_it)?;
        Some(entry.place.into())
    }

    /// Adds a place for a tuple that has none.
    pub(crate) fn insert(&mut self, hash: u32, place: Place) {
        let entry = Entry {
            hash,
            place: place.into(),
        };
        let part = &mut self.parts[part_of(hash)];
        part.insert_unique(spread(hash), entry, |entry| spread(entry.hash));
        self.len += 1;
    }

    /// Removes a place.
    pub(crate) fn remove(&mut self, hash: u32, place: Place) {
        let place = Tagged::from(place);
        let part = &mut self.parts[part_of(hash)];
        if let Ok(entry) = part.find_entry(spread(hash), |entry| entry.place == place) {
            entry.remove();
            self.len -= 1;
            if part.len() < part.capacity() / 8 {
                let twice = 2 * part.len();
                part.shrink_to(twice, |entry| spread(entry.hash));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that the entries take at most.
    pub(crate) fn bytes_held(&self) -> usize {
        self.len * SHARE
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::vec::Vec;

    use super::*;
    use crate::Secrets;

    fn tuple(number: u32) -> FourTuple {
        let remote = SocketAddr::new((0xc612_0000 | number).to_be_bytes().into(), 1);
        FourTuple::new(([198, 18, 0, 1], 80).into(), remote)
    }

    fn place(number: u32) -> Place {
        match number % 3 {
            0 => Place::Connection(number),
            1 => Place::SynReceived(number),
            _ => Place::TimeWait((1 << INDEX_BITS) - 1 - number),
        }
    }

    #[test]
    fn what_is_put_in_is_found_until_it_is_taken_out_and_the_memory_follows() {
        const MANY: u32 = 20_000;
        let secrets = Secrets::from_seed(1);
        let hashes: Vec<u32> = (0..MANY).map(|n| secrets.table_hash(&tuple(n))).collect();
        let tuple_of = |found| {
            let number = match found {
                Place::Connection(number) | Place::SynReceived(number) => number,
                Place::TimeWait(index) => (1 << INDEX_BITS) - 1 - index,
            };
            (place(number) == found).then(|| tuple(number))
        };
        let mut table = Table::default();
        let memory =
            |table: &Table| -> usize { table.parts.iter().map(HashTable::allocation_size).sum() };
        for n in 0..MANY {
            table.insert(hashes[n as usize], place(n));
            assert!(n < 10_000 || memory(&table) <= table.bytes_held());
        }
        for n in 0..MANY {
            let found = table.find(hashes[n as usize], &tuple(n), tuple_of);
            assert_eq!(found, Some(place(n)));
        }
        for n in 0..MANY {
            table.remove(hashes[n as usize], place(n));
            assert_eq!(table.find(hashes[n as usize], &tuple(n), tuple_of), None);
            assert_eq!(table.len(), (MANY - 1 - n) as usize);
        }
        assert_eq!(table.bytes_held(), 0);
        assert!(memory(&table) < 100 * PARTS);
    }
}
