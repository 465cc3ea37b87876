//! The device a host is built on: a TUN, behind a bad link and a capture where asked for.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use estab_core::Instant;
use estab_core::observe::Transition;
use estab_device::{Capture, CaptureStatus, Device, Impair, Tun};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::args::LinkArgs;
use crate::failure::{Failure, way_out};
use crate::terminal::say;

/// How often to look whether a capture has been stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long the last packets may take to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// A device of whatever layers.
pub(crate) struct Link {
    device: Box<dyn Device + Send>,
    /// Dropped after the device, and the capture's watcher told thereby.
    _gone: Option<oneshot::Sender<()>>,
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "the capture {} cannot be written: {error}; {}",
        path.display(),
        way_out(error)
    ))
}

/// A capture under way, which warns as soon as something stops it before its time.
pub(crate) struct CaptureEnd(JoinHandle<()>);

impl CaptureEnd {
    fn watch(path: PathBuf, status: CaptureStatus, gone: oneshot::Receiver<()>) -> Self {
        Self(tokio::spawn(async move {
            let mut gone = gone;
            loop {
                let is_over = timeout(LOOK_AGAIN, &mut gone).await.is_ok();
                if let Some(error) = status.take_error() {
                    let (path, packets) = (path.display(), status.packets());
                    say(format_args!(
                        "warning: the capture {path} ends after {packets} packets: {error}"
                    ));
                }
                if is_over || status.is_stopped() {
                    return;
                }
            }
        }))
    }

    /// Waits until everything is written, once the host has ended, and the last warning given.
    pub(crate) async fn finish(self) {
        let _in_time = timeout(PATIENCE, self.0).await;
    }
}

impl Link {
    /// Puts the layers asked for before an interface. The capture shows what estab receives and sends: before it comes
    /// to the bad link, and after. Must be called inside the runtime.
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
            return Ok((Self::bare(device), None));
        };
        let device = File::create(&path)
            .and_then(|file| Capture::new(Self::bare(device), file, &interface, epoch))
            .map_err(|error| cannot_write(&path, &error))?;
        let status = device.status();
        let (sender, gone) = oneshot::channel();
        let link = Self {
            device: Box::new(device),
            _gone: Some(sender),
        };
        Ok((link, Some(CaptureEnd::watch(path, status, gone))))
    }

    const fn bare(device: Box<dyn Device + Send>) -> Self {
        Self {
            device,
            _gone: None,
        }
    }
}

impl Device for Link {
    fn mtu(&self) -> usize {
        self.device.mtu()
    }

    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        self.device.receive(now, packet)
    }

    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()> {
        self.device.transmit(now, packet)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.device.poll_readable(cx)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.device.next_deadline()
    }

    fn holds_packets(&self) -> bool {
        self.device.holds_packets()
    }

    fn advance(&mut self, now: Instant) -> io::Result<()> {
        self.device.advance(now)
    }

    fn annotate(&mut self, transition: &Transition) {
        self.device.annotate(transition);
    }
}
