//! What sockets ask of the stack, with the errors they give.

use std::io;
use std::sync::Arc;

use estab_core::error::{ReadError, WriteError};
use estab_core::observe::{Cause, StateName};
use estab_core::{Instant, SocketId, Status};

use crate::Error;
use crate::shared::{Inner, Over};
use crate::waiting::Place;

impl Inner {
    /// The error that every call gets, once the host is over.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.over.as_ref().map(|over| match over {
            Over::ShutDown => Error::HostShutDown,
            Over::Failed(error) => Error::Device(Arc::clone(error)),
        })
    }

    /// Whether something new may begin.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        match self.failure() {
            Some(error) => Err(error),
            None if self.is_closing => Err(Error::HostShutDown),
            None => Ok(()),
        }
    }

    pub(crate) fn read(
        &mut self,
        now: Instant,
        id: SocketId,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let result = self.stack.read(now, id, into);
        self.read_result(id, into.is_empty(), result)
    }

    pub(crate) fn peek(
        &mut self,
        now: Instant,
        id: SocketId,
        into: &mut [u8],
    ) -> io::Result<usize> {
        let result = self.stack.peek(now, id, into);
        self.read_result(id, into.is_empty(), result)
    }

    fn read_result(
        &self,
        id: SocketId,
        is_empty: bool,
        result: Result<usize, ReadError>,
    ) -> io::Result<usize> {
        match result {
            Ok(0) if !is_empty && self.ended_with_host(id) => Err(self.ended(Cause::Shutdown)),
            Ok(length) => Ok(length),
            Err(ReadError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(ReadError::Ended(cause)) => Err(self.ended(cause)),
            Err(ReadError::Unknown(_)) => Err(Error::NotConnected.into()),
        }
    }

    pub(crate) fn write(&mut self, now: Instant, id: SocketId, data: &[u8]) -> io::Result<usize> {
        self.stack
            .write(now, id, data)
            .map_err(|error| match error {
                WriteError::WouldBlock => io::ErrorKind::WouldBlock.into(),
                WriteError::Closed if self.ended_with_host(id) => self.ended(Cause::Shutdown),
                WriteError::Closed => Error::SendingClosed.into(),
                WriteError::Ended(cause) => self.ended(cause),
                WriteError::Unknown(_) => Error::NotConnected.into(),
            })
    }

    /// Whether the device's failure ended this connection: every further call says so.
    fn ended_with_host(&self, id: SocketId) -> bool {
        self.over.is_some() && self.stack.end_of(id) == Some(Cause::Shutdown)
    }

    /// Nobody holds the socket any more.
    pub(crate) fn forget(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.waiters.close(Place::Read(id));
        self.waiters.close(Place::Write(id));
        self.waiters.close(Place::Close(id));
    }

    /// The error of a connection that did not end in order.
    pub(crate) fn how_it_ended(&self, id: SocketId) -> io::Result<()> {
        match self.stack.end_of(id) {
            None => Ok(()),
            Some(Cause::AckOfFin | Cause::Fin | Cause::Close | Cause::ShutdownWrite) => Ok(()),
            Some(cause) => Err(self.ended(cause)),
        }
    }

    /// The error for a connection that ended; the device's if it was that.
    pub(crate) fn ended(&self, cause: Cause) -> io::Error {
        match (cause, &self.over) {
            (Cause::Shutdown, Some(Over::Failed(error))) => Error::Device(Arc::clone(error)).into(),
            _ => Error::Ended(cause).into(),
        }
    }

    /// What would have to be cut if the host ended now.
    pub(crate) fn open_statuses(&self) -> Vec<Status> {
        let is_open = |status: &Status| match status.state {
            StateName::Closed | StateName::TimeWait => false,
            StateName::SynReceived => status.is_owned,
            _ => true,
        };
        let statuses = self.stack.statuses();
        statuses.into_iter().filter(is_open).collect()
    }
}
