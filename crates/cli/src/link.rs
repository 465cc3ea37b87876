//! The device a host is built on: a TUN, behind a bad link and a capture where asked for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::SystemTime;

use estab_core::Instant;
use estab_core::observe::Transition;
use estab_device::{Capture, CaptureStatus, Device, Impair, Tun};

use crate::args::LinkArgs;
use crate::failure::Failure;
use crate::terminal::say;

/// A device of whatever layers.
pub(crate) struct Link(Box<dyn Device + Send>);

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "the capture {} cannot be written: {error}",
        path.display()
    ))
}

/// Tells at the end whether the capture is whole.
pub(crate) struct CaptureEnd {
    path: PathBuf,
    status: CaptureStatus,
}

impl CaptureEnd {
    /// Says what stopped the capture before its time, if something did.
    pub(crate) fn warn(&self) {
        if let Some(error) = self.status.take_error() {
            let (path, packets) = (self.path.display(), self.status.packets());
            say(format_args!(
                "warning: the capture {path} ends after {packets} packets: {error}"
            ));
        }
    }
}

impl Link {
    /// Puts the layers asked for before an interface. The capture shows what estab receives and sends: before it comes
    /// to the bad link, and after.
    ///
    /// # Errors
    /// The capture cannot be begun.
    pub(crate) fn new(
        tun: Tun,
        args: &LinkArgs,
        epoch: SystemTime,
    ) -> Result<(Self, Option<CaptureEnd>), Failure> {
        let interface = tun.name().to_owned();
        let device: Box<dyn Device + Send> = match args.impairment() {
            Some(impairment) => {
                Box::new(Impair::new(tun, args.seed, impairment).map_err(Failure::usage)?)
            }
            None => Box::new(tun),
        };
        let Some(path) = args.capture.clone() else {
            return Ok((Self(device), None));
        };
        let device = File::create(&path)
            .and_then(|file| Capture::new(Self(device), file, &interface, epoch))
            .map_err(|error| cannot_write(&path, &error))?;
        let status = device.status();
        Ok((Self(Box::new(device)), Some(CaptureEnd { path, status })))
    }
}

impl Device for Link {
    fn mtu(&self) -> usize {
        self.0.mtu()
    }

    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        self.0.receive(now, packet)
    }

    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()> {
        self.0.transmit(now, packet)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }

    fn holds_packets(&self) -> bool {
        self.0.holds_packets()
    }

    fn advance(&mut self, now: Instant) -> io::Result<()> {
        self.0.advance(now)
    }

    fn annotate(&mut self, transition: &Transition) {
        self.0.annotate(transition);
    }
}
