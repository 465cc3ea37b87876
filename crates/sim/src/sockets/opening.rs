//! `connect` and `accept`.

use std::net::SocketAddr;

use estab_core::ConnectOptions;
use estab_core::error::ConnectError;
use estab_core::observe::{Observer, StateName};

use super::naming::creation_flags;
use super::symbols::O_NONBLOCK;
use super::{Association, Endpoint, Errno, Fd, Output, Progress, Returned, Socket, Sockets, Tried};

impl<O: Observer> Sockets<O> {
    pub(super) fn connect(
        &mut self,
        fd: Fd,
        address: Option<SocketAddr>,
        progress: &mut Progress,
    ) -> Tried {
        let socket = self.get(fd)?;
        let Some(address) = address else {
            // AF_UNSPEC dissolves the association.
            self.disconnect(fd);
            return Ok(Some(Returned::ok(0)));
        };
        let mut under_way = Errno::EINPROGRESS;
        match socket.association {
            Association::Connected if progress.begun => return Ok(Some(Returned::ok(0))),
            Association::Connected => return Err(Errno::EISCONN),
            Association::Disconnecting => return Err(Errno::EINVAL),
            Association::Unconnected if socket.endpoint != Endpoint::None => {
                return Err(Errno::EISCONN);
            }
            Association::Unconnected => self.begin_connect(fd, address)?,
            Association::Connecting if progress.begun => {}
            Association::Connecting => under_way = Errno::EALREADY,
        }
        let socket = self.get(fd)?;
        let state = self
            .status(socket)
            .map_or(StateName::Closed, |status| status.state);
        match state {
            StateName::SynSent | StateName::SynReceived => {
                let (blocks, limit) = (socket.blocks(), socket.settings.send_timeout);
                if self.may_wait(progress, blocks, limit) {
                    return Ok(None);
                }
                Err(under_way)
            }
            StateName::Closed if !socket.is_done => {
                let error = socket.error.unwrap_or(Errno::ECONNABORTED);
                self.disconnect(fd);
                self.get_mut(fd)?.error = None;
                Err(error)
            }
            _ if self.profile.is_freebsd() && !progress.begun => {
                self.get_mut(fd)?.association = Association::Connected;
                Err(Errno::EISCONN)
            }
            _ => {
                self.get_mut(fd)?.association = Association::Connected;
                Ok(Some(Returned::ok(0)))
            }
        }
    }

    fn begin_connect(&mut self, fd: Fd, address: SocketAddr) -> Result<(), Errno> {
        let socket = self.get(fd)?;
        let remote = socket.taken(address)?;
        let options = ConnectOptions {
            local: socket.local,
            socket: socket.settings.for_core(),
        };
        let give_up_at = socket
            .settings
            .connect_timeout
            .map(|limit| self.now + limit);
        let chooses = socket.local.is_none();
        let connecting = self.stack.connect(self.now, remote, options);
        let id = connecting.map_err(|error| match error {
            ConnectError::AddressNotOurs if chooses => Errno::ENETUNREACH,
            ConnectError::AddressNotOurs => Errno::EINVAL,
            ConnectError::Unreachable if remote.port() == 0 => Errno::EADDRNOTAVAIL,
            ConnectError::Unreachable => Errno::ENETUNREACH,
            ConnectError::AddressInUse | ConnectError::PortsExhausted(_) => Errno::EADDRNOTAVAIL,
            ConnectError::LimitReached | ConnectError::NoMemory => Errno::ENOBUFS,
        })?;
        let local = self.stack.tuple(id).ok().map(|tuple| tuple.local());
        self.release_port(fd);
        let socket = self.get_mut(fd)?;
        socket.endpoint = Endpoint::Connection(id);
        socket.association = Association::Connecting;
        socket.local = local;
        socket.error = None;
        socket.end_is_known = false;
        socket.is_done = false;
        socket.shut_read = false;
        socket.shut_write = false;
        socket.give_up_at = give_up_at;
        Ok(())
    }

    pub(super) fn accept(&mut self, fd: Fd, flags: i32, progress: &mut Progress) -> Tried {
        let (status_flags, descriptor_flags) = creation_flags(flags)?;
        let listener = self.get(fd)?;
        let id = listener.listener().ok_or(Errno::EINVAL)?;
        self.free_fd()?;
        let accepted = self.stack.accept(self.now, id);
        let Some(connection) = accepted.map_err(|_| Errno::EINVAL)? else {
            let listener = self.get(fd)?;
            let (blocks, limit) = (listener.blocks(), listener.settings.receive_timeout);
            return if self.may_wait(progress, blocks, limit) {
                Ok(None)
            } else {
                Err(Errno::EAGAIN)
            };
        };
        let listener = self.get(fd)?;
        let inherited = if self.profile.accept_inherits_flags {
            listener.flags & O_NONBLOCK
        } else {
            0
        };
        let mut socket = Socket::new(
            listener.is_ipv6,
            status_flags | inherited,
            descriptor_flags,
            &self.profile,
        );
        socket.settings = listener.settings.clone();
        socket.endpoint = Endpoint::Connection(connection);
        socket.association = Association::Connected;
        let tuple = self.stack.tuple(connection).ok();
        socket.local = tuple.map(|tuple| tuple.local());
        let remote = tuple.map(|tuple| socket.shown(tuple.remote()));
        let fd = self.insert(socket)?;
        self.notice(fd);
        let output = remote.map_or(Output::Nothing, Output::Address);
        Ok(Some(Returned::with(fd.into(), output)))
    }
}
