//! What one segment costs that arrives for one of many idle connections.

use std::ops::Range;
use std::time::Duration;

use super::{Picture, Work};
use crate::ends::remote::Remotes;
use crate::ends::{End, estab, smol};
use crate::harness::{Contest, Figure, Machine, Scale, Stopwatch};

pub(super) const WORK: Work = Work {
    name: "segment",
    title: "A segment for one of n idle connections",
    about: "n connections are held, of peers that are made by hand and cost nothing; each segment is for one of them, chosen at \
            random, so that the caches are honestly cold. *ACK*: a segment without data arrives and nothing follows. *data*: \
            64 bytes arrive, the application is told and reads them, and their ACK leaves at once. *one at a time*: the stack is \
            asked for what it wants to send after each segment; *in batches*: after 64. The segments are written beforehand, 256 at \
            a time. The ACK's target is the one for a segment.",
    run,
    counted: false,
    picture: Some(Picture {
        file: "benchmarks-segment.svg",
        title: "A segment with data for one of n idle connections",
        y: "ns a segment, its ACK included",
        unit: UNIT,
        shows: |figure| figure.case.contains("data, one at a time"),
    }),
};

const UNIT: &str = "ns/segment";

/// How many connections, and what estab is to reach then, in nanoseconds.
const SIZES: [(usize, Option<f64>); 6] = [
    (1, Some(150.0)),
    (1_000, Some(200.0)),
    (10_000, Some(250.0)),
    (100_000, Some(350.0)),
    (1_000_000, None),
    (10_000_000, Some(600.0)),
];

/// More than smoltcp holds in bounded time.
const MOST_OF_SMOLTCP: usize = 100_000;

/// What smoltcp's sockets have in either direction.
const BUFFER: usize = 4096;

const BATCH: usize = 64;

/// What arrives, and how.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Bytes of data.
    pub(super) data: usize,
    /// Segments before the stack is asked for what it sends.
    pub(super) batch: usize,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "ACK, one at a time",
        data: 0,
        batch: 1,
    },
    Kind {
        name: "data, one at a time",
        data: 64,
        batch: 1,
    },
    Kind {
        name: "data, in batches",
        data: 64,
        batch: BATCH,
    },
];

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let most = scale.pick(10_000, usize::MAX);
    let mut figures = Vec::new();
    for (n, limit) in SIZES.into_iter().filter(|(n, _)| *n <= most) {
        // What a connection takes, and half as much again for tables that grow by copying.
        let wanted = n as u64 * 1_600;
        if wanted > Machine::available_bytes() {
            eprintln!(
                "segment: {n} connections want {} MiB: left out",
                wanted >> 20
            );
            continue;
        }
        figures.extend(with(n, limit, scale));
    }
    Ok(figures)
}

fn with(n: usize, limit: Option<f64>, scale: Scale) -> Vec<Figure> {
    let mut ours = Ours::new(n);
    let mut theirs = (n <= MOST_OF_SMOLTCP).then(|| Theirs::new(n));
    let mut figures = Vec::new();
    for kind in KINDS {
        let case = format!("n = {}, {}", super::grouped(n), kind.name);
        let mut contest = Contest::new(WORK.name, case, &[UNIT]).with_n(n as u64);
        let count = scale.pick(2_000, 20_000);
        contest.enter(Figure::ESTAB, || Ok(ours.round(kind, count)));
        if let Some(theirs) = &mut theirs {
            // About a hundredth of a second.
            let count = (1_000_000 / n).clamp(BATCH, count);
            contest.enter("smoltcp", move || Ok(theirs.round(kind, count)));
        }
        let mut all = contest.run(scale.rounds());
        if let (Some(limit), 0) = (limit, kind.data) {
            all[0].demand_at_most(limit, format!("≤ {limit}"));
        }
        figures.append(&mut all);
    }
    figures
}

/// Segments written beforehand: few enough that they are as warm as what a device has just read.
#[derive(Default)]
struct Segments {
    chosen: Vec<usize>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// How many segments are written at once.
const BLOCK: usize = 256;

impl Segments {
    /// Replaces them by so many others.
    fn write(
        &mut self,
        remotes: &mut Remotes,
        random: &mut fastrand::Rng,
        kind: Kind,
        count: usize,
    ) {
        self.chosen.clear();
        self.bytes.clear();
        self.ends.clear();
        let data = [7; 64];
        for _ in 0..count {
            let index = random.usize(..remotes.len());
            let packet = match kind.data {
                0 => remotes.ack(index),
                length => remotes.data(index, &data[..length]),
            };
            self.chosen.push(index);
            self.bytes.extend_from_slice(packet);
            self.ends.push(self.bytes.len());
        }
    }

