//! The project's own scripts, each over IPv4 and IPv6, without and with timestamps: strictly, so that no packet leaves
//! that a script does not expect.

use std::fs;
use std::path::{Path, PathBuf};

use estab_sim::script::Settings;
use estab_sim::script::ast::ScriptOption;
use estab_sim::script::header::left_out;
use estab_sim::script::run::{self, Config, Report, Verdict, read};
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

/// What comes of a script over an IP version, unless it is not for this.
fn run(text: &str, ip_version: &str, with_timestamps: bool) -> Option<Report> {
    let base = Config {
        with_timestamps,
        strict: true,
        ..Config::default()
    };
    let ip_version = ScriptOption {
        name: "ip_version".to_owned(),
        value: Some(ip_version.to_owned()),
        line: 0,
    };
    let (script, config) = match read(text, &Settings::default(), &base, &[ip_version]) {
        Ok(read) => read,
        Err(report) => return Some(report),
    };
    if left_out(text, &config).is_some() {
        return None;
    }
    let settings = BenchSettings {
        addresses: vec![config.local_ip()],
        mtu: config.subject_mtu().into(),
        ..BenchSettings::new()
    };
    let mut bench = Bench::new(Profile::linux(), &settings);
    Some(run::run(&script, &config, &mut bench))
}

fn every_script_passes(ip_version: &str, with_timestamps: bool) {
    let mut scripts = Vec::new();
    collect(&corpus(), &mut scripts);
    scripts.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for path in scripts {
        let text = fs::read_to_string(&path).expect("a script can be read");
        let Some(report) = run(&text, ip_version, with_timestamps) else {
            continue;
        };
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
    assert!(passed >= 590, "only {passed} scripts were found");
}

#[test]
fn every_script_passes_over_ipv4() {
    every_script_passes("ipv4", false);
}

#[test]
fn every_script_passes_over_ipv4_with_timestamps() {
    every_script_passes("ipv4", true);
}

#[test]
fn every_script_passes_over_ipv6() {
    every_script_passes("ipv6", false);
}

#[test]
fn every_script_passes_over_ipv6_with_timestamps() {
    every_script_passes("ipv6", true);
}

/// The corpus would be worth nothing if it could not fail.
#[test]
fn a_script_that_expects_something_else_fails() {
    let text = fs::read_to_string(corpus().join("closed/syn-in-window.pkt")).expect("it is there");
    let wrong = text.replace("> R. 0:0(0) ack 1", "> R. 0:0(0) ack 2");
    assert_ne!(text, wrong);
    let verdict = run(&wrong, "ipv4", false).map(|report| report.verdict);
    assert_eq!(verdict, Some(Verdict::Fail));
}
