//! The chores of the repository: `cargo xtask setup`, `cargo xtask test`, `cargo xtask tidy`,
//! `cargo xtask state-diagram`, `cargo xtask picture`, `cargo xtask conformance`, `cargo xtask differ`,
//! `cargo xtask explore`, `cargo xtask fuzz`, `cargo xtask simulate`, `cargo xtask bench`.

mod bench;
mod conformance;
mod differ;
mod explore;
mod fuzz;
mod picture;
mod setup;
mod simulate;
mod states;
mod test;
mod tidy;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// The chores of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Installs the programs which the tests drive.
    Setup,
    /// Runs every check a change must pass, then prints `N passed, N failed, N skipped`.
    Test(test::Options),
    /// Runs libFuzzer on the fuzz targets; wants nightly and cargo-fuzz.
    Fuzz(fuzz::Options),
    /// Plays whole worlds in virtual time, each from one seed.
    Simulate(simulate::Options),
    /// Draws docs/states.md from the code.
    StateDiagram {
        /// Only say whether it is up to date.
        #[arg(long)]
        check: bool,
    },
    /// Runs the conformance scripts and writes docs/conformance.md and docs/differences-from-linux.md.
    Conformance(conformance::Options),
    /// Draws docs/life.svg from a connection with curl.
    Picture,
    /// Tells estab and this machine's kernel the same at random, and compares what they do (needs root).
    Differ(differ::Options),
    /// Drives two stacks through everything that may happen to a connection, up to bounds.
    Explore(explore::Options),
    /// Measures estab beside smoltcp, ipstack, tcp_ip and the kernel.
    Bench(bench::Options),
    /// Checks the house style of every Rust file that git tracks.
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Answers whether all is well; an error means that it could not be found out.
fn run(chore: Chore) -> anyhow::Result<bool> {
    let root = repository_root()?;
    match chore {
        Chore::Setup => setup::run().map(|()| true),
        Chore::Test(options) => test::run(&root, &options),
        Chore::Fuzz(options) => fuzz::run(&root, &options),
        Chore::Simulate(options) => simulate::run(&root, &options),
        Chore::StateDiagram { check } => states::run(&root, check),
        Chore::Conformance(options) => conformance::run(&root, &options),
        Chore::Picture => picture::run(&root),
        Chore::Differ(options) => differ::run(&root, &options),
        Chore::Explore(options) => explore::run(&root, &options),
        Chore::Bench(options) => bench::run(&root, &options),
        Chore::Tidy => tidy::run(&root),
    }
}

/// Asked for at run time, because a binary may be shared by several checkouts.
fn repository_root() -> anyhow::Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = PathBuf::from(manifest).join("..");
    root.canonicalize()
        .with_context(|| format!("no repository at {}", root.display()))
}
