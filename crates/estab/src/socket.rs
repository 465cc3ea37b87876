//! A socket before it listens or connects.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use estab_core::{AcceptPolicy, ConnectOptions, KeepAlive, ListenOptions, SocketOptions};

use crate::{Error, Host, TcpListener, TcpStream, ToAddr};

/// A socket that neither listens nor is connected yet: its options are set first.
///
/// Accepted streams inherit the options of their listener.
#[derive(Debug)]
pub struct TcpSocket {
    host: Host,
    is_ipv4: bool,
    options: Cell<SocketOptions>,
    policy: Cell<AcceptPolicy>,
    syn_backlog: Cell<Option<usize>>,
    defer_accept: Cell<Option<Duration>>,
    bound: Cell<Option<SocketAddr>>,
}

impl TcpSocket {
    /// A socket for IPv4.
    #[must_use]
    pub fn new_v4(host: &Host) -> Self {
        Self::new(host, true)
    }

    /// A socket for IPv6; listening at `[::]` takes IPv4, too.
    #[must_use]
    pub fn new_v6(host: &Host) -> Self {
        Self::new(host, false)
    }

    pub(crate) fn for_address(host: &Host, address: SocketAddr) -> Self {
        Self::new(host, address.is_ipv4())
    }

    fn new(host: &Host, is_ipv4: bool) -> Self {
        Self {
            host: host.clone(),
            is_ipv4,
            options: Cell::default(),
            policy: Cell::default(),
            syn_backlog: Cell::default(),
            defer_accept: Cell::default(),
            bound: Cell::new(None),
        }
    }

    fn change(&self, change: impl FnOnce(&mut SocketOptions)) -> io::Result<()> {
        let mut options = self.options.get();
        change(&mut options);
        self.options.set(options);
        Ok(())
    }

