//! `cargo xtask differ`: random plots on estab and on this machine's kernel.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use estab_sim::differ::{Finding, Findings, IGNORED, KNOWN, hunt};

/// Where the scripts of differences are put, below the repository.
const SCRIPTS: &str = "target/differ";

#[derive(Args)]
pub(crate) struct Options {
    /// How many seeds to try
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many run at a time, each in a network namespace of its own; nearly all their time is waiting
    #[arg(long, default_value_t = THREADS)]
    threads: usize,
    /// Only tells what is not compared, and which differences are meant
    #[arg(long)]
    list: bool,
}

/// Unless told otherwise.
const THREADS: usize = 8;

impl Options {
    /// So many seeds, from the first.
    pub(crate) fn seeds(seeds: u64) -> Self {
        Self {
            seeds,
            seed: 0,
            threads: THREADS,
            list: false,
        }
    }
}

/// Answers whether there is no difference but those that are meant.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    if options.list {
        list();
        return Ok(true);
    }
    let begun = clock();
    let seeds = options.seed..options.seed.saturating_add(options.seeds);
    let findings = hunt(seeds, options.threads)?;
    let scripts = root.join(SCRIPTS);
    for finding in findings.unknown.values() {
        tell(finding);
        keep(&scripts, finding)?;
    }
    sum(&findings);
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(findings.unknown.is_empty())
}

fn list() {
    println!("Not compared:");
    for (what, why) in IGNORED {
        println!("  {what}: {why}");
    }
    println!("Meant:");
    for known in KNOWN {
        println!("  {}: {}", known.name, known.reason);
    }
}

fn tell(finding: &Finding) {
    let Finding {
        seed,
        times,
        difference,
        script,
    } = finding;
    println!("seed {seed}, {times} times like it: in the last moment of");
    println!("{script}");
    println!("  estab {}", difference.left);
    println!("  Linux {}\n", difference.right);
}

/// The script says what Linux does: it passes there, and fails on estab.
fn keep(scripts: &Path, finding: &Finding) -> anyhow::Result<()> {
    let path = scripts.join(format!("{}.pkt", finding.seed));
    fs::create_dir_all(scripts).with_context(|| scripts.display().to_string())?;
    let text = format!(
        "// seed {}\n// estab: {}\n// Linux: {}\n{}",
        finding.seed, finding.difference.left, finding.difference.right, finding.script
    );
    fs::write(&path, text).with_context(|| path.display().to_string())
}

fn sum(findings: &Findings) {
    for (name, times) in &findings.known {
        println!("{times:>6}  {name}");
    }
    println!(
        "{} plots, {} kinds of differences that are not meant, {} that did not come again",
        findings.plots,
        findings.unknown.len(),
        findings.fleeting
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a run took is for its reader"
)]
fn clock() -> Instant {
    Instant::now()
}
