//! Whole worlds, each from one seed: the few that every change must pass. `cargo xtask simulate` plays any number.

use std::fs;
use std::path::Path;

use estab_sim::simulation::{Caps, Coverage, replay, run};

/// Plays the worlds of some seeds on two threads; answers what happened in them.
fn play(seeds: std::ops::Range<u64>) -> Coverage {
    let half = seeds.start + (seeds.end - seeds.start) / 2;
    let play = |seeds: std::ops::Range<u64>| {
        let mut total = Coverage::default();
        for seed in seeds {
            match run(seed, &Caps::default()) {
                Ok(coverage) => total.add(&coverage),
                Err(failure) => panic!("cargo xtask simulate --seed {seed}: {failure}"),
            }
        }
        total
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| play(half..seeds.end));
        let mut total = play(seeds.start..half);
        match other.join() {
            Ok(coverage) => total.add(&coverage),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        total
    })
}

#[test]
fn worlds_break_no_rule_and_reach_every_arrow_and_cause() {
    let coverage = play(0..10_000);
    let missing: Vec<_> = coverage
        .rows()
        .into_iter()
        .filter(|(what, _, count)| *count == 0 && matches!(*what, "network" | "arrow" | "cause"))
        .collect();
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in 0..20 {
        let rows = || run(seed, &Caps::default()).expect("it is clean").rows();
        assert_eq!(rows(), rows(), "seed {seed}");
    }
}

#[test]
fn a_replay_leaves_a_ladder_and_a_capture() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    let caps = Caps {
        hosts: 2,
        connections: 5,
    };
    let seed = 1;
    let replayed = replay(seed, &caps, &directory).expect("files can be written");
    let coverage = replayed.expect("it is clean");
    assert_eq!(
        coverage.rows(),
        run(seed, &caps).expect("it is clean").rows()
    );
    let ladder = fs::read_to_string(directory.join("ladder.txt")).expect("a ladder");
    assert!(ladder.contains("CLOSED -> SYN-SENT: the application connects"));
    let capture = fs::read(directory.join("world.pcapng")).expect("a capture");
    let packets = usize::try_from(coverage.packets).expect("a few");
    assert!(
        capture.len() > 60 * packets,
        "{} bytes, {packets} packets",
        capture.len()
    );
}
