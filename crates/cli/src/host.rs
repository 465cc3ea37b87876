//! The host that `run` and `serve` have in common: device, stack, services, and what is told of them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use estab::{Clock, Config, Host, Status};
use estab_core::observe::StateName;
use estab_device::Tun;
use tokio::runtime::Runtime;

use crate::args::{LinkArgs, ListeningArgs, OfferArgs};
use crate::failure::Failure;
use crate::link::{CaptureEnd, Link};
use crate::lives::Lives;
use crate::services;

/// A host with its services.
pub(crate) struct Running {
    pub(crate) host: Host,
    capture: Option<CaptureEnd>,
}

impl Running {
    /// Starts a host of these addresses on an interface, and everything it offers: files, and how it listens. `lives`
    /// are to be recorded.
    ///
    /// # Errors
    /// The capture cannot be begun; anything else would be a fault of estab's own.
    pub(crate) async fn start(
        tun: Tun,
        addresses: Vec<IpAddr>,
        link: &LinkArgs,
        lives: Option<&Lives>,
        (files, listening): (Option<PathBuf>, ListeningArgs),
    ) -> Result<Self, Failure> {
        let clock = Clock::start();
        let (device, capture) = Link::new(tun, link, clock.epoch())?;
        let config = Config {
            syn_cookies: listening.syn_cookies,
            ..config(link, addresses)
        };
        let mut builder = Host::builder(config).clock(clock);
        if let Some(lives) = lives {
            lives.set_time_wait(link.time_wait);
            builder = builder.observer(lives.observer());
        }
        let host = builder.start(device).map_err(Failure::usage)?;
        services::start(&host, files, listening)
            .await
            .map_err(Failure::usage)?;
        Ok(Self { host, capture })
    }

    /// Ends the host: what has not finished after `grace` is cut, and answered.
    pub(crate) async fn end(&mut self, grace: Duration) -> Vec<Status> {
        let cut = self.host.shut_down(grace).await;
        if let Some(capture) = self.capture.take() {
            capture.finish().await;
        }
        cut
    }
}

/// A stack's settings on a link.
pub(crate) fn config(link: &LinkArgs, addresses: Vec<IpAddr>) -> Config {
    Config {
        addresses,
        mtu: link.mtu.into(),
        time_wait: link.time_wait,
        ..Config::default()
    }
}

/// What can be found wrong before anything is made.
///
/// # Errors
/// Files are to be served from what is no directory.
pub(crate) fn check(offer: &OfferArgs) -> Result<(), Failure> {
    let Some(directory) = &offer.http_directory else {
        return Ok(());
    };
    let shown = directory.display();
    match std::fs::read_dir(directory) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!(
            "--http {shown} is no directory to read: {error}; name the directory that the files are in"
        ))),
    }
}

/// A runtime, in the network this process is in by now.
///
/// # Errors
/// The kernel's own.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::usage(format!("no threads to run in: {error}")))
}

/// Whether somebody still waits for something: all but TIME-WAIT, which only waits for time.
pub(crate) fn is_under_way(status: &Status) -> bool {
    !matches!(
        status.state,
        StateName::Closed | StateName::Listen | StateName::TimeWait
    )
}
