//! Urgent data as BSD's sockets have it: one byte, the last before the end of what the peer called urgent, is
//! taken out of the stream unless SO_OOBINLINE is set (RFC 6093 §3.3 tells why that was never TCP's idea).

use estab_core::observe::Observer;
use estab_core::{SeqNumber, SocketId, Status};

use super::symbols::{MSG_OOB, MSG_PEEK, SO_OOBINLINE, SOL_SOCKET};
use super::{Endpoint, Errno, Fd, Output, Returned, Socket, Sockets};

impl<O: Observer> Sockets<O> {
    /// MSG_OOB: the urgent byte, once.
    pub(super) fn receive_urgent(&mut self, fd: Fd, flags: i32) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        let Endpoint::Connection(id) = socket.endpoint else {
            return Err(Errno::EINVAL);
        };
        let status = self.stack.status(id).ok_or(Errno::EINVAL)?;
        let mark = mark(&status).ok_or(Errno::EINVAL)?;
        if socket.is_inline() || socket.urgent_read_at == Some(mark) {
            return Err(Errno::EINVAL);
        }
        let Some(byte) = self.stack.urgent_byte(id) else {
            // It was announced, and comes later if at all.
            return if socket.shut_read {
                Ok(Returned::with(0, Output::Bytes(Vec::new(), 0)))
            } else {
                Err(Errno::EAGAIN)
            };
        };
        if flags & MSG_PEEK == 0 {
            self.get_mut(fd)?.urgent_read_at = Some(mark);
        }
        Ok(Returned::with(1, Output::Bytes(vec![byte], MSG_OOB)))
    }

    /// Whether the urgent byte is the next one.
    pub(super) fn is_at_mark(&self, id: SocketId) -> bool {
        self.stack.urgent(id) == Some(1)
    }

    /// A read that comes to the urgent byte goes on behind it.
    pub(super) fn pass_urgent_byte(&mut self, fd: Fd, id: SocketId) {
        let is_inline = self.table.get(&fd).is_none_or(Socket::is_inline);
        if !is_inline && self.is_at_mark(id) && self.stack.urgent_byte(id).is_some() {
            let _passed = self.stack.read(self.now, id, &mut [0]);
        }
    }

    /// Whether MSG_OOB would find the urgent byte.
    pub(super) fn has_urgent_byte(&self, socket: &Socket, status: &Status) -> bool {
        let arrived = socket
            .connection()
            .and_then(|id| self.stack.urgent_byte(id));
        arrived.is_some() && socket.urgent_read_at != mark(status)
    }

    /// The bytes that reads will find: those up to the mark, if there is one.
    pub(super) fn readable(&self, socket: &Socket, status: &Status) -> usize {
        let before_mark = status.urgent.map(|ahead| ahead - 1);
        let ahead = before_mark.filter(|ahead| !socket.is_inline() && *ahead < status.unread);
        ahead.unwrap_or(status.unread)
    }
}

impl Socket {
    /// SO_OOBINLINE
    fn is_inline(&self) -> bool {
        self.settings.stored((SOL_SOCKET, SO_OOBINLINE), 0) != 0
    }
}

/// Where the urgent byte stands in the stream.
fn mark(status: &Status) -> Option<SeqNumber> {
    let ahead = status.urgent?;
    Some(status.rcv_nxt - status.unread as u32 + ahead as u32)
}
