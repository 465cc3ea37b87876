//! Tasks that wait, and what for.
//!
//! A waker is stored under the same lock under which the stack was found not ready, and everything that could
//! make it ready needs that lock: no wakeup is lost.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};

use estab_core::{Event, Instant, ListenerId, Readiness, SocketId};
use tokio::task::coop;

use crate::shared::{Inner, Shared};

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A connection to accept.
    Accept(ListenerId),
    /// Something to read.
    Read(SocketId),
    /// Room to write, or the end of a connect.
    Write(SocketId),
    /// Everything acknowledged, or something to drain.
    Close(SocketId),
    /// Progress of the host's shutting down.
    Ending,
}

/// Which of the tasks at one place: the functions named `poll_…` share one, so that the last caller is woken,
/// as with tokio's; each future has its own.
type Ticket = u64;

/// The ticket of the functions named `poll_…`.
const POLLED: Ticket = 0;

/// Everybody who waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    places: HashMap<Place, Vec<(Ticket, Waker)>>,
    tickets: Ticket,
    due: Due,
}

/// Wakers to be woken, or only dropped, as soon as the lock is given back: either may run code of others, which
/// may use a socket.
#[derive(Debug, Default)]
pub(crate) struct Due {
    wake: Vec<Waker>,
    drop: Vec<Waker>,
}

impl Due {
    /// To be called without the lock.
    pub(crate) fn wake(self) {
        let Self { wake, drop } = self;
        wake.into_iter().for_each(Waker::wake);
        std::mem::drop(drop);
    }
}

impl Waiters {
    fn register(&mut self, place: Place, ticket: Ticket, waker: &Waker) {
        let waiting = self.places.entry(place).or_default();
        match waiting.iter_mut().find(|(other, _)| *other == ticket) {
            Some((_, old)) if old.will_wake(waker) => {}
            Some((_, old)) => self.due.drop.push(std::mem::replace(old, waker.clone())),
            None => waiting.push((ticket, waker.clone())),
        }
    }

    fn new_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Answers the waker, to be dropped without the lock.
    fn forget_ticket(&mut self, place: Place, ticket: Ticket) -> Option<Waker> {
        let waiting = self.places.get_mut(&place)?;
        let index = waiting.iter().position(|(other, _)| *other == ticket)?;
        Some(waiting.swap_remove(index).1)
    }

    /// Nobody can wait there any more; who still does is woken to learn it.
    pub(crate) fn close(&mut self, place: Place) {
        let waiting = self.places.remove(&place).unwrap_or_default();
        let wakers = waiting.into_iter().map(|(_, waker)| waker);
        self.due.wake.extend(wakers);
    }

    /// Wakes all that wait at `place`.
    pub(crate) fn wake(&mut self, place: Place) {
        if let Some(waiting) = self.places.get_mut(&place) {
            let wakers = waiting.drain(..).map(|(_, waker)| waker);
            self.due.wake.extend(wakers);
        }
    }

    /// Wakes those whom an event of the stack concerns.
    pub(crate) fn tell(&mut self, event: Event) {
        match event {
            Event::Acceptable(listener) => self.wake(Place::Accept(listener)),
            Event::Ready(socket, readiness) => {
                if readiness.contains(Readiness::READABLE) {
                    self.wake(Place::Read(socket));
                }
                if readiness.contains(Readiness::WRITABLE) {
                    self.wake(Place::Write(socket));
                }
                if readiness.intersects(Readiness::READABLE | Readiness::ACKNOWLEDGED) {
                    self.wake(Place::Close(socket));
                }
            }
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&mut self) {
        for waiting in self.places.values_mut() {
            let wakers = waiting.drain(..).map(|(_, waker)| waker);
            self.due.wake.extend(wakers);
        }
    }

    /// Takes what is due, for after the lock.
    pub(crate) fn take_due(&mut self) -> Due {
        std::mem::take(&mut self.due)
    }

    /// Adds one to be woken.
    pub(crate) fn add_due(&mut self, waker: Option<Waker>) {
        self.due.wake.extend(waker);
    }
}

/// Makes a call until it does not answer `WouldBlock`; for the functions named `poll_…`.
pub(crate) fn poll_call<T>(
    shared: &Shared,
    cx: &mut Context<'_>,
    place: Place,
    call: impl FnOnce(&mut Inner, Instant) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    let budget = std::task::ready!(coop::poll_proceed(cx));
    let result = shared.call(|inner, now| match call(inner, now) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            inner.waiters.register(place, POLLED, cx.waker());
            Poll::Pending
        }
        result => Poll::Ready(result),
    });
    if result.is_ready() {
        budget.made_progress();
    }
    result
}

/// Makes a call until it does not answer `WouldBlock`; any number of tasks may wait at one place.
pub(crate) async fn wait_for<T>(
    shared: &Shared,
    place: Place,
    mut call: impl FnMut(&mut Inner, Instant) -> io::Result<T>,
) -> io::Result<T> {
    let mut waiting = Waiting {
        shared,
        place,
        ticket: None,
    };
    poll_fn(|cx| waiting.poll(cx, &mut call)).await
}

struct Waiting<'a> {
    shared: &'a Shared,
    place: Place,
    ticket: Option<Ticket>,
}

impl Waiting<'_> {
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        call: &mut impl FnMut(&mut Inner, Instant) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let budget = std::task::ready!(coop::poll_proceed(cx));
        let Self {
            shared,
            place,
            ticket,
        } = self;
        let result = shared.call(|inner, now| match call(inner, now) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let ticket = *ticket.get_or_insert_with(|| inner.waiters.new_ticket());
                inner.waiters.register(*place, ticket, cx.waker());
                Poll::Pending
            }
            result => Poll::Ready(result),
        });
        if result.is_ready() {
            budget.made_progress();
        }
        result
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = {
                let mut inner = self.shared.lock();
                inner.waiters.forget_ticket(self.place, ticket)
            };
            drop(waker);
        }
    }
}
