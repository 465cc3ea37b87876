//! The command `estab`.
fn main() {}
