//! A close that waits until it is known what came of it.

use std::io;
use std::time::Duration;

use estab_core::observe::Cause;
use estab_core::{Delivery, Instant, SocketId};

use crate::shared::Inner;
use crate::waiting::{Place, wait_for};
use crate::{Error, TcpStream};

/// What came of [`TcpStream::close_graceful`].
///
/// It speaks of the peer's TCP: that its application has read what its TCP acknowledged, only the application can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it tells whether everything arrived"]
pub struct GracefulClose {
    /// Bytes that were written and never acknowledged, and now never will be sent again. The peer may have some of
    /// them even so: its acknowledgment may be lost, or under way.
    pub unacknowledged: usize,
    /// The peer's TCP has acknowledged our FIN, and with it every byte.
    pub fin_acknowledged: bool,
    /// Bytes that the peer had sent, or still sent, and that were thrown away unread.
    pub drained: u64,
    /// What ended the wait.
    pub end: CloseEnd,
}

impl GracefulClose {
    /// Whether the peer's TCP has acknowledged every byte that was written, and that there will be no more.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.fin_acknowledged
    }
}

/// What ended the wait of [`TcpStream::close_graceful`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseEnd {
    /// Both ends have finished, and acknowledged it (RFC 9293 §3.6).
    InOrder,
    /// The connection ended before: the peer's RST, a timer, the host.
    Ended(Cause),
    /// The time was over.
    TimedOut,
}

impl TcpStream {
    /// Closes, waits, and answers whether everything arrived: sends a FIN behind what was written, throws away what
    /// the peer still sends, and ends when the peer has acknowledged all and finished too, when the connection ends
    /// otherwise, or when `limit` has passed.
    ///
    /// What the peer sends is drained until its FIN because a close with data unread, or data that comes later, would
    /// draw a RST, which may take from the peer what it has not read yet (RFC 2525 §2.17).
    ///
    /// After `limit` the answer is final. What is not acknowledged then is given up with a RST (RFC 9293 §3.10.5): it
    /// will not arrive behind the back of whoever was told that it did not. If only the peer's FIN is missing nothing
    /// of ours can be lost, and the connection is left to end on its own, in FIN-WAIT-2. Dropping the future does what
    /// dropping the stream does.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort).
    pub async fn close_graceful(self, limit: Duration) -> io::Result<GracefulClose> {
        // Why it fails, if it does, the delivery tells.
        let _ = self.finish();
        let mut drained = 0;
        let wait = wait_for(&self.lease, Place::Close(self.id), |inner, now| {
            drained += inner.drain(now, self.id);
            let delivery = inner.delivery(self.id)?;
            match delivery.ended {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(cause) => Ok((delivery, end_of(cause))),
            }
        });
        let waited = tokio::time::timeout(limit, wait).await;
        let (delivery, end) = match waited {
            Ok(ended) => ended?,
            Err(_) => self.give_up(&mut drained)?,
        };
        Ok(GracefulClose {
            unacknowledged: delivery.unacknowledged,
            fin_acknowledged: delivery.fin_acknowledged,
            drained,
            end,
        })
    }

    /// The time is over: looks a last time, and leaves nothing that would be sent again.
    fn give_up(&self, drained: &mut u64) -> io::Result<(Delivery, CloseEnd)> {
        self.call(|inner, now, id| {
            *drained += inner.drain(now, id);
            let delivery = inner.delivery(id)?;
            if let Some(cause) = delivery.ended {
                return Ok((delivery, end_of(cause)));
            }
            if !delivery.fin_acknowledged {
                let _ = inner.stack.abort(now, id);
                inner.forget(id);
            }
            Ok((delivery, CloseEnd::TimedOut))
        })
    }
}

fn end_of(cause: Cause) -> CloseEnd {
    match cause {
        Cause::Fin | Cause::AckOfFin => CloseEnd::InOrder,
        cause => CloseEnd::Ended(cause),
    }
}

impl Inner {
    /// Throws away what can be read; answers how many bytes.
    fn drain(&mut self, now: Instant, id: SocketId) -> u64 {
        let mut scratch = [0; 4096];
        let mut drained = 0;
        while let Ok(count @ 1..) = self.stack.read(now, id, &mut scratch) {
            drained += count as u64;
        }
        drained
    }

    fn delivery(&self, id: SocketId) -> io::Result<Delivery> {
        let delivery = self.stack.delivery(id);
        delivery.map_err(|_| Error::NotConnected.into())
    }
}
