//! Whole worlds in virtual time: hosts, applications and a network that does its worst, all from one seed.
//!
//! [`run`] plays a world through and checks it all the while (`checks`, `lives`, `application`). When the storm is
//! over the network heals, applications finish, and everything must come to an end within a bound.

mod actions;
mod application;
mod checks;
mod coverage;
mod draw;
mod host;
mod lives;
mod meddling;
mod network;
mod packet;
mod profile;
mod stream;
mod trace;
mod world;
mod wrap;

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use estab_core::{FourTuple, Instant};

pub use coverage::{Coverage, Fate};
use trace::Trace;
use world::World;

/// Limits that make a world smaller than its seed would have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Hosts, at least two.
    pub hosts: usize,
    /// Connections that are begun.
    pub connections: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            hosts: usize::MAX,
            connections: usize::MAX,
        }
    }
}

/// A rule was broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// The connection, where it is one's.
    pub tuple: Option<FourTuple>,
    /// What was expected, and what was found.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.at, self.what)?;
        match self.tuple {
            Some(tuple) => write!(f, " ({} <-> {})", tuple.local(), tuple.remote()),
            None => Ok(()),
        }
    }
}

/// Plays the world of a seed to its end.
///
/// # Errors
/// The first rule that was broken, or the panic that ended it.
pub fn run(seed: u64, caps: &Caps) -> Result<Coverage, Failure> {
    play(seed, caps, None).0
}

/// Plays the world of a seed and writes its ladder and its capture into `directory`.
///
/// # Errors
/// The files cannot be written.
pub fn replay(seed: u64, caps: &Caps, directory: &Path) -> io::Result<Result<Coverage, Failure>> {
    let (outcome, trace) = play(seed, caps, Some(Trace::new(directory)?));
    if let Some(trace) = trace {
        let well = Failure {
            at: Instant::ZERO,
            tuple: None,
            what: "no rule was broken".into(),
        };
        trace.finish(directory, outcome.as_ref().err().unwrap_or(&well))?;
    }
    Ok(outcome)
}

/// The smallest caps with which the seed still fails, and how.
#[must_use]
pub fn shrink(seed: u64) -> Option<(Caps, Failure)> {
    let mut best = (Caps::default(), run(seed, &Caps::default()).err()?);
    let hosts = (2..=3).map(|hosts| Caps {
        hosts,
        ..Caps::default()
    });
    let connections = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
    let smaller = connections
        .iter()
        .flat_map(|&connections| [2, 3, usize::MAX].map(|hosts| Caps { hosts, connections }));
    for caps in smaller.chain(hosts) {
        if let Err(failure) = run(seed, &caps) {
            best = (caps, failure);
            break;
        }
    }
    Some(best)
}

fn play(
    seed: u64,
    caps: &Caps,
    trace: Option<Trace>,
) -> (Result<Coverage, Failure>, Option<Trace>) {
    let mut world = World::new(seed, caps, trace);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run()));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(panic) => Err(world.failure(None, format!("panic: {}", message(&*panic)))),
    };
    let coverage = std::mem::take(&mut world.coverage);
    (outcome.map(|()| coverage), world.trace.take())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    text.or(owned).unwrap_or("without a message")
}
