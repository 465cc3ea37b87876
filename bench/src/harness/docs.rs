//! `docs/benchmarks.md` and its pictures, written from the figures of one full run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::{Figure, Machine, plot, table};
use crate::works::{Picture, WORKS, Work};

/// Writes the page and the pictures into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, machine: &Machine, figures: &[Figure]) -> anyhow::Result<()> {
    for work in WORKS {
        if let Some(picture) = &work.picture {
            let drawn = plot::draw(picture.title, picture.y, &drawn_in(work, picture, figures));
            let svg = drawn.with_context(|| work.name.to_owned())?;
            put(folder, picture.file, &svg)?;
        }
    }
    put(folder, "benchmarks.md", &page(machine, figures))
}

fn drawn_in<'a>(work: &Work, picture: &Picture, figures: &'a [Figure]) -> Vec<&'a Figure> {
    let is_in = |figure: &&Figure| {
        figure.work == work.name && figure.unit == picture.unit && (picture.shows)(figure)
    };
    figures.iter().filter(is_in).collect()
}

fn put(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| path.display().to_string())
}

fn page(machine: &Machine, figures: &[Figure]) -> String {
    let mut text = String::from(HEAD);
    let Machine {
        cpu,
        cores,
        memory_gib,
        kernel,
        rustc,
        date,
        commit,
        peers,
    } = machine;
    let peers = peers.join(", ");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "Measured on {date} at commit {commit}, on {cores} cores of {cpu} with {memory_gib} GiB, Linux {kernel}, {rustc}, \
         against {peers} and the kernel.\n\n{METHOD}"
    );
    for work in WORKS {
        let own: Vec<_> = figures
            .iter()
            .filter(|figure| figure.work == work.name)
            .cloned()
            .collect();
        if own.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n{}\n\n", work.title, work.about);
        let _ = writeln!(text, "{}", table::markdown(&own));
        if let Some(picture) = &work.picture {
            let _ = write!(text, "\n![{}]({})\n", picture.title, picture.file);
        }
    }
    text
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which does all of this again: `cargo xtask bench NAME` does one piece of work, `--quick`
does it in about a second, `--json` prints a line a figure. What uses the network wants root, and keeps to namespaces of
its own. The code is in [`bench/`](../bench), one file for each piece of work.

";

const METHOD: &str = "\
The contestants of a case do their work in turn, round by round, in one run; who begins changes. A value is the median
over the rounds, with the 10th and 90th percentile in brackets; a ratio is the median of the ratios within each round, so
that what slows down both for a while cancels out.

In memory: processor time of the one thread that does it, which runs both ends; MTU 1500, checksums made and checked, packets handed over as slices of bytes, time as an argument. smoltcp is driven by its own `Interface::poll` over a ring of packet buffers that it writes to and
reads from in place, with the same buffer sizes as estab.
";

#[cfg(test)]
mod tests {
    use super::super::Contest;
    use super::*;

    fn machine() -> Machine {
        Machine {
            cpu: "a processor".into(),
            cores: 2,
            memory_gib: 24,
            kernel: "6.1".into(),
            rustc: "rustc 1.95".into(),
            date: "2025-01-02".into(),
            commit: "abc".into(),
            peers: vec!["smoltcp 0.14.0".into()],
        }
    }

    #[test]
    fn the_page_tells_the_machine_and_has_a_section_for_each_work_that_was_done() {
        let work = &WORKS[0];
        let mut contest = Contest::new(work.name, "a case", &["µs"]);
        contest.enter("estab", || Ok(vec![1.0]));
        let page = page(&machine(), &contest.run(1));
        assert!(page.contains(
            "Measured on 2025-01-02 at commit abc, on 2 cores of a processor with 24 GiB"
        ));
        assert!(page.contains(&format!("## {}\n", work.title)) && page.contains("| a case"));
        assert!(!page.contains(&format!("## {}\n", WORKS[1].title)));
    }

    #[test]
    fn no_two_works_or_pictures_share_a_name() {
        let mut names: Vec<_> = WORKS.iter().map(|work| work.name).collect();
        names.extend(
            WORKS
                .iter()
                .filter_map(|work| Some(work.picture.as_ref()?.file)),
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
