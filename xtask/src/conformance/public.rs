//! `cargo xtask conformance --public DIR`: the scripts of google/packetdrill, each of which passes or has a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::reasons;

/// What google/packetdrill's own `run_all.py` defines for IPv4.
const DEFINES: [&str; 4] = [
    "TFO_COOKIE=3021b9d889017eeb",
    "CODE=host_unreachable",
    "CMSG_LEVEL_IP=SOL_IP",
    "CMSG_TYPE_RECVERR=IP_RECVERR",
];

const REASONS: &str = "conformance/public.txt";
const TABLE: &str = "docs/public-scripts.md";

/// Runs the scripts below `folder`, of the commit named, and writes the table; answers whether each either passes
/// or has a reason.
pub(super) fn run(root: &Path, folder: &Path, commit: &str) -> anyhow::Result<bool> {
    let text = fs::read_to_string(root.join(REASONS)).context(REASONS)?;
    let reasons = reasons::read(&text)?;
    let results = run_scripts(root, folder)?;
    let wrong = reasons::contradictions(&results, &reasons, REASONS);
    for line in &wrong {
        println!("{line}");
    }
    if wrong.is_empty() {
        fs::write(root.join(TABLE), table(&results, &reasons, commit))?;
        println!("wrote {TABLE}");
    }
    Ok(wrong.is_empty())
}

/// Whether each script passes, by its name below the folder.
fn run_scripts(root: &Path, folder: &Path) -> anyhow::Result<BTreeMap<String, bool>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--release", "-q", "-p", "estab-cli", "--"]);
    cargo.args(["script", "--json"]);
    for define in DEFINES {
        cargo.args(["-D", define]);
    }
    let output = cargo.arg(folder).current_dir(root).output()?;
    let lines = String::from_utf8(output.stdout)?;
    let mut results = BTreeMap::new();
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let (Some(file), Some(verdict)) = (value["file"].as_str(), value["verdict"].as_str())
        else {
            continue;
        };
        let name = Path::new(file).strip_prefix(folder)?;
        results.insert(name.display().to_string(), verdict == "pass");
    }
    if results.is_empty() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(results)
}

fn table(results: &BTreeMap<String, bool>, reasons: &BTreeMap<&str, &str>, commit: &str) -> String {
    let passing = results.values().filter(|passes| **passes).count();
    let defines = DEFINES.map(|define| format!("-D {define}")).join(" ");
    let mut text = format!(
        "# The public scripts\n\n\
        Of the {} scripts in `gtests/net/tcp` of [google/packetdrill](https://github.com/google/packetdrill)\n\
        at {commit}, {passing} pass and {} do not. They are written against Linux: most of the others need a feature that\n\
        estab does not have, some something that it does otherwise on purpose.\n\n\
        ```sh\n\
        git clone https://github.com/google/packetdrill\n\
        estab script {defines} packetdrill/gtests/net/tcp\n\
        ```\n\n\
        The symbols are those of packetdrill's `run_all.py` for IPv4. This table is written by\n\
        `cargo xtask conformance --public packetdrill/gtests/net/tcp` from a run and the reasons in\n\
        [`{REASONS}`](../{REASONS}).\n\n\
        ## Why scripts do not pass\n\n| reason | scripts |\n|---|---|\n",
        results.len(),
        results.len() - passing,
    );
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons.values() {
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    for (reason, count) in counts {
        text += &format!("| {reason} | {count} |\n");
    }
    let folder_of = |name: &str| {
        name.rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned()
    };
    let folders: BTreeSet<String> = results.keys().map(|name| folder_of(name)).collect();
    for folder in folders {
        text += &format!("\n## {folder}\n\n| script | estab |\n|---|---|\n");
        for name in results.keys().filter(|name| folder_of(name) == folder) {
            let file = name.rsplit('/').next().unwrap_or(name);
            let outcome = reasons.get(&**name).copied().unwrap_or("passes");
            text += &format!("| {file} | {outcome} |\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_in_the_table() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
        let (text, table) = (read(REASONS), read(TABLE));
        for (name, reason) in reasons::read(&text).expect("rows") {
            let file = name.rsplit('/').next().unwrap_or(name);
            let row = format!("| {file} | {reason} |");
            assert!(
                table.contains(&row),
                "{row}: run `cargo xtask conformance --public`"
            );
        }
    }
}
