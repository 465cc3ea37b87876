//! `cargo xtask conformance`: runs the corpus in all its variants and writes the tables.

mod requirements;
mod scripts;
mod tables;

use std::fs;
use std::path::Path;

use clap::Args;

#[derive(Args)]
pub(crate) struct Options {
    /// Only says whether the tables are up to date.
    #[arg(long)]
    check: bool,
}

/// Answers whether all is well: every script passes, and with `--check` the tables are as they would be written.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let scripts = scripts::read_all(root)?;
    let requirements = requirements::read(root)?;
    let written = [
        (
            "docs/conformance.md",
            tables::conformance(&scripts, &requirements),
        ),
        (
            "docs/differences-from-linux.md",
            tables::differences(&scripts),
        ),
    ];
    let mut well = true;
    for (path, text) in written {
        let file = root.join(path);
        if options.check {
            let current = fs::read_to_string(&file).unwrap_or_default() == text;
            if !current {
                println!("{path} is not up to date: run `cargo xtask conformance`");
            }
            well &= current;
        } else {
            fs::write(&file, text)?;
            println!("wrote {path}");
        }
    }
    Ok(well)
}
