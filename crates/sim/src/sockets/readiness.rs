//! `poll`.

use std::time::Duration;

use estab_core::observe::{Observer, StateName};

use super::symbols::{
    POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM,
};
use super::{Endpoint, Fd, Output, Progress, Returned, Socket, Sockets};

impl<O: Observer> Sockets<O> {
    pub(super) fn poll(
        &mut self,
        fds: &[(Fd, i16)],
        timeout: Option<Duration>,
        progress: &mut Progress,
    ) -> Option<Returned> {
        let events: Vec<i16> = fds
            .iter()
            .map(|&(fd, asked)| self.asked(fd, asked))
            .collect();
        let ready = events.iter().filter(|events| **events != 0).count();
        let blocks = timeout.is_none_or(|limit| !limit.is_zero());
        if ready == 0 && self.may_wait(progress, blocks, timeout) {
            return None;
        }
        Some(Returned::with(ready as i64, Output::Events(events)))
    }

    /// `revents` for what was asked; a negative descriptor is passed over.
    fn asked(&self, fd: Fd, asked: i16) -> i16 {
        if fd < 0 {
            return 0;
        }
        let always = POLLERR | POLLHUP | POLLNVAL;
        let events = match self.table.get(&fd) {
            Some(socket) => self.readiness(fd, socket),
            None => POLLNVAL,
        };
        (events & (i32::from(asked) | always)) as i16
    }

    /// Everything `poll` could tell of a socket: Linux's `tcp_poll`.
    fn readiness(&self, fd: Fd, socket: &Socket) -> i32 {
        if let Endpoint::Listener(id) = socket.endpoint {
            return if self.stack.has_acceptable(id) {
                POLLIN | POLLRDNORM
            } else {
                0
            };
        }
        let status = self.status(socket);
        let state = status.as_ref().map_or(StateName::Closed, |s| s.state);
        let mut events = 0;
        if (socket.shut_read && socket.shut_write) || state == StateName::Closed {
            events |= POLLHUP;
        }
        if socket.shut_read {
            events |= POLLIN | POLLRDNORM | POLLRDHUP;
        }
        if !matches!(state, StateName::SynSent | StateName::SynReceived) {
            let unread = status
                .as_ref()
                .map_or(0, |status| self.readable(socket, status));
            if status
                .as_ref()
                .is_some_and(|status| self.has_urgent_byte(socket, status))
            {
                events |= POLLPRI;
            }
            if unread >= socket.settings.receive_low_water.max(1) {
                events |= POLLIN | POLLRDNORM;
            }
            let unacknowledged = status.as_ref().map_or(0, |status| status.unacknowledged);
            let unconnected = socket.connection().is_none();
            // Linux tells of room only when a third of the buffer is free, and half of what may wait unsent.
            let unsent = status.as_ref().map_or(0, |status| status.unsent);
            let few = unsent.saturating_mul(2) < socket.settings.not_sent_limit(&self.profile);
            let free = self.room(fd);
            let has_room = free > 0 && free >= unacknowledged / 2 && few;
            if unconnected || socket.shut_write || has_room {
                events |= POLLOUT | POLLWRNORM;
            }
        }
        if socket.error.is_some() {
            events |= POLLERR;
        }
        events
    }
}
