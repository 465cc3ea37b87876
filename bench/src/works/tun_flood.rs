//! Legitimate connections while a flood of SYNs comes from addresses that are nobody's.

use std::time::Duration;

use super::Work;
use crate::harness::{Contest, Figure, Scale};
use crate::network::{Flood, Kind, Stage, connections};

pub(super) const WORK: Work = Work {
    name: "tun-flood",
    title: "Connections under a flood of SYNs",
    about: "The short connections of above, 64 at once, while SYNs come from random addresses in 198.19.0.0/16 at a steady rate, \
            out of a raw socket on the client's side, on the same two cores. The kernel answers over a veth pair and with cookies. \
            The rate that the flood reached is in the second row of each.",
    run,
    counted: false,
    picture: None,
};

const UNITS: [&str; 2] = ["connections/s", "SYN/s"];

const AT_ONCE: usize = 64;

/// SYNs a second, and what part of its own unflooded rate estab is to keep.
const RATES: [(u64, Option<f64>); 3] = [(0, None), (100_000, Some(0.8)), (200_000, Some(0.3))];

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let time = scale.pick(Duration::from_millis(100), Duration::from_millis(500));
    let mut figures: Vec<Figure> = Vec::new();
    for (rate, share) in RATES {
        let mut contest = Contest::new(
            WORK.name,
            format!("{} SYN/s", super::grouped(rate as usize)),
            &UNITS,
        );
        for kind in [Kind::Estab, Kind::Smoltcp, Kind::Kernel] {
            let stage = Stage::set(kind, AT_ONCE)?;
            contest.enter(kind.name(), move || stage.play(move || round(rate, time)));
        }
        let mut own = contest.run(scale.pick(2, 11));
        if let (Some(share), Some(calm)) = (share, figures.first().and_then(Figure::median)) {
            own[0].demand_at_least(
                share * calm,
                format!("≥ {:.0} % of estab's without", share * 100.0),
            );
        }
        figures.append(&mut own);
    }
    Ok(figures)
}

fn round(rate: u64, time: Duration) -> anyhow::Result<Vec<f64>> {
    let flood = (rate > 0).then(|| Flood::start(rate)).transpose()?;
    // The queues are full when the connections begin.
    std::thread::sleep(if rate > 0 {
        Duration::from_millis(100)
    } else {
        Duration::ZERO
    });
    let outcome = connections(AT_ONCE, time);
    let reached = flood.map_or(0.0, Flood::end);
    let outcome = outcome?;
    Ok(vec![
        outcome.done as f64 / outcome.elapsed.as_secs_f64(),
        reached,
    ])
}
