//! `cargo xtask test`: every check a change must pass, and one closing line that counts them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;

use crate::{setup, tidy};

/// The file to which a test that cannot run here appends `NAME: WHY`, then returns.
const SKIP_LOG: &str = "ESTAB_SKIP_LOG";

#[derive(Args)]
pub(crate) struct Options {
    /// Leaves out clippy and the release build.
    #[arg(long)]
    quick: bool,
    /// What follows `--` goes to `cargo test`: `-- -p estab-core sequence`, `-- -- --nocapture`.
    #[arg(last = true)]
    cargo_test: Vec<String>,
}

/// Runs every check even where an earlier one failed; answers whether all of them passed.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    if let Err(error) = setup::run() {
        println!("setup: {error:#}; the tests that need it are skipped by name");
    }
    let mut summary = Summary::default();
    for step in steps_before_tests(options) {
        let passed = cargo(root, step)?;
        summary.check(&format!("cargo {}", step.join(" ")), passed);
    }
    run_tests(root, options, &mut summary)?;
    say("cargo xtask tidy");
    summary.check("cargo xtask tidy", tidy::run(root)?);
    summary.print();
    Ok(summary.is_green())
}

/// Formatting first: it is the quickest to fail.
fn steps_before_tests(options: &Options) -> &'static [&'static [&'static str]] {
    const ALL: &[&[&str]] = &[
        &["fmt", "--all", "--check"],
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &["build", "--release", "--workspace", "--bins"],
    ];
    if options.quick { &ALL[..1] } else { ALL }
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<bool> {
    say(&format!("cargo {}", arguments.join(" ")));
    let status = command(root, arguments).status().context("no cargo")?;
    Ok(status.success())
}

/// Runs the tests in cargo's own test profile, which has the overflow checks and the debug
/// assertions that arithmetic on sequence numbers needs and a release build leaves out.
fn run_tests(root: &Path, options: &Options, summary: &mut Summary) -> anyhow::Result<()> {
    let arguments = test_arguments(&options.cargo_test);
    say(&format!("cargo {}", arguments.join(" ")));
    let skip_log = fresh_skip_log(root)?;
    let mut child = command(root, &arguments)
        .env(SKIP_LOG, &skip_log)
        .stdout(Stdio::piped())
        .spawn()
        .context("no cargo")?;
    let output = child.stdout.take().expect("its standard output is piped");
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        summary.read(&line);
    }
    let succeeded = child.wait()?.success();
    if summary.failed_tests == 0 {
        // Not compiled, or a test binary died before it could count.
        summary.check("cargo test", succeeded);
    }
    summary.read_skip_log(&fs::read_to_string(&skip_log)?);
    Ok(())
}

fn test_arguments(extra: &[String]) -> Vec<&str> {
    let mut arguments = vec!["test", "--no-fail-fast"];
    let is_package = |argument: &String| argument.starts_with("-p") || argument == "--package";
    if !extra.iter().any(is_package) {
        arguments.push("--workspace");
    }
    arguments.extend(extra.iter().map(String::as_str));
    arguments
}

fn fresh_skip_log(root: &Path) -> anyhow::Result<PathBuf> {
    let directory = root.join("target");
    fs::create_dir_all(&directory)?;
    let path = directory.join("skipped-tests.log");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => fs::write(&path, "")?,
    }
    Ok(path)
}

fn command<S: AsRef<OsStr>>(root: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null());
    command
}

fn say(step: &str) {
    println!("==> {step}");
}

/// What the closing line counts. A check other than a test counts only when it fails, so that
/// `0 failed` never ends a run that failed.
#[derive(Default)]
struct Summary {
    passed: usize,
    failed_tests: usize,
    failed_checks: Vec<String>,
    ignored: usize,
    /// Why each skipped test was skipped, by its name.
    skipped: BTreeMap<String, String>,
    /// How many of `skipped` returned early, which the test harness takes for passing.
    returned_early: usize,
}

impl Summary {
    fn check(&mut self, name: &str, passed: bool) {
        if !passed {
            self.failed_checks.push(name.to_owned());
        }
    }

    /// Reads one line of what `cargo test` prints.
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed_tests += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some((name, why)) = ignored_test(line) {
            self.skipped.insert(name.to_owned(), why.to_owned());
        }
    }

    fn read_skip_log(&mut self, log: &str) {
        for line in log.lines().filter(|line| !line.trim().is_empty()) {
            let (name, why) = line.split_once(": ").unwrap_or((line, "no reason given"));
            if self.skipped.insert(name.into(), why.into()).is_none() {
                self.returned_early += 1;
            }
        }
    }

    fn is_green(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.failed_tests + self.failed_checks.len()
    }

    fn closing_line(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed.saturating_sub(self.returned_early),
            self.failed(),
            self.ignored + self.returned_early
        )
    }

    fn print(&self) {
        println!();
        for (name, why) in &self.skipped {
            println!("skipped: {name}: {why}");
        }
        for check in &self.failed_checks {
            println!("failed: {check}");
        }
        println!("{}", self.closing_line());
    }
}

/// The number before `what` in `ok. 5 passed; 0 failed; 1 ignored; …`.
fn count(counts: &str, what: &str) -> usize {
    counts
        .split(['.', ';'])
        .find_map(|part| part.strip_suffix(what)?.trim().parse().ok())
        .unwrap_or(0)
}

/// The name and the reason in `test NAME ... ignored, REASON`.
fn ignored_test(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let reason = outcome.strip_prefix("ignored")?;
    let reason = reason.strip_prefix(", ").unwrap_or("marked as ignored");
    Some((name, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; \
                          3 filtered out; finished in 0.05s";

    fn summary_of(lines: &[&str], skip_log: &str) -> Summary {
        let mut summary = Summary::default();
        lines.iter().for_each(|line| summary.read(line));
        summary.read_skip_log(skip_log);
        summary
    }

    #[test]
    fn results_of_several_binaries_add_up() {
        let summary = summary_of(&[RESULT, "test a ... ok", RESULT], "");
        assert_eq!(summary.closing_line(), "24 passed, 4 failed, 2 skipped");
        assert!(!summary.is_green());
    }

    #[test]
    fn a_test_that_logs_a_skip_did_not_pass() {
        let log = "handshake_over_tun: no /dev/net/tun\nhandshake_over_tun: again\ncurl: none\n";
        let summary = summary_of(&["test result: ok. 3 passed; 0 failed; 0 ignored"], log);
        assert_eq!(summary.closing_line(), "1 passed, 0 failed, 2 skipped");
        assert!(summary.is_green());
    }

    #[test]
    fn an_ignored_test_is_skipped_with_its_reason() {
        let lines = [
            "test a ... ignored, takes an hour",
            "test b ... ignored",
            "test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured",
        ];
        let summary = summary_of(&lines, "");
        assert_eq!(summary.skipped["a"], "takes an hour");
        assert_eq!(summary.skipped["b"], "marked as ignored");
        assert_eq!(summary.closing_line(), "0 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_failed_check_counts_as_failed() {
        let mut summary = Summary::default();
        summary.check("cargo fmt", true);
        summary.check("cargo clippy", false);
        assert_eq!(summary.closing_line(), "0 passed, 1 failed, 0 skipped");
        assert!(!summary.is_green());
    }

    #[test]
    fn a_named_package_replaces_the_workspace() {
        let extra = ["-p", "estab-core"].map(String::from);
        assert!(!test_arguments(&extra).contains(&"--workspace"));
        assert!(test_arguments(&[]).contains(&"--workspace"));
    }
}
