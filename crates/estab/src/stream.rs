//! A connection.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use estab_core::error::ShutdownError;
use estab_core::observe::LifeId;
use estab_core::{ConnectOptions, Instant, Origin, Readiness, Shutdown, SocketId, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::shared::{Inner, Lease};
use crate::waiting::{Place, poll_call, wait_for};
use crate::{Error, Host, ToAddr};

/// A TCP connection, read and written with tokio's [`AsyncRead`] and [`AsyncWrite`].
///
/// Dropping it closes it (RFC 9293 §3.10.4) and never waits: what was written is sent in the background, then a
/// FIN; if received data was not read, or the linger time is zero, a RST.
///
/// Reading gives, in this order: what was received, the error that ended the connection, once, then the end of
/// file. Writing gives `BrokenPipe` after [`shutdown`](Self::shutdown), and after the error was told.
#[derive(Debug)]
pub struct TcpStream {
    pub(crate) lease: Arc<Lease>,
    pub(crate) id: SocketId,
    local: SocketAddr,
    peer: SocketAddr,
}

impl TcpStream {
    /// Connects (RFC 9293 §3.10.1, active OPEN), and waits for the handshake. Dropping the future gives up. The line that
    /// calls this is what `estab leaks` and [`Host::origins`] name.
    ///
    /// # Errors
    /// As [`TcpSocket::connect`](crate::TcpSocket::connect).
    #[track_caller]
    pub fn connect(host: &Host, address: impl ToAddr) -> impl Future<Output = io::Result<Self>> {
        let site = Location::caller();
        async move {
            let (lease, remote) = (Arc::clone(&host.lease), address.to_addr()?);
            Self::open(lease, remote, ConnectOptions::default(), (site, None)).await
        }
    }

    pub(crate) fn new(
        lease: Arc<Lease>,
        id: SocketId,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Self {
        Self {
            lease,
            id,
            local,
            peer,
        }
    }

    pub(crate) async fn open(
        lease: Arc<Lease>,
        remote: SocketAddr,
        options: ConnectOptions,
        (site, label): (&'static Location<'static>, Option<Box<str>>),
    ) -> io::Result<Self> {
        let (id, local) = lease.call(|inner, now| {
            inner.check_open()?;
            let origin = Origin {
                site: Some(site),
                label: label.as_deref(),
            };
            let id = inner.stack.connect_from(now, remote, options, origin);
            let id = id.map_err(Error::Connect)?;
            inner.sockets.insert(id);
            let tuple = inner.stack.tuple(id).map_err(|_| Error::NotConnected)?;
            Ok::<_, Error>((id, tuple.local()))
        })?;
        // From here on, dropping the future closes the connection.
        let stream = Self::new(lease, id, local, remote);
        let place = Place::Write(id);
        wait_for(&stream.lease, place, |inner, _| connected(inner, id)).await?;
        Ok(stream)
    }

    /// Our address.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// None; the result is std's. Unlike the operating system's, it is known after the end, too.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }

    /// The number of the connection's life, as an observer and [`Status`] know it.
    #[must_use]
    pub fn life(&self) -> LifeId {
        self.id.life()
    }

    /// Names the kind of connection this is, once it is known: "uploads", "health checks". As
    /// [`TcpListener::set_label`](crate::TcpListener::set_label), for this one alone.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort).
    pub fn set_label(&self, label: &str) -> io::Result<()> {
        let mut inner = self.lease.lock();
        let set = inner.stack.set_label(self.id, Some(label));
        set.map_err(|_| Error::NotConnected.into())
    }

    /// Everything about the connection, as `TCP_INFO` and more. Once it has ended, TIME-WAIT included, the state
    /// is CLOSED, as on Linux.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort).
    pub fn tcp_info(&self) -> io::Result<Status> {
        let status = self.lease.lock().stack.status(self.id);
        status.ok_or_else(|| Error::NotConnected.into())
    }

    /// Reads without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing to read yet; else as for reading.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        self.call(|inner, now, id| inner.read(now, id, into))
    }

    /// Writes without waiting, as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; else as for writing.
    pub fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.call(|inner, now, id| inner.write(now, id, data))
    }

    /// Writes several buffers without waiting, as much as there is room for.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(|inner, now, id| write_vectored(inner, now, id, data))
    }

    /// Waits until there is something to read: data, the end of file or an error.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Place::Read(self.id), Readiness::READABLE).await
    }

    /// Waits until there is room to write, or an error.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Place::Write(self.id), Readiness::WRITABLE).await
    }

    async fn ready(&self, place: Place, wanted: Readiness) -> io::Result<()> {
        wait_for(&self.lease, place, |inner, _| {
            let readiness = inner.stack.readiness(self.id);
            let readiness = readiness.map_err(|_| Error::NotConnected)?;
            if readiness.contains(wanted) {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        })
        .await
    }

    /// Reads without taking what is read; waits until there is something.
    ///
    /// # Errors
    /// As for reading.
    pub async fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        let place = Place::Read(self.id);
        wait_for(&self.lease, place, |inner, now| {
            inner.peek(now, self.id, into)
        })
        .await
    }

    /// As [`peek`](Self::peek); the last task that called is woken.
    ///
    /// # Errors
    /// As for reading.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let into = buffer.initialize_unfilled();
        let place = Place::Read(self.id);
        let length = ready!(poll_call(&self.lease, cx, place, |inner, now| {
            inner.peek(now, self.id, into)
        }))?;
        buffer.advance(length);
        Poll::Ready(Ok(length))
    }

    /// Closes one direction or both (RFC 9293 §3.6): `Write` sends a FIN behind what was written, and what the
    /// peer sends can still be read; `Read` tells the peer nothing, and reads give the end of file.
    ///
    /// As with std's, the name is the same as that of `AsyncWriteExt::shutdown`, which does what `Write` does.
    ///
    /// # Errors
    /// `NotConnected` when the connection has ended.
    pub fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        let how = match how {
            std::net::Shutdown::Read => Shutdown::Read,
            std::net::Shutdown::Write => Shutdown::Write,
            std::net::Shutdown::Both => Shutdown::Both,
        };
        self.call(|inner, now, id| {
            let result = inner.stack.shutdown(now, id, how);
            result.map_err(|_| Error::NotConnected.into())
        })
    }

    /// Ends the connection with a RST (RFC 9293 §3.10.5). What was not sent, or not read, is lost, and every
    /// further call gives `NotConnected`.
    pub fn abort(&self) {
        self.call(|inner, now, id| {
            let _ = inner.stack.abort(now, id);
            inner.forget(id);
        });
    }

    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Inner, Instant, SocketId) -> T) -> T {
        self.lease.call(|inner, now| call(inner, now, self.id))
    }

    pub(crate) fn poll_read_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let into = buffer.initialize_unfilled();
        let place = Place::Read(self.id);
        let length = ready!(poll_call(&self.lease, cx, place, |inner, now| {
            inner.read(now, self.id, into)
        }))?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write_to(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let place = Place::Write(self.id);
        poll_call(&self.lease, cx, place, |inner, now| {
            inner.write(now, self.id, data)
        })
    }

    pub(crate) fn poll_write_vectored_to(
        &self,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let place = Place::Write(self.id);
        poll_call(&self.lease, cx, place, |inner, now| {
            write_vectored(inner, now, self.id, data)
        })
    }

    /// `shutdown(Write)`, and success also when the connection has come to its end in order.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.call(
            |inner, now, id| match inner.stack.shutdown(now, id, Shutdown::Write) {
                Ok(()) => Ok(()),
                Err(ShutdownError::NotConnected) => inner.how_it_ended(id),
                Err(ShutdownError::Unknown(_)) => Err(Error::NotConnected.into()),
            },
        )
    }
}

/// Whether a connect is over, and how.
fn connected(inner: &Inner, id: SocketId) -> io::Result<()> {
    let readiness = inner.stack.readiness(id).map_err(|_| Error::NotConnected)?;
    if !readiness.contains(Readiness::WRITABLE) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let status = inner.stack.status(id).ok_or(Error::NotConnected)?;
    match status.ended {
        None => Ok(()),
        // Made, used and ended before we looked: what was received is still there to be read.
        Some(_) if status.unread > 0 => Ok(()),
        Some(_) if inner.is_closing => Err(Error::HostShutDown.into()),
        Some(cause) => Err(inner.ended(cause)),
    }
}

fn write_vectored(
    inner: &mut Inner,
    now: Instant,
    id: SocketId,
    data: &[IoSlice<'_>],
) -> io::Result<usize> {
    let mut written = 0;
    for slice in data.iter().filter(|slice| !slice.is_empty()) {
        match inner.write(now, id, slice) {
            Ok(length) => written += length,
            Err(_) if written > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.call(|inner, now, id| {
            let _ = inner.stack.close(now, id);
            inner.forget(id);
        });
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_from(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_to(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored_to(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What was written is on its way already; as tokio, this does not wait for its acknowledgment.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.finish())
    }
}
