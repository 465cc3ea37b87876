//! Places for entries that keep their index: in chunks of 64, so that growing copies nothing and what a flood
//! has filled is given back when it is over.
//!
//! A chunk knows its free places by one word of bits, and the chunks that have any are linked: a place is found and
//! given back in O(1). A chunk that becomes empty is freed, but for one, which saves whoever goes up and down at a
//! boundary the way to the allocator.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::array;
use core::ops::{Index, IndexMut};

use crate::list::{Linked, Links, List};

/// Places in a chunk: the bits of a word.
const PLACES: usize = 64;

/// Entries by index, below 2^30.
///
/// An `Option<T>` is held for each: it takes no more room where `T` has a niche.
#[derive(Clone, Debug)]
pub(crate) struct Arena<T> {
    chunks: Chunks<T>,
    /// Chunks that have both free places and entries, and behind them the empty one that is kept.
    open: List,
    /// Numbers of chunks that were given back.
    vacant: Vec<u32>,
    /// An empty chunk is kept.
    has_spare: bool,
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunks<T>(Vec<Option<Box<Chunk<T>>>>);

#[derive(Clone, Debug)]
struct Chunk<T> {
    /// A bit for each free place.
    free: u64,
    links: Links,
    entries: [Option<T>; PLACES],
}

impl<T> Chunk<T> {
    fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }
}

impl<T> Linked for Chunks<T> {
    fn links(&mut self, number: u32) -> &mut Links {
        &mut self.chunk(number as usize).links
    }
}

impl<T> Chunks<T> {
    fn chunk(&mut self, number: usize) -> &mut Chunk<T> {
        self.0[number].as_mut().expect("a chunk in use is there")
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Arena<T> {
    /// Nothing, not even memory.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Chunks(Vec::new()),
            open: List::new(),
            vacant: Vec::new(),
            has_spare: false,
            len: 0,
        }
    }

    /// How many entries there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The entry at `index`, if there is one.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let chunk = self.chunks.0.get(index as usize / PLACES)?.as_ref()?;
        chunk.entries[index as usize % PLACES].as_ref()
    }

    /// The same, to change.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let chunk = self.chunks.0.get_mut(index as usize / PLACES)?.as_mut()?;
        chunk.entries[index as usize % PLACES].as_mut()
    }

    /// Every entry with its index, by index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let chunks = self.chunks.0.iter().enumerate();
        let chunks = chunks.filter_map(|(number, chunk)| Some((number, chunk.as_ref()?)));
        chunks.flat_map(|(number, chunk)| {
            let entries = chunk.entries.iter().enumerate();
            entries.filter_map(move |(place, entry)| {
                Some(((number * PLACES + place) as u32, entry.as_ref()?))
            })
        })
    }

    /// Adds an entry; answers its index, which stays.
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        let number = match self.open.front() {
            Some(number) => number as usize,
            None => self.add_chunk(),
        };
        let chunk = self.chunks.chunk(number);
        self.has_spare &= !chunk.is_empty();
        let place = chunk.free.trailing_zeros() as usize;
        chunk.free &= chunk.free - 1;
        chunk.entries[place] = Some(entry);
        if chunk.free == 0 {
            self.open.remove(&mut self.chunks, number as u32);
        }
        self.len += 1;
        (number * PLACES + place) as u32
    }

    /// Takes out the entry at `index`, which exists.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let (number, place) = (index as usize / PLACES, index as usize % PLACES);
        let chunk = self.chunks.chunk(number);
        let entry = chunk.entries[place].take().expect("an entry is there");
        let was_full = chunk.free == 0;
        chunk.free |= 1 << place;
        self.len -= 1;
        if chunk.is_empty() {
            self.give_back(number as u32);
        } else if was_full {
            self.open.push_front(&mut self.chunks, number as u32);
        }
        entry
    }

    fn add_chunk(&mut self) -> usize {
        let chunk = Box::new(Chunk {
            free: u64::MAX,
            links: Links::NONE,
            entries: array::from_fn(|_| None),
        });
        let number = match self.vacant.pop() {
            Some(number) => number as usize,
            None => {
                self.chunks.0.push(None);
                self.chunks.0.len() - 1
            }
        };
        self.chunks.0[number] = Some(chunk);
        self.open.push_back(&mut self.chunks, number as u32);
        number
    }

    /// A chunk has become empty.
    fn give_back(&mut self, number: u32) {
        self.open.remove(&mut self.chunks, number);
        if self.has_spare {
            self.chunks.0[number as usize] = None;
            self.vacant.push(number);
        } else {
            self.has_spare = true;
            self.open.push_back(&mut self.chunks, number);
        }
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        self.get(index).expect("an entry is there")
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        self.get_mut(index).expect("an entry is there")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_flood_has_filled_is_given_back_but_for_one_chunk() {
        let mut arena = Arena::new();
        let chunks = |arena: &Arena<u32>| arena.chunks.0.iter().flatten().count();
        let indices: Vec<u32> = (0..1000).map(|value| arena.insert(value)).collect();
        assert_eq!(chunks(&arena), 16);
        for &index in &indices[64..] {
            arena.remove(index);
        }
        assert_eq!(chunks(&arena), 2);
        for &index in &indices[..64] {
            assert_eq!(arena.remove(index), index);
        }
        assert_eq!((chunks(&arena), arena.len()), (1, 0));
    }

    #[test]
    fn one_entry_that_comes_and_goes_at_a_boundary_allocates_nothing() {
        let mut arena = Arena::new();
        let full: Vec<u32> = (0..64).map(|value| arena.insert(value)).collect();
        let index = arena.insert(64);
        for _ in 0..10 {
            arena.remove(index);
            assert_eq!(arena.insert(64), index);
            assert_eq!(arena.chunks.0.len(), 2);
        }
        assert_eq!(full.len(), 64);
    }

    #[test]
    fn chunks_with_entries_fill_up_before_an_empty_one_is_used() {
        let mut arena = Arena::new();
        (0..192).for_each(|value| {
            arena.insert(value);
        });
        (64..128).for_each(|index| {
            arena.remove(index);
        });
        arena.remove(150);
        assert_eq!(arena.insert(0), 150);
        assert_eq!(arena.insert(0), 64);
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0u8..8, any::<u16>()), 0..2000)) {
            let (mut arena, mut model) = (Arena::new(), BTreeMap::new());
            // Runs of one kind, so that chunks fill and empty.
            let mut grows = true;
            for (step, value) in steps {
                grows ^= step == 0;
                if grows {
                    let index = arena.insert(value);
                    prop_assert_eq!(model.insert(index, value), None);
                } else if let Some(&index) = model.keys().nth(usize::from(value) % model.len().max(1)) {
                    prop_assert_eq!(Some(arena.remove(index)), model.remove(&index));
                    prop_assert_eq!(arena.get(index), None);
                }
                prop_assert_eq!(arena.len(), model.len());
                let chunks = arena.chunks.0.iter().flatten();
                prop_assert!(chunks.filter(|chunk| chunk.is_empty()).count() <= 1);
            }
            prop_assert!(arena.iter().map(|(index, &value)| (index, value)).eq(model));
        }
    }
}
