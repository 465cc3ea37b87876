//! A socket that listens.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use estab_core::error::UnknownSocket;
use estab_core::{Instant, ListenOptions, ListenerId, ListenerStatus, SocketId};

use crate::shared::{Inner, Lease};
use crate::waiting::{Place, poll_call, wait_for};
use crate::{Error, Host, TcpSocket, TcpStream, ToAddr};

/// Waits for connections (RFC 9293 §3.10.1, passive OPEN). Dropping it closes it: children that nobody
/// accepted are reset.
#[derive(Debug)]
pub struct TcpListener {
    lease: Arc<Lease>,
    id: ListenerId,
    address: SocketAddr,
}

impl TcpListener {
    /// Listens at an address of the host, or at an unspecified one for all of them; `[::]` takes IPv4, too.
    /// Port 0 chooses a port. The backlog is 1,024, as with tokio; `reuse_address` is not set, other than with
    /// tokio, so that a port which TIME-WAIT holds is not taken unasked. [`TcpSocket`] leaves the choice.
    ///
    /// # Errors
    /// As [`TcpSocket::bind`].
    pub async fn bind(host: &Host, address: impl ToAddr) -> io::Result<Self> {
        let address = address.to_addr()?;
        let socket = TcpSocket::for_address(host, address);
        socket.bind(address)?;
        socket.listen(1024)
    }

    pub(crate) fn open(host: &Host, options: ListenOptions) -> io::Result<Self> {
        let lease = Arc::clone(&host.lease);
        let (id, address) = lease.call(|inner, now| {
            inner.check_open()?;
            let id = inner.stack.listen(now, options).map_err(Error::Listen)?;
            inner.listeners.insert(id);
            let bound = inner.stack.listener_address(id);
            Ok::<_, Error>((id, bound.unwrap_or(options.address)))
        })?;
        Ok(Self { lease, id, address })
    }

    /// Takes the connection that has waited longest, or waits for one. Any number of tasks may.
    ///
    /// # Errors
    /// `ConnectionAborted` when the host shuts down; the device's failure.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let place = Place::Accept(self.id);
        let accepted = wait_for(&self.lease, place, |inner, now| self.take(inner, now)).await?;
        Ok(self.stream(accepted))
    }

    /// As [`accept`](Self::accept); the last task that called is woken.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let place = Place::Accept(self.id);
        let accepted = poll_call(&self.lease, cx, place, |inner, now| self.take(inner, now));
        accepted.map_ok(|accepted| self.stream(accepted))
    }

    /// The address it listens at, with the port that was chosen.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    /// Hands everybody who waits here to another listener of the same host, and closes this one: those ready to be
    /// accepted, behind those that are there, and those whose handshake is under way. Nobody is lost, even if there
    /// are more than the other's backlog allows for: it takes no new ones until they have been accepted.
    ///
    /// # Errors
    /// `InvalidInput` for a listener of another host; `ConnectionAborted` when the host shuts down. This listener is
    /// closed then, with all who wait.
    pub fn hand_over(self, other: &Self) -> io::Result<()> {
        if !Arc::ptr_eq(&self.lease, &other.lease) {
            let message = "the listener to take over belongs to another host";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.lease.call(|inner, now| {
            let done = inner.stack.hand_over(now, self.id, other.id);
            let closed = |_| inner.failure().unwrap_or(Error::ListenerClosed);
            done.map_err(closed).map_err(Into::into)
        })
    }

    /// Everything about it: both queues, and what was refused for which reason. `None` when the host has ended.
    #[must_use]
    pub fn status(&self) -> Option<ListenerStatus> {
        self.lease.lock().stack.listener_status(self.id)
    }

    fn take(
        &self,
        inner: &mut Inner,
        now: Instant,
    ) -> io::Result<(SocketId, SocketAddr, SocketAddr)> {
        let closed = |inner: &Inner| inner.failure().unwrap_or(Error::ListenerClosed);
        let id = match inner.stack.accept(now, self.id) {
            Ok(Some(id)) => id,
            Ok(None) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(UnknownSocket) => return Err(closed(inner).into()),
        };
        inner.sockets.insert(id);
        let tuple = inner.stack.tuple(id).map_err(|_| Error::NotConnected)?;
        Ok((id, tuple.local(), tuple.remote()))
    }

    fn stream(
        &self,
        (id, local, peer): (SocketId, SocketAddr, SocketAddr),
    ) -> (TcpStream, SocketAddr) {
        let lease = Arc::clone(&self.lease);
        (TcpStream::new(lease, id, local, peer), peer)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.lease.call(|inner, now| {
            inner.listeners.remove(&self.id);
            let _ = inner.stack.close_listener(now, self.id);
            inner.waiters.close(Place::Accept(self.id));
        });
    }
}
