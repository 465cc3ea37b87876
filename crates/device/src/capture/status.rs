//! What has become of a capture, to be asked from outside.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Tells how a capture goes while somebody else owns it. Clones tell of the same capture.
#[derive(Clone, Debug, Default)]
pub struct CaptureStatus(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    packets: AtomicU64,
    stopped: AtomicBool,
    error: Mutex<Option<io::Error>>,
}

impl CaptureStatus {
    /// Packets written so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.0.packets.load(Ordering::Relaxed)
    }

    /// Whether an error has stopped the capture. Traffic goes on without it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// The error that stopped the capture, once.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        let mut error = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.take()
    }

    pub(super) fn count(&self) {
        self.0.packets.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stop(&self, error: io::Error) {
        let mut place = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(error);
        self.0.stopped.store(true, Ordering::Release);
    }
}
