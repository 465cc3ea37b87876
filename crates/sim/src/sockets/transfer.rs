//! `read`, `recv`, `write`, `send` and their kin.

use estab_core::observe::{Observer, StateName};

use super::symbols::{
    MSG_DONTWAIT, MSG_ERRQUEUE, MSG_FASTOPEN, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL,
};
use super::{
    Endpoint, Errno, Fd, NULL_BUFFER, Output, Progress, Returned, SocketId, Sockets, Tried,
};

impl<O: Observer> Sockets<O> {
    pub(super) fn receive(
        &mut self,
        fd: Fd,
        len: usize,
        flags: i32,
        progress: &mut Progress,
    ) -> Tried {
        let socket = self.get(fd)?;
        if flags & MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN);
        }
        if let Endpoint::Listener(_) = socket.endpoint {
            return Err(Errno::ENOTCONN);
        }
        if flags & MSG_OOB != 0 {
            return self.receive_urgent(fd, flags).map(Some);
        }
        let Some(id) = socket.connection() else {
            return self.receive_nothing(fd, false).map(Some);
        };
        let blocks = socket.blocks() && flags & MSG_DONTWAIT == 0;
        let limit = socket.settings.receive_timeout;
        let least = if flags & MSG_WAITALL != 0 {
            len
        } else {
            socket.settings.receive_low_water.min(len)
        };
        let waits = self
            .stack
            .status(id)
            .is_some_and(|status| status.unread > 0);
        if flags & NULL_BUFFER != 0 && flags & MSG_TRUNC == 0 && waits && len > 0 {
            return Err(Errno::EFAULT);
        }
        let arrived = self.take((fd, id), len, flags, progress);
        let socket = self.get(fd)?;
        let is_over = socket.error.is_some() || socket.shut_read;
        let stops = is_over || self.is_at_mark(id);
        if arrived >= least.max(1) || (arrived > 0 && stops) || len == 0 {
            return Ok(Some(received(progress)));
        }
        if !is_over && self.may_wait(progress, blocks, limit) {
            return Ok(None);
        }
        if arrived > 0 {
            return Ok(Some(received(progress)));
        }
        self.receive_nothing(fd, true).map(Some)
    }

    /// Takes what is there, up to `len` with what was taken before, but not across the mark of urgent data; answers
    /// how much that makes.
    fn take(
        &mut self,
        (fd, id): (Fd, SocketId),
        len: usize,
        flags: i32,
        progress: &mut Progress,
    ) -> usize {
        let peeks = flags & MSG_PEEK != 0;
        if peeks {
            progress.received.clear();
        }
        loop {
            let before = progress.received.len() + progress.moved;
            if before > 0 && (peeks || self.is_at_mark(id)) {
                return before;
            }
            if !peeks {
                self.pass_urgent_byte(fd, id);
            }
            let unread = self.stack.status(id).map_or(0, |status| status.unread);
            let mut bytes = vec![0; len.saturating_sub(before).min(unread)];
            let got = match bytes.len() {
                0 => Ok(0),
                _ if peeks => self.stack.peek(self.now, id, &mut bytes),
                _ => self.stack.read(self.now, id, &mut bytes),
            };
            match got.unwrap_or(0) {
                0 => return before,
                got if flags & MSG_TRUNC != 0 && !peeks => progress.moved += got,
                got => progress.received.extend_from_slice(&bytes[..got]),
            }
        }
    }

    /// What a receive answers that found no byte and does not wait: end of file, an error told once, or that
    /// there is nothing yet.
    fn receive_nothing(&mut self, fd: Fd, was_connected: bool) -> Result<Returned, Errno> {
        let now = self.now;
        let socket = self.get_mut(fd)?;
        let nothing = Returned::with(0, Output::Bytes(Vec::new(), 0));
        let error = socket.error.take_if(|_| !socket.is_done);
        if let Some(error) = error {
            return Err(error);
        }
        if socket.is_done || socket.shut_read {
            if let Some(id) = socket.connection() {
                // The core shall know that the application was told of the end.
                let _told = self.stack.read(now, id, &mut [0]);
            }
            return Ok(nothing);
        }
        Err(if was_connected {
            Errno::EAGAIN
        } else {
            Errno::ENOTCONN
        })
    }

    pub(super) fn send(
        &mut self,
        fd: Fd,
        data: &[u8],
        flags: i32,
        progress: &mut Progress,
    ) -> Tried {
        let socket = self.get(fd)?;
        if flags & MSG_FASTOPEN != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let blocks = socket.blocks() && flags & MSG_DONTWAIT == 0;
        let limit = socket.settings.send_timeout;
        let state = self
            .status(socket)
            .map_or(StateName::Closed, |status| status.state);
        if progress.moved == 0 && !matches!(state, StateName::Established | StateName::CloseWait) {
            return self.send_unconnected(fd, state, (blocks, limit), progress);
        }
        let socket = self.get(fd)?;
        if socket.error.is_some() || socket.shut_write {
            return self.send_failed(fd, progress).map(Some);
        }
        if flags & NULL_BUFFER != 0 && !data.is_empty() {
            return Err(Errno::EFAULT);
        }
        self.mark_more(fd, flags & MSG_MORE != 0);
        if let Some(id) = self.get(fd)?.connection() {
            let room = self.room(fd);
            let rest = &data[progress.moved..];
            let rest = &rest[..rest.len().min(room)];
            if !rest.is_empty() {
                progress.moved += if flags & MSG_OOB != 0 {
                    self.stack.write_urgent(self.now, id, rest).unwrap_or(0)
                } else {
                    self.stack.write(self.now, id, rest).unwrap_or(0)
                };
            }
        }
        if progress.moved < data.len() && self.may_wait(progress, blocks, limit) {
            return Ok(None);
        }
        match progress.moved {
            0 if !data.is_empty() => Err(Errno::EAGAIN),
            moved => Ok(Some(Returned::ok(moved as i64))),
        }
    }

    /// A send in a state that cannot send: it waits for a connection that is being opened, and fails otherwise.
    fn send_unconnected(
        &mut self,
        fd: Fd,
        state: StateName,
        (blocks, limit): (bool, Option<std::time::Duration>),
        progress: &mut Progress,
    ) -> Tried {
        let opens = matches!(state, StateName::SynSent | StateName::SynReceived);
        if self.get(fd)?.error.is_some() || !opens {
            return self.send_failed(fd, progress).map(Some);
        }
        if self.may_wait(progress, blocks, limit) {
            Ok(None)
        } else {
            Err(Errno::EAGAIN)
        }
    }

    /// MSG_MORE holds a part of a segment back until a send without it, or until the next acknowledgment.
    fn mark_more(&mut self, fd: Fd, more: bool) {
        let Some(socket) = self.table.get(&fd) else {
            return;
        };
        let acked = self.status(socket).map_or(0, |status| status.bytes_acked);
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        socket.settings.acked_before_more = acked;
        if std::mem::replace(&mut socket.settings.has_more, more) != more {
            self.apply(fd);
        }
    }

    /// As in Linux, where MSG_MORE is one call's word: the next acknowledgment lets go what Nagle's algorithm would.
    pub(super) fn end_more(&mut self, fd: Fd, acked: u64) {
        let Some(socket) = self.table.get_mut(&fd) else {
            return;
        };
        let settings = &mut socket.settings;
        if settings.has_more && acked > settings.acked_before_more {
            settings.has_more = false;
            self.apply(fd);
        }
    }

    fn send_failed(&mut self, fd: Fd, progress: &Progress) -> Result<Returned, Errno> {
        if progress.moved > 0 {
            return Ok(Returned::ok(progress.moved as i64));
        }
        let never_connected = self.profile.is_freebsd();
        let socket = self.get_mut(fd)?;
        let unconnected = never_connected && socket.connection().is_none();
        Err(socket.error.take().unwrap_or(if unconnected {
            Errno::ENOTCONN
        } else {
            Errno::EPIPE
        }))
    }

    /// How many bytes a send may take now.
    pub(super) fn room(&self, fd: Fd) -> usize {
        let Some(socket) = self.table.get(&fd) else {
            return 0;
        };
        let Some(status) = self.status(socket) else {
            return 0;
        };
        let settings = &socket.settings;
        let free = settings
            .core_send_buffer()
            .saturating_sub(status.unacknowledged);
        // What may be sent at once does not wait: it does not count against TCP_NOTSENT_LOWAT.
        let window = status.cwnd.min(status.snd_wnd);
        let at_once = window.saturating_sub(status.in_flight) as usize;
        let limit = settings.not_sent_limit(&self.profile);
        free.min(limit.saturating_add(at_once).saturating_sub(status.unsent))
    }
}

/// What was received, as the call hands it back.
fn received(progress: &mut Progress) -> Returned {
    let bytes = std::mem::take(&mut progress.received);
    let value = (bytes.len() + progress.moved) as i64;
    Returned::with(value, Output::Bytes(bytes, 0))
}
