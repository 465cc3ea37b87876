//! `cargo xtask simulate`: whole worlds in virtual time, each from one seed. The program is an example of
//! `estab-sim`, built with optimisation and with every assertion.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// `--seeds N`, `--from S`, `--seed S`, `--jobs J`; `--help` tells all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Answers whether every world ran clean.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let program = [
        "run",
        "--quiet",
        "--profile",
        "simulation",
        "-p",
        "estab-sim",
    ];
    let status = Command::new("cargo")
        .args(program)
        .args(["--example", "simulate", "--"])
        .args(&options.arguments)
        .current_dir(root)
        .status()
        .context("no cargo")?;
    Ok(status.success())
}
