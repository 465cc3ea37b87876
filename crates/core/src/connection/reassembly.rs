//! Out-of-order data, held until the hole fills (RFC 9293 §3.10.7.4).
//!
//! Held data lies in blocks with holes between them, in the order of the sequence. Data that touches
//! a block joins it, so a long run behind one hole is one block that grows. How many *bytes* are
//! held is bounded by the receive window, which the caller trims to; how many *blocks* by `insert`.
//! Control bits are not held: the caller remembers where the FIN is.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use crate::{SackBlock, SackBlocks, SeqNumber};

/// There is no room for another block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The data beyond RCV.NXT. All of it lies within 2^31 bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reassembly {
    /// In order, with a hole before each.
    blocks: Vec<Block>,
    bytes: u32,
    /// Bytes of memory that the blocks' data takes.
    memory: u32,
    /// Counts the segments inserted.
    segments: u32,
}

const _: () = assert!(size_of::<Reassembly>() <= 48);

/// What an allocator needs for itself with each allocation.
const ALLOCATION: u32 = 16;

#[derive(Clone, Debug, Default)]
struct Block {
    start: SeqNumber,
    /// The number of the latest segment that touched it.
    touched: u32,
    data: VecDeque<u8>,
}

impl Reassembly {
    /// Nothing held, nothing allocated.
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            bytes: 0,
            memory: 0,
            segments: 0,
        }
    }

    /// How many bytes are held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Bytes of memory it takes: a byte alone takes a block of its own, and a place in the allocator.
    pub(crate) fn bytes_held(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.memory as usize
    }

    /// Whether nothing is held.
    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Forgets everything and frees its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Holds data that lies beyond RCV.NXT and answers how many of its bytes are new. Of bytes held
    /// already, the first copy stays. Data that touches no block needs one of its own, of which
    /// there may be `limit_blocks`.
    pub(crate) fn insert(
        &mut self,
        seq: SeqNumber,
        data: &[u8],
        limit_blocks: usize,
    ) -> Result<usize, Full> {
        if data.is_empty() {
            return Ok(0);
        }
        let end = seq + data.len() as u32;
        let first = self.blocks.partition_point(|b| b.end().precedes(seq));
        let past = first + self.blocks[first..].partition_point(|b| b.start.precedes_or_is(end));
        if first == past && self.blocks.len() >= limit_blocks {
            return Err(Full);
        }
        self.segments = self.segments.wrapping_add(1);
        let before = self.blocks[first..past]
            .iter()
            .map(Block::memory)
            .sum::<u32>();
        let added = if first == past {
            self.blocks.insert(first, Block::new(seq, data));
            data.len()
        } else {
            self.join(first, past, seq, data)
        };
        self.memory = self.memory - before + self.blocks[first].memory();
        self.blocks[first].touched = self.segments;
        self.bytes += added as u32;
        Ok(added)
    }

    /// Hands over, and no longer holds, what is in order now that `next` is the next byte expected;
    /// what lies before `next` is dropped. Answers how many bytes were handed over.
    pub(crate) fn take_contiguous(
        &mut self,
        mut next: SeqNumber,
        mut sink: impl FnMut(&[u8]),
    ) -> u32 {
        let began = next;
        let reached = |block: &Block, next| block.start.precedes_or_is(next);
        while self
            .blocks
            .first()
            .is_some_and(|block| reached(block, next))
        {
            let block = self.blocks.remove(0);
            self.bytes -= block.len();
            self.memory -= block.memory();
            if next.precedes(block.end()) {
                block.hand_over((next - block.start) as usize, &mut sink);
                next = block.end();
            }
        }
        if self.blocks.is_empty() {
            self.clear();
        }
        next - began
    }

    /// What to tell the sender: up to `limit` blocks, the one with the most recently received
    /// segment first, then the others as recently as they were first (RFC 2018 §4).
    /// They follow those in `chosen`.
    pub(crate) fn sack_blocks(&self, limit: usize, mut chosen: SackBlocks) -> SackBlocks {
        let mut younger_than = None;
        for _ in chosen.len()..limit.min(chosen.len() + self.blocks.len()) {
            let candidates = self.blocks.iter().map(|block| (self.age(block), block));
            let next = candidates
                .filter(|&(age, _)| younger_than.is_none_or(|limit| age > limit))
                .min_by_key(|&(age, _)| age);
            let Some((age, block)) = next else { break };
            if !chosen.push(block.sack()) {
                break;
            }
            younger_than = Some(age);
        }
        chosen
    }

    /// The first bytes from `start` to before `end` that are held already.
    pub(crate) fn first_held(&self, start: SeqNumber, end: SeqNumber) -> Option<SackBlock> {
        let place = self
            .blocks
            .partition_point(|b| b.end().precedes_or_is(start));
        let held = self.blocks.get(place).filter(|b| b.start.precedes(end))?;
        Some(SackBlock {
            left: held.start.later(start),
            right: held.end().earlier(end),
        })
    }

    /// How many segments came since the block was touched; no two blocks have the same age.
    fn age(&self, block: &Block) -> u32 {
        self.segments.wrapping_sub(block.touched)
    }

    /// Makes one block of the blocks `first..past`, which the data touches, and of what the data
    /// adds around and between them. Answers how much that is.
    fn join(&mut self, first: usize, past: usize, seq: SeqNumber, data: &[u8]) -> usize {
        let from = |at: SeqNumber| (at.distance_from(seq).max(0) as usize).min(data.len());
        let mut joined = mem::take(&mut self.blocks[first]);
        let before = &data[..from(joined.start)];
        joined.prepend(before);
        let mut added = before.len();
        for other in self.blocks.drain(first + 1..past) {
            let between = &data[from(joined.end())..from(other.start)];
            added += between.len();
            joined.data.extend(between);
            joined.absorb(other);
        }
        let after = &data[from(joined.end())..];
        added += after.len();
        joined.data.extend(after);
        self.blocks[first] = joined;
        added
    }
}

