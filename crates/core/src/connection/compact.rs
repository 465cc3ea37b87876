//! What keeps a connection small: its socket's options in 24 bytes, and work that takes no room while there is none.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use bitflags::bitflags;

use crate::buffer::SpareChunks;
use crate::{KeepAlive, SocketOptions};

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Switches: u8 {
        const NODELAY = 1;
        const REUSE_ADDRESS = 1 << 1;
        const CORK = 1 << 2;
        const QUICK_ACK = 1 << 3;
        const NO_OPTIONS = 1 << 4;
        /// `syn_retries` counts.
        const SYN_RETRIES = 1 << 5;
        const REUSE_PORT = 1 << 6;
    }
}

/// The options of a connection's socket, but for the sizes of the buffers, which both sides keep. Times are in
/// milliseconds, as [`SocketOptions`] promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompactOptions {
    /// Zero: no keep-alive.
    keep_alive_idle: u32,
    keep_alive_interval: u32,
    /// Zero: none.
    user_timeout: u32,
    /// [`NO_LINGER`]: none.
    linger: u32,
    /// Zero: none.
    max_segment: u16,
    keep_alive_count: u8,
    syn_retries: u8,
    /// Zero: the stack's.
    ttl: u8,
    traffic_class: u8,
    switches: Switches,
}

const _: () = assert!(size_of::<CompactOptions>() == 24);

const NO_LINGER: u32 = u32::MAX;

impl CompactOptions {
    /// Of options in range.
    pub(crate) fn new(options: &SocketOptions) -> Self {
        let SocketOptions {
            nodelay,
            keep_alive,
            user_timeout,
            syn_retries,
            linger,
            reuse_address,
            reuse_port,
            send_buffer: _,
            receive_buffer: _,
            max_segment,
            cork,
            quick_ack,
            ttl,
            traffic_class,
            no_options,
        } = *options;
        let mut switches = Switches::empty();
        switches.set(Switches::NODELAY, nodelay);
        switches.set(Switches::REUSE_ADDRESS, reuse_address);
        switches.set(Switches::REUSE_PORT, reuse_port);
        switches.set(Switches::CORK, cork);
        switches.set(Switches::QUICK_ACK, quick_ack);
        switches.set(Switches::NO_OPTIONS, no_options);
        switches.set(Switches::SYN_RETRIES, syn_retries.is_some());
        Self {
            keep_alive_idle: keep_alive.map_or(0, |keep_alive| millis(keep_alive.idle)),
            keep_alive_interval: keep_alive.map_or(0, |keep_alive| millis(keep_alive.interval)),
            user_timeout: user_timeout.map_or(0, millis),
            linger: linger.map_or(NO_LINGER, millis),
            max_segment: max_segment.unwrap_or(0),
            keep_alive_count: keep_alive.map_or(0, |keep_alive| keep_alive.count),
            syn_retries: syn_retries.unwrap_or(0),
            ttl: ttl.map_or(0, |ttl| ttl.max(1)),
            traffic_class,
            switches,
        }
    }

    /// As the application knows them.
    pub(crate) fn expand(&self, send_buffer: usize, receive_buffer: usize) -> SocketOptions {
        SocketOptions {
            nodelay: self.nodelay(),
            keep_alive: self.keep_alive(),
            user_timeout: self.user_timeout(),
            syn_retries: self.syn_retries(),
            linger: self.linger(),
            reuse_address: self.switches.contains(Switches::REUSE_ADDRESS),
            reuse_port: self.switches.contains(Switches::REUSE_PORT),
            send_buffer,
            receive_buffer,
            max_segment: self.max_segment(),
            cork: self.cork(),
            quick_ack: self.switches.contains(Switches::QUICK_ACK),
            ttl: self.ttl(),
            traffic_class: self.traffic_class,
            no_options: self.no_options(),
        }
    }

    pub(crate) fn nodelay(&self) -> bool {
        self.switches.contains(Switches::NODELAY)
    }

    pub(crate) fn cork(&self) -> bool {
        self.switches.contains(Switches::CORK)
    }

