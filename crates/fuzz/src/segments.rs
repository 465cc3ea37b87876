//! `segments`: a stream of nearly right segments, calls and time for a stack whose connections are in every state.
//! The invariants are those of `world`.
//!
//! Four bytes of settings, then steps of eight bytes each: of one length, so that libFuzzer's cuts, copies and
//! crossings move whole steps. See `world::step`.

use crate::Reached;
use crate::world::{Step, World};

/// The target.
pub fn run(data: &[u8]) {
    reached(data);
}

/// Runs the target; answers which states and arrows the input reached.
pub fn reached(data: &[u8]) -> Reached {
    let Some((settings, steps)) = data.split_first_chunk::<4>() else {
        return Reached::default();
    };
    let mut world = World::new(*settings);
    for step in steps.as_chunks::<8>().0.iter().take(MOST_STEPS) {
        world.step(&Step::from(*step));
    }
    world.end(settings[3] & 1 != 0)
}

/// What a longer input says is not worth its time.
const MOST_STEPS: usize = 256;
