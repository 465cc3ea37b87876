//! IPPROTO_TCP.

use std::time::Duration;

use estab_core::Status;
use estab_core::observe::{Observer, StateName};

use super::super::info;
use super::super::symbols::*;
use super::super::{Endpoint, Errno, Fd, OptionValue, Sockets};
use super::Settings;
use super::{bounded, count, flag, int, seconds};

/// Options that are kept and handed back.
const STORED: [i32; 10] = [
    TCP_QUICKACK,
    TCP_WINDOW_CLAMP,
    TCP_THIN_LINEAR_TIMEOUTS,
    TCP_THIN_DUPACK,
    TCP_SAVE_SYN,
    TCP_INQ,
    TCP_DELACK,
    TCP_LOG,
    TCP_MAXUNACKTIME,
    TCP_DEFER_ACCEPT,
];

/// Linux's TCP_FIN_TIMEOUT_MAX.
const MAX_FIN_TIMEOUT: i32 = 120;

/// Linux's TCP_MSS_DEFAULT, and FreeBSD's: what is told before there is a connection.
const DEFAULT_MSS: usize = 536;

impl Settings {
    /// TCP_DEFER_ACCEPT, if it is on.
    pub(in crate::sockets) fn defer_accept(&self) -> Option<Duration> {
        let seconds = self.stored((IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        seconds.map(Duration::from_secs)
    }
}

impl<O: Observer> Sockets<O> {
    pub(super) fn set_tcp_option(
        &mut self,
        fd: Fd,
        name: i32,
        value: &OptionValue,
    ) -> Result<(), Errno> {
        match name {
            TCP_CONGESTION => return self.set_congestion(fd, value),
            TCP_FUNCTION_BLK => return self.set_function_block(value),
            TCP_MAXSEG => return self.set_max_segment(fd, int(value)?),
            _ => {}
        }
        let is_freebsd = self.profile.is_freebsd();
        let settings = &mut self.get_mut(fd)?.settings;
        let times = &mut settings.keep_alive_times;
        match name {
            TCP_NODELAY => {
                let on = int(value)? != 0;
                if on && settings.nodelay {
                    // Said again, it lets go what a cork holds back once more.
                    settings.nodelay = false;
                    self.apply(fd);
                }
                self.get_mut(fd)?.settings.nodelay = on;
            }
            TCP_KEEPIDLE => times.idle = seconds(bounded(value, 1..=32_767)?),
            TCP_KEEPINTVL => times.interval = seconds(bounded(value, 1..=32_767)?),
            TCP_KEEPCNT => times.count = bounded(value, 1..=127)? as u8,
            TCP_KEEPINIT => {
                settings.connect_timeout = Some(seconds(bounded(value, 1..=32_767)?));
            }
            TCP_SYNCNT => settings.syn_retries = Some(bounded(value, 1..=127)? as u8),
            TCP_LINGER2 => {
                let time = int(value)?.clamp(-1, MAX_FIN_TIMEOUT);
                settings.stored.insert((IPPROTO_TCP, name), time);
            }
            TCP_CORK | TCP_NOPUSH => settings.cork = int(value)? != 0,
            TCP_NOOPT if is_freebsd => settings.no_options = int(value)? != 0,
            TCP_USER_TIMEOUT => {
                let time = u64::try_from(int(value)?).map_err(|_| Errno::EINVAL)?;
                settings.user_timeout = Some(time)
                    .filter(|time| *time > 0)
                    .map(Duration::from_millis);
            }
            TCP_NOTSENT_LOWAT => settings.not_sent_low_water = int(value)?.cast_unsigned(),
            TCP_INQ => {
                let on = bounded(value, 0..=1)?;
                settings.stored.insert((IPPROTO_TCP, name), on);
            }
            TCP_DEFER_ACCEPT => {
                let kept = rounded_defer_accept(int(value)?);
                settings.stored.insert((IPPROTO_TCP, name), kept);
            }
            TCP_FASTOPEN | TCP_FASTOPEN_CONNECT | TCP_FASTOPEN_NO_COOKIE if !is_freebsd => {
                return Err(Errno::EOPNOTSUPP);
            }
            _ if STORED.contains(&name) => {
                let value = int(value)?;
                settings.stored.insert((IPPROTO_TCP, name), value);
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    fn set_congestion(&mut self, fd: Fd, value: &OptionValue) -> Result<(), Errno> {
        let OptionValue::Bytes(bytes) = value else {
            return Err(Errno::EINVAL);
        };
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        if !["cubic", "reno", "newreno"].contains(&name.as_str()) {
            return Err(Errno::ENOENT);
        }
        // The core chooses the algorithm for the stack as a whole: a sysctl can change it.
        if name != self.profile.congestion_name() {
            return Err(Errno::EOPNOTSUPP);
        }
        self.get_mut(fd)?.settings.congestion = name;
        Ok(())
    }

    /// There is one stack: FreeBSD's base one, as it were.
    fn set_function_block(&self, value: &OptionValue) -> Result<(), Errno> {
        match value {
            OptionValue::Bytes(bytes) if bytes.starts_with(b"freebsd") => Ok(()),
            _ => Err(Errno::ENOENT),
        }
    }

    fn set_max_segment(&mut self, fd: Fd, mss: i32) -> Result<(), Errno> {
        let is_freebsd = self.profile.is_freebsd();
        let socket = self.get(fd)?;
        let current = self.status(socket).map_or(DEFAULT_MSS, told_mss);
        // FreeBSD only lets a segment become smaller; Linux: TCP_MIN_MSS, MAX_TCP_WINDOW.
        let fits = if is_freebsd {
            mss > 0 && usize::try_from(mss).is_ok_and(|mss| mss <= current)
        } else {
            mss == 0 || (88..=32_767).contains(&mss)
        };
        if !fits {
            return Err(Errno::EINVAL);
        }
        self.get_mut(fd)?.settings.max_segment = mss as u16;
        Ok(())
    }

    pub(super) fn tcp_option(
        &mut self,
        fd: Fd,
        name: i32,
        len: usize,
    ) -> Result<OptionValue, Errno> {
        let socket = self.get(fd)?;
        let settings = &socket.settings;
        let times = &settings.keep_alive_times;
        let whole = |time: Duration| count(usize::try_from(time.as_secs()).unwrap_or(usize::MAX));
        Ok(match name {
            TCP_NODELAY => flag(settings.nodelay),
            TCP_MAXSEG => {
                let open = self.status(socket).filter(|s| s.state != StateName::Closed);
                match (open, settings.max_segment) {
                    (Some(status), _) => count(told_mss(status)),
                    (None, 0) => count(DEFAULT_MSS),
                    (None, mss) => count(mss.into()),
                }
            }
            TCP_KEEPIDLE => whole(times.idle),
            TCP_KEEPINTVL => whole(times.interval),
            TCP_KEEPCNT => count(times.count.into()),
            TCP_KEEPINIT => whole(settings.connect_timeout.unwrap_or_default()),
            TCP_SYNCNT => {
                let retries = settings.syn_retries;
                count(retries.unwrap_or(self.profile.config.syn_retries).into())
            }
            TCP_LINGER2 => match settings.stored((IPPROTO_TCP, name), 0) {
                0 => whole(self.profile.config.fin_wait_2),
                time => OptionValue::Int(time),
            },
            TCP_CORK | TCP_NOPUSH => flag(settings.cork),
            TCP_NOOPT if self.profile.is_freebsd() => flag(settings.no_options),
            TCP_USER_TIMEOUT => {
                let time = settings.user_timeout.unwrap_or_default();
                OptionValue::Int(i32::try_from(time.as_millis()).unwrap_or(i32::MAX))
            }
            TCP_NOTSENT_LOWAT => OptionValue::Int(settings.not_sent_low_water.cast_signed()),
            TCP_CONGESTION => OptionValue::Bytes(named(&settings.congestion, len)),
            TCP_FUNCTION_BLK => OptionValue::Bytes(named("freebsd", len)),
            TCP_INFO => OptionValue::Bytes(info::of(self, socket).to_bytes(len)),
            TCP_QUICKACK => OptionValue::Int(settings.stored((IPPROTO_TCP, name), 1)),
            TCP_FASTOPEN if matches!(socket.endpoint, Endpoint::None) => OptionValue::Int(0),
            _ if STORED.contains(&name) => {
                OptionValue::Int(settings.stored((IPPROTO_TCP, name), 0))
            }
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }
}

/// What TCP_MAXSEG tells of a connection: the data in a full segment.
fn told_mss(status: Status) -> usize {
    status.mss as usize
}

/// A name with its zero, as far as there is room.
fn named(name: &str, len: usize) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes.truncate(len.min(16));
    bytes
}

/// TCP_DEFER_ACCEPT is kept as a number of SYN-ACKs: what is told is the time those take.
fn rounded_defer_accept(asked: i32) -> i32 {
    let (mut retries, mut told, mut wait) = (0, 0, 1);
    while told < asked && retries < 255 {
        retries += 1;
        told += wait;
        wait = (wait * 2).min(120);
    }
    told
}
