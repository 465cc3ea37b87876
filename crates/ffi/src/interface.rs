//! `struct packetdrill_interface`, as packetdrill.h has it, and the function that fills it.

use std::ffi::{CStr, c_char, c_int, c_long, c_longlong, c_uint, c_ulong, c_void};

use libc::{
    epoll_event, iovec, msghdr, nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval,
    timezone, useconds_t,
};

use crate::flags::Settings;
use crate::world::World;
use crate::{calls, netdev, options};

/// What packetdrill calls instead of the kernel. Every function is given `userdata` first and answers as
/// its system call does: -1 with `errno` set, or the result.
#[repr(C)]
#[allow(missing_docs, reason = "the names are packetdrill.h's")]
pub struct Interface {
    pub userdata: *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void),
    pub socket: unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int) -> c_int,
    pub bind: unsafe extern "C" fn(*mut c_void, c_int, *const sockaddr, socklen_t) -> c_int,
    pub listen: unsafe extern "C" fn(*mut c_void, c_int, c_int) -> c_int,
    pub accept: unsafe extern "C" fn(*mut c_void, c_int, *mut sockaddr, *mut socklen_t) -> c_int,
    pub connect: unsafe extern "C" fn(*mut c_void, c_int, *const sockaddr, socklen_t) -> c_int,
    pub read: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void, size_t) -> ssize_t,
    pub readv: unsafe extern "C" fn(*mut c_void, c_int, *const iovec, c_int) -> ssize_t,
    pub recv: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void, size_t, c_int) -> ssize_t,
    pub recvfrom: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *mut c_void,
        size_t,
        c_int,
        *mut sockaddr,
        *mut socklen_t,
    ) -> ssize_t,
    pub recvmsg: unsafe extern "C" fn(*mut c_void, c_int, *mut msghdr, c_int) -> ssize_t,
    pub write: unsafe extern "C" fn(*mut c_void, c_int, *const c_void, size_t) -> ssize_t,
    pub writev: unsafe extern "C" fn(*mut c_void, c_int, *const iovec, c_int) -> ssize_t,
    pub send: unsafe extern "C" fn(*mut c_void, c_int, *const c_void, size_t, c_int) -> ssize_t,
    pub sendto: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *const c_void,
        size_t,
        c_int,
        *const sockaddr,
        socklen_t,
    ) -> ssize_t,
    pub sendmsg: unsafe extern "C" fn(*mut c_void, c_int, *const msghdr, c_int) -> ssize_t,
    // C declares the last argument of these two as variadic; callee and caller agree on this target.
    pub fcntl: unsafe extern "C" fn(*mut c_void, c_int, c_int, c_long) -> c_int,
    pub ioctl: unsafe extern "C" fn(*mut c_void, c_int, c_ulong, *mut c_int) -> c_int,
    pub close: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
    pub shutdown: unsafe extern "C" fn(*mut c_void, c_int, c_int) -> c_int,
    pub getsockopt: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        c_int,
        c_int,
        *mut c_void,
        *mut socklen_t,
    ) -> c_int,
    pub setsockopt:
        unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, *const c_void, socklen_t) -> c_int,
    pub poll: unsafe extern "C" fn(*mut c_void, *mut pollfd, nfds_t, c_int) -> c_int,
    pub netdev_send: unsafe extern "C" fn(*mut c_void, *const c_void, size_t) -> c_int,
    pub netdev_receive:
        unsafe extern "C" fn(*mut c_void, *mut c_void, *mut size_t, *mut c_longlong) -> c_int,
    pub usleep: unsafe extern "C" fn(*mut c_void, useconds_t) -> c_int,
    pub gettimeofday: unsafe extern "C" fn(*mut c_void, *mut timeval, *mut timezone) -> c_int,
    pub epoll_create: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
    pub epoll_ctl:
        unsafe extern "C" fn(*mut c_void, c_int, c_int, c_int, *mut epoll_event) -> c_int,
    pub epoll_wait:
        unsafe extern "C" fn(*mut c_void, c_int, *mut epoll_event, c_int, c_int) -> c_int,
    pub pipe: unsafe extern "C" fn(*mut c_void, *mut c_int) -> c_int,
    pub splice: unsafe extern "C" fn(
        *mut c_void,
        c_int,
        *mut c_longlong,
        c_int,
        *mut c_longlong,
        size_t,
        c_uint,
    ) -> ssize_t,
}

