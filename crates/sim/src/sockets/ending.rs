//! `shutdown`, `close`, the dissolving of an association, and what the end of a connection means to its
//! socket.

use estab_core::observe::{Cause, NetworkError, Observer, StateName};
use estab_core::{Shutdown, SocketId, Status};

use super::symbols::{SHUT_RD, SHUT_RDWR, SHUT_WR};
use super::{Association, Endpoint, Errno, Fd, Progress, Returned, Sockets, Tried};

impl<O: Observer> Sockets<O> {
    pub(super) fn shutdown(&mut self, fd: Fd, how: i32) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        let (read, write) = match how {
            SHUT_RD => (true, false),
            SHUT_WR => (false, true),
            SHUT_RDWR => (true, true),
            _ => return Err(Errno::EINVAL),
        };
        let state = self.status(socket).map(|status| status.state);
        if socket.association == Association::Connecting {
            let is_open = !matches!(
                state,
                None | Some(StateName::Closed | StateName::SynSent | StateName::SynReceived)
            );
            self.get_mut(fd)?.association = if is_open {
                Association::Connected
            } else {
                Association::Disconnecting
            };
        }
        let socket = self.get_mut(fd)?;
        let connection = match (socket.endpoint, state) {
            (Endpoint::Listener(_), _) => {
                if read {
                    self.disconnect(fd);
                }
                return Ok(Returned::ok(0));
            }
            (Endpoint::Connection(_), Some(StateName::SynSent)) => {
                self.disconnect(fd);
                return Ok(Returned::ok(0));
            }
            (Endpoint::Connection(id), Some(state)) if state != StateName::Closed => Some(id),
            _ => None,
        };
        socket.shut_read |= read;
        socket.shut_write |= write;
        let id = connection.ok_or(Errno::ENOTCONN)?;
        let how = match (read, write) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            _ => Shutdown::Write,
        };
        let done = self.stack.shutdown(self.now, id, how);
        done.map_err(|_| Errno::ENOTCONN).map(|()| Returned::ok(0))
    }

    pub(super) fn close(&mut self, fd: Fd, progress: &mut Progress) -> Tried {
        if let Some(id) = progress.closing {
            return Ok(self.linger(id, progress));
        }
        self.get(fd)?;
        self.release_port(fd);
        let Some(socket) = self.table.remove(&fd) else {
            return Err(Errno::EBADF);
        };
        match socket.endpoint {
            Endpoint::None => {}
            Endpoint::Listener(id) => {
                let _it_was_there = self.stack.close_listener(self.now, id);
            }
            Endpoint::Connection(id) => {
                let _it_was_there = self.stack.close(self.now, id);
                if let Some(limit) = socket.settings.linger.filter(|limit| !limit.is_zero()) {
                    progress.closing = Some(id);
                    progress.deadline = Some(self.now + limit);
                    return Ok(self.linger(id, progress));
                }
            }
        }
        Ok(Some(Returned::ok(0)))
    }

    /// SO_LINGER: `close` waits until our FIN is acknowledged, but no longer than it was told; then the
    /// connection ends in the background as any other.
    fn linger(&self, id: SocketId, progress: &Progress) -> Option<Returned> {
        let state = self.stack.status(id).map(|status| status.state);
        let waits = matches!(
            state,
            Some(StateName::FinWait1 | StateName::Closing | StateName::LastAck)
        );
        (!waits || progress.expired).then(|| Returned::ok(0))
    }

    /// Dissolves the association: the socket is as new, but keeps what `bind` gave it.
    pub(super) fn disconnect(&mut self, fd: Fd) {
        let now = self.now;
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        match std::mem::replace(&mut socket.endpoint, Endpoint::None) {
            Endpoint::None => {}
            Endpoint::Listener(id) => {
                let _it_was_there = self.stack.close_listener(now, id);
            }
            Endpoint::Connection(id) => {
                let ended = self
                    .stack
                    .status(id)
                    .is_none_or(|status| status.ended.is_some());
                if !ended {
                    socket.error = Some(Errno::ECONNRESET);
                }
                let _it_was_there = self.stack.abort(now, id);
            }
        }
        socket.association = Association::Unconnected;
        socket.shut_read = false;
        socket.shut_write = false;
        socket.is_done = false;
        socket.give_up_at = None;
        socket.local = socket.bound;
        if let (Some(bound), false) = (socket.bound, socket.holds_port) {
            socket.holds_port = true;
            self.stack.hold_port(bound);
        }
    }

    /// What has happened to a connection becomes known to its socket.
    pub(super) fn notice(&mut self, fd: Fd) {
        let Some(status) = self.table.get(&fd).and_then(|socket| self.status(socket)) else {
            return;
        };
        let is_freebsd = self.profile.is_freebsd();
        self.end_in_time(fd, &status);
        self.end_more(fd, status.bytes_acked);
        self.round_buffer(fd, &status);
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        if has_finished(&status) {
            socket.is_done = true;
            socket.shut_read = true;
        }
        if status.ended.is_some() && !socket.end_is_known {
            socket.end_is_known = true;
            socket.shut_read = true;
            socket.shut_write = true;
            socket.give_up_at = None;
            let error = error_of(&status, is_freebsd);
            socket.error = error.or(socket.error);
        }
    }

    /// TCP_KEEPINIT: a connection that takes too long to open ends.
    fn end_in_time(&mut self, fd: Fd, status: &Status) {
        let now = self.now;
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        let opens = matches!(status.state, StateName::SynSent | StateName::SynReceived);
        if !opens {
            socket.give_up_at = None;
        } else if socket.give_up_at.is_some_and(|moment| moment <= now) {
            socket.give_up_at = None;
            if let Endpoint::Connection(id) = socket.endpoint {
                let _it_was_there = self.stack.abort(now, id);
            }
            socket.endpoint = Endpoint::None;
            socket.error = Some(Errno::ETIMEDOUT);
            socket.shut_read = true;
            socket.shut_write = true;
        }
    }

    /// FreeBSD: once the peer's MSS is known, the receive buffer is made a multiple of the segments' size.
    fn round_buffer(&mut self, fd: Fd, status: &Status) {
        let known = !matches!(status.state, StateName::SynSent | StateName::Closed);
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        if !self.profile.rounds_buffers || !known || socket.settings.is_rounded {
            return;
        }
        socket.settings.is_rounded = true;
        let header = if status.tuple.is_ipv4() { 40 } else { 60 };
        let own = self.stack.config().mtu.saturating_sub(header);
        let mss = own.min(usize::from(status.peer_mss)).max(1);
        let buffer = socket.settings.receive_buffer;
        if buffer >= mss {
            socket.settings.receive_buffer = buffer.div_ceil(mss) * mss;
            self.apply(fd);
        }
    }

    /// The socket's settings, as they are now, reach its connection or listener.
    pub(super) fn apply(&mut self, fd: Fd) {
        let Some(socket) = self.table.get(&fd) else {
            return;
        };
        let options = socket.settings.for_core();
        // A socket that is gone has no options to change.
        let _gone = match socket.endpoint {
            Endpoint::None => Ok(()),
            Endpoint::Listener(id) => {
                let time = socket.settings.defer_accept();
                let done = self.stack.set_defer_accept(id, time);
                done.and_then(|()| self.stack.set_listener_options(id, options))
            }
            Endpoint::Connection(id) => self.stack.set_options(self.now, id, options),
        };
    }
}

