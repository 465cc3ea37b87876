//! The application's calls: listen, connect, accept, read, write, shutdown, close, abort.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::{AcceptLinks, SocketId, Stack};
#[cfg(doc)]
use crate::Config;
use crate::config::AcceptPolicy;
use crate::connection::state::Closed;
use crate::connection::{Connection, Shutdown};
use crate::demux::{Hold, Listener, ListenerId, Place, Scope, Tally};
use crate::error::{
    ConnectError, ListenError, ReadError, ShutdownError, UnknownSocket, WriteError,
};
use crate::list::List;
use crate::observe::{Cause, Observer, RefusalReason, StateName};
use crate::{FourTuple, Instant, SocketOptions};

/// What [`Stack::listen`] needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Where: an address of ours or an unspecified one; port 0 chooses an ephemeral port. `[::]` takes IPv4,
    /// too.
    pub address: SocketAddr,
    /// Children that may wait for `accept`; at least 1.
    pub backlog: usize,
    /// What happens when they do.
    pub policy: AcceptPolicy,
    /// Half-open children that there may be, besides what [`Config::max_syn_received`] says for all listeners; at
    /// least 1. `None`: the backlog, and at least 128. Beyond, SYNs are answered as
    /// [`Config::syn_cookies`] says.
    pub syn_backlog: Option<usize>,
    /// A child whose peer has said nothing yet stays half-open for so long, or until its data or FIN comes (Linux's
    /// TCP_DEFER_ACCEPT). Rounded up to the next of the times when its SYN-ACK would be sent again: 1, 3, 7, 15, 31
    /// and 63 s by default. Then it may be accepted without.
    pub defer_accept: Option<Duration>,
    /// The options that children inherit; `reuse_address` is for this call.
    pub socket: SocketOptions,
}

impl ListenOptions {
    /// The defaults for an address: a backlog of 1,024, as tokio.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            backlog: 1024,
            policy: AcceptPolicy::default(),
            syn_backlog: None,
            defer_accept: None,
            socket: SocketOptions::default(),
        }
    }
}

/// What [`Stack::connect`] may be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions {
    /// Where from: an unspecified address or port 0 leaves the choice to the stack. `None`: both.
    pub local: Option<SocketAddr>,
    /// The socket's options.
    pub socket: SocketOptions,
}

impl<O: Observer> Stack<O> {
    /// Passive OPEN (RFC 9293 §3.10.1).
    ///
    /// # Errors
    /// [`ListenError`]; nothing is changed then.
    pub fn listen(
        &mut self,
        now: Instant,
        options: ListenOptions,
    ) -> Result<ListenerId, ListenError> {
        self.set_now(now);
        let address = self.check_bind(options.address, &options.socket)?;
        let life = self.cx.next_listener();
        let listener = Listener {
            state: Closed.listen(),
            life,
            address,
            scope: Scope::of(address.ip()),
            backlog: options.backlog.max(1),
            syn_backlog: options.syn_backlog,
            policy: options.policy,
            defer_accept: options.defer_accept,
            options: options.socket.clamped(),
            queue: List::new(),
            held: VecDeque::new(),
            held_now: 0,
            half_open: 0,
            tally: Tally::default(),
            told: false,
        };
        let tuple = listening_tuple(address);
        self.cx.transition(
            life,
            tuple,
            (StateName::Closed, StateName::Listen),
            Cause::Listen,
        );
        Ok(self.listeners.insert(listener))
    }

