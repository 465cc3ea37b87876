//! The settings of a world: small tables, so that they fill, and each way of working on and off.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab_core::{
    AcceptPolicy, Algorithm, Config, Instant, KeepAlive, ListenOptions, SocketOptions, SynCookies,
};

use super::PORT;

/// Four bytes of bits: protocol, limits, sockets, and what is left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings([u8; 4]);

impl From<[u8; 4]> for Settings {
    fn from(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

impl Settings {
    fn bit(self, byte: usize, bit: u8) -> bool {
        self.0[byte] & (1 << bit) != 0
    }

    fn is_v6(self) -> bool {
        self.bit(1, 0)
    }

    pub(super) fn ours(self) -> IpAddr {
        self.host(1)
    }

    pub(super) fn theirs(self) -> IpAddr {
        self.host(2)
    }

    fn host(self, number: u8) -> IpAddr {
        if self.is_v6() {
            [0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, u16::from(number)].into()
        } else {
            [198, 18, 0, number].into()
        }
    }

    /// Half of all worlds are about to see their milliseconds wrap.
    pub(super) fn start(self) -> Instant {
        if self.bit(3, 1) {
            Instant::from_millis((1 << 32) - 2_000)
        } else {
            Instant::from_millis(5_000)
        }
    }

    pub(super) fn seed(self) -> u64 {
        u64::from(self.0[3] >> 4)
    }

    /// Where the peer's sequence numbers begin: anywhere, or before the wrap.
    pub(super) fn irs(self) -> u32 {
        if self.bit(3, 2) { u32::MAX - 20 } else { 1_000 }
    }

    pub(super) fn config(self) -> Config {
        let few = if self.bit(1, 1) { 2 } else { 8 };
        let seconds = Duration::from_secs;
        Config {
            addresses: vec![self.ours()],
            mtu: if self.bit(1, 2) { 1280 } else { 1500 },
            time_wait: seconds(if self.bit(1, 3) { 0 } else { 60 }),
            reset_ends_time_wait: self.bit(1, 4),
            max_connections: few,
            max_syn_received: few,
            max_time_wait: few,
            max_listeners: 1,
            max_replies: if self.bit(1, 5) { 2 } else { 64 },
            max_syn_data: if self.bit(1, 6) { 0 } else { 512 },
            ephemeral_ports: 50_000..=50_003,
            syn_cookies: match (self.bit(1, 7), self.bit(0, 7)) {
                (false, _) => SynCookies::Auto,
                (true, false) => SynCookies::Always,
                (true, true) => SynCookies::Off,
            },
            timestamps: !self.bit(0, 0),
            window_scaling: !self.bit(0, 1),
            sack: !self.bit(0, 2),
            congestion: if self.bit(0, 3) {
                Algorithm::NewReno
            } else {
                Algorithm::default()
            },
            quick_acks: if self.bit(0, 4) { 0 } else { 16 },
            challenge_acks_per_second: if self.bit(0, 5) { 3 } else { 1_000 },
            delayed_ack: Duration::from_millis(if self.bit(0, 6) { 0 } else { 40 }),
            ..Config::default()
        }
    }

    pub(super) fn listen(self) -> ListenOptions {
        let mut options = ListenOptions::new(SocketAddr::new(self.ours(), PORT));
        options.backlog = 1 + usize::from(self.bit(2, 0));
        options.policy = match self.0[2] >> 1 & 3 {
            0 | 3 => AcceptPolicy::Hold,
            1 => AcceptPolicy::Reset,
            _ => AcceptPolicy::ShedOldest,
        };
        options.socket = self.socket(self.0[2] >> 3);
        options
    }

    /// A socket's options from five bits.
    pub(super) fn socket(self, bits: u8) -> SocketOptions {
        let seconds = Duration::from_secs;
        let keep_alive = KeepAlive {
            idle: seconds(10),
            interval: seconds(2),
            count: 3,
        };
        SocketOptions {
            nodelay: bits & 1 != 0,
            keep_alive: (bits & 2 != 0).then_some(keep_alive),
            user_timeout: (bits & 4 != 0).then_some(seconds(5)),
            linger: (bits & 8 != 0).then_some(seconds(if bits & 1 != 0 { 0 } else { 3 })),
            reuse_address: true,
            send_buffer: if bits & 16 != 0 { LARGEST } else { 4_096 },
            receive_buffer: if bits & 16 != 0 { LARGEST } else { 2_048 },
            ..SocketOptions::default()
        }
    }
}

/// The largest buffer of any socket: windows over it are scaled.
pub(super) const LARGEST: usize = 200_000;
