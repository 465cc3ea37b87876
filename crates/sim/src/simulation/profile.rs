//! What a world is like: how large, how hostile, and how each host is set up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use estab_core::{
    AcceptPolicy, Algorithm, Config, Instant, KeepAlive, ListenOptions, RtoBounds, SocketOptions,
    SynCookies,
};

use super::draw::Draw;

/// Ports that servers listen on.
pub(super) const SERVER_PORTS: [u16; 3] = [80, 81, 82];
/// Ports that clients bind to, so that tuples are used again.
pub(super) const CLIENT_PORTS: [u16; 4] = [4000, 4001, 4002, 4003];
/// A port where nobody ever listens.
pub(super) const CLOSED_PORT: u16 = 9;

/// What a world is like.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) hosts: usize,
    pub(super) connections: usize,
    /// When its clocks begin.
    pub(super) start: Instant,
    /// How long it is hostile.
    pub(super) storm: Duration,
    /// Nothing goes wrong on the way.
    pub(super) calm: bool,
    /// Somebody forges packets.
    pub(super) meddled: bool,
    /// Limits are tiny.
    pub(super) cramped: bool,
    /// 2 MSL.
    pub(super) time_wait: Duration,
    /// How long the network holds old duplicates: less than the MSL.
    pub(super) hold: Duration,
    /// The most an application writes.
    pub(super) bulk: u64,
    /// The same two sockets are used again and again, faster than initial sequence numbers advance: what is left of one
    /// incarnation falls into the window of the next.
    pub(super) reincarnates: bool,
    /// Segments and buffers are such that hundreds of holes can form.
    pub(super) holes: bool,
}

impl Profile {
    pub(super) fn draw(draw: &mut Draw) -> Self {
        let hosts = draw.pick(&[2, 2, 2, 3, 3, 4, 5, 6]);
        let connections = match draw.range(0..=99) {
            0..=59 => draw.range(2..=12),
            60..=94 => draw.range(10..=50),
            95..=98 => draw.range(40..=120),
            _ => draw.range(120..=400),
        };
        let time_wait = draw.pick(&[0, 1_000, 2_000, 10_000, 60_000, 60_000, 240_000]);
        let bulk = match draw.range(0..=99) {
            0..=1 => 1_000_000,
            2..=9 => 200_000,
            10..=59 => 20_000,
            _ => 3_000,
        };
        let holes = draw.chance(0.002);
        let reincarnates = !holes && draw.chance(0.03);
        let bulk = if reincarnates { 300_000 } else { bulk };
        Self {
            hosts: if holes { 2 } else { hosts },
            connections: if holes { 2 } else { connections },
            start: start(draw),
            storm: draw.time(1_000_000..=90_000_000),
            calm: draw.chance(0.15),
            meddled: draw.chance(0.3),
            cramped: draw.chance(0.35) && !reincarnates,
            time_wait: Duration::from_millis(time_wait),
            hold: Duration::from_millis(time_wait * 2 / 5),
            bulk: if holes { 2_000_000 } else { bulk },
            reincarnates,
            holes,
        }
    }

    /// The settings of a host.
    pub(super) fn config(&self, draw: &mut Draw, addresses: Vec<IpAddr>) -> Config {
        let has_v6 = addresses.iter().any(IpAddr::is_ipv6);
        let mtus: &[usize] = match (self.holes, has_v6) {
            (true, false) => &[576],
            (false, false) => &[1500, 1500, 1500, 576, 1000, 9000, 65_535],
            (_, true) => &[1500, 1500, 1500, 1280, 9000, 65_535],
        };
        let least = draw.pick(&[200, 200, 200, 20, 1000]);
        let initial = draw.pick(&[1000, 1000, 300, 3000]).max(least);
        let most = draw.pick(&[120_000, 60_000, 10_000, 4_000]).max(initial);
        let millis = Duration::from_millis;
        let mut config = Config {
            addresses,
            mtu: draw.pick(mtus),
            time_wait: self.time_wait * draw.pick(&[1, 1, 2]),
            reset_ends_time_wait: draw.chance(0.2),
            syn_retries: draw.pick(&[6, 6, 2, 1, 0]),
            syn_ack_retries: draw.pick(&[5, 5, 2, 1, 0]),
            data_retries: draw.pick(&[15, 15, 4, 2]),
            orphan_retries: draw.pick(&[8, 8, 3, 1]),
            fin_wait_2: millis(draw.pick(&[60_000, 60_000, 5_000, 500])),
            rto: RtoBounds {
                initial: millis(initial),
                min: millis(least),
                max: millis(most),
                min_above_rtt: draw.chance(0.3),
            },
            delayed_ack: millis(draw.pick(&[40, 40, 200, 499, 1])),
            quick_acks: draw.pick(&[16, 16, 0, 1]),
            quick_fin_acks: draw.chance(0.2),
            initial_window: draw.pick(&[10, 10, 1, 4]),
            max_receive_buffer: draw.pick(&[0, 0, 1 << 20]),
            exact_resets: !draw.chance(0.1),
            challenge_syns: !draw.chance(0.1),
            syn_cookies: draw.pick(&[
                SynCookies::Auto,
                SynCookies::Auto,
                SynCookies::Off,
                SynCookies::Always,
            ]),
            challenge_acks_per_second: draw.pick(&[1000, 1000, 10, 1]),
            timestamps: draw.chance(0.75),
            window_scaling: draw.chance(0.8),
            sack: draw.chance(0.75),
            congestion: draw.pick(&[Algorithm::Cubic, Algorithm::NewReno]),
            ..Config::default()
        };
        if self.holes {
            config.window_scaling = true;
        } else if self.cramped {
            cramp(draw, &mut config);
        }
        config
    }

