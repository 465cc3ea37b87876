//! Why a call on a socket failed, with the rule that says so.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use estab_core::error::{ConnectError, ListenError};
use estab_core::observe::Cause;

/// What stands inside the [`io::Error`] of a socket.
///
/// [`kind`](Self::kind) is what the operating system's sockets give in the same place;
/// [`of`](Self::of) finds it in an `io::Error`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection ended, for this cause.
    #[error("{kind}: {0} ({rule})", kind = kind_of(*.0), rule = .0.rule())]
    Ended(Cause),
    /// A write after the sending side was shut down, or after the end of the connection was told
    /// (RFC 9293 §3.10.2).
    #[error("broken pipe: the sending side is closed (RFC 9293 §3.10.2)")]
    SendingClosed,
    /// The connection has ended and its end was told before, or [`abort`](crate::TcpStream::abort) was called
    /// (RFC 9293 §3.10.4).
    #[error("not connected: the connection has ended (RFC 9293 §3.10.4)")]
    NotConnected,
    /// `bind` or `listen` was refused (RFC 9293 §3.10.1).
    #[error("cannot listen: {0} (RFC 9293 §3.10.1)")]
    Listen(ListenError),
    /// `connect` was refused before a packet was sent (RFC 9293 §3.10.1).
    #[error("cannot connect: {0} (RFC 9293 §3.10.1)")]
    Connect(ConnectError),
    /// The listener was closed, as its host shuts down.
    #[error("the listener is closed: its host shuts down")]
    ListenerClosed,
    /// The host was shut down, or is about to be.
    #[error("the host is shut down")]
    HostShutDown,
    /// The device of the host failed, and with it everything.
    #[error("the host's device failed: {0}")]
    Device(Arc<io::Error>),
}

impl Error {
    /// The kind of the [`io::Error`] around it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Ended(cause) => kind_of(*cause),
            Self::SendingClosed => ErrorKind::BrokenPipe,
            Self::NotConnected => ErrorKind::NotConnected,
            Self::Listen(error) => match error {
                ListenError::AddressInUse
                | ListenError::PortHeld { .. }
                | ListenError::PortsExhausted { .. } => ErrorKind::AddrInUse,
                ListenError::AddressNotOurs => ErrorKind::AddrNotAvailable,
                ListenError::LimitReached => ErrorKind::OutOfMemory,
            },
            Self::Connect(error) => match error {
                ConnectError::AddressNotOurs | ConnectError::PortsExhausted(_) => {
                    ErrorKind::AddrNotAvailable
                }
                ConnectError::Unreachable => ErrorKind::NetworkUnreachable,
                ConnectError::AddressInUse => ErrorKind::AddrInUse,
                ConnectError::LimitReached | ConnectError::NoMemory => ErrorKind::OutOfMemory,
            },
            Self::ListenerClosed | Self::HostShutDown => ErrorKind::ConnectionAborted,
            // Never `WouldBlock`, which would be taken for a reason to wait.
            Self::Device(error) if error.kind() == ErrorKind::WouldBlock => ErrorKind::Other,
            Self::Device(error) => error.kind(),
        }
    }

    /// Why the connection ended, if that is what happened.
    #[must_use]
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Ended(cause) => Some(*cause),
            _ => None,
        }
    }

    /// The typed error inside an [`io::Error`] that a socket gave.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The kind std gives for a connection that ended like this.
fn kind_of(cause: Cause) -> ErrorKind {
    match cause {
        Cause::ResetInSynSent | Cause::Refused => ErrorKind::ConnectionRefused,
        Cause::Reset
        | Cause::ResetInWindow
        | Cause::ResetInTimeWait
        | Cause::SynInWindow
        | Cause::OtherSyn => ErrorKind::ConnectionReset,
        Cause::SynRetries
        | Cause::SynAckRetries
        | Cause::DataRetries
        | Cause::OrphanRetries
        | Cause::OrphanTime
        | Cause::UserTimeout
        | Cause::KeepAlive
        | Cause::Linger
        | Cause::FinWait2Timeout => ErrorKind::TimedOut,
        Cause::Unreachable => ErrorKind::HostUnreachable,
        _ => ErrorKind::ConnectionAborted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_by_which_rule() {
        let error = io::Error::from(Error::Ended(Cause::Reset));
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            error.to_string(),
            "connection reset: RST received at exactly RCV.NXT (RFC 5961 §3.2)"
        );
        assert_eq!(Error::of(&error).unwrap().cause(), Some(Cause::Reset));
    }

    #[test]
    fn kinds_are_those_of_the_operating_system() {
        let kind = |cause| io::Error::from(Error::Ended(cause)).kind();
        assert_eq!(kind(Cause::ResetInSynSent), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Cause::Refused), ErrorKind::ConnectionRefused);
        assert_eq!(kind(Cause::SynRetries), ErrorKind::TimedOut);
        assert_eq!(kind(Cause::UserTimeout), ErrorKind::TimedOut);
        assert_eq!(kind(Cause::Unreachable), ErrorKind::HostUnreachable);
        assert_eq!(kind(Cause::Shutdown), ErrorKind::ConnectionAborted);
        let held = ListenError::PortHeld {
            time_wait: 1,
            live: 0,
        };
        assert_eq!(Error::Listen(held).kind(), ErrorKind::AddrInUse);
    }
}
