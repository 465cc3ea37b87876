//! What an idle connection takes.

use smoltcp::iface::SocketSet;

use super::{Picture, Work};
use crate::counted;
use crate::ends::remote::Remotes;
use crate::ends::{estab, smol};
use crate::harness::{Contest, Figure, Machine, Scale};

pub(super) const WORK: Work = Work {
    name: "memory",
    title: "Memory of an idle connection",
    about: "Bytes that are allocated after n connections were opened, less those before, divided by n: slot, index, timers and \
            whatever room the tables keep in reserve; no data waits. smoltcp's buffers are allocated with a socket; *bare* are its \
            sockets before they have any, which cannot connect.",
    run,
    counted: true,
    picture: Some(Picture {
        file: "benchmarks-memory.svg",
        title: "Memory of one of n idle connections",
        y: "bytes a connection",
        unit: UNIT,
        shows: |_| true,
    }),
};

const UNIT: &str = "B/connection";
const SIZES: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const TARGET: f64 = 512.0;
const BUFFER: usize = 4096;

/// What a connection of each may take while it is measured, to know whether it fits.
const ESTAB_NEEDS: u64 = 1_600;
const SMOLTCP_NEEDS: u64 = 10_000;

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let most = scale.pick(100_000, usize::MAX);
    let mut figures = Vec::new();
    for n in SIZES.into_iter().filter(|n| *n <= most) {
        let fits = |each: u64| n as u64 * each <= Machine::available_bytes();
        if !fits(ESTAB_NEEDS) {
            eprintln!("memory: {n} connections do not fit into this machine: left out");
            continue;
        }
        let case = format!("n = {}", super::grouped(n));
        let mut contest = Contest::new(WORK.name, case, &[UNIT]).with_n(n as u64);
        contest.enter(Figure::ESTAB, || Ok(each(n, ours)));
        if fits(SMOLTCP_NEEDS) {
            contest.enter("smoltcp, 4 + 4 KB", || Ok(each(n, theirs)));
        }
        contest.enter("smoltcp, bare", || Ok(each(n, |_| bare(n))));
        let mut all = contest.run_once();
        all[0].demand_at_most(TARGET, "≤ 512");
        figures.append(&mut all);
    }
    Ok(figures)
}

/// Bytes allocated by `make`, for each of `n`; not those of the peers made by hand.
fn each<T>(n: usize, make: impl FnOnce(&mut Remotes) -> T) -> Vec<f64> {
    let mut remotes = Remotes::new(0, n);
    let before = counted::live_bytes();
    let made = make(&mut remotes);
    let bytes = counted::live_bytes() - before;
    drop(made);
    vec![bytes as f64 / n as f64]
}

fn ours(remotes: &mut Remotes) -> estab::Holder {
    let mut holder = estab::Holder::new();
    for index in 0..remotes.len() {
        remotes.open(index, &mut holder);
        holder.serve();
    }
    assert_eq!(holder.stack.len(), remotes.len());
    holder
}

/// Sockets of one set: a search for a free place in a larger one would take the square of `n`.
const SET: usize = 1_000;

fn theirs(remotes: &mut Remotes) -> Vec<SocketSet<'static>> {
    let mut sets = Vec::new();
    for first in (0..remotes.len()).step_by(SET) {
        let mut holder = smol::Holder::with_room(BUFFER, SET);
        for index in first..(first + SET).min(remotes.len()) {
            holder.listen();
            remotes.open(index, &mut holder);
        }
        sets.push(holder.node.sockets);
    }
    sets
}

fn bare(n: usize) -> Vec<SocketSet<'static>> {
    let mut sets = Vec::new();
    for first in (0..n).step_by(SET) {
        let mut set = SocketSet::new(Vec::with_capacity(SET));
        for _ in first..(first + SET).min(n) {
            set.add(smol::socket(0));
        }
        sets.push(set);
    }
    sets
}
