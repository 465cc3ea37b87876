//! Socket addresses as the kernel has them.

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// An address, or room for one.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    /// Room for any address.
    pub(super) fn room() -> Self {
        Self {
            // SAFETY: zeros are a sockaddr_storage of AF_UNSPEC.
            storage: unsafe { mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// `AF_UNSPEC`, as long as an IPv4 address.
    pub(super) fn unspecified() -> Self {
        Self {
            len: size_of::<libc::sockaddr_in>() as libc::socklen_t,
            ..Self::room()
        }
    }

    pub(super) const fn as_ptr(&self) -> *const libc::sockaddr {
        ptr::from_ref(&self.storage).cast()
    }

    pub(super) const fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Where the kernel puts an address and its length.
    pub(super) const fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        let Self { storage, len } = self;
        (ptr::from_mut(storage).cast(), ptr::from_mut(len))
    }

    /// The address, if the kernel has put one here.
    pub(super) fn get(&self) -> Option<SocketAddr> {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: a sockaddr_storage has room and alignment for a sockaddr_in, which any bytes are.
                let raw: libc::sockaddr_in =
                    unsafe { self.as_ptr().cast::<libc::sockaddr_in>().read() };
                let ip = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: a sockaddr_storage has room and alignment for a sockaddr_in6, which any bytes are.
                let raw: libc::sockaddr_in6 =
                    unsafe { self.as_ptr().cast::<libc::sockaddr_in6>().read() };
                let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
                let port = u16::from_be(raw.sin6_port);
                Some(SocketAddrV6::new(ip, port, 0, raw.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

impl From<SocketAddr> for RawAddress {
    fn from(address: SocketAddr) -> Self {
        let mut raw = Self::room();
        let room = ptr::from_mut(&mut raw.storage);
        match address {
            SocketAddr::V4(address) => {
                let value = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from(*address.ip()).to_be(),
                    },
                    sin_zero: [0; 8],
                };
                raw.len = size_of_val(&value) as libc::socklen_t;
                // SAFETY: a sockaddr_storage has room and alignment for a sockaddr_in.
                unsafe { room.cast::<libc::sockaddr_in>().write(value) };
            }
            SocketAddr::V6(address) => {
                let value = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.ip().octets(),
                    },
                    sin6_scope_id: address.scope_id(),
                };
                raw.len = size_of_val(&value) as libc::socklen_t;
                // SAFETY: a sockaddr_storage has room and alignment for a sockaddr_in6.
                unsafe { room.cast::<libc::sockaddr_in6>().write(value) };
            }
        }
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_way_through_the_kernels_form() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:8080", "[fe80::1%7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddress::from(address).get(), Some(address));
        }
        assert_eq!(RawAddress::unspecified().get(), None);
        assert_eq!(RawAddress::room().get(), None);
    }
}
