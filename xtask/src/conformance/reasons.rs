//! Scripts that do not pass, each with its reason: files of lines `name | reason`, held against what came of a run.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

/// The reasons, by the scripts' names.
pub(super) fn read(text: &str) -> anyhow::Result<BTreeMap<&str, &str>> {
    let lines = text.lines();
    let rows = lines.filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut all = BTreeMap::new();
    for row in rows {
        let (name, reason) = row.split_once('|').context(format!("no reason: {row}"))?;
        let (name, reason) = (name.trim(), reason.trim());
        ensure!(!reason.is_empty(), "no reason: {name}");
        ensure!(all.insert(name, reason).is_none(), "twice: {name}");
    }
    Ok(all)
}

/// Scripts that fail without a reason in `file`, pass with one, or are not there.
pub(super) fn contradictions(
    results: &BTreeMap<String, bool>,
    reasons: &BTreeMap<&str, &str>,
    file: &str,
) -> Vec<String> {
    let of_results =
        results
            .iter()
            .filter_map(|(name, passes)| match (passes, reasons.get(&**name)) {
                (true, Some(reason)) => Some(format!("{name} passes: {file} says \"{reason}\"")),
                (false, None) => Some(format!("{name} does not pass: {file} says no reason")),
                _ => None,
            });
    let gone = reasons.keys().filter(|name| !results.contains_key(**name));
    let gone = gone.map(|name| format!("{name} is not there: {file} has a reason for it"));
    of_results.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_passes_or_has_a_reason() {
        let results = [("a", true), ("b", false), ("c", false), ("d", true)];
        let results = results.map(|(name, passes)| (name.to_owned(), passes));
        let reasons = read("# why\nb | no ECN\nd | no PRR\n\ne | no RACK\n").expect("rows");
        let wrong = contradictions(&results.into(), &reasons, "why.txt").join("\n");
        for said in ["c does not pass", "d passes", "e is not there"] {
            assert!(wrong.contains(said), "{wrong}");
        }
        assert_eq!(wrong.lines().count(), 3);
    }

    #[test]
    fn a_row_has_one_name_and_a_reason() {
        for wrong in ["a", "a | ", "a | x\na | y"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
