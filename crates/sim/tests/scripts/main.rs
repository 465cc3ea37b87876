//! The runner of scripts on estab: what passes, and what is said of what does not.

mod calls;
mod commands;
mod packets;
mod times;
mod wrong_stacks;

use estab_sim::script::run::{Config, Report, Verdict, run_text};
use estab_sim::script::{Dialect, Settings};
use estab_sim::sockets::{Bench, BenchSettings, Profile};

/// estab as a script's options have it.
fn bench(config: &Config) -> Bench {
    let profile = match config.dialect {
        Dialect::Linux => Profile::linux(),
        Dialect::FreeBsd => Profile::freebsd(),
    };
    let settings = BenchSettings {
        addresses: vec![config.local_ip()],
        mtu: config.subject_mtu().into(),
        ..BenchSettings::new()
    };
    Bench::new(profile, &settings)
}

fn run_with(text: &str, base: &Config, dialect: Dialect) -> Report {
    let settings = Settings {
        dialect,
        ..Settings::default()
    };
    run_text(text, &settings, base, &[], bench)
}

fn run(text: &str) -> Report {
    run_with(text, &Config::default(), Dialect::Linux)
}

#[track_caller]
fn passes(text: &str) {
    let report = run(text);
    assert_passed(&report);
}

#[track_caller]
fn assert_passed(report: &Report) {
    let why = report.failure.as_ref().map(ToString::to_string);
    let ladder = &report.ladder;
    assert_eq!(report.verdict, Verdict::Pass, "{why:?}\n{ladder}");
}

/// The script fails in this line, and every text stands somewhere in what is said.
#[track_caller]
fn fails(text: &str, line: usize, said: &[&str]) -> Report {
    let report = run(text);
    assert_failed(&report, line, said);
    report
}

#[track_caller]
fn assert_failed(report: &Report, line: usize, said: &[&str]) {
    let ladder = &report.ladder;
    let failure = report
        .failure
        .as_ref()
        .unwrap_or_else(|| panic!("it passed\n{ladder}"));
    let text = failure.to_string();
    assert_eq!(failure.line, Some(line), "{text}\n{ladder}");
    for part in said {
        assert!(text.contains(part), "`{part}` is not in:\n{text}\n{ladder}");
    }
}

/// Ten lines: a server with one accepted connection, as descriptor 4.
const SERVER: &str = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 8>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
+0 fcntl(4, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 close(3) = 0
";

/// The server, and what follows.
fn server(rest: &str) -> String {
    format!("{SERVER}{rest}")
}
