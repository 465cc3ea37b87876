//! The pieces of work whose memory is counted. A program of its own, because counting costs every other figure.

use std::alloc::System;
use std::process::ExitCode;

use estab_bench::{counted, run};
use stats_alloc::StatsAlloc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = counted::ALLOCATOR;

fn main() -> ExitCode {
    match run::run_counted() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
