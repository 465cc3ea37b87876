//! Socket addresses between C and Rust.

use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

use estab_sim::sockets::Errno;
use libc::{sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

/// Reads an address; `None` is `AF_UNSPEC`.
///
/// # Safety
/// `address` is null or points to `len` bytes.
pub(crate) unsafe fn read(
    address: *const sockaddr,
    len: socklen_t,
) -> Result<Option<SocketAddr>, Errno> {
    if address.is_null() {
        return Err(Errno(libc::EFAULT));
    }
    let len = len as usize;
    if len < size_of::<libc::sa_family_t>() {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: any bytes are a valid `sockaddr_storage`; it is zeroed, then at most its size is copied.
    let storage = unsafe {
        let mut storage: sockaddr_storage = mem::zeroed();
        let room = size_of::<sockaddr_storage>();
        ptr::copy_nonoverlapping(
            address.cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            len.min(room),
        );
        storage
    };
    match i32::from(storage.ss_family) {
        libc::AF_UNSPEC => Ok(None),
        libc::AF_INET if len >= size_of::<sockaddr_in>() => {
            // SAFETY: the storage is larger than, and aligned for, any socket address.
            let v4 = unsafe { &*(&raw const storage).cast::<sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(Some(
                SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into(),
            ))
        }
        libc::AF_INET6 if len >= size_of::<sockaddr_in6>() => {
            // SAFETY: as above.
            let v6 = unsafe { &*(&raw const storage).cast::<sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Ok(Some(
                SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, 0).into(),
            ))
        }
        libc::AF_INET | libc::AF_INET6 => Err(Errno(libc::EINVAL)),
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// Writes an address, as much of it as there is room for, and its whole length.
///
/// # Safety
/// `address` and `len` are null, or `address` points to `*len` bytes.
pub(crate) unsafe fn write(from: SocketAddr, address: *mut sockaddr, len: *mut socklen_t) {
    if address.is_null() || len.is_null() {
        return;
    }
    // SAFETY: both are plain data for which zero is valid.
    let (mut v4, mut v6): (sockaddr_in, sockaddr_in6) = unsafe { (mem::zeroed(), mem::zeroed()) };
    let (source, size) = match from {
        SocketAddr::V4(from) => {
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = from.port().to_be();
            v4.sin_addr.s_addr = u32::from(*from.ip()).to_be();
            ((&raw const v4).cast::<u8>(), size_of::<sockaddr_in>())
        }
        SocketAddr::V6(from) => {
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = from.port().to_be();
            v6.sin6_addr.s6_addr = from.ip().octets();
            ((&raw const v6).cast::<u8>(), size_of::<sockaddr_in6>())
        }
    };
    // SAFETY: the caller promises `*len` bytes at `address`; no more than that is written.
    unsafe {
        let room = *len as usize;
        ptr::copy_nonoverlapping(source, address.cast::<u8>(), size.min(room));
        *len = size as socklen_t;
    }
}