    /// Whether a listener could be bound to `address` now; answers it with its port chosen.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn check_bind(
        &mut self,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<SocketAddr, ListenError> {
        let refuse = |stack: &mut Self, reason, error| {
            stack.cx.refuse(Some(listening_tuple(address)), reason);
            Err(error)
        };
        let ip = address.ip();
        if !ip.is_unspecified() && !self.is_ours(ip) {
            return refuse(
                self,
                RefusalReason::AddressNotOurs,
                ListenError::AddressNotOurs,
            );
        }
        if self.listeners.len() >= self.cx.config.max_listeners {
            return refuse(
                self,
                RefusalReason::ListenerLimit,
                ListenError::LimitReached,
            );
        }
        let scope = Scope::of(ip);
        if address.port() == 0 {
            return match self.free_listening_port(scope, ip) {
                Some(port) => Ok(SocketAddr::new(ip, port)),
                None => refuse(
                    self,
                    RefusalReason::PortsExhausted,
                    ListenError::PortsExhausted,
                ),
            };
        }
        if self
            .listeners
            .conflicts(scope, address.port(), options.reuse_port)
        {
            return refuse(self, RefusalReason::AddressInUse, ListenError::AddressInUse);
        }
        let Hold { live, time_wait } = self.ports.holders(&self.cx.config, scope, address.port());
        // The connections of a group that is joined are no obstacle.
        let joins = options.reuse_port && self.listeners.shares(scope, address.port());
        if !options.reuse_address && !joins && live + time_wait > 0 {
            let reason = if live > 0 {
                RefusalReason::AddressInUse
            } else {
                RefusalReason::TimeWaitHoldsPort
            };
            return refuse(self, reason, ListenError::PortHeld { time_wait, live });
        }
        Ok(address)
    }

    /// Keeps a port for a socket that is bound and does not listen or connect yet: it is chosen for nobody else,
    /// as long as [`release_port`](Self::release_port) was not called as often.
    pub fn hold_port(&mut self, address: SocketAddr) {
        self.ports.hold(Scope::of(address.ip()), address.port());
    }

    /// Takes back one [`hold_port`](Self::hold_port).
    pub fn release_port(&mut self, address: SocketAddr) {
        self.ports.release(Scope::of(address.ip()), address.port());
    }