/// Fills `interface` with a stack of its own. `flags` is what stands behind `--so_flags`: words `NAME=VALUE`
/// separated by commas or blanks, see `docs/packetdrill.md`; an unknown one ends the process with a message, as
/// packetdrill itself does with its options.
///
/// # Safety
/// `flags` is null or a C string; `interface` points to room for an [`Interface`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(
    flags: *const c_char,
    interface: *mut Interface,
) {
    let text = if flags.is_null() {
        String::new()
    } else {
        // SAFETY: the caller promises a C string where it is not null.
        let flags = unsafe { CStr::from_ptr(flags) };
        flags.to_string_lossy().into_owned()
    };
    let settings = Settings::parse(&text).unwrap_or_else(|error| {
        eprintln!("libestab_packetdrill: --so_flags: {error}");
        std::process::exit(2);
    });
    let world = Box::new(World::new(&settings));
    let filled = Interface {
        userdata: Box::into_raw(world).cast(),
        free,
        socket: calls::socket,
        bind: calls::bind,
        listen: calls::listen,
        accept: calls::accept,
        connect: calls::connect,
        read: calls::read,
        readv: calls::readv,
        recv: calls::recv,
        recvfrom: calls::recvfrom,
        recvmsg: calls::recvmsg,
        write: calls::write,
        writev: calls::writev,
        send: calls::send,
        sendto: calls::sendto,
        sendmsg: calls::sendmsg,
        fcntl: options::fcntl,
        ioctl: options::ioctl,
        close: calls::close,
        shutdown: calls::shutdown,
        getsockopt: options::getsockopt,
        setsockopt: options::setsockopt,
        poll: calls::poll,
        netdev_send: netdev::send,
        netdev_receive: netdev::receive,
        usleep: netdev::usleep,
        gettimeofday: netdev::gettimeofday,
        epoll_create,
        epoll_ctl,
        epoll_wait,
        pipe,
        splice,
    };
    // SAFETY: the caller promises room for an `Interface`; what was there is not dropped.
    unsafe { interface.write(filled) };
}

/// Ends the stack and gives its descriptors back.
unsafe extern "C" fn free(userdata: *mut c_void) {
    // SAFETY: `userdata` is the box that `packetdrill_interface_init` made, freed once.
    drop(unsafe { Box::from_raw(userdata.cast::<World>()) });
}

fn not_supported() -> c_int {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = libc::ENOSYS };
    -1
}

unsafe extern "C" fn epoll_create(_: *mut c_void, _: c_int) -> c_int {
    not_supported()
}

unsafe extern "C" fn epoll_ctl(
    _: *mut c_void,
    _: c_int,
    _: c_int,
    _: c_int,
    _: *mut epoll_event,
) -> c_int {
    not_supported()
}

unsafe extern "C" fn epoll_wait(
    _: *mut c_void,
    _: c_int,
    _: *mut epoll_event,
    _: c_int,
    _: c_int,
) -> c_int {
    not_supported()
}

unsafe extern "C" fn pipe(_: *mut c_void, _: *mut c_int) -> c_int {
    not_supported()
}

unsafe extern "C" fn splice(
    _: *mut c_void,
    _: c_int,
    _: *mut c_longlong,
    _: c_int,
    _: *mut c_longlong,
    _: size_t,
    _: c_uint,
) -> ssize_t {
    not_supported() as ssize_t
}
