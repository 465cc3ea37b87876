//! Where the stack's packets leave: the device, and at most one packet that it would not take yet.

use std::io;
use std::time::Duration;

use estab_core::{Instant, Transmit};
use estab_device::Device;

/// How long a packet waits for a device that can take no more, when nothing else happens.
const RETRY: Duration = Duration::from_millis(1);

/// The packet that the device refused, to be sent before any other.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    packet: Vec<u8>,
    /// When to try again; `None` when there is no such packet.
    retry_at: Option<Instant>,
}

impl Refused {
    pub(crate) const fn is_empty(&self) -> bool {
        self.retry_at.is_none()
    }

    /// When to try again.
    pub(crate) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }
}

/// The way to the device, for one call of [`Stack::transmit`](estab_core::Stack::transmit).
pub(crate) struct Outlet<'a> {
    device: &'a mut (dyn Device + Send),
    refused: &'a mut Refused,
    now: Instant,
    failure: Option<io::Error>,
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(
        device: &'a mut (dyn Device + Send),
        refused: &'a mut Refused,
        now: Instant,
    ) -> Self {
        Self {
            device,
            refused,
            now,
            failure: None,
        }
    }

    /// Tries again what was refused before.
    pub(crate) fn retry(&mut self) {
        if self.refused.retry_at.take().is_some() {
            let packet = std::mem::take(&mut self.refused.packet);
            self.transmit(&packet);
        }
    }

    /// How it went.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl Transmit for Outlet<'_> {
    fn is_ready(&mut self) -> bool {
        self.refused.is_empty() && self.failure.is_none()
    }

    fn transmit(&mut self, packet: &[u8]) {
        match self.device.transmit(self.now, packet) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.refused.packet.clear();
                self.refused.packet.extend_from_slice(packet);
                self.refused.retry_at = Some(self.now + RETRY);
            }
            Err(error) => self.failure = Some(error),
        }
    }
}
