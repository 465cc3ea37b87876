//! The application's calls on a connection: connect, read, write, shutdown, close, abort.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::{SocketId, Stack};
use crate::connection::{Connection, Delivery, Shutdown};
use crate::demux::{Place, Scope, Towards};
use crate::error::{ConnectError, ReadError, ShutdownError, UnknownSocket, WriteError};
use crate::observe::{Cause, Observer, RefusalReason, StateName};
use crate::origins::Origin;
use crate::{FourTuple, Instant, SocketOptions};

/// What [`Stack::connect`] may be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectOptions {
    /// Where from: an unspecified address or port 0 leaves the choice to the stack. `None`: both.
    pub local: Option<SocketAddr>,
    /// The socket's options.
    pub socket: SocketOptions,
}

impl<O: Observer> Stack<O> {
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
        self.connect_from(now, remote, options, Origin::default())
    }

    /// Active OPEN, as [`connect`](Self::connect), told where in the program.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_from(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        options: ConnectOptions,
        origin: Origin<'_>,
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
        if self.is_memory_spent() {
            self.cx.refuse(Some(tuple), RefusalReason::NoMemory);
            return Err(ConnectError::NoMemory);
        }
        let life = self.cx.next_life();
        let mut iss = self.cx.secrets.initial_sequence_number(&tuple, self.cx.now);
        let (hash, holder) = self.find(&tuple);
        if let Some(Place::TimeWait(index)) = holder {
            iss = self.reconnect(index, iss);
        }
        self.cx.counters.active_opens += 1;
        self.cx.transition(
            life,
            tuple,
            (StateName::Closed, StateName::SynSent),
            Cause::Connect,
        );
        let mut connection =
            Connection::connect(&self.cx, life, tuple, options.socket.clamped(), iss);
        connection.origin = self.origins.find(origin);
        let index = self.connections.insert(connection);
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
        let towards = Towards { local: ip, remote };
        let port = self.choose_port(&towards);
        port.map(tuple_from).map_err(|exhausted| {
            let error = ConnectError::PortsExhausted(exhausted);
            (RefusalReason::PortsExhausted, error)
        })
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
            .get_mut(id.index)
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
        let result = self.with(now, id, |connection, cx| connection.read(cx, into));
        result.map_err(|error| self.why_not_read(id, error))
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
        let result = self.with(now, id, |connection, cx| connection.peek(cx, into));
        result.map_err(|error| self.why_not_read(id, error))
    }

    fn why_not_read(&self, id: SocketId, error: ReadError) -> ReadError {
        match error {
            ReadError::Unknown(_) => self.reaped.cause(id).map_or(error, ReadError::Ended),
            _ => error,
        }
    }

    fn why_not_written(&self, id: SocketId, error: WriteError) -> WriteError {
        match error {
            WriteError::Unknown(_) => self.reaped.cause(id).map_or(error, WriteError::Ended),
            _ => error,
        }
    }

    /// Writes as many bytes as there is room for; answers how many.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&mut self, now: Instant, id: SocketId, data: &[u8]) -> Result<usize, WriteError> {
        let result = self.with(now, id, |connection, cx| connection.write(cx, data));
        result.map_err(|error| self.why_not_written(id, error))
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
        let result = self.with(now, id, |connection, cx| connection.write_urgent(cx, data));
        result.map_err(|error| self.why_not_written(id, error))
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
        let result = self.with(now, id, |connection, cx| connection.shutdown(cx, how));
        result.map_err(|error| match error {
            ShutdownError::Unknown(_) if self.reaped.cause(id).is_some() => {
                ShutdownError::NotConnected
            }
            _ => error,
        })
    }

    /// Gives the socket up: what was written is still sent, then a FIN; or a RST, if data is unread or the
    /// linger time is zero. The connection ends on its own.
    ///
    /// # Errors
    /// [`UnknownSocket`] if it was closed before.
    pub fn close(&mut self, now: Instant, id: SocketId) -> Result<(), UnknownSocket> {
        let closed = self.with(now, id, |connection, cx| {
            connection.close(cx);
            Ok(())
        });
        closed.or_else(|UnknownSocket| self.reaped.forget(id))
    }

    /// Gives the socket up with a RST (RFC 9293 §3.10.5).
    ///
    /// # Errors
    /// [`UnknownSocket`] if it was closed before.
    pub fn abort(&mut self, now: Instant, id: SocketId) -> Result<(), UnknownSocket> {
        let aborted = self.with(now, id, |connection, cx| {
            connection.abort(cx, Cause::Abort);
            Ok(())
        });
        aborted.or_else(|UnknownSocket| self.reaped.forget(id))
    }

    /// Ends a connection in any state without a word to its peer, as FreeBSD's `tcpdrop` does. Answers whether
    /// there was one.
    pub fn forget(&mut self, now: Instant, tuple: &FourTuple) -> bool {
        self.set_now(now);
        match self.find(tuple).1 {
            Some(Place::Connection(index)) => {
                self.connections[index].end(&mut self.cx, Cause::Abort);
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
            .map(|connection| connection.options())
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
            connection.set_options(cx, options);
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

    /// Why a socket's connection has ended, if it has.
    #[must_use]
    pub fn end_of(&self, id: SocketId) -> Option<Cause> {
        match self.connection(id) {
            Some(connection) => connection.ended,
            None => self.reaped.cause(id),
        }
    }

    /// What a socket would not block on now: for a caller that missed events.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn readiness(&self, id: SocketId) -> Result<crate::Readiness, UnknownSocket> {
        let Some(connection) = self.connection(id) else {
            return self.reaped.readiness(id).ok_or(UnknownSocket);
        };
        let mut readiness = crate::Readiness::empty();
        readiness.set(crate::Readiness::READABLE, connection.is_readable());
        readiness.set(
            crate::Readiness::WRITABLE,
            connection.is_writable(&self.cx.memory),
        );
        readiness.set(crate::Readiness::URGENT, connection.urgent().is_some());
        let acknowledged = connection.is_acknowledged();
        readiness.set(crate::Readiness::ACKNOWLEDGED, acknowledged);
        Ok(readiness)
    }

    /// What the peer has acknowledged of what was written, also once the connection has ended. An event with
    /// [`ACKNOWLEDGED`](crate::Readiness::ACKNOWLEDGED) tells when it is all.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn delivery(&self, id: SocketId) -> Result<Delivery, UnknownSocket> {
        let Some(connection) = self.connection(id) else {
            let cause = self.reaped.cause(id).ok_or(UnknownSocket)?;
            return Ok(Delivery::of_neglected(cause));
        };
        Ok(connection.delivery())
    }

    /// The host is about to go away: listeners close, and every connection gets a FIN behind what was written.
    pub fn begin_shut_down(&mut self, now: Instant) {
        self.set_now(now);
        self.end_listeners();
        for index in self.indices() {
            self.connections[index].finish(&mut self.cx, Cause::Shutdown);
            self.settle(index);
        }
    }

    fn indices(&self) -> Vec<u32> {
        self.connections.iter().map(|(index, _)| index).collect()
    }

    /// Ends everything with a RST: the host goes away. Sockets still held answer that they ended.
    pub fn shut_down(&mut self, now: Instant) {
        self.set_now(now);
        self.end_listeners();
        for index in self.indices() {
            let connection = &mut self.connections[index];
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
