//! A SYN for a listener, answered.

use std::time::Duration;

use estab_core::SynCookies;

use super::Work;
use crate::ends::End;
use crate::ends::estab::Holder;
use crate::ends::remote::Remotes;
use crate::harness::{Contest, Figure, Scale, Stopwatch};

pub(super) const WORK: Work = Work {
    name: "syn",
    title: "A SYN, answered",
    about: "A SYN with the usual options arrives from somebody new and its SYN-ACK leaves; the SYN queue holds so many others \
            meanwhile, and is brought back to that after each round. Then the same with cookies for everybody: nothing is kept.",
    run,
    counted: false,
    picture: None,
};

const UNIT: &str = "ns/SYN";
const INTO_QUEUE: f64 = 200.0;
const BY_COOKIE: f64 = 100.0;

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for held in [0, scale.pick(10_000, 1_000_000)] {
        let case = format!("into the SYN queue, {} in it", super::grouped(held));
        let queue = Queue::new(held, SynCookies::Off);
        figures.extend(contest(case, queue, INTO_QUEUE, scale));
    }
    let queue = Queue::new(0, SynCookies::Always);
    figures.extend(contest("by a cookie".to_owned(), queue, BY_COOKIE, scale));
    Ok(figures)
}

fn contest(case: String, mut queue: Queue, limit: f64, scale: Scale) -> Vec<Figure> {
    let count = scale.pick(1_000, 4_000);
    let mut contest = Contest::new(WORK.name, case, &[UNIT]);
    contest.enter(Figure::ESTAB, || Ok(queue.round(count)));
    let mut figures = contest.run(scale.rounds());
    figures[0].demand_at_most(limit, format!("≤ {limit}"));
    figures
}

/// A listener under SYNs, and those that send them.
struct Queue {
    holder: Holder,
    /// Sent their SYN once and stay in the queue.
    held: usize,
    /// The numbers of peers not yet used.
    next: u32,
    cookies: SynCookies,
}

impl Queue {
    fn new(held: usize, cookies: SynCookies) -> Self {
        let mut holder = Holder::with(|config| config.syn_cookies = cookies);
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
            cookies,
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
        let kept = if self.cookies == SynCookies::Always {
            0
        } else {
            count
        };
        assert_eq!(
            (answers, holder.stack.half_open()),
            (count, self.held + kept)
        );
        for index in 0..kept {
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
        let mut queue = Queue::new(100, SynCookies::Off);
        queue.round(200);
        queue.round(200);
        assert_eq!(queue.holder.stack.len(), 100);
        let mut cookies = Queue::new(0, SynCookies::Always);
        cookies.round(200);
        assert_eq!(cookies.holder.stack.half_open(), 0);
    }
}
