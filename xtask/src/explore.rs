//! `cargo xtask explore`: everything that may happen to a connection, up to the bounds given.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

/// How much may go wrong on one way, and what is explored.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Segments lost
    #[arg(long, default_value_t = 1)]
    losses: u8,
    /// Segments doubled
    #[arg(long, default_value_t = 0)]
    duplicates: u8,
    /// Timers that fire while segments are under way
    #[arg(long, default_value_t = 0)]
    early_timers: u8,
    /// Segments of an earlier incarnation that arrive
    #[arg(long, default_value_t = 0)]
    old: u8,
    /// One scenario instead of all
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// States after which a scenario is cut short
    #[arg(long, default_value_t = 2_000_000)]
    limit: usize,
}

/// Builds the explorer with optimization and runs it; answers whether everything holds.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "run",
            "--quiet",
            "--release",
            "-p",
            "estab-sim",
            "--example",
            "explore",
            "--",
        ])
        .args(["--losses", &options.losses.to_string()])
        .args(["--duplicates", &options.duplicates.to_string()])
        .args(["--early-timers", &options.early_timers.to_string()])
        .args(["--old", &options.old.to_string()])
        .args(["--limit", &options.limit.to_string()])
        .current_dir(root);
    if let Some(scenario) = &options.scenario {
        command.args(["--scenario", scenario]);
    }
    let status = command.status().context("cargo could not be run")?;
    Ok(status.success())
}
