//! The requirements of RFC 9293's appendix B, and what holds estab to each.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// One row of the appendix.
#[derive(Debug)]
pub(super) struct Requirement {
    /// The part of the table it stands in.
    pub part: String,
    /// What is required.
    pub feature: String,
    /// `MUST-1`.
    pub id: String,
    /// `MUST`, `SHOULD`, `MAY`, `SHOULD NOT` or `MUST NOT`.
    pub level: String,
    /// Scripts and tests: `conformance/…/x.pkt` or `crates/…/y.rs::test`.
    pub held_by: Vec<String>,
    /// The reason where it is not met, or a word more.
    pub note: String,
}

/// Reads `conformance/requirements.txt`, and holds its references against the tree.
pub(super) fn read(root: &Path) -> anyhow::Result<Vec<Requirement>> {
    let text = fs::read_to_string(root.join("conformance/requirements.txt"))?;
    let lines = text.lines().enumerate();
    let rows = lines.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    rows.map(|(index, line)| {
        let requirement = parse(line).and_then(|row| checked(root, row));
        requirement.with_context(|| format!("conformance/requirements.txt:{}", index + 1))
    })
    .collect()
}

fn parse(line: &str) -> anyhow::Result<Requirement> {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    ensure!(fields.len() == 6, "{} fields instead of 6", fields.len());
    let [part, feature, id, level, held_by, note] = [0, 1, 2, 3, 4, 5].map(|at| fields[at]);
    Ok(Requirement {
        part: part.to_owned(),
        feature: feature.to_owned(),
        id: id.to_owned(),
        level: level.to_owned(),
        held_by: held_by.split_whitespace().map(str::to_owned).collect(),
        note: note.to_owned(),
    })
}

/// A row that is held by nothing has a reason; what it is held by exists.
fn checked(root: &Path, row: Requirement) -> anyhow::Result<Requirement> {
    ensure!(
        !row.held_by.is_empty() || !row.note.is_empty(),
        "{} is held by nothing, and there is no reason",
        row.id
    );
    for reference in &row.held_by {
        let (file, test) = match reference.split_once("::") {
            Some((file, test)) => (file, Some(test)),
            None => (reference.as_str(), None),
        };
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("no {file}"))?;
        if let Some(test) = test {
            let known = text.contains(&format!("fn {test}("));
            ensure!(known, "{file} has no test {test}");
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_what_holds_it() {
        let row = parse("Window | Unsigned | MUST-1 | MUST | a.pkt b.rs::c | -").expect("6 fields");
        assert_eq!(row.held_by, ["a.pkt", "b.rs::c"]);
    }

    #[test]
    fn a_row_held_by_nothing_needs_a_reason() {
        let row = parse("Window | Unsigned | MUST-1 | MUST | |").expect("6 fields");
        assert!(checked(Path::new("."), row).is_err());
    }

    #[test]
    fn a_test_that_does_not_exist_holds_nothing() {
        let row = parse("W | U | MUST-1 | MUST | src/main.rs::no_such_test |").expect("6 fields");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(checked(root, row).is_err());
    }
}
