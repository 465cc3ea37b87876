//! `cargo xtask bench`: estab beside its peers. The program is a workspace of its own, so that the peers are nobody
//! else's dependencies; it is built with optimisation, and what it is told is its own business.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `NAME`, `--quick`, `--json`; `--help` tells all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Answers whether everything was measured.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let manifest = "bench/Cargo.toml";
    // Built first, and whole: the program starts another one that lies beside it.
    let build = ["build", "--quiet", "--release", "--bins", "--manifest-path"];
    let built = cargo(root, &build, manifest).status().context("no cargo")?;
    if !built.success() {
        return Ok(false);
    }
    let run = ["run", "--quiet", "--release", "--manifest-path"];
    let mut command = cargo(root, &run, manifest);
    command.arg("--").args(&options.arguments);
    Ok(command.status().context("no cargo")?.success())
}

fn cargo(root: &Path, arguments: &[&str], manifest: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).arg(manifest).current_dir(root);
    command
}
