//! `docs/conformance.md` and `docs/differences-from-linux.md`, written from the corpus.

use std::fmt::Write as _;

use super::requirements::Requirement;
use super::scripts::Described;

/// The states in the order of a life.
const STATES: [&str; 12] = [
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "SYN-RECEIVED (from SYN-SENT)",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
];

/// What estab does in every state, and which requirement is held by what.
pub(super) fn conformance(scripts: &[Described], requirements: &[Requirement]) -> String {
    let mut text = String::from(
        "# Conformance\n\n\
         Written by `cargo xtask conformance` from the scripts in [`conformance/`](../conformance), each of which \
         is a test in the packetdrill language. Run them: `estab script conformance`; with timestamps: \
         `estab script --with-timestamps conformance`; over IPv6: `estab script --ip_version=ipv6 conformance`; \
         against this machine's kernel: `estab script --against kernel conformance`.\n\n\
         In the column *Linux*, “same” means that the same script passes on Linux 6.18; every difference has its \
         reason in [differences-from-linux.md](differences-from-linux.md).\n",
    );
    for state in STATES {
        state_section(&mut text, state, scripts);
    }
    text.push_str("\n## Edges\n\nWhat is not about one state: cases, options, windows, ICMP.\n\n");
    let rest = |script: &&Described| script.state.is_none();
    table(&mut text, "case", scripts.iter().filter(rest), |script| {
        script.title.clone()
    });
    requirement_section(&mut text, requirements);
    text
}

fn state_section(text: &mut String, state: &str, scripts: &[Described]) {
    let _ = write!(text, "\n## {state}\n");
    let own = || {
        scripts
            .iter()
            .filter(|script| script.state.as_deref() == Some(state))
    };
    for kind in ["arrives", "call", "timer"] {
        let mut those = own()
            .filter(|script| script.subject.heading() == kind)
            .peekable();
        if those.peek().is_some() {
            text.push('\n');
            table(text, kind, those, |script| script.subject.name().to_owned());
        }
    }
}

fn table<'a>(
    text: &mut String,
    heading: &str,
    scripts: impl Iterator<Item = &'a Described>,
    name: impl Fn(&Described) -> String,
) {
    let _ = writeln!(
        text,
        "| {heading} | estab | rule | Linux |\n|---|---|---|---|"
    );
    for script in scripts {
        let linux = script.linux.as_ref().map_or("same", |(linux, _)| linux);
        let path = script.path.display();
        let _ = writeln!(
            text,
            "| [{}](../conformance/{path}) | {} | {} | {} |",
            cell(&name(script)),
            cell(&script.estab),
            cell(&script.section),
            cell(linux),
        );
    }
}

fn requirement_section(text: &mut String, requirements: &[Requirement]) {
    text.push_str(
        "\n## The requirements of RFC 9293, appendix B\n\n\
         | | requirement | | held by |\n|---|---|---|---|\n",
    );
    let mut part = "";
    for row in requirements {
        if row.part != part {
            part = &row.part;
            let _ = writeln!(text, "| | **{}** | | |", cell(part));
        }
        let mut held: Vec<String> = row.held_by.iter().map(|held| link(held)).collect();
        if !row.note.is_empty() {
            held.push(cell(&row.note));
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            row.id,
            cell(&row.feature),
            row.level,
            held.join("; ")
        );
    }
}

fn link(reference: &str) -> String {
    let (file, test) = reference.split_once("::").unwrap_or((reference, ""));
    let name = if test.is_empty() {
        file.trim_start_matches("conformance/")
    } else {
        test
    };
    format!("[{name}](../{file})")
}

/// Every script on which Linux does something else, with the reason.
pub(super) fn differences(scripts: &[Described]) -> String {
    let mut text = String::from(
        "# Differences from Linux\n\n\
         Written by `cargo xtask conformance` from the `// linux:` and `// why:` lines of the scripts in \
         [`conformance/`](../conformance). `estab script --compare conformance` runs every script on estab and on \
         the machine's kernel; it fails where they differ and no line says so, and where a line says so and they do \
         not. Measured on Linux 6.18.\n",
    );
    let mut folder = None;
    for script in scripts {
        let Some((linux, why)) = &script.linux else {
            continue;
        };
        let own = script.path.parent().map(|path| path.display().to_string());
        if own != folder {
            let name = own.as_deref().unwrap_or_default();
            let _ = write!(
                text,
                "\n## {name}\n\n| | estab | Linux | why |\n|---|---|---|---|\n"
            );
            folder = own;
        }
        let title = script
            .title
            .split_once(": ")
            .map_or(&*script.title, |(_, rest)| rest);
        let _ = writeln!(
            text,
            "| [{}](../conformance/{}) | {} | {} | {} |",
            cell(title),
            script.path.display(),
            cell(&script.estab),
            cell(linux),
            cell(why),
        );
    }
    text
}

/// A text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
