//! A byte queue in chunks: it holds little memory while it is empty, moves no byte once it is large, and asks the
//! allocator for nothing while the stack has chunks to spare.

use alloc::boxed::Box;
use alloc::collections::{VecDeque, vec_deque};
use alloc::vec;
use alloc::vec::Vec;

/// Bytes of a chunk. Only a chunk that is alone may be smaller.
pub(crate) const CHUNK: usize = 4096;

/// The smallest chunk.
const LEAST: usize = 64;

/// Bytes that an empty queue may have room for.
const LITTLE: usize = 2048;

/// Places for chunks that an empty queue may have room for.
const FEW: usize = 16;

type Chunk = Box<[u8]>;

/// Whole chunks that queues have given back, for all queues of a stack.
#[derive(Clone, Debug)]
pub(crate) struct SpareChunks(Vec<Chunk>);

impl SpareChunks {
    /// How many are kept: 1 MiB.
    const MOST: usize = 256;

    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn take(&mut self) -> Chunk {
        self.0.pop().unwrap_or_else(|| chunk(CHUNK))
    }

    fn give(&mut self, chunk: Chunk) {
        if chunk.len() == CHUNK && self.0.len() < Self::MOST {
            self.0.push(chunk);
        }
    }

    /// Gives all of them back to the allocator.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn chunk(size: usize) -> Chunk {
    vec![0; size].into_boxed_slice()
}

/// Bytes in order: written at the back, taken at the front.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteQueue {
    /// All but the last are full to the end. None is empty, but for one that is small.
    chunks: VecDeque<Chunk>,
    /// Where in the first chunk the first byte is.
    start: usize,
    len: usize,
}

