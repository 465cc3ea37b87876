//! Time is an argument: nothing in the core can read a clock.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder of the sources is there") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_core_is_no_std_and_names_no_clock() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(src.join("lib.rs")).expect("lib.rs is there");
    assert!(root.contains("#![no_std]") && root.contains("#![forbid(unsafe_code)]"));
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "the sources were found");
    for file in files {
        let text = fs::read_to_string(&file).expect("a source can be read");
        for clock in [
            "std::time",
            "Instant::now",
            "SystemTime",
            "clock_gettime",
            "rdtsc",
        ] {
            assert!(!text.contains(clock), "{} names {clock}", file.display());
        }
    }
}
