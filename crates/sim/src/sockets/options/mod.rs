//! `setsockopt` and `getsockopt`: Linux's rules of value, and where FreeBSD's differ.

mod ip;
mod socket_level;
mod tcp;

use std::collections::BTreeMap;
use std::time::Duration;

use estab_core::observe::Observer;
use estab_core::{KeepAlive, SocketOptions};

use super::symbols::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET};
use super::{Errno, Fd, OptionValue, Output, Profile, Returned, Sockets};

/// An option's level and name.
type Name = (i32, i32);

/// What the options of a socket are.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    keep_alive: bool,
    keep_alive_times: KeepAlive,
    /// SO_LINGER, if it is on.
    pub(super) linger: Option<Duration>,
    /// As the system counts it.
    send_buffer: usize,
    /// As the system counts it.
    pub(super) receive_buffer: usize,
    pub(super) receive_low_water: usize,
    pub(super) receive_timeout: Option<Duration>,
    pub(super) send_timeout: Option<Duration>,
    /// TCP_KEEPINIT
    pub(super) connect_timeout: Option<Duration>,
    nodelay: bool,
    user_timeout: Option<Duration>,
    syn_retries: Option<u8>,
    cork: bool,
    /// The last send had MSG_MORE.
    pub(super) has_more: bool,
    /// How many bytes had been acknowledged then.
    pub(super) acked_before_more: u64,
    ttl: Option<u8>,
    traffic_class: u8,
    no_options: bool,
    not_sent_low_water: u32,
    max_segment: u16,
    congestion: String,
    /// Options that are kept and handed back, and change nothing.
    stored: BTreeMap<Name, i32>,
    /// The receive buffer was rounded to segments.
    pub(super) is_rounded: bool,
    /// How many bytes of a buffer, as the system counts it, hold one byte of data: Linux counts its own
    /// overhead in, and keeps half of a receive buffer for it.
    receive_overhead: usize,
}

impl Settings {
    pub(super) fn new(profile: &Profile) -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            keep_alive: false,
            keep_alive_times: profile.keep_alive,
            linger: None,
            send_buffer: profile.send_buffer,
            receive_buffer: profile.receive_buffer,
            receive_low_water: 1,
            receive_timeout: None,
            send_timeout: None,
            connect_timeout: profile.connect_timeout,
            nodelay: false,
            user_timeout: None,
            syn_retries: None,
            cork: false,
            has_more: false,
            acked_before_more: 0,
            ttl: None,
            traffic_class: 0,
            no_options: false,
            not_sent_low_water: 0,
            max_segment: 0,
            congestion: profile.congestion_name().to_owned(),
            stored: BTreeMap::new(),
            is_rounded: false,
            receive_overhead: profile.receive_overhead(),
        }
    }

    /// The same for the core.
    pub(super) fn for_core(&self) -> SocketOptions {
        SocketOptions {
            nodelay: self.nodelay,
            keep_alive: self.keep_alive.then_some(self.keep_alive_times),
            user_timeout: self.user_timeout,
            syn_retries: self.syn_retries,
            max_segment: Some(self.max_segment).filter(|mss| *mss > 0),
            cork: self.cork || self.has_more,
            quick_ack: false,
            ttl: self.ttl,
            traffic_class: self.traffic_class,
            no_options: self.no_options,
            // The core would reset what lingers too long; systems let it end in the background.
            linger: self.linger.filter(Duration::is_zero),
            reuse_address: self.reuse_address,
            reuse_port: self.reuse_port,
            send_buffer: self.core_send_buffer(),
            receive_buffer: self.receive_buffer / self.receive_overhead,
        }
    }

    /// The bytes that may be written ahead of acknowledgments.
    pub(super) fn core_send_buffer(&self) -> usize {
        self.send_buffer
    }

    /// The bytes that may wait to be sent.
    pub(super) fn not_sent_limit(&self, profile: &Profile) -> usize {
        match self.not_sent_low_water {
            0 => profile.not_sent_low_water,
            limit => limit as usize,
        }
    }

    pub(super) fn stored(&self, name: Name, default: i32) -> i32 {
        self.stored.get(&name).copied().unwrap_or(default)
    }
}

impl<O: Observer> Sockets<O> {
    pub(super) fn set_option(
        &mut self,
        fd: Fd,
        name: Name,
        value: &OptionValue,
    ) -> Result<Returned, Errno> {
        self.get(fd)?;
        match name.0 {
            SOL_SOCKET => self.set_socket_option(fd, name.1, value)?,
            IPPROTO_TCP => self.set_tcp_option(fd, name.1, value)?,
            IPPROTO_IP | IPPROTO_IPV6 => self.set_ip_option(fd, name, value)?,
            _ => return Err(Errno::ENOPROTOOPT),
        }
        self.apply(fd);
        Ok(Returned::ok(0))
    }

    pub(super) fn get_option(&mut self, fd: Fd, name: Name, len: usize) -> Result<Returned, Errno> {
        self.get(fd)?;
        let value = match name.0 {
            SOL_SOCKET => self.socket_option(fd, name.1)?,
            IPPROTO_TCP => self.tcp_option(fd, name.1, len)?,
            IPPROTO_IP | IPPROTO_IPV6 => self.ip_option(fd, name)?,
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(Returned::with(0, Output::Option(value)))
    }
}

/// An `int`.
fn int(value: &OptionValue) -> Result<i32, Errno> {
    match value {
        OptionValue::Int(value) => Ok(*value),
        OptionValue::Bytes(bytes) => bytes
            .first_chunk()
            .map(|bytes| i32::from_ne_bytes(*bytes))
            .ok_or(Errno::EINVAL),
        OptionValue::Linger(..) | OptionValue::Time(_) => Err(Errno::EINVAL),
    }
}

/// An `int` within bounds.
fn bounded(value: &OptionValue, bounds: std::ops::RangeInclusive<i32>) -> Result<i32, Errno> {
    let value = int(value)?;
    if bounds.contains(&value) {
        Ok(value)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Whole seconds, as options count them.
fn seconds(value: i32) -> Duration {
    Duration::from_secs(value.unsigned_abs().into())
}

/// A `bool` as an option tells it.
fn flag(value: bool) -> OptionValue {
    OptionValue::Int(value.into())
}

/// A count as an option tells it.
fn count(value: usize) -> OptionValue {
    OptionValue::Int(i32::try_from(value).unwrap_or(i32::MAX))
}
