//! The command line: which pieces of work are done, and where their figures go.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::harness::{self, Figure, Machine, Scale};
use crate::works::{self, WORKS, Work};

/// The program that counts what is allocated lies beside this one.
const COUNTED: &str = "estab-bench-counted";

/// What is to be measured.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub struct Options {
    /// The piece of work; all of them if none is named
    name: Option<String>,
    /// About a second each, with small numbers; writes no docs
    #[arg(long)]
    quick: bool,
    /// A line of JSON for each figure, instead of tables
    #[arg(long)]
    json: bool,
    /// Where a full run of everything writes its page and pictures
    #[arg(long, default_value = "docs", value_name = "FOLDER")]
    docs: PathBuf,
}

/// Does what was asked for.
///
/// # Errors
/// Something could not be measured or written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let chosen: Vec<&Work> = match &options.name {
        Some(name) => vec![works::find(name)?],
        None => WORKS.iter().collect(),
    };
    let scale = Scale {
        quick: options.quick,
    };
    let mut all = Vec::new();
    for work in chosen {
        let figures = figures_of(work, scale).with_context(|| work.name.to_owned())?;
        show(work, &figures, options.json)?;
        all.extend(figures);
    }
    if options.name.is_none() && !options.quick {
        harness::write_docs(&options.docs, &Machine::describe(), &all)?;
    }
    Ok(())
}

/// Does one piece of work in this process, whatever allocator it has, and prints its figures as JSON.
///
/// # Errors
/// As [`run`].
pub fn run_counted() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, rest @ ..] = arguments.as_slice() else {
        anyhow::bail!("this program is started by estab-bench");
    };
    let quick = rest.iter().any(|argument| argument == "--quick");
    let work = works::find(name)?;
    show(work, &(work.run)(Scale { quick })?, true)
}

fn figures_of(work: &Work, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    if !work.counted {
        return (work.run)(scale);
    }
    let program = env::current_exe()?.with_file_name(COUNTED);
    let mut command = Command::new(&program);
    command.arg(work.name).stderr(Stdio::inherit());
    if scale.quick {
        command.arg("--quick");
    }
    let output = command
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(
        output.status.success(),
        "{COUNTED} ended with {}",
        output.status
    );
    let lines = String::from_utf8(output.stdout)?;
    let figures = lines.lines().map(serde_json::from_str);
    figures
        .collect::<Result<_, _>>()
        .context("its figures cannot be read")
}

fn show(work: &Work, figures: &[Figure], json: bool) -> anyhow::Result<()> {
    if json {
        for figure in figures {
            println!("{}", serde_json::to_string(figure)?);
        }
    } else {
        println!(
            "{}: {}\n\n{}\n",
            work.name,
            work.title,
            harness::terminal(figures)
        );
    }
    Ok(())
}
