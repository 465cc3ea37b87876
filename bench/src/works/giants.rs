//! Ten million of everything in one process at once.

use std::time::{Duration, Instant};

use super::Work;
use crate::counted;
use crate::ends::End;
use crate::ends::estab::Holder;
use crate::ends::remote::Remotes;
use crate::harness::{Contest, Figure, Machine, Scale, Spread};

pub(super) const WORK: Work = Work {
    name: "giants",
    title: "Ten million idle connections, ten million in TIME-WAIT and a million half-open",
    about: "All in one stack at once, by peers made by hand. Memory is what was allocated for each crowd, all of it included; \
            *resident* is what the kernel says the process has. Building is one thread that opens (and closes) one after \
            another, the peers' part included. Then segments arrive for idle connections, chosen at random, one at a time.",
    run,
    counted: true,
    picture: None,
};

/// How many of each there are to be.
const IDLE: usize = 10_000_000;
const TIME_WAIT: usize = 10_000_000;
const HALF_OPEN: usize = 1_000_000;

/// The numbers of the peers of each crowd do not meet.
const FIRST_TIME_WAIT: u32 = 20_000_000;
const FIRST_HALF_OPEN: u32 = 40_000_000;

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let share = if scale.quick {
        0.005
    } else {
        share_that_fits()
    };
    if share < 1.0 && !scale.quick {
        eprintln!(
            "giants: this machine has room for {:.0} % of them: scaled down",
            share * 100.0
        );
    }
    let part = |all: usize| (all as f64 * share) as usize;
    let mut figures = Vec::new();
    let mut holder = Holder::with(|config| config.time_wait = Duration::from_secs(3600));
    let mut idle = Remotes::new(0, part(IDLE));
    let crowd = Crowd::grow(idle.len(), || open(&mut holder, &mut idle));
    crowd.tell("idle", &mut figures);
    let crowd = Crowd::grow(part(TIME_WAIT), || close(&mut holder, part(TIME_WAIT)));
    crowd.tell("TIME-WAIT", &mut figures);
    let crowd = Crowd::grow(part(HALF_OPEN), || begin(&mut holder, part(HALF_OPEN)));
    crowd.tell("half-open", &mut figures);
    let now = (
        holder.stack.slots(),
        holder.stack.time_waits(),
        holder.stack.half_open(),
    );
    anyhow::ensure!(
        now == (part(IDLE), part(TIME_WAIT), part(HALF_OPEN)),
        "{now:?} are there"
    );
    let [idles, waits, halves] = [now.0, now.1, now.2].map(super::grouped);
    let all = format!("{idles} idle + {waits} TIME-WAIT + {halves} half-open");
    figures.push(single(
        &all,
        "MiB resident",
        resident_bytes() as f64 / f64::from(1 << 20),
    ));
    figures.extend(segments(&mut holder, &mut idle, &all, scale));
    Ok(figures)
}

/// How much of it fits, going by a crowd small enough to fit anywhere.
fn share_that_fits() -> f64 {
    let count = 100_000;
    let before = counted::live_bytes();
    let mut holder = Holder::new();
    let mut idle = Remotes::new(0, count);
    open(&mut holder, &mut idle);
    let idle_bytes = (counted::live_bytes() - before) / count;
    close(&mut holder, count);
    let both = (counted::live_bytes() - before) / count;
    let wanted = (idle_bytes * IDLE + (both - idle_bytes) * TIME_WAIT + 400 * HALF_OPEN) as f64;
    // A table that grows by copying is there twice for a moment.
    (Machine::available_bytes() as f64 / (wanted * 1.4)).min(1.0)
}

fn open(holder: &mut Holder, remotes: &mut Remotes) {
    for index in 0..remotes.len() {
        remotes.open(index, holder);
        holder.serve();
    }
}

/// The application closes first, then the peer: TIME-WAIT is ours.
fn close(holder: &mut Holder, count: usize) {
    let mut remotes = Remotes::new(FIRST_TIME_WAIT, 1);
    for _ in 0..count {
        remotes.open(0, holder);
        holder.close_all();
        remotes.listen_to(0, holder);
        holder.take(remotes.fin(0));
        remotes.listen_to(0, holder);
        remotes.move_on();
    }
}

fn begin(holder: &mut Holder, count: usize) {
    let mut remotes = Remotes::new(FIRST_HALF_OPEN, 1);
    for _ in 0..count {
        holder.take(remotes.syn(0));
        holder.give(&mut |_| {});
        remotes.move_on();
    }
}

/// What it took to build one crowd.
struct Crowd {
    count: usize,
    bytes: usize,
    time: Duration,
}

impl Crowd {
    fn grow(count: usize, grow: impl FnOnce()) -> Self {
        let (before, start) = (counted::live_bytes(), Instant::now());
        grow();
        Self {
            count,
            bytes: counted::live_bytes() - before,
            time: start.elapsed(),
        }
    }

    fn tell(&self, what: &str, figures: &mut Vec<Figure>) {
        let case = format!("{} {what}", super::grouped(self.count));
        figures.push(single(
            &case,
            "B each",
            self.bytes as f64 / self.count as f64,
        ));
        figures.push(single(&case, "s to build", self.time.as_secs_f64()));
    }
}

fn single(case: &str, unit: &str, value: f64) -> Figure {
    Figure {
        work: WORK.name.to_owned(),
        case: case.to_owned(),
        n: None,
        subject: Figure::ESTAB.to_owned(),
        unit: unit.to_owned(),
        value: Spread::of(&[value]),
        rounds: 1,
        estab_ratio: None,
        target: None,
        note: None,
    }
}

fn segments(holder: &mut Holder, idle: &mut Remotes, all: &str, scale: Scale) -> Vec<Figure> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut figures = Vec::new();
    for (name, data) in [("ACK", 0), ("data", 64)] {
        let mut contest =
            Contest::new(WORK.name, format!("{name} for one, {all}"), &["ns/segment"]);
        contest.enter(Figure::ESTAB, || {
            let kind = super::segment::Kind {
                name,
                data,
                batch: 1,
            };
            let count = scale.pick(2_000, 20_000);
            Ok(super::segment::round(
                holder,
                idle,
                &mut random,
                kind,
                count,
            ))
        });
        figures.extend(contest.run(scale.rounds()));
    }
    figures
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
