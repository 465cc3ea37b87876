//! Every target over its seeds, on stable: what libFuzzer found once stays found.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use estab_core::ARROWS;
use estab_fuzz::{Reached, TARGETS, icmp, script, segments};

/// The seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let folder = folder.join(target);
    let entries = fs::read_dir(&folder).expect("every target has seeds");
    let mut seeds: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into();
            (name, fs::read(&path).expect("a file"))
        })
        .collect();
    seeds.sort();
    seeds
}

/// Every seed goes through its target without a panic.
fn run(name: &str) {
    let (_, target) = TARGETS
        .iter()
        .find(|(target, _)| *target == name)
        .expect("a target of this name");
    let seeds = seeds(name);
    assert!(seeds.len() >= 10, "{} seeds for {name}", seeds.len());
    for (seed, bytes) in seeds {
        println!("fuzz/seeds/{name}/{seed}");
        target(&bytes);
    }
}

#[test]
fn the_seeds_of_headers_hold() {
    run("headers");
}

#[test]
fn the_seeds_of_options_hold() {
    run("options");
}

#[test]
fn the_seeds_of_segments_hold() {
    run("segments");
}

#[test]
fn the_seeds_of_icmp_hold() {
    run("icmp");
}

#[test]
fn the_seeds_of_script_hold() {
    run("script");
}

#[test]
fn the_seeds_of_capture_hold() {
    run("capture");
}

/// Every arrow of RFC 9293 Figure 5 is taken by some seed, so that every state is where fuzzing begins.
#[test]
fn the_seeds_of_segments_take_every_arrow() {
    let mut reached = Reached::new();
    for (_, bytes) in seeds("segments") {
        reached.extend(segments::reached(&bytes));
    }
    let arrows: BTreeSet<_> = ARROWS.iter().map(|arrow| (arrow.from, arrow.to)).collect();
    let missing: Vec<_> = arrows.difference(&reached).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// ICMP meets connections in every state, too.
#[test]
fn the_seeds_of_icmp_reach_every_state() {
    let mut reached = BTreeSet::new();
    for (_, bytes) in seeds("icmp") {
        reached.extend(icmp::reached(&bytes).into_iter().map(|(_, to)| to));
    }
    let all: BTreeSet<_> = ARROWS.iter().map(|arrow| arrow.to).collect();
    assert_eq!(reached, all);
}

/// A target that libFuzzer is not told of, or one without a name here, is fuzzed by nobody.
#[test]
fn every_target_is_handed_to_libfuzzer() {
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    let handed: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| {
            line.strip_prefix("path = \"targets/")?
                .strip_suffix(".rs\"")
        })
        .collect();
    let named: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(handed, named);
}

/// Those that were made and not found are scripts, so that fuzzing begins inside the language.
#[test]
fn the_seeds_of_script_are_in_the_language() {
    let mut made = seeds("script");
    made.retain(|(name, _)| name.starts_with("script-"));
    made.retain(|(_, bytes)| script::is_script(bytes));
    assert!(made.len() >= 40, "{} scripts", made.len());
}
