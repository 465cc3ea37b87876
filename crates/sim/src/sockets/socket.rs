//! What a file descriptor stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use estab_core::{Instant, ListenerId, SeqNumber, SocketId};

use super::options::Settings;
use super::symbols::{O_NONBLOCK, O_RDWR};
use super::{Errno, Profile};

/// Where a socket stands towards TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// CLOSED: never connected, or disconnected.
    None,
    Listener(ListenerId),
    Connection(SocketId),
}

/// Where it stands towards its application: Linux's `socket_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Association {
    Unconnected,
    /// `connect` was called and has not told its outcome yet.
    Connecting,
    Connected,
    Disconnecting,
}

/// A socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) is_ipv6: bool,
    /// `O_NONBLOCK` and the other flags of `F_SETFL`.
    pub(super) flags: i32,
    /// `FD_CLOEXEC`
    pub(super) descriptor_flags: i32,
    pub(super) endpoint: Endpoint,
    pub(super) association: Association,
    /// The local address, once there is one.
    pub(super) local: Option<SocketAddr>,
    /// What `bind` made of it: it outlasts a connection.
    pub(super) bound: Option<SocketAddr>,
    /// The core keeps the port for this socket.
    pub(super) holds_port: bool,
    /// SO_ERROR: told once.
    pub(super) error: Option<Errno>,
    /// The core's reason for the end of the connection has become `error`.
    pub(super) end_is_known: bool,
    pub(super) shut_read: bool,
    pub(super) shut_write: bool,
    /// The peer's FIN has arrived: Linux's SOCK_DONE.
    pub(super) is_done: bool,
    /// The urgent byte at this place was read.
    pub(super) urgent_read_at: Option<SeqNumber>,
    /// When `connect` gives up (FreeBSD's TCP_KEEPINIT).
    pub(super) give_up_at: Option<Instant>,
    pub(super) settings: Settings,
}

impl Socket {
    pub(super) fn new(is_ipv6: bool, flags: i32, descriptor_flags: i32, profile: &Profile) -> Self {
        Self {
            is_ipv6,
            flags: O_RDWR | flags,
            descriptor_flags,
            endpoint: Endpoint::None,
            association: Association::Unconnected,
            local: None,
            bound: None,
            holds_port: false,
            error: None,
            end_is_known: false,
            shut_read: false,
            shut_write: false,
            is_done: false,
            urgent_read_at: None,
            give_up_at: None,
            settings: Settings::new(profile),
        }
    }

    pub(super) fn connection(&self) -> Option<SocketId> {
        match self.endpoint {
            Endpoint::Connection(id) => Some(id),
            Endpoint::None | Endpoint::Listener(_) => None,
        }
    }

    pub(super) fn listener(&self) -> Option<ListenerId> {
        match self.endpoint {
            Endpoint::Listener(id) => Some(id),
            Endpoint::None | Endpoint::Connection(_) => None,
        }
    }

    pub(super) fn blocks(&self) -> bool {
        self.flags & O_NONBLOCK == 0
    }

    /// An address as sockets of this family write it: `::ffff:192.0.2.1` on one of IPv6.
    pub(super) fn shown(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(v4) if self.is_ipv6 && v4.is_unspecified() => {
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port())
            }
            IpAddr::V4(v4) if self.is_ipv6 => {
                SocketAddr::new(v4.to_ipv6_mapped().into(), address.port())
            }
            _ => address,
        }
    }

    /// The unspecified address of its family.
    pub(super) fn nowhere(&self) -> SocketAddr {
        let ip: IpAddr = if self.is_ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        SocketAddr::new(ip, 0)
    }

    /// An address a call was given, as the core writes it.
    pub(super) fn taken(&self, address: SocketAddr) -> Result<SocketAddr, Errno> {
        match address.ip() {
            IpAddr::V4(_) if self.is_ipv6 => Err(Errno::EAFNOSUPPORT),
            IpAddr::V6(_) if !self.is_ipv6 => Err(Errno::EAFNOSUPPORT),
            IpAddr::V6(v6) => {
                let ip = v6.to_ipv4_mapped().map_or(v6.into(), IpAddr::V4);
                Ok(SocketAddr::new(ip, address.port()))
            }
            IpAddr::V4(_) => Ok(address),
        }
    }
}
