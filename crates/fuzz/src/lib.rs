//! What each fuzz target does with its bytes. libFuzzer runs these functions from `fuzz/`, a workspace of its
//! own that wants nightly; `cargo test` runs them on stable over the seeds in `fuzz/seeds`.

pub mod capture;
pub mod headers;
pub mod icmp;
pub mod options;
pub mod script;
pub mod segments;

mod checksum;
mod world;

pub use world::Reached;

/// A target: takes any bytes, and panics when something that must hold does not.
pub type Target = fn(&[u8]);

/// Every target by name. `fuzz/targets/NAME.rs` hands it to libFuzzer, `fuzz/seeds/NAME` is what it begins with.
pub const TARGETS: &[(&str, Target)] = &[
    ("headers", headers::run),
    ("options", options::run),
    ("segments", segments::run),
    ("icmp", icmp::run),
    ("script", script::run),
    ("capture", capture::run),
];
