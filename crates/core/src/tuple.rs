//! The four-tuple that names a connection (RFC 9293 §3.4: "a connection is ... a pair of sockets").

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Both ends of a connection. IPv4 is held v4-mapped, so that one key and one code path serve both.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourTuple {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

impl FourTuple {
    /// The tuple of a connection from `local` to `remote`, as seen by the local end.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local: mapped(local.ip()),
            remote: mapped(remote.ip()),
            local_port: local.port(),
            remote_port: remote.port(),
        }
    }

    /// The local socket.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(unmapped(self.local), self.local_port)
    }

    /// The remote socket.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        SocketAddr::new(unmapped(self.remote), self.remote_port)
    }

    /// The local port.
    #[must_use]
    pub const fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The remote port.
    #[must_use]
    pub const fn remote_port(&self) -> u16 {
        self.remote_port
    }

    /// Whether the addresses are IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.local.first_chunk() == Some(&MAPPED)
    }

    /// The same connection as its other end names it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
            local_port: self.remote_port,
            remote_port: self.local_port,
        }
    }

    /// What names it, for keyed hashing, and how many bytes of it: 12 for IPv4, 36 for IPv6.
    pub(crate) fn hashed_bytes(&self) -> ([u8; 36], usize) {
        let mut bytes = [0; 36];
        bytes[..2].copy_from_slice(&self.local_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.remote_port.to_be_bytes());
        match (self.local.as_chunks::<4>(), self.remote.as_chunks::<4>()) {
            (([.., ours], _), ([.., theirs], _)) if self.is_ipv4() => {
                bytes[4..8].copy_from_slice(ours);
                bytes[8..12].copy_from_slice(theirs);
                (bytes, 12)
            }
            _ => {
                bytes[4..20].copy_from_slice(&self.local);
                bytes[20..].copy_from_slice(&self.remote);
                (bytes, 36)
            }
        }
    }
}

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn unmapped(octets: [u8; 16]) -> IpAddr {
    match octets {
        [prefix @ .., a, b, c, d] if prefix == MAPPED => Ipv4Addr::new(a, b, c, d).into(),
        _ => Ipv6Addr::from(octets).into(),
    }
}

/// `::ffff:0:0/96`
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl fmt::Display for FourTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.local(), self.remote())
    }
}

impl fmt::Debug for FourTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn ipv4_and_ipv6_keep_their_family() {
        let v4 = FourTuple::new(
            "198.18.0.1:80".parse().unwrap(),
            "198.18.0.2:40000".parse().unwrap(),
        );
        assert!(v4.is_ipv4());
        assert_eq!(v4.to_string(), "198.18.0.1:80 - 198.18.0.2:40000");
        assert_eq!(v4.reversed().reversed(), v4);
        let v6 = FourTuple::new(
            "[fd00::1]:80".parse().unwrap(),
            "[fd00::2]:40000".parse().unwrap(),
        );
        assert!(!v6.is_ipv4());
        assert_eq!(v6.reversed().local(), v6.remote());
    }
}
