//! What kind of system the sockets imitate: the defaults and the rules of Linux or FreeBSD.

mod sysctl;

use std::time::Duration;

use estab_core::{Algorithm, Config, KeepAlive, RtoBounds, SynFin};

/// A system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux 6.
    Linux,
    /// FreeBSD 14 and later.
    FreeBsd,
}

/// A kind of system: the settings of its stack and the defaults of its sockets. Sizes of buffers are as the
/// system counts them.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Which system.
    pub system: System,
    /// The settings of the stack; addresses and MTU are to be added.
    pub config: Config,
    /// SO_SNDBUF of a new socket.
    pub send_buffer: usize,
    /// SO_RCVBUF of a new socket.
    pub receive_buffer: usize,
    /// The most SO_SNDBUF may ask for (Linux).
    pub wmem_max: usize,
    /// The most SO_RCVBUF may ask for (Linux).
    pub rmem_max: usize,
    /// The most either may be (FreeBSD's `kern.ipc.maxsockbuf`).
    pub max_socket_buffer: usize,
    /// Keep-alive of a socket that asks for it.
    pub keep_alive: KeepAlive,
    /// How long `connect` may take at all (FreeBSD's keepinit).
    pub connect_timeout: Option<Duration>,
    /// Bytes that may wait to be sent, for a socket without TCP_NOTSENT_LOWAT.
    pub not_sent_low_water: usize,
    /// The largest backlog.
    pub somaxconn: usize,
    /// An accepted socket has its listener's O_NONBLOCK.
    pub accept_inherits_flags: bool,
    /// Receive buffers become multiples of the MSS when it is known.
    pub rounds_buffers: bool,
}

impl Profile {
    /// Linux, with the buffers of a host that serves: what public packetdrill scripts for Linux expect.
    #[must_use]
    pub fn linux() -> Self {
        Self {
            system: System::Linux,
            config: Config {
                max_receive_buffer: 15 << 20,
                syn_retries: 6,
                reset_ends_time_wait: true,
                rto: RtoBounds {
                    min_above_rtt: true,
                    ..RtoBounds::default()
                },
                ..Config::default()
            },
            send_buffer: 256 << 10,
            receive_buffer: 540_000,
            wmem_max: 4 << 20,
            rmem_max: 15 << 20,
            max_socket_buffer: i32::MAX as usize,
            keep_alive: KeepAlive::default(),
            connect_timeout: None,
            not_sent_low_water: usize::MAX,
            somaxconn: 4096,
            accept_inherits_flags: false,
            rounds_buffers: false,
        }
    }

    /// FreeBSD.
    #[must_use]
    pub fn freebsd() -> Self {
        Self {
            system: System::FreeBsd,
            config: Config {
                max_receive_buffer: 2 << 20,
                syn_retries: 12,
                syn_ack_retries: 3,
                data_retries: 12,
                orphan_retries: 12,
                quick_acks: 0,
                time_wait_window: u16::MAX,
                quick_fin_acks: true,
                syn_fin: SynFin::Taken,
                rto: RtoBounds {
                    initial: Duration::from_secs(1),
                    min: Duration::from_millis(230),
                    max: Duration::from_secs(64),
                    min_above_rtt: true,
                },
                ..Config::default()
            },
            send_buffer: 32 << 10,
            receive_buffer: 64 << 10,
            wmem_max: 2 << 20,
            rmem_max: 2 << 20,
            max_socket_buffer: 2 << 20,
            keep_alive: KeepAlive {
                count: 8,
                ..KeepAlive::default()
            },
            connect_timeout: Some(Duration::from_secs(75)),
            not_sent_low_water: usize::MAX,
            somaxconn: 128,
            accept_inherits_flags: true,
            rounds_buffers: true,
        }
    }

    /// How many half-open connections there may be beside so many that wait for `accept`: Linux has one limit for
    /// both, and holds one more of the latter; FreeBSD counts only those of all listeners.
    pub(super) fn syn_backlog(&self, backlog: usize) -> usize {
        match self.system {
            System::Linux => backlog.saturating_sub(1),
            System::FreeBsd => usize::MAX,
        }
    }

    pub(super) fn is_freebsd(&self) -> bool {
        self.system == System::FreeBsd
    }

    /// The name of the congestion control, as TCP_CONGESTION tells it.
    pub(super) fn congestion_name(&self) -> &'static str {
        match (self.config.congestion, self.system) {
            (Algorithm::Cubic, _) => "cubic",
            (Algorithm::NewReno, System::Linux) => "reno",
            (Algorithm::NewReno, System::FreeBsd) => "newreno",
        }
    }

    /// Linux keeps half of a receive buffer for its own overhead (`tcp_adv_win_scale` of 1).
    pub(super) fn receive_overhead(&self) -> usize {
        match self.system {
            System::Linux => 2,
            System::FreeBsd => 1,
        }
    }
}
