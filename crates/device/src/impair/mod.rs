//! A bad link in front of any device: it loses, doubles, reorders, corrupts, delays and slows down.

mod line;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use estab_core::Instant;
use estab_core::observe::{Direction, Transition};

pub use settings::{Counters, Impairment, ImpairmentError};

use crate::Device;
use line::Line;

/// Packets taken from the device by one call, and before the caller has taken them: a flood must not keep the caller for
/// ever, nor fill the memory.
const BURST: usize = 1024;

/// How long a packet waits for a device that can take no more, when nothing else calls.
const RETRY: Duration = Duration::from_millis(1);

/// What a filter wants done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, to meet its chances.
    Pass,
    /// It is lost.
    Drop,
}

type Filter = Box<dyn FnMut(Direction, &[u8]) -> Verdict + Send>;

/// A device behind a bad link.
///
/// Everything that happens follows from the seed, the packets and the times given; each direction has its own chances.
///
/// Packets in either direction are held back until they are due. The caller waits for `poll_readable` *and*
/// `next_deadline`, and calls `advance` and `receive` after both: `poll_readable` knows no time and so is not woken by a
/// packet that falls due.
pub struct Impair<D> {
    device: D,
    received: Line,
    sent: Line,
    filter: Option<Filter>,
    /// The device was found empty at this time, so need not be asked again before what it gave is handed out.
    emptied: Option<Instant>,
    /// The device could take no more; try again then.
    retry: Option<Instant>,
    scratch: Vec<u8>,
}

impl<D: Device> Impair<D> {
    /// Impairs both directions of a device alike, though not in step.
    ///
    /// # Errors
    /// The settings make no sense.
    pub fn new(device: D, seed: u64, both: Impairment) -> Result<Self, ImpairmentError> {
        Self::per_direction(device, seed, both, both)
    }

    /// Impairs what the device receives and what is sent to it differently.
    ///
    /// # Errors
    /// The settings make no sense.
    pub fn per_direction(
        device: D,
        seed: u64,
        received: Impairment,
        sent: Impairment,
    ) -> Result<Self, ImpairmentError> {
        received.validate()?;
        sent.validate()?;
        let mut root = fastrand::Rng::with_seed(seed);
        Ok(Self {
            device,
            received: Line::new(received, root.fork()),
            sent: Line::new(sent, root.fork()),
            filter: None,
            emptied: None,
            retry: None,
            scratch: Vec::new(),
        })
    }

    /// Lets `filter` decide about each packet before chance does, as to lose exactly the second SYN,ACK.
    #[must_use]
    pub fn with_filter(
        mut self,
        filter: impl FnMut(Direction, &[u8]) -> Verdict + Send + 'static,
    ) -> Self {
        self.filter = Some(Box::new(filter));
        self
    }

    /// What was done to the packets of one direction so far.
    #[must_use]
    pub const fn counters(&self, direction: Direction) -> Counters {
        match direction {
            Direction::Received => self.received.counters,
            Direction::Sent => self.sent.counters,
        }
    }

    /// The device behind the link.
    pub const fn get_ref(&self) -> &D {
        &self.device
    }

    /// The device behind the link.
    pub const fn get_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Takes in what the device has received.
    fn pull(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..BURST {
            match self.device.receive(now, &mut self.scratch) {
                Ok(()) => {
                    let line = &mut self.received;
                    enter(
                        &mut self.filter,
                        Direction::Received,
                        line,
                        now,
                        &self.scratch,
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.emptied = Some(now);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the device what is due to be sent, for as long as it takes any.
    fn push(&mut self, now: Instant) -> io::Result<()> {
        self.sent.settle(now);
        self.retry = None;
        while let Some(packet) = self.sent.front() {
            match self.device.transmit(now, packet) {
                Ok(()) => self.sent.pop(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.retry = Some(now + RETRY);
                    break;
                }
                Err(error) => {
                    self.sent.pop();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

fn enter(
    filter: &mut Option<Filter>,
    direction: Direction,
    line: &mut Line,
    now: Instant,
    packet: &[u8],
) {
    match filter.as_mut().map(|filter| filter(direction, packet)) {
        Some(Verdict::Drop) => {
            line.counters.entered += 1;
            line.counters.filtered += 1;
        }
        Some(Verdict::Pass) | None => line.enter(now, packet),
    }
}

impl<D: Device> Device for Impair<D> {
    fn mtu(&self) -> usize {
        self.device.mtu()
    }

    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        let waiting = self.received.waiting();
        if waiting == 0 || (self.emptied != Some(now) && waiting < BURST) {
            self.pull(now)?;
        }
        self.received.settle(now);
        if self.received.take(packet) {
            Ok(())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()> {
        if self.sent.front().is_some() {
            self.push(now)?;
        }
        if self.sent.front().is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        enter(
            &mut self.filter,
            Direction::Sent,
            &mut self.sent,
            now,
            packet,
        );
        self.push(now)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.received.front().is_some() {
            return Poll::Ready(Ok(()));
        }
        self.device.poll_readable(cx)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let lines = [self.received.next_due(), self.sent.next_due()];
        let device = [self.device.next_deadline(), self.retry];
        lines.into_iter().chain(device).flatten().min()
    }

    fn holds_packets(&self) -> bool {
        let lines = [self.received.next_due(), self.sent.next_due()];
        lines.iter().any(Option::is_some) || self.device.holds_packets()
    }

    fn advance(&mut self, now: Instant) -> io::Result<()> {
        self.device.advance(now)?;
        self.received.settle(now);
        self.push(now)
    }

    fn annotate(&mut self, transition: &Transition) {
        self.device.annotate(transition);
    }
}

impl<D: fmt::Debug> fmt::Debug for Impair<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impair")
            .field("device", &self.device)
            .field("received", &self.received)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
