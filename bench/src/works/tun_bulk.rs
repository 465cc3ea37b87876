//! As many bytes as go through a TUN.

use std::time::Duration;

use super::Work;
use crate::harness::{Contest, Figure, Scale};
use crate::network::{Kind, Stage, Usage, pull, push};

pub(super) const WORK: Work = Work {
    name: "tun-bulk",
    title: "Bulk through a TUN",
    about: "One connection between a kernel client and the stack, MTU 1500, no offload, 256 KB buffers in the stacks. The kernel's \
            own over a veth pair sends itself packets of up to 64 KB, which a TUN without offload does not.",
    run,
    counted: false,
    picture: None,
};

const UNITS: [&str; 2] = ["Gbit/s", "ms CPU/GB"];

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let time = scale.pick(Duration::from_millis(50), Duration::from_millis(400));
    let mut figures = Vec::new();
    type Carry = fn(Duration) -> anyhow::Result<u64>;
    for (case, carry) in [
        ("kernel → stack", push as Carry),
        ("stack → kernel", pull as Carry),
    ] {
        let mut contest = Contest::new(WORK.name, case, &UNITS);
        for kind in [Kind::Estab, Kind::Smoltcp, Kind::Kernel] {
            let stage = Stage::set(kind, 1)?;
            contest.enter(kind.name(), move || round(&stage, time, carry));
        }
        let mut own = contest.run(scale.pick(2, 15));
        let peer = own[1].median().unwrap_or(f64::INFINITY);
        own[0].demand_at_least(peer, "not slower than smoltcp");
        figures.append(&mut own);
    }
    Ok(figures)
}

fn round(
    stage: &Stage,
    time: Duration,
    carry: fn(Duration) -> anyhow::Result<u64>,
) -> anyhow::Result<Vec<f64>> {
    let usage = Usage::now();
    let bytes = stage.play(move || carry(time))? as f64;
    let used = usage.since();
    anyhow::ensure!(bytes > 0.0, "nothing went through");
    Ok(vec![
        bytes * 8.0 / time.as_secs_f64() / 1e9,
        used.as_secs_f64() * 1e3 / (bytes / 1e9),
    ])
}
