//! System calls as values: what a call is told and what it answers, in Linux's numbers.

use std::net::SocketAddr;
use std::time::Duration;

/// A file descriptor.
pub type Fd = i32;

/// Stands beside `MSG_*` in the flags of [`Call::Receive`] and [`Call::Send`]: the caller's buffer is a null
/// pointer. No `MSG_*` has this bit.
pub const NULL_BUFFER: i32 = 0x0080_0000;

/// A system call. `readv`, `recvfrom` and so on are told apart only by what they carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `socket`
    Socket {
        /// `AF_INET` or `AF_INET6`.
        domain: i32,
        /// `SOCK_STREAM`, with `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
        kind: i32,
        /// `IPPROTO_TCP` or 0.
        protocol: i32,
    },
    /// `bind`
    Bind {
        /// Which.
        fd: Fd,
        /// Where.
        address: SocketAddr,
    },
    /// `listen`
    Listen {
        /// Which.
        fd: Fd,
        /// Connections that may wait.
        backlog: i32,
    },
    /// `accept`, `accept4`
    Accept {
        /// Which.
        fd: Fd,
        /// `SOCK_NONBLOCK`, `SOCK_CLOEXEC`.
        flags: i32,
    },
    /// `connect`
    Connect {
        /// Which.
        fd: Fd,
        /// Where to; `None` is `AF_UNSPEC`.
        address: Option<SocketAddr>,
    },
    /// `read`, `readv`, `recv`, `recvfrom`, `recvmsg`
    Receive {
        /// Which.
        fd: Fd,
        /// Bytes at most.
        len: usize,
        /// `MSG_*`.
        flags: i32,
    },
    /// `write`, `writev`, `send`, `sendto`, `sendmsg`
    Send {
        /// Which.
        fd: Fd,
        /// What.
        data: Vec<u8>,
        /// `MSG_*`.
        flags: i32,
        /// Where to, of `sendto` and `sendmsg`.
        address: Option<SocketAddr>,
    },
    /// `shutdown`
    Shutdown {
        /// Which.
        fd: Fd,
        /// `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
        how: i32,
    },
    /// `close`
    Close {
        /// Which.
        fd: Fd,
    },
    /// `poll`
    Poll {
        /// Which, and what to wait for.
        fds: Vec<(Fd, i16)>,
        /// How long; `None` is for ever.
        timeout: Option<Duration>,
    },
    /// `fcntl`
    Fcntl {
        /// Which.
        fd: Fd,
        /// `F_GETFL`, `F_SETFL`.
        command: i32,
        /// The third argument.
        argument: i32,
    },
    /// `ioctl`
    Ioctl {
        /// Which.
        fd: Fd,
        /// `SIOCINQ`, `SIOCOUTQ`, `SIOCOUTQNSD`, `SIOCATMARK`.
        request: u64,
    },
    /// `setsockopt`
    SetOption {
        /// Which.
        fd: Fd,
        /// `SOL_SOCKET`, `IPPROTO_TCP`, …
        level: i32,
        /// `SO_RCVBUF`, …
        name: i32,
        /// The value.
        value: OptionValue,
    },
    /// `getsockopt`
    GetOption {
        /// Which.
        fd: Fd,
        /// `SOL_SOCKET`, `IPPROTO_TCP`, …
        level: i32,
        /// `SO_RCVBUF`, …
        name: i32,
        /// Room for the value, in bytes.
        len: usize,
    },
    /// `getsockname` (local) or `getpeername`.
    Name {
        /// Which.
        fd: Fd,
        /// Whether the peer's is asked for.
        peer: bool,
    },
}

/// The value of a socket option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// An `int`.
    Int(i32),
    /// A `struct linger`: on or off, seconds.
    Linger(i32, i32),
    /// A `struct timeval`.
    Time(Duration),
    /// Anything else: `TCP_CONGESTION`, `TCP_INFO`.
    Bytes(Vec<u8>),
}

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The value; -1 with an error.
    pub value: i64,
    /// The error, as Linux numbers it.
    pub errno: Option<Errno>,
    /// What was handed back beside the value.
    pub output: Output,
}

/// What a call hands back through its pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    #[default]
    Nothing,
    /// Bytes received, with the flags of `recvmsg`.
    Bytes(Vec<u8>, i32),
    /// The address of `accept`, `getsockname`, `getpeername`.
    Address(SocketAddr),
    /// The value of an option.
    Option(OptionValue),
    /// The answer of an `ioctl`.
    Int(i32),
    /// `revents` of `poll`, in the order of its descriptors.
    Events(Vec<i16>),
}

impl Returned {
    /// A success.
    #[must_use]
    pub const fn ok(value: i64) -> Self {
        Self {
            value,
            errno: None,
            output: Output::Nothing,
        }
    }

    /// A success that hands something back.
    #[must_use]
    pub const fn with(value: i64, output: Output) -> Self {
        Self {
            value,
            errno: None,
            output,
        }
    }

    /// A failure.
    #[must_use]
    pub const fn error(errno: Errno) -> Self {
        Self {
            value: -1,
            errno: Some(errno),
            output: Output::Nothing,
        }
    }
}

/// An error, as Linux numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);
