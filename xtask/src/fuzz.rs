//! `cargo xtask fuzz`: libFuzzer on each target in turn. Its bytes begin with the committed seeds; what it adds goes
//! to `fuzz/corpus`, what breaks a target to `fuzz/artifacts`, and neither is committed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

/// There is no unsafe code in what is fuzzed, and AddressSanitizer makes it six times slower.
const SANITIZER: &str = "none";

/// One input may take so many seconds, and all of them together so much memory, in MiB.
const TIMEOUT: u32 = 20;
const MEMORY: u32 = 2048;

/// The longest input in bytes: 256 steps of `segments`, and more than any header has.
const LONGEST: u32 = 2052;

#[derive(Args)]
pub(crate) struct Options {
    /// The target; each in turn if none is named.
    target: Option<String>,
    /// How long each runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Answers whether no target was broken.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    check_tools()?;
    let folder = root.join("fuzz");
    let targets = chosen(&targets(&folder)?, options.target.as_deref())?;
    let mut broken = Vec::new();
    for target in targets {
        if !fuzz(&folder, &target, options.seconds)? {
            broken.push(target);
        }
    }
    for target in &broken {
        println!("fuzz: {target} is broken; the input lies in fuzz/artifacts/{target}.");
        println!(
            "fuzz: put it into fuzz/seeds/{target}, so that cargo test -p estab-fuzz shows it."
        );
    }
    Ok(broken.is_empty())
}

/// Both have their own installers, and neither is ours to run.
fn check_tools() -> anyhow::Result<()> {
    ensure!(
        succeeds(Command::new("cargo").args(["+nightly", "--version"])),
        "libFuzzer's instrumentation wants the nightly toolchain: rustup toolchain install nightly --profile minimal"
    );
    ensure!(
        succeeds(Command::new("cargo").args(["fuzz", "--version"])),
        "there is no cargo-fuzz: cargo install cargo-fuzz --locked"
    );
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The targets' names: those of the files in `fuzz/targets`.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let folder = folder.join("targets");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_stem().context("a target without a name")?;
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn chosen(all: &[String], wanted: Option<&str>) -> anyhow::Result<Vec<String>> {
    match wanted {
        None => Ok(all.to_vec()),
        Some(wanted) if all.iter().any(|name| name == wanted) => Ok(vec![wanted.to_owned()]),
        Some(wanted) => bail!("there is no target {wanted}, but {}", all.join(", ")),
    }
}

/// Answers whether the time passed without a finding.
fn fuzz(folder: &Path, target: &str, seconds: u32) -> anyhow::Result<bool> {
    println!("==> {target} for {seconds} s");
    let corpus = folder.join("corpus").join(target);
    let seeds = folder.join("seeds").join(target);
    fs::create_dir_all(&corpus)?;
    let status = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", "--sanitizer", SANITIZER])
        .arg("--fuzz-dir")
        .arg(folder)
        .arg(target)
        .args([&corpus, &seeds])
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-max_len={LONGEST}"))
        .stdin(Stdio::null())
        .status()
        .context("cargo fuzz could not be run")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_its_name_and_all_without_one() {
        let all = ["headers", "icmp"].map(String::from);
        assert_eq!(chosen(&all, None).unwrap(), all);
        assert_eq!(chosen(&all, Some("icmp")).unwrap(), ["icmp"]);
        let error = chosen(&all, Some("tcp")).unwrap_err().to_string();
        assert_eq!(error, "there is no target tcp, but headers, icmp");
    }

    #[test]
    fn the_targets_are_those_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        let names = targets(&folder).unwrap();
        assert!(names.contains(&"segments".to_owned()));
        assert!(names.is_sorted());
    }
}
