//! The task of a host: takes in packets, lets time pass, and sleeps until there is something to do.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use estab_core::Instant;
use tokio::time::Sleep;

use crate::shared::Shared;

/// Packets taken in before other tasks, and other calls on the stack, have their turn.
const BATCH: usize = 64;

/// See the module.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    sleep: Pin<Box<Sleep>>,
    packet: Vec<u8>,
}

/// What a turn comes to.
enum Next {
    /// Others first, then another turn.
    Again,
    /// Nothing until something is heard, or until this moment.
    Sleep(Option<Instant>),
    Finished,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            sleep: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
            packet: Vec::new(),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Next {
        let (next, due, device) = {
            let mut inner = self.shared.lock();
            let now = self.shared.clock.now();
            let more = inner.receive(now, BATCH, &mut self.packet);
            inner.stack.advance(now);
            let device = inner.settle(now);
            let next = if inner.is_finished() {
                Next::Finished
            } else if more || inner.poll_device(now, cx) {
                Next::Again
            } else {
                let deadline = inner.next_deadline();
                inner.driver = Some(cx.waker().clone());
                inner.driver_sleeps_until = deadline;
                Next::Sleep(deadline)
            };
            (next, inner.waiters.take_due(), device)
        };
        due.wake();
        drop(device);
        next
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        match this.turn(cx) {
            Next::Finished => return Poll::Ready(()),
            Next::Again => cx.waker().wake_by_ref(),
            Next::Sleep(until) => {
                if let Some(until) = until.and_then(|until| this.shared.clock.to_tokio(until)) {
                    this.sleep.as_mut().reset(until);
                    if this.sleep.as_mut().poll(cx).is_ready() {
                        cx.waker().wake_by_ref();
                    }
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Driver {
    /// Nobody drives the host any more: it is finished, or its runtime is.
    fn drop(&mut self) {
        let gone = || io::Error::other("the runtime that drove the host is gone");
        self.shared.call(|inner, now| inner.fail(now, gone()));
    }
}
