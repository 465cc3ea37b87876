//! `socket`, `bind`, `listen`, `getsockname` and `getpeername`.

use std::net::{IpAddr, SocketAddr};

use estab_core::error::ListenError;
use estab_core::observe::{Observer, StateName};
use estab_core::{AcceptPolicy, ListenOptions};

use super::symbols::{
    AF_INET, AF_INET6, FD_CLOEXEC, IPPROTO_TCP, O_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK,
    SOCK_STREAM,
};
use super::{Association, Endpoint, Errno, Fd, Output, Returned, Socket, Sockets};

impl<O: Observer> Sockets<O> {
    pub(super) fn socket(
        &mut self,
        domain: i32,
        kind: i32,
        protocol: i32,
    ) -> Result<Returned, Errno> {
        let (flags, descriptor_flags) = creation_flags(kind)?;
        let is_ipv6 = match domain {
            AF_INET => false,
            AF_INET6 => true,
            _ => return Err(Errno::EAFNOSUPPORT),
        };
        // There is nothing but TCP here.
        if kind & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != SOCK_STREAM {
            return Err(Errno::ESOCKTNOSUPPORT);
        }
        if protocol != 0 && protocol != IPPROTO_TCP {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let socket = Socket::new(is_ipv6, flags, descriptor_flags, &self.profile);
        let fd = self.insert(socket)?;
        Ok(Returned::ok(fd.into()))
    }

    pub(super) fn bind(&mut self, fd: Fd, address: SocketAddr) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        let address = socket.taken(address)?;
        if socket.endpoint != Endpoint::None || socket.local.is_some() {
            return Err(Errno::EINVAL);
        }
        let address = self.claim(fd, address)?;
        let socket = self.get_mut(fd)?;
        socket.local = Some(address);
        socket.bound = Some(address);
        socket.holds_port = true;
        self.stack.hold_port(address);
        Ok(Returned::ok(0))
    }

    /// Whether a socket may have a local address; chooses a port if none is given.
    fn claim(&mut self, fd: Fd, address: SocketAddr) -> Result<SocketAddr, Errno> {
        let socket = self.get(fd)?;
        let options = socket.settings.for_core();
        if address.port() != 0 && self.conflicts(fd, address) {
            return Err(Errno::EADDRINUSE);
        }
        self.stack
            .check_bind(address, &options)
            .map_err(|error| match error {
                ListenError::AddressNotOurs => Errno::EADDRNOTAVAIL,
                ListenError::LimitReached => Errno::ENOBUFS,
                _ => Errno::EADDRINUSE,
            })
    }

    /// Whether another socket's local address stands in the way: both may have it only with SO_REUSEADDR and
    /// none listening, or with SO_REUSEPORT.
    fn conflicts(&self, fd: Fd, address: SocketAddr) -> bool {
        let Some(own) = self.table.get(&fd) else {
            return false;
        };
        let mut others = self.table.iter().filter(|(other, _)| **other != fd);
        others.any(|(_, other)| {
            let overlaps = other.local.is_some_and(|local| overlap(local, address));
            let listens = other.listener().is_some();
            let reuse = own.settings.reuse_address && other.settings.reuse_address && !listens;
            let share = own.settings.reuse_port && other.settings.reuse_port;
            overlaps && !reuse && !share
        })
    }

    pub(super) fn listen(&mut self, fd: Fd, backlog: i32) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        // Linux takes a negative backlog for a large one, and holds one more than it was told.
        let most = self.profile.somaxconn;
        let backlog = usize::try_from(backlog).unwrap_or(most).min(most) + 1;
        if let Endpoint::Listener(id) = socket.endpoint {
            let done = self.stack.set_backlog(self.now, id, backlog);
            let done = done.and_then(|()| {
                let syn_backlog = self.profile.syn_backlog(backlog);
                self.stack.set_syn_backlog(id, Some(syn_backlog))
            });
            return done.map_err(|_| Errno::EINVAL).map(|()| Returned::ok(0));
        }
        if socket.endpoint != Endpoint::None || socket.association != Association::Unconnected {
            return Err(Errno::EINVAL);
        }
        let address = match socket.local {
            Some(local) => local,
            None => socket.nowhere(),
        };
        let mut options = socket.settings.for_core();
        // Whether connections hold the port was asked by `bind`.
        options.reuse_address |= socket.bound.is_some();
        let listening = self.stack.listen(
            self.now,
            ListenOptions {
                address,
                backlog,
                policy: AcceptPolicy::Hold,
                syn_backlog: Some(self.profile.syn_backlog(backlog)),
                defer_accept: socket.settings.defer_accept(),
                socket: options,
            },
        );
        let id = listening.map_err(|_| Errno::EADDRINUSE)?;
        let local = self.stack.listener_address(id);
        self.release_port(fd);
        let socket = self.get_mut(fd)?;
        socket.local = local;
        socket.endpoint = Endpoint::Listener(id);
        socket.shut_read = false;
        socket.shut_write = false;
        Ok(Returned::ok(0))
    }

    /// The core need not keep the port for this socket any more.
    pub(super) fn release_port(&mut self, fd: Fd) {
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        if let (Some(local), true) = (socket.local, std::mem::take(&mut socket.holds_port)) {
            self.stack.release_port(local);
        }
    }

    pub(super) fn name(&self, fd: Fd, peer: bool) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        if !peer {
            let local = socket.local.unwrap_or_else(|| socket.nowhere());
            return Ok(Returned::with(0, Output::Address(socket.shown(local))));
        }
        let status = self.status(socket).ok_or(Errno::ENOTCONN)?;
        if matches!(status.state, StateName::Closed | StateName::SynSent) {
            return Err(Errno::ENOTCONN);
        }
        let remote = socket.shown(status.tuple.remote());
        Ok(Returned::with(0, Output::Address(remote)))
    }
}

/// The flags among a socket's kind, and those of its descriptor.
pub(super) fn creation_flags(kind: i32) -> Result<(i32, i32), Errno> {
    const { assert!(SOCK_NONBLOCK == O_NONBLOCK) };
    let flags = kind & !0xf;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let descriptor = if flags & SOCK_CLOEXEC != 0 {
        FD_CLOEXEC
    } else {
        0
    };
    Ok((flags & SOCK_NONBLOCK, descriptor))
}

/// Whether two local addresses share a port on some address.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |one: IpAddr, other: IpAddr| {
        one == other || (one.is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
    };
    one.port() == other.port() && (covers(one.ip(), other.ip()) || covers(other.ip(), one.ip()))
}