    /// The packets of some of them.
    fn packets(&self, places: Range<usize>) -> impl Iterator<Item = &[u8]> {
        places.map(|place| {
            let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.bytes[start..self.ends[place]]
        })
    }

    /// The places of a batch each.
    fn batches(&self, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let count = self.ends.len();
        (0..count)
            .step_by(size)
            .map(move |first| first..(first + size).min(count))
    }
}

/// Lets so many segments arrive, block by block; answers nanoseconds for each.
fn measure(
    (remotes, random): (&mut Remotes, &mut fastrand::Rng),
    kind: Kind,
    count: usize,
    mut arrive: impl FnMut(&Segments),
) -> Vec<f64> {
    let mut segments = Segments::default();
    let (mut elapsed, mut left) = (Duration::ZERO, count);
    while left > 0 {
        segments.write(remotes, random, kind, left.min(BLOCK));
        let watch = Stopwatch::start();
        arrive(&segments);
        elapsed += watch.elapsed();
        left -= left.min(BLOCK);
    }
    vec![elapsed.as_secs_f64() * 1e9 / count as f64]
}

struct Ours {
    remotes: Remotes,
    holder: estab::Holder,
    random: fastrand::Rng,
}

impl Ours {
    fn new(n: usize) -> Self {
        let mut remotes = Remotes::new(0, n);
        let mut holder = estab::Holder::new();
        for index in 0..n {
            remotes.open(index, &mut holder);
            holder.serve();
        }
        assert_eq!(holder.stack.len(), n);
        Self {
            remotes,
            holder,
            random: fastrand::Rng::with_seed(1),
        }
    }

    fn round(&mut self, kind: Kind, count: usize) -> Vec<f64> {
        round(
            &mut self.holder,
            &mut self.remotes,
            &mut self.random,
            kind,
            count,
        )
    }
}

/// Lets so many segments arrive at estab; answers nanoseconds for each.
pub(super) fn round(
    holder: &mut estab::Holder,
    remotes: &mut Remotes,
    random: &mut fastrand::Rng,
    kind: Kind,
    count: usize,
) -> Vec<f64> {
    let mut acks = 0;
    let row = measure((remotes, random), kind, count, |segments| {
        for batch in segments.batches(kind.batch) {
            holder.pass(Duration::from_micros(1));
            for packet in segments.packets(batch) {
                holder.take(packet);
            }
            holder.give(&mut |_| acks += 1);
            holder.serve();
            // Reading may have opened a window.
            holder.give(&mut |_| acks += 1);
        }
    });
    assert_eq!(acks > 0, kind.data > 0, "data alone is acknowledged");
    row
}

struct Theirs {
    remotes: Remotes,
    holder: smol::Holder,
    random: fastrand::Rng,
}

impl Theirs {
    /// Opened by the thousand in nodes of their own: in one node it would take the square of `n`.
    fn new(n: usize) -> Self {
        let mut remotes = Remotes::new(0, n);
        let mut holder = smol::Holder::new(BUFFER);
        let indices: Vec<_> = (0..n).collect();
        for thousand in indices.chunks(1_000) {
            let mut some = smol::Holder::new(BUFFER);
            for &index in thousand {
                some.listen();
                remotes.open(index, &mut some);
            }
            holder.adopt(some);
        }
        Self {
            remotes,
            holder,
            random: fastrand::Rng::with_seed(1),
        }
    }

    fn round(&mut self, kind: Kind, count: usize) -> Vec<f64> {
        let mut acks = 0;
        let mut scratch = [0; 1500];
        let smol::Holder { node, handles, .. } = &mut self.holder;
        let peers = (&mut self.remotes, &mut self.random);
        let row = measure(peers, kind, count, |segments| {
            for batch in segments.batches(kind.batch) {
                node.now += smoltcp::time::Duration::from_micros(1);
                for packet in segments.packets(batch.clone()) {
                    node.wire.arriving.put(packet);
                }
                node.poll();
                while node.wire.leaving.pop().is_some() {
                    acks += 1;
                }
                for &index in &segments.chosen[batch] {
                    let socket = node.sockets.get_mut::<smol::Socket>(handles[index]);
                    while let Ok(1..) = socket.recv_slice(&mut scratch) {}
                }
            }
        });
        assert_eq!(acks > 0, kind.data > 0, "data alone is acknowledged");
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stacks_take_every_segment_of_every_kind() {
        let (mut ours, mut theirs) = (Ours::new(50), Theirs::new(50));
        for kind in KINDS {
            ours.round(kind, 200);
            theirs.round(kind, 200);
        }
        let discards: u64 = ours.holder.stack.counters().discards.iter().sum();
        assert_eq!(discards, 0);
    }
}
