//! `fcntl` and `ioctl`.

use estab_core::observe::{Observer, StateName};

use super::symbols::{
    F_GETFD, F_GETFL, F_SETFD, F_SETFL, FIONSPACE, O_APPEND, O_ASYNC, O_DIRECT, O_NOATIME,
    O_NONBLOCK, SIOCATMARK, SIOCINQ, SIOCOUTQ, SIOCOUTQNSD,
};
use super::{Endpoint, Errno, Fd, Output, Returned, Sockets};

/// What F_SETFL may change.
const SETTABLE: i32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;

impl<O: Observer> Sockets<O> {
    pub(super) fn fcntl(&mut self, fd: Fd, command: i32, argument: i32) -> Result<Returned, Errno> {
        let socket = self.get_mut(fd)?;
        match command {
            F_GETFL => return Ok(Returned::ok(socket.flags.into())),
            F_SETFL => socket.flags = (socket.flags & !SETTABLE) | (argument & SETTABLE),
            F_GETFD => return Ok(Returned::ok(socket.descriptor_flags.into())),
            F_SETFD => socket.descriptor_flags = argument & 1,
            _ => return Err(Errno::EINVAL),
        }
        Ok(Returned::ok(0))
    }

    pub(super) fn ioctl(&mut self, fd: Fd, request: u64) -> Result<Returned, Errno> {
        let socket = self.get(fd)?;
        let request = i32::try_from(request).map_err(|_| Errno::ENOTTY)?;
        let status = self.status(socket);
        let opens = status.as_ref().is_some_and(|status| {
            matches!(status.state, StateName::SynSent | StateName::SynReceived)
        });
        let of = |count: fn(&estab_core::Status) -> usize| {
            status.as_ref().filter(|_| !opens).map_or(0, count)
        };
        let listens = matches!(socket.endpoint, Endpoint::Listener(_));
        let answer = match request {
            SIOCINQ | SIOCOUTQ | SIOCOUTQNSD if listens => return Err(Errno::EINVAL),
            SIOCINQ if opens => 0,
            SIOCINQ => status
                .as_ref()
                .map_or(0, |status| self.readable(socket, status)),
            SIOCOUTQ => of(outstanding),
            SIOCOUTQNSD => of(|status| status.unsent),
            FIONSPACE => self.room(fd),
            SIOCATMARK => socket
                .connection()
                .is_some_and(|id| self.is_at_mark(id))
                .into(),
            _ => return Err(Errno::ENOTTY),
        };
        let answer = i32::try_from(answer).unwrap_or(i32::MAX);
        Ok(Returned::with(0, Output::Int(answer)))
    }
}

/// Linux's `write_seq - snd_una`: a FIN that was not acknowledged counts as a byte.
fn outstanding(status: &estab_core::Status) -> usize {
    let fin = matches!(
        status.state,
        StateName::FinWait1 | StateName::Closing | StateName::LastAck
    );
    status.unacknowledged + usize::from(fin)
}
