//! Network devices for estab: TUN, an in-memory link, and wrappers that capture and impair.
//!
//! Every device carries IP packets, without link-layer header. Wrappers compose: `Capture<Impair<Tun>>`.

mod capture;
mod impair;
#[cfg(all(target_os = "linux", feature = "kernel-sockets"))]
pub mod kernel_sockets;
mod memory;
#[cfg(target_os = "linux")]
mod tun;

use std::io;
use std::task::{Context, Poll};

use estab_core::Instant;
use estab_core::observe::Transition;

pub use capture::{Capture, CaptureStatus};
pub use impair::{Counters, Impair, Impairment, ImpairmentError, Verdict};
pub use ipnet::{self, IpNet};
pub use memory::{Memory, pair};
#[cfg(target_os = "linux")]
pub use tun::{Tun, TunBuilder, TunError, bring_up_loopback};

/// Something that carries IP packets to and from the wire.
pub trait Device {
    /// The largest IP packet the device carries, header included, in bytes.
    fn mtu(&self) -> usize;

    /// Puts the next arrived packet into `packet`, replacing what was there.
    ///
    /// # Errors
    /// `WouldBlock` when no packet has arrived by `now`; anything else is the device's own failure.
    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()>;

    /// Sends one packet.
    ///
    /// # Errors
    /// `WouldBlock` when the device can take no more at present; the packet is then not sent.
    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()>;

    /// Ready when [`receive`](Self::receive) may find a packet; otherwise the task is woken when it may.
    ///
    /// # Errors
    /// The device's own failure.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// When a packet that the device holds back falls due, in either direction.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether packets are held back that have yet to go on their way.
    fn holds_packets(&self) -> bool {
        self.next_deadline().is_some()
    }

    /// Sends on what was held back until `now`.
    ///
    /// # Errors
    /// The device's own failure.
    fn advance(&mut self, _now: Instant) -> io::Result<()> {
        Ok(())
    }

    /// Is told of a state change: one with a cause by arrival belongs to the packet received last, any other
    /// to the connection's next packet out. Wrappers pass it on.
    fn annotate(&mut self, _transition: &Transition) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_can_move_to_another_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Impair<Memory>>();
        assert_send::<Capture<Memory, std::fs::File>>();
        #[cfg(target_os = "linux")]
        assert_send::<Capture<Impair<Tun>, std::fs::File>>();
    }
}
