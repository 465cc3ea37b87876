//! Options of sockets: `setsockopt`, `getsockopt`, `fcntl`, `ioctl`.

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::time::Duration;
use std::{ptr, slice};

use estab_sim::sockets::{Call, Errno, OptionValue, Output, Returned};
use libc::{linger, socklen_t, timeval};

use crate::world::{answer, world};

pub(crate) unsafe extern "C" fn fcntl(
    userdata: *mut c_void,
    fd: c_int,
    command: c_int,
    argument: c_long,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(fd);
    let call = Call::Fcntl {
        fd,
        command,
        argument: argument as c_int,
    };
    answer(&world.call(call)) as c_int
}

pub(crate) unsafe extern "C" fn ioctl(
    userdata: *mut c_void,
    fd: c_int,
    request: c_ulong,
    argument: *mut c_int,
) -> c_int {
    // SAFETY: packetdrill hands back its own `userdata`.
    let world = unsafe { world(userdata) };
    let fd = world.fd(fd);
    let returned = world.call(Call::Ioctl { fd, request });
    if let (Output::Int(value), false) = (&returned.output, argument.is_null()) {
        // SAFETY: the requests that answer a number are given room for one.
        unsafe { argument.write(*value) };
    }
    answer(&returned) as c_int
}

pub(crate) unsafe extern "C" fn setsockopt(
    userdata: *mut c_void,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    if value.is_null() {
        return answer(&Returned::error(Errno(libc::EFAULT))) as c_int;
    }
    // SAFETY: packetdrill hands back its own `userdata` and `len` bytes of value.
    let (world, bytes) = unsafe {
        (
            world(userdata),
            slice::from_raw_parts(value.cast::<u8>(), len as usize),
        )
    };
    let fd = world.fd(fd);
    let value = match value_of((level, name), bytes) {
        Ok(value) => value,
        Err(errno) => return answer(&Returned::error(errno)) as c_int,
    };
    answer(&world.call(Call::SetOption {
        fd,
        level,
        name,
        value,
    })) as c_int
}

/// What the bytes of an option mean.
fn value_of(option: (c_int, c_int), bytes: &[u8]) -> Result<OptionValue, Errno> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        bytes.map(i32::from_ne_bytes).ok_or(Errno(libc::EINVAL))
    };
    match option {
        (libc::SOL_SOCKET, libc::SO_LINGER) => Ok(OptionValue::Linger(number(0)?, number(4)?)),
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO) => {
            if bytes.len() < size_of::<timeval>() {
                return Err(Errno(libc::EINVAL));
            }
            // SAFETY: there are enough bytes, and any are a valid `timeval`.
            let time = unsafe { ptr::read_unaligned(bytes.as_ptr().cast::<timeval>()) };
            let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
            let micros = u64::try_from(time.tv_usec).unwrap_or(0);
            let time = Duration::from_secs(seconds) + Duration::from_micros(micros);
            Ok(OptionValue::Time(time))
        }
        (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => Ok(OptionValue::Bytes(bytes.to_vec())),
        _ if bytes.len() == 4 => number(0).map(OptionValue::Int),
        _ => Ok(OptionValue::Bytes(bytes.to_vec())),
    }
}

pub(crate) unsafe extern "C" fn getsockopt(
    userdata: *mut c_void,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    if value.is_null() || len.is_null() {
        return answer(&Returned::error(Errno(libc::EFAULT))) as c_int;
    }
    // SAFETY: packetdrill hands back its own `userdata`, and `len` points to the room at `value`.
    let (world, room) = unsafe { (world(userdata), *len as usize) };
    let fd = world.fd(fd);
    let returned = world.call(Call::GetOption {
        fd,
        level,
        name,
        len: room,
    });
    if let Output::Option(answered) = &returned.output {
        let bytes = bytes_of(answered);
        let written = bytes.len().min(room);
        // SAFETY: no more is written than there is room for.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), value.cast::<u8>(), written);
            *len = written as socklen_t;
        }
    }
    answer(&returned) as c_int
}

/// An option as C has it.
fn bytes_of(value: &OptionValue) -> Vec<u8> {
    match value {
        OptionValue::Int(value) => value.to_ne_bytes().to_vec(),
        OptionValue::Linger(on, seconds) => {
            debug_assert_eq!(size_of::<linger>(), 8);
            [on.to_ne_bytes(), seconds.to_ne_bytes()].concat()
        }
        OptionValue::Time(time) => {
            let seconds = time.as_secs() as i64;
            let micros = i64::from(time.subsec_micros());
            [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat()
        }
        OptionValue::Bytes(bytes) => bytes.clone(),
    }
}