impl Block {
    fn new(start: SeqNumber, data: &[u8]) -> Self {
        Self {
            start,
            touched: 0,
            data: data.to_vec().into(),
        }
    }

    fn len(&self) -> u32 {
        self.data.len() as u32
    }

    fn end(&self) -> SeqNumber {
        self.start + self.len()
    }

    /// Bytes of memory that its data takes.
    fn memory(&self) -> u32 {
        ALLOCATION + self.data.capacity() as u32
    }

    fn sack(&self) -> SackBlock {
        SackBlock {
            left: self.start,
            right: self.end(),
        }
    }

    /// Adds data that ends where the block starts, moving only that data.
    fn prepend(&mut self, data: &[u8]) {
        self.data.extend(data);
        self.data.rotate_right(data.len());
        self.start = self.start - data.len() as u32;
    }

    /// Adds a block that starts where this one ends, moving the shorter of the two: any order of
    /// arrival moves a byte only O(log n) times.
    fn absorb(&mut self, mut other: Self) {
        if other.data.len() <= self.data.len() {
            self.data.append(&mut other.data);
            return;
        }
        other.prepend(self.data.make_contiguous());
        self.data = other.data;
    }

    fn hand_over(&self, skip: usize, sink: &mut impl FnMut(&[u8])) {
        let (head, tail) = self.data.as_slices();
        let parts = [
            &head[skip.min(head.len())..],
            &tail[skip.saturating_sub(head.len())..],
        ];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .for_each(sink);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 20);

    fn lefts(held: &Reassembly, limit: usize) -> Vec<u32> {
        let blocks = held.sack_blocks(limit, SackBlocks::default());
        blocks.iter().map(|block| block.left - BASE).collect()
    }

    fn take(held: &mut Reassembly, next: u32) -> Vec<u8> {
        let mut taken = Vec::new();
        let count = held.take_contiguous(BASE + next, |part| taken.extend_from_slice(part));
        assert_eq!(count as usize, taken.len());
        taken
    }

    #[test]
    fn a_filled_hole_releases_what_is_behind_it() {
        let mut held = Reassembly::new();
        assert_eq!(held.insert(BASE + 30, b"world", 4), Ok(5));
        assert_eq!(held.insert(BASE + 10, b"hello", 4), Ok(5));
        assert_eq!(take(&mut held, 5), b"");
        assert_eq!(take(&mut held, 12), b"llo");
        assert_eq!(held.bytes(), 5);
        assert_eq!(take(&mut held, 35), b"");
        assert!(held.is_empty() && held.blocks.capacity() == 0);
    }

    #[test]
    fn the_first_copy_of_a_byte_stays() {
        let mut held = Reassembly::new();
        assert_eq!(held.insert(BASE + 12, b"cd", 9), Ok(2));
        assert_eq!(held.insert(BASE + 16, b"gh", 9), Ok(2));
        assert_eq!(held.insert(BASE + 10, b"XXXXXXXXXX", 9), Ok(6));
        assert_eq!(take(&mut held, 10), b"XXcdXXghXX");
    }

