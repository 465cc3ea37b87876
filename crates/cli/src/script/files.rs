//! Which scripts to run.

use std::path::PathBuf;

use walkdir::WalkDir;

use crate::failure::Failure;

/// The files named, and the scripts in the directories named, sorted in each.
pub(super) fn find(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in named {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let before = all.len();
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(|error| Failure::usage(format!("cannot read {error}")))?;
            let is_script = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "pkt");
            if is_script && entry.file_type().is_file() {
                all.push(entry.into_path());
            }
        }
        if all.len() == before {
            let path = path.display();
            return Err(Failure::usage(format!(
                "there is no script (*.pkt) in {path}"
            )));
        }
    }
    Ok(all)
}
