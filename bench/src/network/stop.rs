//! A flag by which a server's thread learns that it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by who ends and who is ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