    #[test]
    fn a_block_too_many_is_refused_but_growth_is_not() {
        let mut held = Reassembly::new();
        assert_eq!(held.insert(BASE + 10, b"aa", 2), Ok(2));
        assert_eq!(held.insert(BASE + 20, b"bb", 2), Ok(2));
        assert_eq!(held.insert(BASE + 30, b"cc", 2), Err(Full));
        assert_eq!(held.insert(BASE + 22, b"bb", 2), Ok(2));
        assert_eq!(held.insert(BASE + 8, b"aa", 2), Ok(2));
        assert_eq!(held.insert(BASE + 40, b"", 0), Ok(0));
        assert_eq!(held.bytes(), 8);
    }

    #[test]
    fn the_latest_segment_is_reported_first() {
        let mut held = Reassembly::new();
        for start in [10, 50, 30, 70, 90] {
            held.insert(BASE + start, b"xx", 9).expect("room");
        }
        assert_eq!(lefts(&held, 4), [90, 70, 30, 50]);
        assert_eq!(lefts(&held, 3), [90, 70, 30]);
        // A duplicate and a segment that joins two blocks are news as well.
        assert_eq!(held.insert(BASE + 10, b"xx", 9), Ok(0));
        assert_eq!(lefts(&held, 9), [10, 90, 70, 30]);
        held.insert(BASE + 32, &[b'x'; 18], 9).expect("room");
        assert_eq!(lefts(&held, 9), [30, 10, 90, 70]);
        assert!(held.sack_blocks(0, SackBlocks::default()).is_empty());
    }

    #[test]
    fn long_runs_are_one_block_in_either_direction_and_from_both_ends() {
        const SEGMENTS: u32 = 20_000;
        let orders: [fn(u32) -> u32; 3] = [
            |i| i,
            |i| SEGMENTS - 1 - i,
            |i| {
                if i % 2 == 0 {
                    i / 2
                } else {
                    SEGMENTS - 1 - i / 2
                }
            },
        ];
        for order in orders {
            let mut held = Reassembly::new();
            for i in 0..SEGMENTS {
                let data = [order(i) as u8; 1000];
                assert_eq!(held.insert(BASE + order(i) * 1000, &data, 2), Ok(1000));
            }
            assert_eq!(held.blocks.len(), 1);
            let taken = take(&mut held, 0);
            let segments = taken.chunks(1000).enumerate();
            assert!(
                segments
                    .into_iter()
                    .all(|(i, bytes)| bytes == [i as u8; 1000])
            );
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32, Vec<u8>),
        Advance(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        let insert = (0u32..80, prop::collection::vec(any::<u8>(), 0..25));
        prop_oneof![
            6 => insert.prop_map(|(ahead, data)| Step::Insert(ahead, data)),
            1 => (0u32..20).prop_map(Step::Advance),
        ]
    }

    /// The runs of consecutive bytes in the model.
    fn runs(model: &BTreeMap<u32, u8>) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = vec![];
        for &at in model.keys() {
            match runs.last_mut() {
                Some((_, end)) if *end == at => *end += 1,
                _ => runs.push((at, at + 1)),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn agrees_with_a_map_of_bytes(steps in prop::collection::vec(step(), 0..80)) {
            let (mut held, mut model, mut next) = (Reassembly::new(), BTreeMap::new(), 0);
            for step in steps {
                match step {
                    Step::Insert(ahead, data) => {
                        let before = model.len();
                        for (at, &byte) in (next + ahead..).zip(&data) {
                            model.entry(at).or_insert(byte);
                        }
                        let added = held.insert(BASE + (next + ahead), &data, usize::MAX);
                        prop_assert_eq!(added, Ok(model.len() - before));
                    }
                    Step::Advance(by) => {
                        next += by;
                        model = model.split_off(&next);
                        let taken = take(&mut held, next);
                        for byte in taken {
                            prop_assert_eq!(model.remove(&next), Some(byte));
                            next += 1;
                        }
                        prop_assert!(!model.contains_key(&next));
                    }
                }
                let blocks = held.blocks.iter().map(|b| (b.start - BASE, b.end() - BASE));
                prop_assert_eq!(blocks.collect::<Vec<_>>(), runs(&model));
                prop_assert_eq!(held.bytes(), model.len());
                prop_assert_eq!(held.memory, held.blocks.iter().map(Block::memory).sum::<u32>());
                prop_assert_eq!(held.is_empty(), model.is_empty());
            }
        }
    }
}
