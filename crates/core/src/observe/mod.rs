//! What happened and why, in one vocabulary used by everything that tells it: `ss`, lives, captures,
//! counters and tests.

mod events;
mod vocabulary;

pub use events::{
    Direction, Discard, LifeId, Observer, Refusal, ResetSent, Seen, Silent, StateName, Transition,
};
pub use vocabulary::{
    Cause, Diagnosis, DiscardReason, Initiator, NetworkError, RefusalReason, ResetReason, Trouble,
};