    /// Changes how many children may wait for `accept`; at least 1. Those that wait now stay.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_backlog(
        &mut self,
        now: Instant,
        id: ListenerId,
        backlog: usize,
    ) -> Result<(), UnknownSocket> {
        self.set_now(now);
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.backlog = backlog.max(1);
        self.promote_held(id);
        Ok(())
    }

    /// Changes how many half-open children there may be, as [`ListenOptions::syn_backlog`] says. Those that are stay.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_syn_backlog(
        &mut self,
        id: ListenerId,
        syn_backlog: Option<usize>,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.syn_backlog = syn_backlog;
        Ok(())
    }

    /// Changes how long a listener waits for data, as [`ListenOptions::defer_accept`] says.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_defer_accept(
        &mut self,
        id: ListenerId,
        time: Option<Duration>,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.defer_accept = time;
        Ok(())
    }

    /// Changes the options that children to come inherit. Whether the listener shares its port stays.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_listener_options(
        &mut self,
        id: ListenerId,
        options: SocketOptions,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.options = SocketOptions {
            reuse_port: listener.options.reuse_port,
            ..options.clamped()
        };
        Ok(())
    }

    fn free_listening_port(&mut self, scope: Scope, ip: IpAddr) -> Option<u16> {
        let Self {
            listeners,
            ports,
            cx,
            ..
        } = self;
        let nobody = SocketAddr::new(ip, 0);
        let held = ports.held_ports(&cx.config, scope);
        ports.ephemeral(&cx.config, &cx.secrets, ip, nobody, |port| {
            !listeners.conflicts(scope, port, false) && !held.contains(&port)
        })
    }

    /// Active OPEN (RFC 9293 §3.10.1). The SYN goes out with the next `transmit`; an event tells that the
    /// socket is writable, or has ended.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing is changed then.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        options: ConnectOptions,
    ) -> Result<SocketId, ConnectError> {
        self.set_now(now);
        if !self.is_reachable(remote) {
            return Err(ConnectError::Unreachable);
        }
        let tuple = match self.choose_tuple(remote, &options) {
            Ok(tuple) => tuple,
            Err((reason, error)) => {
                self.cx.refuse(None, reason);
                return Err(error);
            }
        };
        if self.connections.len() >= self.cx.config.max_connections {
            self.cx.refuse(Some(tuple), RefusalReason::ConnectionLimit);
            return Err(ConnectError::LimitReached);
        }
        let life = self.cx.next_life();
        let mut iss = self.cx.secrets.initial_sequence_number(&tuple, self.cx.now);
        if let Some(Place::TimeWait(index)) = self.find(&tuple).1 {
            iss = self.reconnect(index, iss);
        }
        self.cx.counters.active_opens += 1;
        self.cx.transition(
            life,
            tuple,
            (StateName::Closed, StateName::SynSent),
            Cause::Connect,
        );
        let connection = Connection::connect(&self.cx, life, tuple, options.socket.clamped(), iss);
        let index = self.connections.insert(connection) as u32;
        let hash = self.cx.secrets.table_hash(&tuple);
        self.table.insert(hash, Place::Connection(index));
        self.ports.change(tuple.local(), |hold| hold.live += 1);
        self.settle(index);
        Ok(SocketId { index, life })
    }

    /// RFC 9293 §3.9.2.3, MUST-46: nobody connects to a broadcast or multicast address; nor does the wire
    /// lead back to ourselves.
    fn is_reachable(&self, remote: SocketAddr) -> bool {
        let ip = remote.ip();
        let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        remote.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && !broadcast
            && !mapped
            && !self.is_ours(ip)
    }

    fn choose_tuple(
        &mut self,
        remote: SocketAddr,
        options: &ConnectOptions,
    ) -> Result<FourTuple, (RefusalReason, ConnectError)> {
        let not_ours = (RefusalReason::AddressNotOurs, ConnectError::AddressNotOurs);
        let asked = options
            .local
            .map(|local| local.ip())
            .filter(|ip| !ip.is_unspecified());
        let same_family = |ip: &&IpAddr| ip.is_ipv4() == remote.is_ipv4();
        let ip = match asked {
            Some(ip) if self.is_ours(ip) && same_family(&&ip) => ip,
            Some(_) => return Err(not_ours),
            None => *self
                .cx
                .config
                .addresses
                .iter()
                .find(same_family)
                .ok_or(not_ours)?,
        };
        let tuple_from = |port| FourTuple::new(SocketAddr::new(ip, port), remote);
        if let Some(port) = options
            .local
            .map(|local| local.port())
            .filter(|port| *port != 0)
        {
            let tuple = tuple_from(port);
            let mut taken = self.listeners.conflicts(Scope::One(ip), port, false);
            taken |= match self.find(&tuple).1 {
                Some(Place::TimeWait(index)) => {
                    !options.socket.reuse_address || !self.may_reconnect(index)
                }
                place => place.is_some(),
            };
            if taken {
                return Err((RefusalReason::AddressInUse, ConnectError::AddressInUse));
            }
            return Ok(tuple);
        }
        let mut ports = core::mem::replace(&mut self.ports, crate::demux::Ports::new([0; 16]));
        let port = ports.ephemeral(&self.cx.config, &self.cx.secrets, ip, remote, |port| {
            !self.listeners.conflicts(Scope::One(ip), port, false)
                && self.find(&tuple_from(port)).1.is_none()
        });
        self.ports = ports;
        let exhausted = (RefusalReason::PortsExhausted, ConnectError::PortsExhausted);
        port.map(tuple_from).ok_or(exhausted)
    }

    /// Takes the connection that has waited longest in a listener's accept queue.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed. `Ok(None)`: nobody waits.
    pub fn accept(
        &mut self,
        now: Instant,
        id: ListenerId,
    ) -> Result<Option<SocketId>, UnknownSocket> {
        self.set_now(now);
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        let Some(index) = listener
            .queue
            .pop_front(&mut AcceptLinks(&mut self.connections))
        else {
            return Ok(None);
        };
        listener.tally.accepted += 1;
        let connection = &mut self.connections[index as usize];
        connection.be_accepted(self.cx.now);
        let life = connection.life;
        self.settle(index);
        self.promote_held(id);
        Ok(Some(SocketId { index, life }))
    }

    /// Closes a listener. Children nobody accepted are reset; half-open ones get a RST when they are heard
    /// of again.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn close_listener(&mut self, now: Instant, id: ListenerId) -> Result<(), UnknownSocket> {
        self.set_now(now);
        self.end_listener(id, Cause::Close)
    }

    fn end_listener(&mut self, id: ListenerId, cause: Cause) -> Result<(), UnknownSocket> {
        let listener = self.listeners.remove(id).ok_or(UnknownSocket)?;
        let tuple = listening_tuple(listener.address);
        let states = (StateName::Listen, StateName::Closed);
        let Closed = listener.state.close();
        self.cx.transition(id.life, tuple, states, cause);
        self.close_children(listener);
        Ok(())
    }

    /// Calls `call` on a connection and brings up to date what follows.
    fn with<T, E: From<UnknownSocket>>(
        &mut self,
        now: Instant,
        id: SocketId,
        call: impl FnOnce(&mut Connection, &mut crate::context::Context<O>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.set_now(now);
        let connection = self
            .connections
            .get_mut(id.index as usize)
            .filter(|connection| connection.life == id.life)
            .ok_or(UnknownSocket)?;
        let result = call(connection, &mut self.cx);
        self.settle(id.index);
        result
    }

    /// Reads received bytes. `Ok(0)` is the end of file, or an empty `into`. One call does not read across the end
    /// of urgent data, nor across the byte before it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(
        &mut self,
        now: Instant,
        id: SocketId,
        into: &mut [u8],
    ) -> Result<usize, ReadError> {
        self.with(now, id, |connection, cx| connection.read(cx, into))
    }

    /// Reads received bytes without taking them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn peek(
        &mut self,
        now: Instant,
        id: SocketId,
        into: &mut [u8],
    ) -> Result<usize, ReadError> {
        self.with(now, id, |connection, _| connection.peek(into))
    }

    /// Writes as many bytes as there is room for; answers how many.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self, now: Instant, id: SocketId, data: &[u8]) -> Result<usize, WriteError> {
        self.with(now, id, |connection, cx| connection.write(cx, data))
    }

    /// Writes as [`write`](Self::write) does, and marks what was taken, and all before it, as urgent (RFC 9293
    /// §3.8.5, MUST-30). "New applications SHOULD NOT employ the TCP urgent mechanism" (SHLD-13).
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write_urgent(
        &mut self,
        now: Instant,
        id: SocketId,
        data: &[u8],
    ) -> Result<usize, WriteError> {
        self.with(now, id, |connection, cx| connection.write_urgent(cx, data))
    }

    /// How many bytes are to be read until the end of the urgent data the peer has announced, arrived or not;
    /// `None` if there is none. At `Some(1)` the next byte is the one BSD's sockets call the urgent byte.
    #[must_use]
    pub fn urgent(&self, id: SocketId) -> Option<usize> {
        self.connection(id)?.urgent()
    }

    /// What BSD's sockets call the urgent byte: the last one of the urgent data, if it has arrived. It stays in the
    /// stream.
    #[must_use]
    pub fn urgent_byte(&self, id: SocketId) -> Option<u8> {
        self.connection(id)?.urgent_byte()
    }

    /// Closes one direction or both; the socket stays.
    ///
    /// # Errors
    /// [`ShutdownError`].
    pub fn shutdown(
        &mut self,
        now: Instant,
        id: SocketId,
        how: Shutdown,
    ) -> Result<(), ShutdownError> {
        self.with(now, id, |connection, cx| connection.shutdown(cx, how))
    }

    /// Gives the socket up: what was written is still sent, then a FIN; or a RST, if data is unread or the
    /// linger time is zero. The connection ends on its own.
    ///
    /// # Errors
    /// [`UnknownSocket`] if it was closed before.
    pub fn close(&mut self, now: Instant, id: SocketId) -> Result<(), UnknownSocket> {
        self.with(now, id, |connection, cx| {
            connection.close(cx);
            Ok(())
        })
    }

    /// Gives the socket up with a RST (RFC 9293 §3.10.5).
    ///
    /// # Errors
    /// [`UnknownSocket`] if it was closed before.
    pub fn abort(&mut self, now: Instant, id: SocketId) -> Result<(), UnknownSocket> {
        self.with(now, id, |connection, cx| {
            connection.abort(cx, Cause::Abort);
            Ok(())
        })
    }

    /// Ends a connection in any state without a word to its peer, as FreeBSD's `tcpdrop` does. Answers whether
    /// there was one.
    pub fn forget(&mut self, now: Instant, tuple: &FourTuple) -> bool {
        self.set_now(now);
        match self.find(tuple).1 {
            Some(Place::Connection(index)) => {
                self.connections[index as usize].end(&mut self.cx, Cause::Abort);
                self.settle(index);
            }
            Some(Place::SynReceived(index)) => self.drop_half_open(index, Cause::Abort),
            Some(Place::TimeWait(index)) => self.end_time_wait(index, Cause::Abort),
            None => return false,
        }
        true
    }

    /// The options of a socket.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn options(&self, id: SocketId) -> Result<SocketOptions, UnknownSocket> {
        self.connection(id)
            .map(|connection| *connection.options())
            .ok_or(UnknownSocket)
    }

    /// Changes the options of a socket.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn set_options(
        &mut self,
        now: Instant,
        id: SocketId,
        options: SocketOptions,
    ) -> Result<(), UnknownSocket> {
        self.with(now, id, |connection, cx| {
            connection.set_options(cx.now, options);
            Ok(())
        })
    }

    /// The addresses of a connection's ends.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn tuple(&self, id: SocketId) -> Result<FourTuple, UnknownSocket> {
        self.connection(id)
            .map(|connection| connection.tuple)
            .ok_or(UnknownSocket)
    }

    /// What a socket would not block on now: for a caller that missed events.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn readiness(&self, id: SocketId) -> Result<crate::Readiness, UnknownSocket> {
        let connection = self.connection(id).ok_or(UnknownSocket)?;
        let mut readiness = crate::Readiness::empty();
        readiness.set(crate::Readiness::READABLE, connection.is_readable());
        readiness.set(crate::Readiness::WRITABLE, connection.is_writable());
        readiness.set(crate::Readiness::URGENT, connection.urgent().is_some());
        Ok(readiness)
    }

    /// The host is about to go away: listeners close, and every connection gets a FIN behind what was written.
    pub fn begin_shut_down(&mut self, now: Instant) {
        self.set_now(now);
        self.end_listeners();
        for index in self.indices() {
            self.connections[index as usize].finish(&mut self.cx, Cause::Shutdown);
            self.settle(index);
        }
    }

    fn end_listeners(&mut self) {
        let listeners: Vec<_> = self.listeners.ids().collect();
        for id in listeners {
            let _it_was_there = self.end_listener(id, Cause::Shutdown);
        }
    }

    fn indices(&self) -> Vec<u32> {
        self.connections
            .iter()
            .map(|(index, _)| index as u32)
            .collect()
    }

    /// Ends everything with a RST: the host goes away. Sockets still held answer that they ended.
    pub fn shut_down(&mut self, now: Instant) {
        self.set_now(now);
        self.end_listeners();
        for index in self.indices() {
            let connection = &mut self.connections[index as usize];
            if !connection.has_ended() {
                connection.shut_down(&mut self.cx);
                self.settle(index);
            }
        }
        let half_open: Vec<_> = self.syn_queue.indices().collect();
        for index in half_open {
            let reason = crate::observe::ResetReason::Shutdown;
            self.reset_half_open(index, Cause::Shutdown, reason);
        }
    }
}

/// A listener's place in events: its peer is unspecified.
fn listening_tuple(address: SocketAddr) -> FourTuple {
    let nobody: IpAddr = match address.ip() {
        IpAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    FourTuple::new(address, SocketAddr::new(nobody, 0))
}
