//! What a call of the application can answer instead of success: one enum a call.

use core::fmt;
use core::time::Duration;

use crate::observe::Cause;

/// The socket or listener is not there: it was closed, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such socket")]
pub struct UnknownSocket;

/// Why [`listen`](crate::Stack::listen) refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// A listener holds the address; `reuse_address` does not help.
    #[error("another listener holds the address")]
    AddressInUse,
    /// Connections of an earlier listener hold the port; `reuse_address` helps.
    #[error("{time_wait} connections in TIME-WAIT and {live} others hold the port")]
    PortHeld {
        /// How many are in TIME-WAIT.
        time_wait: u32,
        /// How many are in any other state.
        live: u32,
    },
    /// The address is not one of the stack's.
    #[error("the address is not one of ours")]
    AddressNotOurs,
    /// A port was to be chosen, and every ephemeral one is taken (RFC 6056 §3.2).
    #[error("no port is free: all {} are held", Grouped(*held))]
    PortsExhausted {
        /// How many ports there are, all of them held by listeners, bound sockets or connections.
        held: u32,
    },
    /// The limit of listeners is reached.
    #[error("no listener slot is left")]
    LimitReached,
}

/// Why [`connect`](crate::Stack::connect) refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The stack has no address of the remote's family, or not the one asked for.
    #[error("the local address is not one of ours")]
    AddressNotOurs,
    /// No host can be reached at the remote address: unspecified, multicast, broadcast, our own, or port 0.
    #[error("nothing can be connected to at that address")]
    Unreachable,
    /// The very same connection exists, or a listener holds the local port.
    #[error("the local address is in use")]
    AddressInUse,
    /// Every ephemeral port towards this peer is taken (RFC 6056 §3.2).
    #[error("no ephemeral port is free: {0}")]
    PortsExhausted(Exhausted),
    /// The limit of connections is reached.
    #[error("no connection slot is left")]
    LimitReached,
    /// So much of [`Config::memory`](crate::Config::memory) is used that no connection may begin.
    #[error("the memory budget is spent")]
    NoMemory,
}

/// What holds the ephemeral ports from one address towards one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exhausted {
    /// How many ports there are; all are held.
    pub held: u32,
    /// How many of them by connections in TIME-WAIT.
    pub time_wait: u32,
    /// When the next of those comes free: 2·MSL passes, or it may be [taken
    /// over](crate::Config::time_wait_reuse). `None` if only connections, listeners or bound sockets hold ports: they
    /// come free when they end.
    pub next_free: Option<Duration>,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, time_wait) = (Grouped(self.held), Grouped(self.time_wait));
        write!(f, "{held} ports held: {time_wait} TIME_WAIT")?;
        // Rounded up: who waits so long does not come too early.
        let Some(tenths) = self.next_free.map(|wait| wait.as_millis().div_ceil(100)) else {
            return Ok(());
        };
        write!(f, ", next free in {}.{} s", tenths / 10, tenths % 10)
    }
}

/// A number with commas between thousands.
struct Grouped(u32);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            small @ 0..1000 => write!(f, "{small}"),
            large => write!(f, "{},{:03}", Self(large / 1000), large % 1000),
        }
    }
}

/// Why [`read`](crate::Stack::read) and [`peek`](crate::Stack::peek) give no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing to read yet; an event will tell.
    #[error("nothing to read yet")]
    WouldBlock,
    /// The connection ended for this cause; told once, then end of file. Where the stack took it from an application that
    /// had forgotten it, each time.
    #[error("the connection ended: {0}")]
    Ended(Cause),
    /// No such socket.
    #[error(transparent)]
    Unknown(#[from] UnknownSocket),
}

/// Why [`write`](crate::Stack::write) takes no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The send buffer is full; an event will tell.
    #[error("the send buffer is full")]
    WouldBlock,
    /// The sending side was closed before, or the end was told before.
    #[error("the sending side is closed")]
    Closed,
    /// The connection ended for this cause; told once, then `Closed`. Where the stack took it from an application that
    /// had forgotten it, each time.
    #[error("the connection ended: {0}")]
    Ended(Cause),
    /// No such socket.
    #[error(transparent)]
    Unknown(#[from] UnknownSocket),
}

/// Why [`shutdown`](crate::Stack::shutdown) does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShutdownError {
    /// The connection is not there (any more): there is nothing to shut down.
    #[error("the socket is not connected")]
    NotConnected,
    /// No such socket.
    #[error(transparent)]
    Unknown(#[from] UnknownSocket),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_ports_say_who_holds_them_and_until_when() {
        let mut exhausted = Exhausted {
            held: 28_231,
            time_wait: 28_100,
            next_free: Some(Duration::from_micros(3_100_001)),
        };
        let text = |exhausted| std::format!("{}", ConnectError::PortsExhausted(exhausted));
        assert_eq!(
            text(exhausted),
            "no ephemeral port is free: 28,231 ports held: 28,100 TIME_WAIT, next free in 3.1 s"
        );
        exhausted.time_wait = 0;
        exhausted.next_free = None;
        assert!(text(exhausted).ends_with("28,231 ports held: 0 TIME_WAIT"));
    }
}
