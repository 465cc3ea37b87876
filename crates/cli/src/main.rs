//! The command `estab`.
mod lives;

fn main() {}
