//! What a host's task and its sockets share: the stack and the device, under one lock.
//!
//! Whoever has called the stack also sends what it wants sent and wakes whom it wants told, before the lock is
//! given back: a write is on the wire when it returns.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use estab_core::{Checksum, Instant, ListenerId, SocketId, Stack};
use estab_device::Device;

use crate::Clock;
use crate::outlet::{Outlet, Refused};
use crate::waiting::{Place, Waiters};
use crate::watch::Watch;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    inner: Mutex<Inner>,
}

/// Keeps a host's task going: held by the host, its listeners and its streams.
#[derive(Debug)]
pub(crate) struct Lease(pub(crate) Arc<Shared>);

impl std::ops::Deref for Lease {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let driver = {
            let mut inner = self.0.lock();
            inner.is_released = true;
            inner.driver.take()
        };
        driver.into_iter().for_each(Waker::wake);
    }
}

impl Shared {
    pub(crate) fn new(
        clock: Clock,
        stack: Stack<Watch>,
        device: Box<dyn Device + Send>,
    ) -> Arc<Self> {
        let inner = Inner {
            stack,
            device: Some(device),
            refused: Refused::default(),
            waiters: Waiters::default(),
            sockets: HashSet::new(),
            listeners: HashSet::new(),
            driver: None,
            driver_sleeps_until: None,
            is_closing: false,
            progress: (0, false),
            is_released: false,
            over: None,
        };
        Arc::new(Self {
            clock,
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is an observer's or a broken invariant; it is told where it happens, and the
        // sockets of a host that has lost its task fail on their own.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call on the stack, and does all that follows from it.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Inner, Instant) -> T) -> T {
        let (result, due, device) = {
            let mut inner = self.lock();
            let now = self.clock.now();
            let result = call(&mut inner, now);
            let device = inner.settle(now);
            inner.hurry_driver();
            (result, inner.waiters.take_due(), device)
        };
        due.wake();
        drop(device);
        result
    }
}

/// How a host ended.
#[derive(Debug)]
pub(crate) enum Over {
    /// As it was asked to.
    ShutDown,
    /// With its device.
    Failed(Arc<io::Error>),
}

/// A device that is no longer needed, to be dropped without the lock.
type Spent = Option<Box<dyn Device + Send>>;

/// What the lock protects.
pub(crate) struct Inner {
    pub(crate) stack: Stack<Watch>,
    /// `None` once the host is over.
    device: Option<Box<dyn Device + Send>>,
    refused: Refused,
    pub(crate) waiters: Waiters,
    /// The sockets handed out and not given up.
    pub(crate) sockets: HashSet<SocketId>,
    /// The same of listeners.
    pub(crate) listeners: HashSet<ListenerId>,
    /// The host's task, while it sleeps.
    pub(crate) driver: Option<Waker>,
    /// Until when it sleeps; `None` until it is woken.
    pub(crate) driver_sleeps_until: Option<Instant>,
    /// The host is shutting down: nothing new begins.
    pub(crate) is_closing: bool,
    /// How far it has come: connections still open, and whether every packet is on its way.
    progress: (usize, bool),
    /// No handle is left.
    is_released: bool,
    pub(crate) over: Option<Over>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("connections", &self.stack.len())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Takes in up to `most` packets; answers whether there may be more.
    pub(crate) fn receive(&mut self, now: Instant, most: usize, packet: &mut Vec<u8>) -> bool {
        let result = self.try_receive(now, most, packet);
        result.unwrap_or_else(|error| {
            self.fail(now, error);
            false
        })
    }

    fn try_receive(&mut self, now: Instant, most: usize, packet: &mut Vec<u8>) -> io::Result<bool> {
        let Self { stack, device, .. } = self;
        let Some(device) = device else {
            return Ok(false);
        };
        device.advance(now)?;
        for _ in 0..most {
            match device.receive(now, packet) {
                Ok(()) => stack.receive(now, packet, Checksum::Unknown),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            while let Some(transition) = stack.observer_mut().next_transition() {
                device.annotate(&transition);
            }
        }
        Ok(true)
    }

    /// Whether the device has something; if not, the task is woken when it does.
    pub(crate) fn poll_device(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        match self.device.as_mut().map(|device| device.poll_readable(cx)) {
            None | Some(Poll::Pending) => false,
            Some(Poll::Ready(Ok(()))) => true,
            Some(Poll::Ready(Err(error))) => {
                self.fail(now, error);
                true
            }
        }
    }

    /// When the task is to look again, at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let device = self
            .device
            .as_ref()
            .and_then(|device| device.next_deadline());
        [self.stack.next_deadline(), device, self.refused.retry_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Wakes the task if something is due before it would wake.
    fn hurry_driver(&mut self) {
        let sooner = match (self.next_deadline(), self.driver_sleeps_until) {
            (Some(deadline), Some(until)) => deadline < until,
            (deadline, None) => deadline.is_some(),
            (None, Some(_)) => false,
        };
        if sooner || self.over.is_some() {
            let driver = self.driver.take();
            self.waiters.add_due(driver);
        }
    }

    /// Whether nobody needs the task any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.over.is_some() || (self.is_released && self.stack.slots() == 0 && self.is_flushed())
    }

    /// Whether every packet is on its way.
    pub(crate) fn is_flushed(&self) -> bool {
        let device = self.device.as_ref();
        !self.stack.wants_to_transmit()
            && self.refused.is_empty()
            && device.is_none_or(|device| !device.holds_packets())
    }

    /// How many connections have not come to their end: TIME-WAIT is one, and so is a handshake that nobody
    /// will accept.
    pub(crate) fn open_connections(&self) -> usize {
        self.stack.len() - self.stack.time_waits() - self.stack.half_open()
    }

    /// Sends, tells the device, and finds whom to wake. Answers the device if it is not needed any more.
    pub(crate) fn settle(&mut self, now: Instant) -> Spent {
        if let Err(error) = self.transmit(now) {
            self.fail(now, error);
        }
        while let Some(event) = self.stack.next_event() {
            self.waiters.tell(event);
        }
        if self.is_closing {
            let progress = (self.open_connections(), self.is_flushed());
            if progress != std::mem::replace(&mut self.progress, progress) {
                self.waiters.wake(Place::Ending);
            }
        }
        if self.over.is_some() {
            self.device.take()
        } else {
            None
        }
    }

    fn transmit(&mut self, now: Instant) -> io::Result<()> {
        let Some(device) = self.device.as_deref_mut() else {
            while self.stack.observer_mut().next_transition().is_some() {}
            return Ok(());
        };
        annotate(&mut self.stack, device);
        if self.refused.is_empty() && !self.stack.wants_to_transmit() {
            return Ok(());
        }
        let mut outlet = Outlet::new(device, &mut self.refused, now);
        outlet.retry();
        self.stack.transmit(now, &mut outlet);
        outlet.finish()?;
        annotate(&mut self.stack, device);
        Ok(())
    }

    /// The host goes away: nothing new begins, and we say so to every peer.
    pub(crate) fn begin_closing(&mut self, now: Instant) {
        self.is_closing = true;
        for id in self.listeners.drain() {
            self.waiters.wake(Place::Accept(id));
        }
        self.stack.begin_shut_down(now);
    }

    /// The device has failed: everything ends, everybody learns it.
    pub(crate) fn fail(&mut self, now: Instant, error: io::Error) {
        if self.over.is_none() {
            self.stack.shut_down(now);
            self.end(Over::Failed(Arc::new(error)));
        }
    }

    /// The host is over. The task ends, and with it the device.
    pub(crate) fn end(&mut self, over: Over) {
        if self.over.is_none() {
            self.over = Some(over);
        }
        self.waiters.wake_all();
    }
}

/// Tells the device of state changes that no packet caused. (One that a call brought about in the name of an
/// earlier packet, as when room in the accept queue lets a child in, has no packet to stand at.)
fn annotate(stack: &mut Stack<Watch>, device: &mut (dyn Device + Send)) {
    while let Some(transition) = stack.observer_mut().next_transition() {
        if !transition.cause.is_arrival() {
            device.annotate(&transition);
        }
    }
}
