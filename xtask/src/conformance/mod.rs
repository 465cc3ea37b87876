//! `cargo xtask conformance`: runs the scripts and writes the tables that tell of them.

mod packetdrill;
mod public;
mod reasons;
mod requirements;
mod scripts;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::differ;

#[derive(Args)]
pub(crate) struct Options {
    /// Only says whether the tables are up to date.
    #[arg(long)]
    check: bool,
    /// Leaves the kernel out: comparing takes root, a TUN and some minutes of real time.
    #[arg(long)]
    without_kernel: bool,
    /// Instead runs the scripts in gtests/net/tcp of a clone of google/packetdrill, and writes docs/public-scripts.md.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "without_kernel"])]
    public: Option<PathBuf>,
    /// Instead runs our scripts on estab under the original packetdrill, and holds them against conformance/packetdrill.txt.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["check", "without_kernel", "public"])]
    packetdrill: Option<PathBuf>,
    /// The commit of google/packetdrill, where DIR is not in a clone that can be asked.
    #[arg(long, requires = "public")]
    commit: Option<String>,
}

/// What is run, with cargo, before the tables are written.
const RUNS: [&[&str]; 3] = [
    &[
        "test",
        "-p",
        "estab-sim",
        "--test",
        "scripts",
        "--test",
        "corpus",
    ],
    &["test", "-p", "estab-ffi"],
    &[
        "run",
        "-p",
        "estab-cli",
        "--",
        "script",
        "-q",
        "--compare",
        "conformance",
    ],
];

/// How many random plots follow, on estab and on the kernel.
const PLOTS: u64 = 500;

/// Answers whether all is well: every script passes, and with `--check` the tables are as they would be written.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    if let Some(folder) = &options.public {
        let folder = folder.canonicalize().context("no such directory")?;
        let commit = options.commit.clone().map_or_else(|| head(&folder), Ok)?;
        return public::run(root, &folder, &commit);
    }
    if let Some(program) = &options.packetdrill {
        let program = program.canonicalize().context("no such program")?;
        return packetdrill::run(root, &program);
    }
    if options.check {
        let stale = stale(root)?;
        for path in &stale {
            println!("{path} is not up to date: run `cargo xtask conformance`");
        }
        return Ok(stale.is_empty());
    }
    let mut well = true;
    let runs = RUNS.len() - usize::from(options.without_kernel);
    for arguments in &RUNS[..runs] {
        println!("==> cargo {}", arguments.join(" "));
        let mut cargo = Command::new("cargo");
        let status = cargo.args(*arguments).current_dir(root).status();
        well &= status.context("no cargo")?.success();
    }
    if !options.without_kernel {
        println!("==> cargo xtask differ --seeds {PLOTS}");
        well &= differ::run(root, &differ::Options::seeds(PLOTS))?;
    }
    for (path, text) in written(root)? {
        fs::write(root.join(path), text)?;
        println!("wrote {path}");
    }
    Ok(well)
}

/// The commit of the clone that a directory is in.
fn head(folder: &Path) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"])
        .current_dir(folder);
    let output = git.output().context("no git")?;
    ensure!(
        output.status.success(),
        "DIR is in no clone: --commit tells which it is of"
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The tables that are not as they would be written.
fn stale(root: &Path) -> anyhow::Result<Vec<&'static str>> {
    let current = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let tables = written(root)?.into_iter();
    let stale = tables.filter(|(path, text)| current(path) != *text);
    Ok(stale.map(|(path, _)| path).collect())
}

/// The tables, from the scripts and the requirements.
fn written(root: &Path) -> anyhow::Result<[(&'static str, String); 2]> {
    let scripts = scripts::read_all(root)?;
    let requirements = requirements::read(root)?;
    Ok([
        (
            "docs/conformance.md",
            tables::conformance(&scripts, &requirements),
        ),
        (
            "docs/differences-from-linux.md",
            tables::differences(&scripts),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_what_the_scripts_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let stale = stale(&root).expect("every script describes itself");
        assert!(stale.is_empty(), "{stale:?}: run `cargo xtask conformance`");
    }
}
