//! The options of a connection.

use std::io;
use std::time::Duration;

use estab_core::{KeepAlive, SocketOptions};

use crate::{Error, TcpStream};

impl TcpStream {
    fn options(&self) -> io::Result<SocketOptions> {
        let options = self.lease.lock().stack.options(self.id);
        options.map_err(|_| Error::NotConnected.into())
    }

    fn change(&self, change: impl FnOnce(&mut SocketOptions)) -> io::Result<()> {
        self.call(|inner, now, id| {
            let mut options = inner.stack.options(id)?;
            change(&mut options);
            inner.stack.set_options(now, id, options)
        })
        .map_err(|_| Error::NotConnected.into())
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    /// `NotConnected` after [`abort`](Self::abort), as for every option.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.options()?.nodelay)
    }

    /// Sends small segments at once, without Nagle's algorithm (RFC 9293 §3.7.4).
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.change(|options| options.nodelay = nodelay)
    }

    /// What dropping the stream does; see [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.options()?.linger)
    }

    /// What dropping the stream does. `None`: what is left is sent in the background, and a FIN. Zero: a RST at
    /// once (RFC 9293 §3.10.5). Any other time: a RST if that passes before everything is acknowledged; dropping
    /// does not wait for it.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.change(|options| options.linger = linger)
    }

    /// Whether and how a silent peer is probed.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn keepalive(&self) -> io::Result<Option<KeepAlive>> {
        Ok(self.options()?.keep_alive)
    }

    /// Probes a silent peer (RFC 9293 §3.8.4). One that does not answer ends the connection with `TimedOut`.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_keepalive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.change(|options| options.keep_alive = keep_alive)
    }

    /// How long sent data may stay unacknowledged.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.options()?.user_timeout)
    }

    /// How long sent data may stay unacknowledged before the connection ends with `TimedOut` (RFC 9293 §3.9.1,
    /// RFC 5482).
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.change(|options| options.user_timeout = timeout)
    }

    /// Bytes that may be written ahead of the peer's acknowledgments.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.options()?.send_buffer)
    }

    /// Sets how many bytes may be written ahead of the peer's acknowledgments.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        self.change(|options| options.send_buffer = size)
    }

    /// Bytes that may wait to be read; bounds the window offered to the peer.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.options()?.receive_buffer)
    }

    /// Sets how many bytes may wait to be read. A smaller buffer takes effect as data is read (RFC 9293 §3.8.6);
    /// a larger one is of use as far as the window scale of the handshake reaches (RFC 7323 §2.3).
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        self.change(|options| options.receive_buffer = size)
    }
}
