//! The system calls on sockets.

use std::ffi::{c_int, c_void};
use std::time::Duration;
use std::{ptr, slice};

use estab_sim::sockets::{Call, Errno, Output, Returned};
use libc::{iovec, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t};

use crate::address;
use crate::world::{World, answer, received, world};

pub(crate) unsafe extern "C" fn socket(
    userdata: *mut c_void,
    domain: c_int,
    kind: c_int,
    protocol: c_int,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let returned = world.call(Call::Socket {
        domain,
        kind,
        protocol,
    });
    handed_out(world, &returned)
}

/// A new descriptor gets a number of the kernel's.
fn handed_out(world: &World, returned: &Returned) -> c_int {
    if returned.errno.is_some() {
        return answer(returned) as c_int;
    }
    match world.reserve(returned.value as c_int) {
        Ok(theirs) => theirs,
        Err(errno) => answer(&Returned::error(errno)) as c_int,
    }
}

pub(crate) unsafe extern "C" fn bind(
    userdata: *mut c_void,
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`, and `len` bytes of address.
    let (world, address) = unsafe { (world(userdata), address::read(address, len)) };
    let fd = world.fd(fd);
    let returned = match address {
        Ok(Some(address)) => world.call(Call::Bind { fd, address }),
        Ok(None) => Returned::error(Errno(libc::EAFNOSUPPORT)),
        Err(errno) => Returned::error(errno),
    };
    answer(&returned) as c_int
}

pub(crate) unsafe extern "C" fn listen(userdata: *mut c_void, fd: c_int, backlog: c_int) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(fd);
    answer(&world.call(Call::Listen { fd, backlog })) as c_int
}

pub(crate) unsafe extern "C" fn accept(
    userdata: *mut c_void,
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(fd);
    let returned = world.call(Call::Accept { fd, flags: 0 });
    if let Output::Address(from) = returned.output {
        // SAFETY: null, or room for `*len` bytes of address.
        unsafe { address::write(from, address, len) };
    }
    handed_out(world, &returned)
}

pub(crate) unsafe extern "C" fn connect(
    userdata: *mut c_void,
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`, and `len` bytes of address.
    let (world, address) = unsafe { (world(userdata), address::read(address, len)) };
    let fd = world.fd(fd);
    let returned = match address {
        Ok(address) => world.call(Call::Connect { fd, address }),
        Err(errno) => Returned::error(errno),
    };
    answer(&returned) as c_int
}

pub(crate) unsafe extern "C" fn close(userdata: *mut c_void, theirs: c_int) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(theirs);
    let returned = world.call(Call::Close { fd });
    if returned.errno.is_none() {
        world.release(theirs);
    }
    answer(&returned) as c_int
}

pub(crate) unsafe extern "C" fn shutdown(userdata: *mut c_void, fd: c_int, how: c_int) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(fd);
    answer(&world.call(Call::Shutdown { fd, how })) as c_int
}

/// Receives into buffers; answers what the call answered and the flags of `recvmsg`.
///
/// # Safety
/// Each of `buffers` points to as many bytes as it says.
unsafe fn receive(world: &World, fd: c_int, buffers: &[iovec], flags: c_int) -> (ssize_t, c_int) {
    let len = buffers.iter().map(|buffer| buffer.iov_len).sum();
    if buffers
        .iter()
        .any(|buffer| is_wild(buffer.iov_base, buffer.iov_len))
    {
        return (answer(&Returned::error(Errno(libc::EFAULT))), 0);
    }
    let fd = world.fd(fd);
    let returned = world.call(Call::Receive { fd, len, flags });
    let (mut bytes, flags) = received(&returned);
    for buffer in buffers {
        let (now, later) = bytes.split_at(bytes.len().min(buffer.iov_len));
        // SAFETY: the buffer has room for `iov_len` bytes, and `now` is not longer.
        unsafe { ptr::copy_nonoverlapping(now.as_ptr(), buffer.iov_base.cast::<u8>(), now.len()) };
        bytes = later;
    }
    (answer(&returned), flags)
}

/// Whether a pointer is one that scripts hand over to see EFAULT.
fn is_wild(base: *const c_void, len: usize) -> bool {
    len > 0 && (base.is_null() || base as isize == -1)
}

fn single(base: *mut c_void, len: size_t) -> [iovec; 1] {
    [iovec {
        iov_base: base,
        iov_len: len,
    }]
}

pub(crate) unsafe extern "C" fn read(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *mut c_void,
    count: size_t,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and a buffer of `count` bytes.
    unsafe { receive(world(userdata), fd, &single(buffer, count), 0).0 }
}

pub(crate) unsafe extern "C" fn readv(
    userdata: *mut c_void,
    fd: c_int,
    buffers: *const iovec,
    count: c_int,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and `count` buffers.
    unsafe { receive(world(userdata), fd, vector(buffers, count as usize), 0).0 }
}