    pub(crate) fn no_options(&self) -> bool {
        self.switches.contains(Switches::NO_OPTIONS)
    }

    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        (self.keep_alive_idle > 0).then(|| KeepAlive {
            idle: duration(self.keep_alive_idle),
            interval: duration(self.keep_alive_interval),
            count: self.keep_alive_count,
        })
    }

    pub(crate) fn user_timeout(&self) -> Option<Duration> {
        (self.user_timeout > 0).then(|| duration(self.user_timeout))
    }

    pub(crate) fn syn_retries(&self) -> Option<u8> {
        let counts = self.switches.contains(Switches::SYN_RETRIES);
        counts.then_some(self.syn_retries)
    }

    pub(crate) fn linger(&self) -> Option<Duration> {
        (self.linger != NO_LINGER).then(|| duration(self.linger))
    }

    pub(crate) fn max_segment(&self) -> Option<u16> {
        (self.max_segment > 0).then_some(self.max_segment)
    }

    pub(crate) fn ttl(&self) -> Option<u8> {
        (self.ttl > 0).then_some(self.ttl)
    }

    pub(crate) fn traffic_class(&self) -> u8 {
        self.traffic_class
    }
}

/// Rounded up, so that only zero is zero.
fn millis(duration: Duration) -> u32 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(u32::MAX).min(NO_LINGER - 1)
}

fn duration(millis: u32) -> Duration {
    Duration::from_millis(millis.into())
}

/// What there is only while something is to be done.
pub(crate) trait Work: Clone + fmt::Debug + 'static {
    /// What holds while nothing is.
    const NONE: &'static Self;

    /// The same, to begin with.
    fn fresh() -> Self;

    /// Whether it may be forgotten.
    fn is_done(&self) -> bool;

    /// Bytes on the heap.
    fn bytes_held(&self) -> usize;

    /// As new, but for what little memory its parts hold.
    fn renew(&mut self, chunks: &mut SpareChunks);
}

/// Boxes that connections at rest have given back, with small buffers in them: an exchange of a few bytes then asks
/// the allocator for nothing.
#[derive(Clone, Debug)]
pub(crate) struct Spares<T>(Vec<Box<T>>);

impl<T> Spares<T> {
    /// How many are kept.
    const MOST: usize = 32;

    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }
}

/// Work that takes no room while there is none: it reads as [`Work::NONE`] then, and comes into being by the first
/// change.
#[derive(Clone)]
pub(crate) struct Lazy<T>(Option<Box<T>>);

impl<T: Work> Lazy<T> {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// There will be work: a spare box serves, if there is one.
    pub(crate) fn begin(&mut self, spares: &mut Spares<T>) {
        if self.0.is_none() {
            self.0 = spares.0.pop();
        }
    }

    /// Gives the room back, if there is any.
    pub(crate) fn end(&mut self, spares: &mut Spares<T>, chunks: &mut SpareChunks) {
        if let Some(mut work) = self.0.take()
            && spares.0.len() < Spares::<T>::MOST
        {
            work.renew(chunks);
            spares.0.push(work);
        }
    }

    /// Whether there is something that may be forgotten.
    pub(crate) fn is_done(&self) -> bool {
        self.0.as_ref().is_some_and(|work| work.is_done())
    }

    /// Bytes it takes: itself, and what it holds.
    pub(crate) fn bytes_held(&self) -> usize {
        let bytes = |work: &T| size_of::<T>() + work.bytes_held();
        self.0.as_deref().map_or(0, bytes)
    }
}

impl<T: Work> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NONE)
    }
}

impl<T: Work> DerefMut for Lazy<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_with(|| Box::new(T::fresh()))
    }
}

impl<T: Work> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_out_as_they_went_in() {
        let default = SocketOptions::default();
        let unusual = SocketOptions {
            nodelay: true,
            keep_alive: Some(KeepAlive {
                idle: Duration::from_millis(1500),
                interval: Duration::from_millis(1),
                count: 0,
            }),
            user_timeout: Some(Duration::from_secs(4_000_000)),
            syn_retries: Some(0),
            linger: Some(Duration::ZERO),
            reuse_address: true,
            reuse_port: true,
            send_buffer: 2048,
            receive_buffer: 1 << 29,
            max_segment: Some(88),
            cork: true,
            quick_ack: true,
            ttl: Some(255),
            traffic_class: 0xff,
            no_options: true,
        };
        for options in [default, unusual] {
            let compact = CompactOptions::new(&options);
            let expanded = compact.expand(options.send_buffer, options.receive_buffer);
            assert_eq!(expanded, options);
        }
    }

    #[test]
    fn times_are_rounded_up_to_a_millisecond_and_cut_to_49_days() {
        let options = SocketOptions {
            linger: Some(Duration::from_nanos(1)),
            user_timeout: Some(Duration::MAX),
            ..SocketOptions::default()
        };
        let compact = CompactOptions::new(&options);
        assert_eq!(compact.linger(), Some(Duration::from_millis(1)));
        let days = compact.user_timeout().unwrap().as_secs() / 86_400;
        assert_eq!(days, 49);
    }
}
