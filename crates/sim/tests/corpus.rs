//! The project's own scripts, each over IPv4 and IPv6, without and with timestamps: strictly, so that no packet leaves
//! that a script does not expect.

use std::fs;
use std::path::{Path, PathBuf};

use estab_sim::script::Settings;
use estab_sim::script::run::{Config, IpVersion, Report, Verdict, run_text};
use estab_sim::sockets::{Bench, BenchSettings, Profile};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            collect(&path, scripts);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            scripts.push(path);
        }
    }
}

/// Whether a script has nothing against a variant in its line `// only:`.
fn is_for(text: &str, ip: IpVersion, with_timestamps: bool) -> bool {
    let only = text.lines().find_map(|line| line.strip_prefix("// only: "));
    only.unwrap_or_default()
        .split_whitespace()
        .all(|word| match word {
            "ipv4" => ip == IpVersion::V4,
            "ipv6" => ip == IpVersion::V6,
            "plain" => !with_timestamps,
            other => panic!("`// only: {other}`"),
        })
}

fn run(text: &str, ip_version: IpVersion, with_timestamps: bool) -> Report {
    let base = Config {
        ip_version,
        with_timestamps,
        strict: true,
        ..Config::default()
    };
    run_text(text, &Settings::default(), &base, &[], |config| {
        let settings = BenchSettings {
            addresses: vec![config.local_ip()],
            mtu: config.subject_mtu().into(),
            ..BenchSettings::new()
        };
        Bench::new(Profile::linux(), &settings)
    })
}

fn every_script_passes(ip_version: IpVersion, with_timestamps: bool) {
    let mut scripts = Vec::new();
    collect(&corpus(), &mut scripts);
    scripts.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for path in scripts {
        let text = fs::read_to_string(&path).expect("a script can be read");
        if !is_for(&text, ip_version, with_timestamps) {
            continue;
        }
        let report = run(&text, ip_version, with_timestamps);
        match (report.verdict, &report.failure) {
            (Verdict::Pass, _) => passed += 1,
            (_, Some(failure)) => {
                let line = report.line().unwrap_or_default();
                failed.push(format!("{}:{line}: {failure}", path.display()));
            }
            (_, None) => failed.push(path.display().to_string()),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed >= 480, "only {passed} scripts were found");
}

#[test]
fn every_script_passes_over_ipv4() {
    every_script_passes(IpVersion::V4, false);
}

#[test]
fn every_script_passes_over_ipv4_with_timestamps() {
    every_script_passes(IpVersion::V4, true);
}

#[test]
fn every_script_passes_over_ipv6() {
    every_script_passes(IpVersion::V6, false);
}

#[test]
fn every_script_passes_over_ipv6_with_timestamps() {
    every_script_passes(IpVersion::V6, true);
}

/// The corpus would be worth nothing if it could not fail.
#[test]
fn a_script_that_expects_something_else_fails() {
    let text = fs::read_to_string(corpus().join("closed/syn-in-window.pkt")).expect("it is there");
    let wrong = text.replace("> R. 0:0(0) ack 1", "> R. 0:0(0) ack 2");
    assert_ne!(text, wrong);
    assert_eq!(run(&wrong, IpVersion::V4, false).verdict, Verdict::Fail);
}