pub(crate) unsafe extern "C" fn recv(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and a buffer of `len` bytes.
    unsafe { receive(world(userdata), fd, &single(buffer, len), flags).0 }
}

pub(crate) unsafe extern "C" fn recvfrom(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    _: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    if !address_len.is_null() {
        // SAFETY: it is not null, and the caller's. A stream says no address.
        unsafe { *address_len = 0 };
    }
    // SAFETY: as for `recv`.
    unsafe { receive(world(userdata), fd, &single(buffer, len), flags).0 }
}

pub(crate) unsafe extern "C" fn recvmsg(
    userdata: *mut c_void,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and a message header with its buffers.
    unsafe {
        let buffers = vector((*message).msg_iov, (*message).msg_iovlen);
        let (value, flags) = receive(world(userdata), fd, buffers, flags);
        if value >= 0 {
            (*message).msg_flags = flags;
            (*message).msg_controllen = 0;
            (*message).msg_namelen = 0;
        }
        value
    }
}

/// The buffers of a vector.
///
/// # Safety
/// `buffers` is null or points to `count` of them.
unsafe fn vector<'a>(buffers: *const iovec, count: usize) -> &'a [iovec] {
    if buffers.is_null() {
        return &[];
    }
    // SAFETY: as above.
    unsafe { slice::from_raw_parts(buffers, count) }
}

/// Sends what is in buffers.
///
/// # Safety
/// Each of `buffers` points to as many bytes as it says.
unsafe fn transmit(
    world: &World,
    fd: c_int,
    buffers: &[iovec],
    flags: c_int,
    address: Option<std::net::SocketAddr>,
) -> ssize_t {
    let mut data = Vec::new();
    for buffer in buffers {
        if is_wild(buffer.iov_base, buffer.iov_len) {
            return answer(&Returned::error(Errno(libc::EFAULT)));
        }
        if buffer.iov_len > 0 {
            // SAFETY: the buffer holds `iov_len` bytes.
            let bytes =
                unsafe { slice::from_raw_parts(buffer.iov_base.cast::<u8>(), buffer.iov_len) };
            data.extend_from_slice(bytes);
        }
    }
    let fd = world.fd(fd);
    answer(&world.call(Call::Send {
        fd,
        data,
        flags,
        address,
    }))
}

pub(crate) unsafe extern "C" fn write(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
) -> ssize_t {
    let buffers = single(buffer.cast_mut(), count);
    // SAFETY: packetdrill hands back its own `userdata` and a buffer of `count` bytes.
    unsafe { transmit(world(userdata), fd, &buffers, 0, None) }
}

pub(crate) unsafe extern "C" fn writev(
    userdata: *mut c_void,
    fd: c_int,
    buffers: *const iovec,
    count: c_int,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and `count` buffers.
    unsafe {
        transmit(
            world(userdata),
            fd,
            vector(buffers, count as usize),
            0,
            None,
        )
    }
}

pub(crate) unsafe extern "C" fn send(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    let buffers = single(buffer.cast_mut(), len);
    // SAFETY: packetdrill hands back its own `userdata` and a buffer of `len` bytes.
    unsafe { transmit(world(userdata), fd, &buffers, flags, None) }
}

pub(crate) unsafe extern "C" fn sendto(
    userdata: *mut c_void,
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_len: socklen_t,
) -> ssize_t {
    let buffers = single(buffer.cast_mut(), len);
    // SAFETY: packetdrill hands back its own `userdata`, a buffer of `len` bytes and an address.
    unsafe {
        let address = if address.is_null() {
            None
        } else {
            match address::read(address, address_len) {
                Ok(address) => address,
                Err(errno) => return answer(&Returned::error(errno)),
            }
        };
        transmit(world(userdata), fd, &buffers, flags, address)
    }
}

pub(crate) unsafe extern "C" fn sendmsg(
    userdata: *mut c_void,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    // SAFETY: packetdrill hands back its own `userdata` and a message header with its buffers.
    unsafe {
        let buffers = vector((*message).msg_iov, (*message).msg_iovlen);
        transmit(world(userdata), fd, buffers, flags, None)
    }
}

pub(crate) unsafe extern "C" fn poll(
    userdata: *mut c_void,
    polled: *mut pollfd,
    count: nfds_t,
    timeout: c_int,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata` and `count` descriptors to poll.
    let (world, polled) = unsafe {
        (
            world(userdata),
            slice::from_raw_parts_mut(polled, count as usize),
        )
    };
    let fds = polled.iter().map(|one| (world.fd(one.fd), one.events));
    let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
    let fds = fds.collect();
    let returned = world.call(Call::Poll { fds, timeout });
    if let Output::Events(events) = &returned.output {
        for (one, revents) in polled.iter_mut().zip(events) {
            one.revents = *revents;
        }
    }
    answer(&returned) as c_int
}
