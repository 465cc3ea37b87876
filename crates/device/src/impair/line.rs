//! One direction of a bad link: packets enter, and leave when they are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use estab_core::Instant;
use fastrand::Rng;

use super::settings::{Counters, Impairment};

/// Packets held back at a time to let others pass.
const STRAGGLERS: usize = 3;

/// A held-back packet lets at most this many pass, and waits for them at most so long.
const PASSED_BY: u32 = 3;
const HELD_BACK: Duration = Duration::from_millis(10);

/// Packets that travel at a time, whatever the delay: a bound on memory.
const TRAVELLERS: usize = 65_536;

/// Buffers kept to be used again.
const SPARE: usize = 256;

#[derive(Debug)]
pub(super) struct Line {
    settings: Impairment,
    rng: Rng,
    /// When the link has sent everything in its queue, and each packet of it.
    free_at: Instant,
    queue: VecDeque<Instant>,
    travelling: BinaryHeap<Reverse<Traveller>>,
    stragglers: Vec<Straggler>,
    /// Packets that have come out of the line, for the caller to take.
    out: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    entered: u64,
    pub(super) counters: Counters,
}

/// Ordered by time, then by entry: without jitter nothing overtakes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Traveller {
    due: Instant,
    number: u64,
    /// How many later packets it lets pass, if it is one to be held back.
    lets_pass: u32,
    packet: Vec<u8>,
}

/// A packet at the end of the line, held back.
#[derive(Debug)]
struct Straggler {
    number: u64,
    lets_pass: u32,
    until: Instant,
    packet: Vec<u8>,
}

impl Line {
    pub(super) fn new(settings: Impairment, rng: Rng) -> Self {
        Self {
            settings,
            rng,
            free_at: Instant::ZERO,
            queue: VecDeque::new(),
            travelling: BinaryHeap::new(),
            stragglers: Vec::new(),
            out: VecDeque::new(),
            spare: Vec::new(),
            entered: 0,
            counters: Counters::default(),
        }
    }

    /// A packet comes to the line. Everything due before is settled first, so that late calls change nothing.
    pub(super) fn enter(&mut self, now: Instant, packet: &[u8]) {
        self.settle(now);
        self.counters.entered += 1;
        // One die per packet: what happens to one does not change the luck of the next.
        let mut die = self.rng.fork();
        let lost = die.f64() < self.settings.loss;
        let corrupt = die.f64() < self.settings.corrupt;
        let twice = die.f64() < self.settings.duplicate;
        if lost {
            self.counters.lost += 1;
            return;
        }
        let mut buffer = self.buffer(packet);
        if corrupt && !buffer.is_empty() {
            let bit = die.usize(..buffer.len() * 8);
            buffer[bit / 8] ^= 1 << (bit % 8);
            self.counters.corrupted += 1;
        }
        if twice {
            self.counters.duplicated += 1;
            let copy = self.buffer(&buffer);
            self.travel(now, copy, &mut die);
        }
        self.travel(now, buffer, &mut die);
        self.settle(now);
    }

    fn travel(&mut self, now: Instant, packet: Vec<u8>, die: &mut Rng) {
        let jitter = u64::try_from(self.settings.jitter.as_nanos()).unwrap_or(u64::MAX);
        let longer = Duration::from_nanos(die.u64(..=jitter));
        let lets_pass = if die.f64() < self.settings.reorder {
            die.u32(1..=PASSED_BY)
        } else {
            0
        };
        let Some(sent) = self.send(now, packet.len()) else {
            self.counters.overflowed += 1;
            self.recycle(packet);
            return;
        };
        self.entered += 1;
        self.travelling.push(Reverse(Traveller {
            due: sent + self.settings.delay + longer,
            number: self.entered,
            lets_pass,
            packet,
        }));
    }

    /// When the last bit of a packet is on the link; none if there is no place for it.
    fn send(&mut self, now: Instant, length: usize) -> Option<Instant> {
        if self.travelling.len() >= TRAVELLERS {
            return None;
        }
        let Some(rate) = self.settings.rate else {
            return Some(now);
        };
        while self.queue.front().is_some_and(|&sent| sent <= now) {
            self.queue.pop_front();
        }
        if self.queue.len() >= self.settings.queue {
            return None;
        }
        let nanos = (length as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = self.free_at.max(now) + takes;
        self.queue.push_back(self.free_at);
        Some(self.free_at)
    }

    /// Lets out what is due by `now`, in the order in which it falls due.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(due) = self.next_due().filter(|&due| due <= now) {
            if let Some(place) = self.stragglers.iter().position(|s| s.until == due) {
                let straggler = self.stragglers.remove(place);
                self.let_out(straggler.packet);
            } else if let Some(Reverse(traveller)) = self.travelling.pop() {
                self.arrive(traveller);
            }
        }
    }

    /// A packet has reached the end of the line: it is held back there, or passes those that are.
    fn arrive(&mut self, traveller: Traveller) {
        let Traveller {
            due,
            number,
            lets_pass,
            packet,
        } = traveller;
        if lets_pass > 0 && self.stragglers.len() < STRAGGLERS {
            self.counters.reordered += 1;
            self.stragglers.push(Straggler {
                number,
                lets_pass,
                until: due + HELD_BACK,
                packet,
            });
            return;
        }
        self.let_out(packet);
        for straggler in &mut self.stragglers {
            straggler.lets_pass -= u32::from(straggler.number < number);
        }
        let passed: Vec<_> = self
            .stragglers
            .extract_if(.., |straggler| straggler.lets_pass == 0)
            .collect();
        for straggler in passed {
            self.let_out(straggler.packet);
        }
    }

    fn let_out(&mut self, packet: Vec<u8>) {
        self.counters.left += 1;
        self.out.push_back(packet);
    }

    /// When the next packet falls due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let travelling = self.travelling.peek().map(|Reverse(first)| first.due);
        let stragglers = self.stragglers.iter().map(|straggler| straggler.until);
        stragglers.chain(travelling).min()
    }

    /// How many packets have come out and were not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// The next packet that has come out.
    pub(super) fn front(&self) -> Option<&[u8]> {
        self.out.front().map(Vec::as_slice)
    }

    /// Takes the next packet that has come out away.
    pub(super) fn pop(&mut self) {
        if let Some(packet) = self.out.pop_front() {
            self.recycle(packet);
        }
    }

    /// Puts the next packet that has come out into `packet`.
    pub(super) fn take(&mut self, packet: &mut Vec<u8>) -> bool {
        let Some(mut first) = self.out.pop_front() else {
            return false;
        };
        std::mem::swap(packet, &mut first);
        self.recycle(first);
        true
    }

    fn buffer(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(packet);
        buffer
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(buffer);
        }
    }
}
