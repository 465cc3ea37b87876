//! SOL_SOCKET.

use std::time::Duration;

use estab_core::observe::Observer;

use super::super::symbols::*;
use super::super::{Endpoint, Errno, Fd, OptionValue, Sockets};
use super::{count, flag, int};

/// Options that are kept and handed back: nothing here depends on them.
const STORED: [i32; 16] = [
    SO_DEBUG,
    SO_DONTROUTE,
    SO_BROADCAST,
    SO_OOBINLINE,
    SO_NO_CHECK,
    SO_PRIORITY,
    SO_BSDCOMPAT,
    SO_PASSCRED,
    SO_TIMESTAMP,
    SO_MARK,
    SO_BUSY_POLL,
    SO_INCOMING_CPU,
    SO_TXREHASH,
    SO_NOSIGPIPE,
    SO_USELOOPBACK,
    SO_REUSEPORT_LB,
];

impl<O: Observer> Sockets<O> {
    pub(super) fn set_socket_option(
        &mut self,
        fd: Fd,
        name: i32,
        value: &OptionValue,
    ) -> Result<(), Errno> {
        match (name, value) {
            (SO_LINGER, OptionValue::Linger(on, time)) => {
                let time = Duration::from_secs(u64::try_from(*time).unwrap_or(u32::MAX.into()));
                self.get_mut(fd)?.settings.linger = (*on != 0).then_some(time);
                return Ok(());
            }
            (SO_LINGER, _) => return Err(Errno::EINVAL),
            (SO_RCVTIMEO | SO_SNDTIMEO, OptionValue::Time(limit)) => {
                let limit = Some(*limit).filter(|limit| !limit.is_zero());
                let settings = &mut self.get_mut(fd)?.settings;
                if name == SO_RCVTIMEO {
                    settings.receive_timeout = limit;
                } else {
                    settings.send_timeout = limit;
                }
                return Ok(());
            }
            (SO_RCVTIMEO | SO_SNDTIMEO, _) => return Err(Errno::EINVAL),
            (SO_RCVBUF | SO_RCVBUFFORCE | SO_SNDBUF | SO_SNDBUFFORCE, _) => {
                return self.set_buffer(fd, name, int(value)?);
            }
            _ => {}
        }
        let number = int(value)?;
        let settings = &mut self.get_mut(fd)?.settings;
        match name {
            SO_REUSEADDR => settings.reuse_address = number != 0,
            SO_REUSEPORT => settings.reuse_port = number != 0,
            SO_KEEPALIVE => settings.keep_alive = number != 0,
            SO_RCVLOWAT => {
                settings.receive_low_water = match number {
                    0 => 1,
                    _ => usize::try_from(number).unwrap_or(i32::MAX as usize),
                }
            }
            SO_MAX_PACING_RATE => {
                // The core does not pace: only "no limit" can be promised.
                if number != -1 {
                    return Err(Errno::EOPNOTSUPP);
                }
            }
            _ if STORED.contains(&name) => {
                settings.stored.insert((SOL_SOCKET, name), number);
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// Linux doubles what it is told, for its own overhead, between a least and a most. FreeBSD does not, and
    /// refuses what is beyond its most.
    fn set_buffer(&mut self, fd: Fd, name: i32, asked: i32) -> Result<(), Errno> {
        let receives = matches!(name, SO_RCVBUF | SO_RCVBUFFORCE);
        let forced = matches!(name, SO_RCVBUFFORCE | SO_SNDBUFFORCE);
        let profile = &self.profile;
        let size = if profile.is_freebsd() {
            let size = usize::try_from(asked).map_err(|_| Errno::EINVAL)?;
            if size == 0 {
                return Err(Errno::EINVAL);
            }
            if size > profile.max_socket_buffer {
                return Err(Errno::ENOBUFS);
            }
            size
        } else {
            let (most, least) = if receives {
                (profile.rmem_max, LEAST_RCVBUF)
            } else {
                (profile.wmem_max, LEAST_SNDBUF)
            };
            let most = if forced { i32::MAX as usize / 2 } else { most };
            // A negative size is taken for a large one.
            let asked = usize::try_from(asked).unwrap_or(usize::MAX);
            (asked.min(most) * 2).max(least)
        };
        let settings = &mut self.get_mut(fd)?.settings;
        if receives {
            settings.receive_buffer = size;
        } else {
            settings.send_buffer = size;
        }
        Ok(())
    }

    pub(super) fn socket_option(&mut self, fd: Fd, name: i32) -> Result<OptionValue, Errno> {
        let socket = self.get_mut(fd)?;
        let settings = &socket.settings;
        let time = |limit: Option<Duration>| OptionValue::Time(limit.unwrap_or_default());
        Ok(match name {
            SO_ERROR => {
                let error = socket.error.take();
                OptionValue::Int(error.map_or(0, |error| error.0))
            }
            SO_REUSEADDR => flag(settings.reuse_address),
            SO_REUSEPORT => flag(settings.reuse_port),
            SO_KEEPALIVE => flag(settings.keep_alive),
            SO_LINGER => {
                let time = settings.linger.unwrap_or_default().as_secs();
                let time = i32::try_from(time).unwrap_or(i32::MAX);
                OptionValue::Linger(settings.linger.is_some().into(), time)
            }
            SO_RCVBUF | SO_RCVBUFFORCE => count(settings.receive_buffer),
            SO_SNDBUF | SO_SNDBUFFORCE => count(settings.send_buffer),
            SO_RCVLOWAT => count(settings.receive_low_water),
            SO_SNDLOWAT => OptionValue::Int(1),
            SO_RCVTIMEO => time(settings.receive_timeout),
            SO_SNDTIMEO => time(settings.send_timeout),
            SO_TYPE => OptionValue::Int(SOCK_STREAM),
            SO_PROTOCOL => OptionValue::Int(IPPROTO_TCP),
            SO_DOMAIN => OptionValue::Int(if socket.is_ipv6 { AF_INET6 } else { AF_INET }),
            SO_ACCEPTCONN => flag(matches!(socket.endpoint, Endpoint::Listener(_))),
            SO_MAX_PACING_RATE => OptionValue::Int(-1),
            SO_INCOMING_NAPI_ID => OptionValue::Int(0),
            _ if STORED.contains(&name) => OptionValue::Int(settings.stored((SOL_SOCKET, name), 0)),
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }
}

/// Linux's SOCK_MIN_RCVBUF.
const LEAST_RCVBUF: usize = 2304;

/// Linux's SOCK_MIN_SNDBUF.
const LEAST_SNDBUF: usize = 4608;
