//! Calls as values become calls of the kernel's, and its answers values.

use std::time::Duration;

use estab_device::kernel_sockets::{Answer, Sockets};

use crate::sockets::{Call, Errno, Fd, OptionValue, Output, Returned};

const F_GETFL: i32 = 3;
const O_NONBLOCK: i32 = 0o4000;
const MSG_DONTWAIT: i32 = 0x40;
const MSG_ERRQUEUE: i32 = 0x2000;
const SOL_SOCKET: i32 = 1;
const SO_LINGER: i32 = 13;
const IPPROTO_TCP: i32 = 6;
const TCP_CONGESTION: i32 = 13;
/// `SO_RCVTIMEO` and `SO_SNDTIMEO`, in the forms with `long`s.
const TIMEOUTS: [i32; 2] = [20, 21];

/// Whether the call may have to wait for the other end.
pub(super) fn may_block(sockets: &Sockets, call: &Call) -> bool {
    let waits = |fd: Fd, flags: i32| {
        flags & (MSG_DONTWAIT | MSG_ERRQUEUE) == 0
            && sockets
                .fcntl(fd, F_GETFL, 0)
                .is_ok_and(|status| status & O_NONBLOCK == 0)
    };
    match *call {
        Call::Accept { fd, .. } | Call::Connect { fd, .. } => waits(fd, 0),
        Call::Receive { fd, flags, .. } | Call::Send { fd, flags, .. } => waits(fd, flags),
        Call::Poll { timeout, .. } => timeout != Some(Duration::ZERO),
        // A socket that lingers does so whether it blocks or not.
        Call::Close { fd } => sockets
            .option(fd, SOL_SOCKET, SO_LINGER, 8)
            .is_ok_and(|linger| matches!(value(&linger, SOL_SOCKET, SO_LINGER), OptionValue::Linger(on, 1..) if on != 0)),
        _ => false,
    }
}

/// Makes it.
pub(super) fn make(sockets: &Sockets, call: &Call) -> Returned {
    answer(sockets, call).unwrap_or_else(|errno| Returned::error(Errno(errno)))
}

/// Makes a socket with this congestion control, if it is one of TCP.
pub(super) fn make_socket(sockets: &Sockets, call: &Call, congestion_control: &str) -> Returned {
    let returned = make(sockets, call);
    if let (None, Ok(fd)) = (returned.errno, returned.value.try_into()) {
        // A socket of another protocol does not take it, nor has a use for it.
        let _ = sockets.set_option(
            fd,
            IPPROTO_TCP,
            TCP_CONGESTION,
            congestion_control.as_bytes(),
        );
    }
    returned
}

fn answer(sockets: &Sockets, call: &Call) -> Answer<Returned> {
    let plain = |value: i32| Returned::ok(value.into());
    match call {
        &Call::Socket {
            domain,
            kind,
            protocol,
        } => sockets.socket(domain, kind, protocol).map(plain),
        &Call::Bind { fd, address } => sockets.bind(fd, address).map(plain),
        &Call::Listen { fd, backlog } => sockets.listen(fd, backlog).map(plain),
        &Call::Accept { fd, flags } => {
            let (fd, peer) = sockets.accept(fd, flags)?;
            let peer = peer.map_or(Output::Nothing, Output::Address);
            Ok(Returned::with(fd.into(), peer))
        }
        &Call::Connect { fd, address } => sockets.connect(fd, address).map(plain),
        &Call::Receive { fd, len, flags } => {
            let got = sockets.receive(fd, len, flags)?;
            let value = i64::try_from(got.value).unwrap_or(i64::MAX);
            Ok(Returned::with(value, Output::Bytes(got.bytes, got.flags)))
        }
        Call::Send {
            fd,
            data,
            flags,
            address,
        } => {
            let sent = sockets.send(*fd, data, *flags, *address)?;
            Ok(Returned::ok(i64::try_from(sent).unwrap_or(i64::MAX)))
        }
        &Call::Shutdown { fd, how } => sockets.shutdown(fd, how).map(plain),
        &Call::Close { fd } => sockets.close(fd).map(plain),
        Call::Poll { fds, timeout } => {
            let (ready, events) = sockets.poll(fds, milliseconds(*timeout))?;
            Ok(Returned::with(ready.into(), Output::Events(events)))
        }
        &Call::Fcntl {
            fd,
            command,
            argument,
        } => sockets.fcntl(fd, command, argument).map(plain),
        &Call::Ioctl { fd, request } => {
            let number = sockets.ioctl(fd, request)?;
            Ok(Returned::with(0, Output::Int(number)))
        }
        Call::SetOption {
            fd,
            level,
            name,
            value,
        } => {
            let bytes = bytes(value);
            sockets.set_option(*fd, *level, *name, &bytes).map(plain)
        }
        &Call::GetOption {
            fd,
            level,
            name,
            len,
        } => {
            let bytes = sockets.option(fd, level, name, len)?;
            let value = value(&bytes, level, name);
            Ok(Returned::with(0, Output::Option(value)))
        }
        &Call::Name { fd, peer } => {
            let address = sockets.name(fd, peer)?;
            let address = address.map_or(Output::Nothing, Output::Address);
            Ok(Returned::with(0, address))
        }
    }
}

/// As `poll` takes it: rounded up, -1 for ever.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| {
        let rounded = timeout.as_micros().div_ceil(1000);
        rounded.try_into().unwrap_or(i32::MAX)
    })
}

/// An option's value as the kernel has it in memory.
fn bytes(value: &OptionValue) -> Vec<u8> {
    match value {
        OptionValue::Int(number) => number.to_ne_bytes().into(),
        OptionValue::Linger(on, seconds) => [on.to_ne_bytes(), seconds.to_ne_bytes()].concat(),
        OptionValue::Time(time) => {
            let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            let micros = i64::from(time.subsec_micros());
            [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat()
        }
        OptionValue::Bytes(bytes) => bytes.clone(),
    }
}

/// What the kernel's bytes say: an `int` where nothing else is known of the option.
fn value(bytes: &[u8], level: i32, name: i32) -> OptionValue {
    let int = |at: usize| {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*number))
    };
    let long = |at: usize| {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(i64::from_ne_bytes(*number))
    };
    let known = match (level, name, bytes.len()) {
        (SOL_SOCKET, SO_LINGER, 8..) => int(0)
            .zip(int(4))
            .map(|(on, seconds)| OptionValue::Linger(on, seconds)),
        (SOL_SOCKET, name, 16..) if TIMEOUTS.contains(&name) => {
            long(0).zip(long(8)).map(|(seconds, micros)| {
                let seconds = Duration::from_secs(seconds.unsigned_abs());
                OptionValue::Time(seconds + Duration::from_micros(micros.unsigned_abs()))
            })
        }
        (_, _, 4) => int(0).map(OptionValue::Int),
        _ => None,
    };
    known.unwrap_or_else(|| OptionValue::Bytes(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_through_the_kernels_form() {
        let time = Duration::from_micros(1_500_000);
        for (name, option) in [
            (SO_LINGER, OptionValue::Linger(1, 5)),
            (TIMEOUTS[0], OptionValue::Time(time)),
            (2, OptionValue::Int(-1)),
            (99, OptionValue::Bytes(b"cubic".to_vec())),
        ] {
            assert_eq!(value(&bytes(&option), SOL_SOCKET, name), option);
        }
    }

    #[test]
    fn a_timeout_is_rounded_up_and_none_is_for_ever() {
        assert_eq!(milliseconds(None), -1);
        assert_eq!(milliseconds(Some(Duration::from_micros(1))), 1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(Some(Duration::MAX)), i32::MAX);
    }
}
