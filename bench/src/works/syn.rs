//! A SYN for a listener, answered.

use std::time::Duration;

use super::Work;
use crate::ends::End;
use crate::ends::estab::Holder;
use crate::ends::remote::Remotes;
use crate::harness::{Contest, Figure, Scale, Stopwatch};

pub(super) const WORK: Work = Work {
    name: "syn",
    title: "A SYN, answered",
    about: "A SYN with the usual options arrives from somebody new and its SYN-ACK leaves; the SYN queue holds so many others \
            meanwhile, and is brought back to that after each round. Each time four things are read or made: the packet, the entry, \
            the initial sequence number and the answer.",
    run,
    counted: false,
    picture: None,
};

const UNIT: &str = "ns/SYN";
const TARGET: f64 = 200.0;

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for held in [0, scale.pick(10_000, 1_000_000)] {
        let mut queue = Queue::new(held);
        let count = scale.pick(1_000, 4_000);
        let case = format!("into the SYN queue, {} in it", super::grouped(held));
        let mut contest = Contest::new(WORK.name, case, &[UNIT]);
        contest.enter(Figure::ESTAB, || Ok(queue.round(count)));
        let mut own = contest.run(scale.rounds());
        own[0].demand_at_most(TARGET, format!("≤ {TARGET}"));
        figures.append(&mut own);
    }
    Ok(figures)
}

/// A listener under SYNs, and those that send them.
struct Queue {
    holder: Holder,
    /// Sent their SYN once and stay in the queue.
    held: usize,
    /// The numbers of peers not yet used.
    next: u32,
}

impl Queue {
    fn new(held: usize) -> Self {
        let mut holder = Holder::new();
        let mut remotes = Remotes::new(0, held);
        for index in 0..held {
            holder.take(remotes.syn(index));
            holder.give(&mut |_| {});
        }
        assert_eq!(holder.stack.half_open(), held);
        Self {
            holder,
            held,
            next: held as u32,
        }
    }

    fn round(&mut self, count: usize) -> Vec<f64> {
        let mut remotes = Remotes::new(self.next, count);
        self.next += count as u32;
        let syns: Vec<Vec<u8>> = (0..count)
            .map(|index| remotes.syn(index).to_vec())
            .collect();
        let holder = &mut self.holder;
        let mut answers = 0;
        let start = Stopwatch::start();
        for batch in syns.chunks(64) {
            holder.pass(Duration::from_nanos(1));
            for packet in batch {
                holder.take(packet);
            }
            holder.give(&mut |_| answers += 1);
        }
        let elapsed = start.elapsed();
        assert_eq!(
            (answers, holder.stack.half_open()),
            (count, self.held + count)
        );
        for index in 0..count {
            holder.take(remotes.reset(index));
        }
        assert_eq!(
            holder.stack.half_open(),
            self.held,
            "a RST takes its SYN back"
        );
        vec![elapsed.as_secs_f64() * 1e9 / count as f64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syn_is_answered_and_leaves_nothing_behind() {
        let mut queue = Queue::new(100);
        queue.round(200);
        queue.round(200);
        assert_eq!(queue.holder.stack.len(), 100);
    }
}
