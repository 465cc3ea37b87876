//! A capture of everything that passes a device, with every change of state written on the packet that made it.

mod notes;
mod pcapng;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use estab_core::Instant;
use estab_core::observe::Transition;

pub use status::CaptureStatus;

use crate::Device;
use notes::Notes;
use pcapng::Writer;

/// How long a packet may stay in the buffer: so much a reader of the growing file is behind.
const FLUSH_AFTER: Duration = Duration::from_secs(1);

/// A device whose packets are also written to `W` as pcapng.
///
/// An error in writing stops the capture, not the traffic; [`CaptureStatus`] tells.
///
/// A received packet is written when the next packet passes, or on a flush, because changes of state come after it.
pub struct Capture<D: Device, W: Write> {
    device: D,
    /// None once an error has stopped the capture.
    writer: Option<Writer<BufWriter<W>>>,
    /// Nanoseconds from 1970 to the origin of the caller's clock.
    epoch: u64,
    received: Received,
    notes: Notes,
    comments: Vec<String>,
    flush_at: Option<Instant>,
    status: CaptureStatus,
}

/// The packet received last, if it still waits for comments.
#[derive(Debug, Default)]
struct Received {
    at: Option<Instant>,
    packet: Vec<u8>,
    comments: Vec<String>,
}

impl<D: Device, W: Write> Capture<D, W> {
    /// Begins a capture of `device`, which the file calls `interface`; `epoch` is the wall-clock time of
    /// [`Instant::ZERO`].
    ///
    /// # Errors
    /// The file's header cannot be written.
    pub fn new(device: D, writer: W, interface: &str, epoch: SystemTime) -> io::Result<Self> {
        let since_1970 = epoch.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut writer = Writer::new(BufWriter::with_capacity(64 * 1024, writer));
        writer.section_header(concat!("estab ", env!("CARGO_PKG_VERSION")))?;
        writer.interface(interface)?;
        writer.flush()?;
        Ok(Self {
            device,
            writer: Some(writer),
            epoch: u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX),
            received: Received::default(),
            notes: Notes::default(),
            comments: Vec::new(),
            flush_at: None,
            status: CaptureStatus::default(),
        })
    }

    /// A handle that tells how the capture goes.
    #[must_use]
    pub fn status(&self) -> CaptureStatus {
        self.status.clone()
    }

    /// The device behind the capture.
    pub const fn get_ref(&self) -> &D {
        &self.device
    }

    /// The device behind the capture.
    pub const fn get_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Writes out everything that has passed. Errors go to the status.
    pub fn flush(&mut self) {
        self.write_received();
        self.flush_at = None;
        self.write(Writer::flush);
    }

    /// Writes the packet received last, which nothing can be said about any more.
    fn write_received(&mut self) {
        if let Some(at) = self.received.at.take() {
            let mut received = std::mem::take(&mut self.received);
            self.write_packet(at, true, &received.packet, &received.comments);
            received.comments.clear();
            self.received = received;
        }
    }

    fn write_packet(&mut self, at: Instant, inbound: bool, packet: &[u8], comments: &[String]) {
        let nanos = self.epoch.saturating_add(at.as_nanos());
        let written = self.write(|writer| writer.packet(nanos, inbound, packet, comments));
        if written {
            self.status.count();
            self.flush_at.get_or_insert(at + FLUSH_AFTER);
        }
    }

    /// Writes something, if nothing has failed so far.
    fn write(&mut self, what: impl FnOnce(&mut Writer<BufWriter<W>>) -> io::Result<()>) -> bool {
        let Some(writer) = &mut self.writer else {
            return false;
        };
        let Err(error) = what(writer) else {
            return true;
        };
        self.status.stop(error);
        self.flush_at = None;
        if let Some(writer) = self.writer.take() {
            // Taken apart, so that it does not try again to write what it could not.
            let _unwritten = writer.into_inner().into_parts();
        }
        false
    }
}

impl<D: Device, W: Write> Device for Capture<D, W> {
    fn mtu(&self) -> usize {
        self.device.mtu()
    }

    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        self.device.receive(now, packet)?;
        if self.writer.is_some() {
            self.write_received();
            self.received.at = Some(now);
            self.received.packet.clone_from(packet);
            self.flush_at.get_or_insert(now + FLUSH_AFTER);
        }
        Ok(())
    }

    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()> {
        self.device.transmit(now, packet)?;
        if self.writer.is_some() {
            self.write_received();
            let mut comments = std::mem::take(&mut self.comments);
            self.notes.take(now, packet, &mut comments);
            self.write_packet(now, false, packet, &comments);
            comments.clear();
            self.comments = comments;
        }
        Ok(())
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.device.poll_readable(cx)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.device.next_deadline(), self.flush_at];
        deadlines.into_iter().flatten().min()
    }

    fn holds_packets(&self) -> bool {
        // The deadline of our own is the file's.
        self.device.holds_packets()
    }

    fn advance(&mut self, now: Instant) -> io::Result<()> {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
        self.device.advance(now)
    }

    fn annotate(&mut self, transition: &Transition) {
        self.device.annotate(transition);
        if self.writer.is_none() {
            return;
        }
        self.notes.begin_life(transition.tuple, transition.life);
        if !transition.cause.is_arrival() {
            self.notes.add(transition);
        } else if self.received.at.is_some() {
            self.received.comments.push(notes::comment(transition));
        }
    }
}

impl<D: Device, W: Write> Drop for Capture<D, W> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl<D: Device + fmt::Debug, W: Write> fmt::Debug for Capture<D, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("device", &self.device)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
