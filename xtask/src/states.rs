//! `docs/states.md`: the states and their arrows, drawn from the code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use estab_core::ARROWS;

const PLACE: &str = "docs/states.md";

/// Writes the page, or with `check` only answers whether it is up to date.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<bool> {
    let place = root.join(PLACE);
    let page = page();
    if check {
        let current = fs::read_to_string(&place).unwrap_or_default();
        if current != page {
            eprintln!("{PLACE} is out of date: run `cargo xtask state-diagram`");
        }
        return Ok(current == page);
    }
    fs::create_dir_all(root.join("docs"))?;
    fs::write(&place, page).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(true)
}

fn page() -> String {
    let mut text = String::from(
        "# The states of a connection\n\n\
         Drawn from `crates/core/src/connection/arrows.rs` by `cargo xtask state-diagram`. Every arrow is a \
         consuming\nmethod of the typed state it leaves; a test holds the list against RFC 9293 Figure 5.\n\n\
         ```mermaid\n",
    );
    text.push_str(&estab_core::diagram());
    text.push_str(
        "```\n\n| from | to | event | action | causes in estab's words |\n|---|---|---|---|---|\n",
    );
    for arrow in ARROWS {
        let causes: Vec<_> = arrow
            .causes
            .iter()
            .map(|cause| format!("{cause} ({})", cause.rule()))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            arrow.from.rfc(),
            arrow.to.rfc(),
            arrow.event,
            arrow.action,
            causes.join("; ")
        );
    }
    text.push_str(
        "\nSYN-RECEIVED stands twice: after a passive OPEN it is an entry of the SYN queue, after a simultaneous open \
         a\nconnection's slot. FIN-WAIT-1 to TIME-WAIT (Note 2 of the figure) is two arrows taken by one segment: its \
         ACK\nin the fifth step of RFC 9293 §3.10.7.4, its FIN in the eighth.\n\n\
         Not drawn, as in the figure (Note 3): every state may end in CLOSED by a RST either way, by a timer or by a\n\
         limit. Not taken: LISTEN to SYN-SENT by SEND, for which std's sockets have no call.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_what_the_code_draws() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(super::run(&root, true).unwrap());
    }
}
