//! What a call of the application can answer instead of success: one enum a call.

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
    /// Port 0 cannot be listened on in the core; all ephemeral ports are taken.
    #[error("no port is free")]
    PortsExhausted,
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
    /// Every ephemeral port towards this peer is taken.
    #[error("no ephemeral port is free")]
    PortsExhausted,
    /// The limit of connections is reached.
    #[error("no connection slot is left")]
    LimitReached,
    /// So much of [`Config::memory`](crate::Config::memory) is used that no connection may begin.
    #[error("the memory budget is spent")]
    NoMemory,
}

/// Why [`read`](crate::Stack::read) and [`peek`](crate::Stack::peek) give no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing to read yet; an event will tell.
    #[error("nothing to read yet")]
    WouldBlock,
    /// The connection ended for this cause; told once, then end of file.
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
    /// The connection ended for this cause; told once, then `Closed`.
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
