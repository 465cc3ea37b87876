//! Finding a program as a shell does, before anything is made for it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};

use crate::failure::Failure;

/// Looks a program up: by its path if it has a slash, otherwise in `PATH`.
///
/// # Errors
/// Status 127 if there is none, 126 if it cannot be executed.
pub(crate) fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    let shown = name.to_string_lossy();
    let path = Path::new(name);
    let candidates = if name.as_encoded_bytes().contains(&b'/') {
        vec![path.to_owned()]
    } else if name.is_empty() {
        Vec::new()
    } else {
        let directories =
            env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        env::split_paths(&directories)
            .map(|directory| directory.join(path))
            .collect()
    };
    if let Some(program) = candidates.iter().find(|path| is_executable(path)) {
        return Ok(program.clone());
    }
    if let Some(found) = candidates.iter().find(|path| path.exists()) {
        let what = if found.is_dir() {
            "is a directory"
        } else {
            "is not executable"
        };
        return Err(Failure::new(
            Failure::NOT_EXECUTABLE,
            format!("{} {what}", found.display()),
        ));
    }
    let what = if shown.contains('/') {
        "no such program"
    } else {
        "no such program in PATH"
    };
    Err(Failure::new(Failure::NOT_FOUND, format!("{shown}: {what}")))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && eaccess(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(name: &str) -> u8 {
        find(OsStr::new(name)).unwrap_err().status()
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let shell = find(OsStr::new("sh")).unwrap();
        assert!(shell.is_absolute());
        assert_eq!(find(shell.as_os_str()).unwrap(), shell);
    }

    #[test]
    fn a_missing_program_is_127_and_one_that_cannot_run_126() {
        assert_eq!(status_of("no-such-program-anywhere"), 127);
        assert_eq!(status_of("./no/such/path"), 127);
        assert_eq!(status_of(""), 127);
        assert_eq!(status_of("/"), 126);
        assert_eq!(status_of("/dev/null"), 126);
    }
}
