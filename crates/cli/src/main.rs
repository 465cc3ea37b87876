//! The command `estab`.
mod lives;
mod ss;

fn main() {}
