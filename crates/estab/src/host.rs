//! A host: a device, a stack, and the task that drives both.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use estab_core::observe::Observer;
use estab_core::{Config, Counters, Instant, ListenerStatus, Secrets, Stack, Status};
use estab_device::Device;

use crate::driver::Driver;
use crate::shared::{Inner, Lease, Over, Shared};
use crate::waiting::{Place, wait_for};
use crate::watch::Watch;
use crate::{Clock, Error};

/// How long the last packets of a host that shuts down may take to leave.
const FLUSH: Duration = Duration::from_secs(1);

/// A handle to a host: its addresses, its connections, its task.
///
/// The task runs as long as there is a handle, a listener or a stream, and then until every connection that
/// was closed has come to its end: TIME-WAIT is one.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) lease: Arc<Lease>,
}

impl Host {
    /// Begins a host with these settings.
    #[must_use]
    pub fn builder(config: Config) -> HostBuilder {
        HostBuilder {
            config,
            clock: None,
            secrets: None,
            cookie_secret: None,
            observer: None,
        }
    }

    /// The host's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.lease.clock
    }

    /// The host's addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.lease.lock().stack.config().addresses.clone()
    }

    /// Everything about every connection: open, half-open and in TIME-WAIT; and, in CLOSED, those that have
    /// ended and whose stream is still held.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.lease.lock().stack.statuses()
    }

    /// Everything about every listener.
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        self.lease.lock().stack.listeners()
    }

    /// What happened how often.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.lease.lock().stack.counters().clone()
    }

    /// The error of the device that ended the host, if one did; every socket gives it, too.
    #[must_use]
    pub fn failure(&self) -> Option<io::Error> {
        match self.lease.lock().failure()? {
            error @ Error::Device(_) => Some(error.into()),
            _ => None,
        }
    }

    /// Ends the host: closes every listener, sends a FIN on every connection behind what was written, and gives
    /// them `grace` to come to their end, for which the peers have to close, too. What is then still open is
    /// cut with a RST (RFC 9293 §3.10.5).
    ///
    /// Answers the connections that were cut, as they were just before. Afterwards the device is gone and every
    /// socket fails with `ConnectionAborted`, once what it received is read.
    pub async fn shut_down(&self, grace: Duration) -> Vec<Status> {
        self.call(|inner, now| inner.begin_closing(now));
        self.wait_until(grace, |inner| inner.open_connections() == 0)
            .await;
        let cut = self.call(|inner, now| {
            let cut = inner.open_statuses();
            inner.stack.shut_down(now);
            cut
        });
        self.wait_until(FLUSH, Inner::is_flushed).await;
        self.call(|inner, _| inner.end(Over::ShutDown));
        cut
    }

    fn call<T>(&self, call: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        self.lease.call(call)
    }

    async fn wait_until(&self, limit: Duration, condition: impl Fn(&Inner) -> bool) {
        let wait = wait_for(&self.lease, Place::Ending, |inner, _| {
            if condition(inner) || inner.failure().is_some() {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        let _ = tokio::time::timeout(limit, wait).await;
    }
}

/// Builds a [`Host`]; made by [`Host::builder`].
pub struct HostBuilder {
    config: Config,
    clock: Option<Clock>,
    secrets: Option<Secrets>,
    cookie_secret: Option<[u8; 16]>,
    observer: Option<Box<dyn Observer + Send>>,
}

impl HostBuilder {
    /// The clock to go by; without, one is started.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The host's secrets; without, the operating system is asked for some.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// A key for SYN cookies that several hosts behind one address share, so that each finishes the handshakes that any
    /// of them began. Their clocks may differ by seconds; their settings and sockets' options are to be the same.
    #[must_use]
    pub fn cookie_secret(mut self, key: [u8; 16]) -> Self {
        self.cookie_secret = Some(key);
        self
    }

    /// Who is told everything that happens. It is called in the middle of it, with the host locked: it must be
    /// quick, and must not use the host or its sockets.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts the host on a device, with a task of the tokio runtime this is called in, which needs its time
    /// driver. Packets are never larger than the device's MTU, whatever the settings say.
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below what IP requires of a link: 576 bytes, and 1,280 with an IPv6 address
    /// (RFC 1122 §3.3.2, RFC 8200 §5). `Other` outside a runtime, when the system has no random numbers, or when a
    /// shared secret for cookies meets a clock before 1970.
    pub fn start(self, device: impl Device + Send + 'static) -> io::Result<Host> {
        let Self {
            mut config,
            clock,
            secrets,
            cookie_secret,
            observer,
        } = self;
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        config.mtu = config.mtu.min(device.mtu());
        check_mtu(&config)?;
        let secrets = secrets.map_or_else(system_secrets, Ok)?;
        let clock = clock.unwrap_or_else(Clock::start);
        let now = clock.now();
        let mut stack = Stack::new(config, secrets, Watch::new(observer), now);
        if let Some(key) = cookie_secret {
            let began = clock.epoch().duration_since(SystemTime::UNIX_EPOCH);
            let began = began.map_err(io::Error::other)?;
            stack.load_cookie_secret(now, key, began + (now - Instant::ZERO));
        }
        let shared = Shared::new(clock, stack, Box::new(device));
        runtime.spawn(Driver::new(Arc::clone(&shared)));
        let lease = Arc::new(Lease(shared));
        Ok(Host { lease })
    }
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder")
            .field("config", &self.config)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

fn check_mtu(config: &Config) -> io::Result<()> {
    let has_ipv6 = config.addresses.iter().any(IpAddr::is_ipv6);
    let least = if has_ipv6 { 1280 } else { 576 };
    if config.mtu < least {
        let message = format!("the MTU is {}, below the least of {least}", config.mtu);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

fn system_secrets() -> io::Result<Secrets> {
    let key = || {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok::<_, io::Error>(key)
    };
    Ok(Secrets {
        hash: key()?,
        isn: key()?,
        timestamp: key()?,
        port: key()?,
        cookie: key()?,
    })
}
