//! `docs/conformance.md` and `docs/differences-from-linux.md`, written from the corpus.

use std::fmt::Write as _;
use std::path::Path;

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
         against this machine's kernel: `estab script --against kernel conformance`. A script that says \
         `// only: ipv4`, `ipv6` or `plain` (without timestamps) is skipped in the other runs.\n\n\
         First each state: what it does with every segment, call and timer. Then what is [not about one \
         state](#not-about-one-state). Last the [requirements of RFC 9293](#the-requirements-of-rfc-9293-appendix-b), \
         and what holds estab to each.\n\n\
         In the column *Linux*, “same” means that the same script passes on Linux 6.18; every difference has its \
         reason in [differences-from-linux.md](differences-from-linux.md).\n",
    );
    for state in STATES {
        state_section(&mut text, state, scripts);
    }
    folder_sections(&mut text, scripts);
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
    let kinds = [
        ("arrives", "what arrives"),
        ("call", "what the application calls"),
        ("timer", "timer"),
    ];
    for (kind, heading) in kinds {
        let mut those = own()
            .filter(|script| script.subject.heading() == kind)
            .peekable();
        if those.peek().is_some() {
            text.push('\n');
            table(text, heading, those, |script| {
                script.subject.name().to_owned()
            });
        }
    }
}

/// The scripts that are about no state, by their folders.
fn folder_sections(text: &mut String, scripts: &[Described]) {
    text.push_str("\n## Not about one state\n");
    let rest: Vec<&Described> = scripts
        .iter()
        .filter(|script| script.state.is_none())
        .collect();
    for those in rest.chunk_by(|a, b| a.path.parent() == b.path.parent()) {
        let folder = those[0].path.parent().and_then(Path::to_str);
        let _ = write!(text, "\n### {}\n\n", folder_title(folder.unwrap_or("")));
        table(text, "case", those.iter().copied(), |script| {
            script.title.clone()
        });
    }
}

fn folder_title(folder: &str) -> &str {
    match folder {
        "edges" => "Edge cases",
        "icmp" => "ICMP",
        "mtu" => "Path MTU",
        "options" => "Options",
        "paws" => "Old duplicates (PAWS)",
        "sack" => "Selective acknowledgment",
        "windows" => "Windows, acknowledgments, Nagle",
        other => other,
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
    let open = requirements
        .iter()
        .filter(|row| row.held_by.is_empty())
        .count();
    let _ = write!(
        text,
        "\n## The requirements of RFC 9293, appendix B\n\n\
         {} of the table's {} rows are held by scripts (`x.pkt`) or tests, which fail if estab does otherwise; for \
         the {open} others the remark says why not. The wording and the levels are the table's own; its “ALP” is the \
         application. Where a remark stands beside scripts or tests, it says what they leave out.\n",
        requirements.len() - open,
        requirements.len(),
    );
    for rows in requirements.chunk_by(|a, b| a.part == b.part) {
        let _ = write!(
            text,
            "\n### {}\n\n| | level | requirement | held by | remark |\n|---|---|---|---|---|\n",
            rows[0].part
        );
        for row in rows {
            let held: Vec<String> = row.held_by.iter().map(|held| link(held)).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                row.id,
                row.level,
                cell(&row.feature.replace("* ", "– ")),
                held.join("<br>"),
                cell(&row.note)
            );
        }
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