impl ByteQueue {
    /// Nothing held, nothing allocated.
    pub(crate) const fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            start: 0,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory it holds.
    pub(crate) fn bytes_held(&self) -> usize {
        self.capacity() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Bytes in all chunks.
    fn capacity(&self) -> usize {
        match self.chunks.len() {
            1 => self.chunks[0].len(),
            whole => whole * CHUNK,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, mut data: &[u8], spares: &mut SpareChunks) {
        while !data.is_empty() {
            let room = self.room(data.len(), spares);
            let (now, later) = data.split_at(data.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.len += now.len();
            data = later;
        }
    }

    /// The room behind the last byte: some, where `wanted` bytes are to come.
    fn room(&mut self, wanted: usize, spares: &mut SpareChunks) -> &mut [u8] {
        let mut free = self.capacity() - self.start - self.len;
        if free < wanted && self.capacity() < CHUNK {
            self.enlarge(wanted, spares);
            free = self.capacity() - self.len;
        }
        if free == 0 {
            self.chunks.push_back(spares.take());
            free = CHUNK;
        }
        let last = self.chunks.back_mut().map_or(&mut [][..], |last| last);
        let used = last.len() - free;
        &mut last[used..]
    }

    /// Makes room for `wanted` bytes more, or as many as a chunk has, in the only chunk, where the first byte now
    /// comes first. Twice as much at least: a byte is moved seldom.
    fn enlarge(&mut self, wanted: usize, spares: &mut SpareChunks) {
        let size = (self.len + wanted.max(self.len))
            .clamp(LEAST, CHUNK)
            .next_power_of_two();
        let held = self.start..self.start + self.len;
        match self.chunks.front_mut() {
            Some(only) if size <= only.len() => only.copy_within(held, 0),
            only => {
                let mut larger = if size == CHUNK {
                    spares.take()
                } else {
                    chunk(size)
                };
                if let Some(only) = only {
                    larger[..self.len].copy_from_slice(&only[held]);
                }
                self.chunks.clear();
                self.chunks.push_back(larger);
            }
        }
        self.start = 0;
    }

    /// The pieces of the `length` bytes that begin `offset` bytes behind the front.
    pub(crate) fn range(&self, offset: usize, length: usize) -> Pieces<'_> {
        if length == 0 {
            return Pieces::default();
        }
        assert!(offset + length <= self.len);
        let place = self.start + offset;
        Pieces {
            chunks: self.chunks.range(place / CHUNK..),
            skip: place % CHUNK,
            length,
        }
    }

    /// Copies from the front without taking; answers how much.
    pub(crate) fn peek(&self, into: &mut [u8]) -> usize {
        let length = into.len().min(self.len);
        let mut rest = &mut into[..length];
        for piece in self.range(0, length) {
            let (now, later) = rest.split_at_mut(piece.len());
            now.copy_from_slice(piece);
            rest = later;
        }
        length
    }

    /// Drops `length` bytes from the front.
    pub(crate) fn consume(&mut self, length: usize, spares: &mut SpareChunks) {
        assert!(length <= self.len);
        self.start += length;
        self.len -= length;
        while self.start >= CHUNK {
            self.start -= CHUNK;
            self.give_first(spares);
        }
        if self.is_empty() {
            self.start = 0;
            if self.capacity() > LITTLE {
                self.give_first(spares);
            }
            if self.chunks.capacity() > FEW {
                self.chunks.shrink_to(FEW);
            }
        }
    }

    fn give_first(&mut self, spares: &mut SpareChunks) {
        if let Some(first) = self.chunks.pop_front() {
            spares.give(first);
        }
    }

    /// Copies from the front and takes; answers how much.
    pub(crate) fn read(&mut self, into: &mut [u8], spares: &mut SpareChunks) -> usize {
        let length = self.peek(into);
        self.consume(length, spares);
        length
    }

    /// Drops everything, and gives back the memory if it is much.
    pub(crate) fn clear(&mut self, spares: &mut SpareChunks) {
        if !self.is_empty() {
            self.consume(self.len, spares);
        }
    }
}

/// Bytes of a queue, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pieces<'a> {
    chunks: vec_deque::Iter<'a, Chunk>,
    /// Bytes of the next chunk that do not belong to it.
    skip: usize,
    length: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.length == 0 {
            return None;
        }
        let chunk = &self.chunks.next()?[self.skip..];
        let piece = &chunk[..self.length.min(chunk.len())];
        self.skip = 0;
        self.length -= piece.len();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPARES: SpareChunks = SpareChunks::new();

    #[test]
    fn an_empty_queue_holds_little_memory() {
        let (mut queue, mut spares) = (ByteQueue::new(), SPARES);
        queue.push(&[0; 100 * CHUNK], &mut spares);
        queue.consume(100 * CHUNK, &mut spares);
        assert!(queue.bytes_held() <= FEW * size_of::<Chunk>());
        queue.push(&[0; 100], &mut spares);
        queue.consume(100, &mut spares);
        assert!((100..=LITTLE).contains(&queue.capacity()));
    }

    #[test]
    fn a_few_bytes_take_a_small_chunk_and_many_hardly_more_than_themselves() {
        let (mut queue, mut spares) = (ByteQueue::new(), SPARES);
        queue.push(&[0; 3], &mut spares);
        assert_eq!(queue.capacity(), LEAST);
        queue.push(&[0; 997], &mut spares);
        assert_eq!(queue.capacity(), 1024);
        for _ in 1..1000 {
            queue.push(&[0; 1000], &mut spares);
            assert!(queue.capacity() < (queue.len() + CHUNK).max(2 * LITTLE + 1));
        }
    }

    #[test]
    fn what_one_queue_gives_back_another_takes() {
        let (mut one, mut other, mut spares) = (ByteQueue::new(), ByteQueue::new(), SPARES);
        one.push(&[1; 10 * CHUNK], &mut spares);
        one.consume(9 * CHUNK + 1, &mut spares);
        assert_eq!(spares.0.len(), 9);
        other.push(&[2; 4 * CHUNK], &mut spares);
        assert_eq!(spares.0.len(), 5);
        one.clear(&mut spares);
        other.clear(&mut spares);
        assert_eq!(spares.0.len(), 10);
    }

    #[test]
    fn no_more_chunks_are_kept_than_the_bound_allows() {
        let (mut queue, mut spares) = (ByteQueue::new(), SPARES);
        let data = vec![0; (SpareChunks::MOST + 10) * CHUNK];
        queue.push(&data, &mut spares);
        queue.consume(data.len(), &mut spares);
        assert_eq!(spares.0.len(), SpareChunks::MOST);
        spares.clear();
        assert_eq!(spares.0.len(), 0);
    }

    #[test]
    fn a_byte_at_a_time_is_seldom_moved() {
        let (mut queue, mut spares) = (ByteQueue::new(), SPARES);
        queue.push(&[0; 63], &mut spares);
        for byte in 0..100_u8 {
            queue.push(&[byte], &mut spares);
            queue.consume(1, &mut spares);
            assert_eq!(queue.len(), 63);
        }
        assert_eq!(queue.capacity(), 128);
        assert!(queue.start > 0, "slides only when half of it is free");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Consume(usize),
        Read(usize),
        Range(usize, usize),
        Clear,
    }

    /// Lengths of a few bytes, of segments, and of many chunks.
    fn length() -> impl Strategy<Value = usize> {
        prop_oneof![0_usize..4, 0_usize..3000, 0..5 * CHUNK, Just(CHUNK)]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => length().prop_map(Step::Push),
            3 => length().prop_map(Step::Consume),
            3 => length().prop_map(Step::Read),
            3 => (length(), length()).prop_map(|(offset, length)| Step::Range(offset, length)),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_ring_of_bytes(steps in prop::collection::vec(step(), 0..60)) {
            let (mut queue, mut model, mut spares) = (ByteQueue::new(), VecDeque::new(), SPARES);
            let mut bytes = (0..251_u8).cycle();
            for step in steps {
                match step {
                    Step::Push(length) => {
                        let data: Vec<u8> = bytes.by_ref().take(length).collect();
                        queue.push(&data, &mut spares);
                        model.extend(&data);
                    }
                    Step::Consume(length) => {
                        let length = length.min(model.len());
                        queue.consume(length, &mut spares);
                        model.drain(..length);
                    }
                    Step::Read(length) => {
                        let mut into = vec![0; length];
                        let got = queue.read(&mut into, &mut spares);
                        let expected: Vec<u8> = model.drain(..length.min(model.len())).collect();
                        prop_assert_eq!(&into[..got], &expected[..]);
                    }
                    Step::Range(offset, length) => {
                        let offset = offset.min(model.len());
                        let length = length.min(model.len() - offset);
                        let pieces = queue.range(offset, length).flatten();
                        prop_assert!(pieces.eq(model.range(offset..offset + length)));
                        let pieces = queue.range(offset, length).map(<[u8]>::len);
                        prop_assert!(pieces.clone().count() <= length.div_ceil(CHUNK) + 1);
                        prop_assert_eq!(pieces.min().unwrap_or(1).min(1), 1);
                    }
                    Step::Clear => {
                        queue.clear(&mut spares);
                        model.clear();
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                let real: usize = queue.chunks.iter().map(|chunk| chunk.len()).sum();
                prop_assert_eq!(queue.capacity(), real);
                prop_assert!(real >= queue.start + queue.len());
                prop_assert!(queue.is_empty() == (queue.start + queue.len() == 0));
                prop_assert!(queue.len() + 2 * CHUNK > real);
                prop_assert!(spares.0.iter().all(|chunk| chunk.len() == CHUNK));
            }
        }
    }
}
