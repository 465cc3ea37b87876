//! Short connections from a kernel client.

use std::time::Duration;

use super::Work;
use crate::harness::{Contest, Figure, Scale};
use crate::network::{Kind, Stage, Usage, connections};

pub(super) const WORK: Work = Work {
    name: "tun-connections",
    title: "Short connections from a kernel client",
    about: "Open, a byte there, a byte back, close (the client first), so many at once from one thread with epoll. The servers \
            are on a TUN: estab's `Host` and tcp_ip on a current-thread tokio, ipstack on one with two threads, which it needs, all with the same service; smoltcp in a loop of its own with twice as many sockets; and the kernel, with the same service, over a veth pair. CPU is that of the \
            process, client and server with the kernel's work in their name, and of ksoftirqd.",
    run,
    counted: false,
    picture: None,
};

pub(super) const UNITS: [&str; 2] = ["µs CPU/connection", "connections/s"];

const CONTESTANTS: [Kind; 5] = [
    Kind::Estab,
    Kind::Smoltcp,
    Kind::Ipstack,
    Kind::TcpIp,
    Kind::Kernel,
];

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let time = scale.pick(Duration::from_millis(50), Duration::from_millis(300));
    for at_once in [1, 32, 64] {
        let mut contest = Contest::new(WORK.name, format!("{at_once} at once"), &UNITS);
        for kind in CONTESTANTS {
            let stage = Stage::set(kind, at_once)?;
            contest.enter(kind.name(), move || round(&stage, at_once, time));
        }
        let mut own = contest.run(scale.pick(2, 15));
        let least = own[1..CONTESTANTS.len()]
            .iter()
            .filter(|figure| figure.subject == "smoltcp" || figure.subject.starts_with("kernel"))
            .filter_map(Figure::median)
            .fold(f64::INFINITY, f64::min);
        own[0].demand_at_most(least, "less than smoltcp and the kernel");
        figures.append(&mut own);
    }
    Ok(figures)
}

fn round(stage: &Stage, at_once: usize, time: Duration) -> anyhow::Result<Vec<f64>> {
    let usage = Usage::now();
    let outcome = stage.play(move || connections(at_once, time))?;
    let used = usage.since();
    anyhow::ensure!(outcome.done > 0, "no connection was made");
    anyhow::ensure!(
        outcome.failed * 100 <= outcome.done,
        "{} of {} failed",
        outcome.failed,
        outcome.done
    );
    let done = outcome.done as f64;
    Ok(vec![
        used.as_secs_f64() * 1e6 / done,
        done / outcome.elapsed.as_secs_f64(),
    ])
}