    /// Sends small segments at once, without Nagle's algorithm (RFC 9293 §3.7.4).
    ///
    /// # Errors
    /// None; as for every option, the result is tokio's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.change(|options| options.nodelay = nodelay)
    }

    /// Lets `bind` take a port that connections in TIME-WAIT, or others of an earlier listener, still hold.
    /// Two live listeners on one port are refused either way; see [`set_reuseport`](Self::set_reuseport).
    ///
    /// # Errors
    /// None.
    pub fn set_reuse_address(&self, reuse: bool) -> io::Result<()> {
        self.change(|options| options.reuse_address = reuse)
    }

    /// Lets several listeners have the same address and port, if all were set so before `bind`: each connection goes
    /// to the one that a keyed hash of its addresses and ports chooses.
    ///
    /// # Errors
    /// None.
    pub fn set_reuseport(&self, reuse: bool) -> io::Result<()> {
        self.change(|options| options.reuse_port = reuse)
    }

    /// Whether [`set_reuseport`](Self::set_reuseport) was called.
    ///
    /// # Errors
    /// None.
    pub fn reuseport(&self) -> io::Result<bool> {
        Ok(self.options.get().reuse_port)
    }

    /// What dropping the stream does: see [`TcpStream::set_linger`].
    ///
    /// # Errors
    /// None.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.change(|options| options.linger = linger)
    }

    /// Probes a silent peer (RFC 9293 §3.8.4).
    ///
    /// # Errors
    /// None.
    pub fn set_keepalive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.change(|options| options.keep_alive = keep_alive)
    }

    /// How long sent data may stay unacknowledged before the connection ends (RFC 9293 §3.9.1, RFC 5482).
    ///
    /// # Errors
    /// None.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.change(|options| options.user_timeout = timeout)
    }

    /// Bytes that may be written ahead of the peer's acknowledgments.
    ///
    /// # Errors
    /// None.
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        self.change(|options| options.send_buffer = size)
    }

    /// Bytes that may wait to be read; bounds the window offered to the peer, and its scale if set before the
    /// handshake (RFC 7323 §2.3).
    ///
    /// # Errors
    /// None.
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        self.change(|options| options.receive_buffer = size)
    }

    /// What the listener does when its accept queue is full.
    pub fn set_accept_policy(&self, policy: AcceptPolicy) {
        self.policy.set(policy);
    }

    /// How many handshakes of the listener may be under way; `None` is the backlog, and at least 128. Beyond, SYNs
    /// are answered by cookies, or not at all, as [`Config::syn_cookies`](crate::Config::syn_cookies) says.
    pub fn set_syn_backlog(&self, syn_backlog: Option<u32>) {
        let syn_backlog = syn_backlog.map(|limit| limit as usize);
        self.syn_backlog.set(syn_backlog);
    }

    /// Lets `accept` give connections only once the peer has sent something, or this time has passed, rounded up to
    /// the next of 1, 3, 7, 15, 31 and 63 s (Linux's TCP_DEFER_ACCEPT).
    pub fn set_defer_accept(&self, time: Option<Duration>) {
        self.defer_accept.set(time);
    }

    /// Chooses the local address: one of the host's, or an unspecified one. Port 0 chooses a port.
    ///
    /// The address is checked now, but not taken before [`listen`](Self::listen) or
    /// [`connect`](Self::connect), which may still find that somebody else was faster.
    ///
    /// # Errors
    /// `AddrInUse` when another listener holds the port, or connections do and
    /// [`set_reuse_address`](Self::set_reuse_address) was not called; `AddrNotAvailable` for an address that is
    /// not the host's; `InvalidInput` for one of the other family, or a second `bind`.
    pub fn bind(&self, address: impl ToAddr) -> io::Result<()> {
        let address = address.to_addr()?;
        self.check_family(address)?;
        if self.bound.get().is_some() {
            return Err(invalid("the socket is bound already"));
        }
        let options = self.options.get();
        let bound = self.host.lease.call(|inner, _| {
            inner.check_open()?;
            let bound = inner.stack.check_bind(address, &options);
            bound.map_err(Error::Listen)
        })?;
        self.bound.set(Some(bound));
        Ok(())
    }

    /// The address it is bound to; unspecified, with port 0, if it is not.
    ///
    /// # Errors
    /// None; the result is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.bound.get().unwrap_or_else(|| self.anywhere()))
    }

    /// Listens (RFC 9293 §3.10.1, passive OPEN). Up to `backlog` connections, at least one, wait for `accept`.
    /// A socket that is not bound gets all addresses and a chosen port.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let address = self.bound.get().unwrap_or_else(|| self.anywhere());
        let options = ListenOptions {
            backlog: backlog as usize,
            policy: self.policy.get(),
            syn_backlog: self.syn_backlog.get(),
            defer_accept: self.defer_accept.get(),
            socket: self.options.get(),
            ..ListenOptions::new(address)
        };
        TcpListener::open(&self.host, options)
    }

    /// Connects (RFC 9293 §3.10.1, active OPEN), and waits for the handshake. Dropping the future gives up.
    ///
    /// # Errors
    /// `ConnectionRefused` when the peer answers with a RST, `TimedOut` when it does not answer, `HostUnreachable`
    /// when the network says so; `AddrNotAvailable`, `AddrInUse`, `NetworkUnreachable` and `InvalidInput` before
    /// a packet is sent.
    pub async fn connect(self, address: impl ToAddr) -> io::Result<TcpStream> {
        let remote = address.to_addr()?;
        self.check_family(remote)?;
        let options = ConnectOptions {
            local: self.bound.get(),
            socket: self.options.get(),
        };
        TcpStream::open(self.host.lease.clone(), remote, options).await
    }

    fn anywhere(&self) -> SocketAddr {
        if self.is_ipv4 {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0_u16; 8], 0).into()
        }
    }

    fn check_family(&self, address: SocketAddr) -> io::Result<()> {
        if address.is_ipv4() == self.is_ipv4 {
            Ok(())
        } else {
            Err(invalid(
                "the address is of the other family than the socket",
            ))
        }
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