    /// The options of a socket.
    pub(super) fn options(&self, draw: &mut Draw) -> SocketOptions {
        let buffers: &[usize] = if self.holes {
            &[1 << 20]
        } else if self.reincarnates {
            &[65_536, 262_144]
        } else {
            &[2048, 5000, 16_384, 65_536, 262_144, 262_144]
        };
        let keep_alive = draw.chance(0.15).then(|| KeepAlive {
            idle: draw.time(400_000..=30_000_000),
            interval: draw.time(300_000..=5_000_000),
            count: draw.range(0..=4) as u8,
        });
        let linger = draw.chance(0.15).then(|| {
            if draw.chance(0.4) {
                Duration::ZERO
            } else {
                draw.time(10_000..=10_000_000)
            }
        });
        SocketOptions {
            nodelay: draw.chance(0.4),
            keep_alive,
            user_timeout: draw.chance(0.1).then(|| draw.time(200_000..=30_000_000)),
            linger,
            reuse_address: draw.chance(0.5),
            send_buffer: draw.pick(buffers),
            receive_buffer: draw.pick(buffers),
            max_segment: draw.chance(0.1).then(|| draw.pick(&[88, 536, 1200])),
            cork: draw.chance(0.05),
            quick_ack: draw.chance(0.1),
            syn_retries: draw.chance(0.1).then(|| draw.pick(&[0, 1, 3])),
            ..SocketOptions::default()
        }
    }
}

/// Tiny limits, some of them.
fn cramp(draw: &mut Draw, config: &mut Config) {
    let few = |draw: &mut Draw, limit: &mut usize, choices: &[usize]| {
        if draw.chance(0.4) {
            *limit = draw.pick(choices);
        }
    };
    few(draw, &mut config.max_connections, &[1, 2, 3, 4, 8]);
    few(draw, &mut config.max_syn_received, &[1, 2, 3]);
    few(draw, &mut config.max_time_wait, &[1, 2, 3]);
    few(draw, &mut config.max_listeners, &[1, 2]);
    few(draw, &mut config.max_replies, &[1, 2, 5]);
    few(draw, &mut config.max_syn_data, &[0, 10, 1000]);
    if draw.chance(0.4) {
        let count = draw.pick(&[0, 1, 3, 9]);
        config.ephemeral_ports = 40_000..=40_000 + count;
    }
}

/// How a listener at an address takes connections.
pub(super) fn listening(draw: &mut Draw, profile: &Profile, address: SocketAddr) -> ListenOptions {
    let backlog = if profile.cramped {
        draw.pick(&[1, 1, 2, 3])
    } else {
        draw.pick(&[1, 5, 1024])
    };
    let policies = [
        AcceptPolicy::Hold,
        AcceptPolicy::Hold,
        AcceptPolicy::Reset,
        AcceptPolicy::ShedOldest,
    ];
    let policy = draw.pick(&policies);
    let syn_backlog = draw.chance(0.3).then(|| draw.pick(&[1, 2, 5]));
    let defers = draw.chance(0.15) && !profile.holes;
    ListenOptions {
        address,
        backlog,
        policy,
        syn_backlog,
        defer_accept: defers.then(|| draw.time(100_000..=20_000_000)),
        socket: profile.options(draw),
    }
}

/// Clocks begin just before something wraps, at the beginning of time, or anywhere in a year.
fn start(draw: &mut Draw) -> Instant {
    const TWO_TO_THE_32_MS: u64 = (1 << 32) * 1_000_000;
    const TICKS_OF_TIME_WAIT: u64 = 1 << 56;
    let before = draw.time(1..=120_000_000).as_nanos() as u64;
    Instant::from_nanos(match draw.range(0..=7) {
        0 => 0,
        1 | 2 => TWO_TO_THE_32_MS - before,
        3 => TICKS_OF_TIME_WAIT - before,
        _ => draw.long() % (365 * 24 * 3600 * 1_000_000_000),
    })
}

/// The addresses of a host: of both families, or of one.
pub(super) fn addresses(host: usize, families: usize) -> Vec<IpAddr> {
    let v4 = v4(host).into();
    let v6 = v6(host).into();
    match families {
        0 => vec![v4],
        1 => vec![v6],
        _ => vec![v4, v6],
    }
}

pub(super) fn v4(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, 1 + host as u8)
}

pub(super) fn v6(host: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, 1 + host as u16)
}

/// The host that has an address.
pub(super) fn host_of(address: IpAddr) -> Option<usize> {
    let last = match address {
        IpAddr::V4(v4) => *v4.octets().last()?,
        IpAddr::V6(v6) => *v6.octets().last()?,
    };
    usize::from(last).checked_sub(1)
}

/// A router on the way, of the family of `address`.
pub(super) fn router(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::new(198, 18, 255, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, 0xffff).into(),
    }
}
