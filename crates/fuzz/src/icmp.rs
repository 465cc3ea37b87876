//! `icmp`: ICMP and ICMPv6 for a stack with connections in every state: errors that quote what was really sent, more
//! or less, echo requests and other messages, between the steps of `segments`.
//!
//! Beside the invariants of `world`: an error answers nothing, ends no synchronized connection, and touches none but
//! the one it quotes; an echo request gets the reply it asks for.

use crate::Reached;
use crate::world::{Message, Step, World};

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
        // Half of all first bytes make a message.
        match step[0].checked_sub(128) {
            Some(_) => world.message(&Message::from(*step)),
            None => world.step(&Step::from(*step)),
        }
    }
    world.end(settings[3] & 1 != 0)
}

const MOST_STEPS: usize = 256;
