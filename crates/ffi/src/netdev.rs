//! The wire and the clock.

use std::ffi::{c_int, c_longlong, c_void};
use std::time::Duration;
use std::{ptr, slice};

use libc::{size_t, timeval, timezone, useconds_t};

use crate::world::world;

/// A packet arrives at the stack.
///
/// # Safety
/// As packetdrill.h says: `buffer` holds `count` bytes.
pub(crate) unsafe extern "C" fn send(
    userdata: *mut c_void,
    buffer: *const c_void,
    count: size_t,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`, and a buffer of `count` bytes.
    let (world, packet) = unsafe {
        (
            world(userdata),
            slice::from_raw_parts(buffer.cast::<u8>(), count),
        )
    };
    world.inject(packet);
    0
}

/// The next packet that leaves the stack. There is no time-out in this interface, so time passes here until
/// there is one. When none will ever leave, nothing is answered: packetdrill then ends with an error.
///
/// # Safety
/// As packetdrill.h says: `buffer` has room for `*count` bytes.
pub(crate) unsafe extern "C" fn receive(
    userdata: *mut c_void,
    buffer: *mut c_void,
    count: *mut size_t,
    time_usecs: *mut c_longlong,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let sent = world.next_packet();
    let (packet, at) = sent.map_or((Vec::new(), world.now()), |sent| (sent.packet, sent.at));
    // SAFETY: the buffer has room for `*count` bytes, and no more are written.
    unsafe {
        let len = packet.len().min(*count);
        ptr::copy_nonoverlapping(packet.as_ptr(), buffer.cast::<u8>(), len);
        *count = len;
        *time_usecs = at.as_micros() as c_longlong;
    }
    0
}

/// Lets virtual time pass.
///
/// # Safety
/// `userdata` is the interface's.
pub(crate) unsafe extern "C" fn usleep(userdata: *mut c_void, usec: useconds_t) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    world.sleep(Duration::from_micros(usec.into()));
    0
}

/// The virtual time of day; looking moves it on a little.
///
/// # Safety
/// `tv` is null or points to a `timeval`.
pub(crate) unsafe extern "C" fn gettimeofday(
    userdata: *mut c_void,
    tv: *mut timeval,
    _: *mut timezone,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let now = unsafe { world(userdata) }.now();
    if !tv.is_null() {
        let time = timeval {
            tv_sec: now.as_secs() as libc::time_t,
            tv_usec: libc::suseconds_t::from(now.subsec_micros()),
        };
        // SAFETY: it is not null, and the caller's.
        unsafe { tv.write(time) };
    }
    0
}