/// Whether the peer's FIN has arrived, and everything before it.
fn has_finished(status: &Status) -> bool {
    let after_fin = |state| {
        matches!(
            state,
            StateName::CloseWait | StateName::Closing | StateName::LastAck
        )
    };
    after_fin(status.state)
        || status.ended == Some(Cause::Fin)
        || status.ended_in.is_some_and(after_fin)
}

/// The error that a connection's end leaves at its socket.
fn error_of(status: &Status, is_freebsd: bool) -> Option<Errno> {
    let told = status.soft_error;
    let told = told.map(|error| match error {
        // Linux's `icmpv6_err_convert`.
        NetworkError::Prohibited if !is_freebsd && !status.tuple.is_ipv4() => Errno::EACCES,
        error => error_of_network(error, is_freebsd),
    });
    match status.ended? {
        Cause::ResetInSynSent => Some(Errno::ECONNREFUSED),
        // There is nothing left to be reset but what we write; FreeBSD makes no difference.
        Cause::Reset | Cause::ResetInWindow
            if status.ended_in == Some(StateName::CloseWait) && !is_freebsd =>
        {
            Some(Errno::EPIPE)
        }
        Cause::Reset | Cause::ResetInWindow | Cause::SynInWindow => Some(Errno::ECONNRESET),
        Cause::SynRetries
        | Cause::SynAckRetries
        | Cause::DataRetries
        | Cause::OrphanRetries
        | Cause::UserTimeout
        | Cause::KeepAlive => Some(told.unwrap_or(Errno::ETIMEDOUT)),
        Cause::Unreachable | Cause::Refused => Some(told.unwrap_or(Errno::EHOSTUNREACH)),
        Cause::Shutdown | Cause::Shed | Cause::Abort => Some(Errno::ECONNABORTED),
        _ => None,
    }
}

/// Linux's `icmp_err_convert`; FreeBSD's hard errors are all the same.
const fn error_of_network(error: NetworkError, is_freebsd: bool) -> Errno {
    match error {
        NetworkError::Protocol | NetworkError::Port | NetworkError::Prohibited if is_freebsd => {
            Errno::ECONNREFUSED
        }
        NetworkError::Network => Errno::ENETUNREACH,
        NetworkError::Host | NetworkError::Prohibited | NetworkError::TimeExceeded => {
            Errno::EHOSTUNREACH
        }
        NetworkError::Protocol => Errno::ENOPROTOOPT,
        NetworkError::Port => Errno::ECONNREFUSED,
        NetworkError::SourceRoute => Errno::EOPNOTSUPP,
        NetworkError::ParameterProblem => Errno::EPROTO,
    }
}
