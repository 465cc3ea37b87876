//! A byte queue that holds little memory while it is empty.

use alloc::collections::VecDeque;

/// Bytes that an empty queue may have room for.
const LITTLE: usize = 2048;

/// Bytes in order: written at the back, taken at the front.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteQueue {
    bytes: VecDeque<u8>,
}

impl ByteQueue {
    /// Nothing held, nothing allocated.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.bytes.extend(data);
    }

    /// The two pieces of the `length` bytes that begin `offset` bytes behind the front.
    pub(crate) fn range(&self, offset: usize, length: usize) -> (&[u8], &[u8]) {
        let (front, back) = self.bytes.as_slices();
        let end = offset + length;
        let split = front.len();
        let first = &front[offset.min(split)..end.min(split)];
        let second = &back[offset.saturating_sub(split)..end.saturating_sub(split)];
        (first, second)
    }

    /// Copies from the front without taking; answers how much.
    pub(crate) fn peek(&self, into: &mut [u8]) -> usize {
        let length = into.len().min(self.len());
        let (first, second) = self.range(0, length);
        into[..first.len()].copy_from_slice(first);
        into[first.len()..length].copy_from_slice(second);
        length
    }

    /// Drops `length` bytes from the front.
    pub(crate) fn consume(&mut self, length: usize) {
        self.bytes.drain(..length);
        if self.bytes.is_empty() {
            self.clear();
        }
    }

    /// Copies from the front and takes; answers how much.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> usize {
        let length = self.peek(into);
        self.consume(length);
        length
    }

    /// Drops everything, and gives back the memory if it is much.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > LITTLE {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_also_around_the_ring() {
        let mut queue = ByteQueue::default();
        let mut out = [0; 5];
        let (mut written, mut read) = (0_u8, 0_u8);
        for _ in 0..200 {
            queue.push(&[written, written.wrapping_add(1), written.wrapping_add(2)]);
            written = written.wrapping_add(3);
            let got = queue.read(&mut out[..2 + usize::from(written) % 3]);
            for byte in &out[..got] {
                assert_eq!(*byte, read);
                read = read.wrapping_add(1);
            }
            let rest = queue.len();
            let (a, b) = queue.range(rest / 2, rest - rest / 2);
            assert_eq!(a.len() + b.len(), rest - rest / 2);
            if let Some(first) = a.first().or(b.first()) {
                assert_eq!(*first, read.wrapping_add((rest / 2) as u8));
            }
        }
    }

    #[test]
    fn an_empty_queue_holds_little_memory() {
        let mut queue = ByteQueue::default();
        queue.push(&[0; 4096]);
        queue.consume(4096);
        assert_eq!(queue.capacity(), 0);
        queue.push(&[0; 100]);
        queue.consume(100);
        assert!((100..=LITTLE).contains(&queue.capacity()));
    }
}
