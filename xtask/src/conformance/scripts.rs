//! The corpus as its scripts describe themselves: the comments at the top of each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// What a script says of itself.
#[derive(Debug)]
pub(super) struct Described {
    /// Below `conformance/`.
    pub path: PathBuf,
    /// Its first sentence.
    pub title: String,
    /// The RFC and its section.
    pub section: String,
    /// The state it is about.
    pub state: Option<String>,
    /// What happens in that state.
    pub subject: Subject,
    /// What estab does.
    pub estab: String,
    /// What Linux does instead, and why estab does not.
    pub linux: Option<(String, String)>,
    /// The variants it is for, if not for all: of `ipv4`, `ipv6` and `plain`.
    pub only: String,
}

/// What a script is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A segment arrives.
    Event(String),
    /// The application calls.
    Call(String),
    /// Time passes.
    Timer(String),
    /// A row of the references' edge cases.
    Case(String),
    /// Something else: its folder says what.
    Folder,
}

impl Subject {
    /// The heading of the column it is listed under.
    pub(super) fn heading(&self) -> &'static str {
        match self {
            Self::Event(_) => "arrives",
            Self::Call(_) => "call",
            Self::Timer(_) => "timer",
            Self::Case(_) | Self::Folder => "case",
        }
    }

    /// What it is called there.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Event(name) | Self::Call(name) | Self::Timer(name) | Self::Case(name) => name,
            Self::Folder => "",
        }
    }
}

/// All scripts below `conformance/`, in the order of their paths.
pub(super) fn read_all(root: &Path) -> anyhow::Result<Vec<Described>> {
    let folder = root.join("conformance");
    let mut paths = Vec::new();
    collect(&folder, &mut paths)?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path)?;
            let below = path.strip_prefix(&folder)?;
            describe(below, &text).with_context(|| format!("conformance/{}", below.display()))
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            paths.push(path);
        }
    }
    Ok(())
}

/// The keys of a script's opening comments, each with its value.
fn keys(text: &str) -> (String, Vec<(&str, String)>) {
    const KEYS: [&str; 9] = [
        "rule", "state", "event", "call", "timer", "case", "estab", "linux", "why",
    ];
    let mut title = String::new();
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in text.lines().map_while(|line| line.strip_prefix("//")) {
        let line = line.trim();
        let keyed = line.split_once(": ").and_then(|(key, value)| {
            let known = KEYS.iter().chain(&["only"]).find(|known| **known == key)?;
            Some((*known, value))
        });
        match (keyed, found.last_mut()) {
            (Some((key, value)), _) => found.push((key, value.to_owned())),
            (None, Some((_, value))) => join(value, line),
            (None, None) => join(&mut title, line),
        }
    }
    (title, found)
}

fn join(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

fn describe(path: &Path, text: &str) -> anyhow::Result<Described> {
    let (title, keys) = keys(text);
    let value = |wanted: &str| {
        let mut values = keys.iter().filter(|(key, _)| *key == wanted);
        values.next().map(|(_, value)| value.clone())
    };
    let rule = value("rule").context("no `// rule:` says which sentence it holds estab to")?;
    let section = match rule.split_once(": \"") {
        Some((section, quote)) => {
            ensure!(quote.ends_with("\"."), "the quotation has no end");
            section.to_owned()
        }
        None => rule.trim_end_matches('.').to_owned(),
    };
    ensure!(section.starts_with("RFC "), "the rule names no RFC");
    let only = value("only").unwrap_or_default();
    check_only(&only)?;
    let linux = match (value("linux"), value("why")) {
        (Some(linux), Some(why)) => Some((linux, why)),
        (None, None) => None,
        _ => bail!("`// linux:` and `// why:` belong together"),
    };
    let subject = [
        value("event").map(Subject::Event),
        value("call").map(Subject::Call),
        value("timer").map(Subject::Timer),
        value("case").map(Subject::Case),
    ];
    let subject = subject.into_iter().flatten().next();
    Ok(Described {
        path: path.to_owned(),
        title: title.trim_end_matches('.').to_owned(),
        section,
        state: value("state"),
        subject: subject.unwrap_or(Subject::Folder),
        estab: value("estab").context("no `// estab:` says what estab does")?,
        linux,
        only,
    })
}

/// The variants that `// only:` names are those that the tests know.
fn check_only(words: &str) -> anyhow::Result<()> {
    let stranger = words
        .split_whitespace()
        .find(|word| !["ipv4", "ipv6", "plain"].contains(word));
    match stranger {
        Some(word) => bail!("`// only: {word}` is none of ipv4, ipv6, plain"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "// LISTEN: a SYN.\n// rule: RFC 9293 §3.10.7.2, third: \"a\n//   b\".\n\
        // state: LISTEN\n// event: SYN\n// estab: SYN,ACK\n// only: ipv4 plain\n\n 0 socket(\n";

    #[test]
    fn a_script_describes_itself_in_its_opening_comments() {
        let described = describe(Path::new("listen/syn.pkt"), SCRIPT).expect("it is complete");
        assert_eq!(described.title, "LISTEN: a SYN");
        assert_eq!(described.section, "RFC 9293 §3.10.7.2, third");
        assert_eq!(described.subject, Subject::Event("SYN".to_owned()));
    }

    #[test]
    fn a_difference_without_a_reason_is_refused() {
        let script = SCRIPT.replace("// only", "// linux: RST\n// only");
        let error = describe(Path::new("listen/syn.pkt"), &script).expect_err("no reason");
        assert_eq!(
            error.to_string(),
            "`// linux:` and `// why:` belong together"
        );
    }

    #[test]
    fn a_variant_that_nobody_knows_is_refused() {
        let script = SCRIPT.replace("ipv4 plain", "ipv5");
        assert!(describe(Path::new("listen/syn.pkt"), &script).is_err());
    }

    #[test]
    fn a_script_without_a_rule_is_refused() {
        let script = SCRIPT.replace("// rule", "// ruin");
        assert!(describe(Path::new("listen/syn.pkt"), &script).is_err());
    }
}
