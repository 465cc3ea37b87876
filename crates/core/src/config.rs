//! What a stack is told once, and what each socket may be told.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::congestion::Algorithm;
use crate::wire::Treatment;

/// The settings of a stack. Every table is bounded here.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses that are ours. Packets to any other are not answered.
    pub addresses: Vec<IpAddr>,
    /// The largest IP packet of the link, in bytes: at least 576 for IPv4, 1280 for IPv6.
    pub mtu: usize,
    /// 2·MSL: how long TIME-WAIT lasts (RFC 9293 §3.6.1). Zero skips TIME-WAIT; at most 10 days.
    pub time_wait: Duration,
    /// What ACKs from TIME-WAIT say of the window. Nothing can come any more, so none is kept; but a zero would look
    /// like a receiver in trouble to whoever reads a capture.
    pub time_wait_window: u16,
    /// Whether an exact RST ends TIME-WAIT (Linux's default). RFC 1337 says it must not.
    pub reset_ends_time_wait: bool,
    /// How many connections there may be, TIME-WAIT and half-open ones not counted.
    pub max_connections: usize,
    /// How many half-open connections there may be, over all listeners. While cookies are sent beyond, an eighth
    /// is kept for SYNs that take over from a connection in TIME-WAIT: no cookie promises these a higher ISN.
    pub max_syn_received: usize,
    /// Whether SYNs are answered by cookies.
    pub syn_cookies: SynCookies,
    /// How many connections may be in TIME-WAIT; beyond, the oldest ends early.
    pub max_time_wait: usize,
    /// How many listeners there may be.
    pub max_listeners: usize,
    /// Answers that wait to be sent without a connection of their own (RST, SYN-ACK, challenge ACK, echo).
    pub max_replies: usize,
    /// Bytes of data arrived on SYNs that may be held until the handshake is done, all together.
    pub max_syn_data: usize,
    /// The range of ephemeral ports (RFC 6056 §3.2).
    pub ephemeral_ports: RangeInclusive<u16>,
    /// Times a SYN is sent again before `connect` fails: 6 is 127 s.
    pub syn_retries: u8,
    /// Times a SYN-ACK is sent again: 5 is 63 s. Each halving of the room left in the SYN queue, the listener's or
    /// the stack's, takes one away, so that a flood's entries leave quickly and an idle queue keeps all.
    pub syn_ack_retries: u8,
    /// Times data is sent again before the connection ends (RFC 9293 §3.8.3, R2).
    pub data_retries: u8,
    /// The same for a connection that no application owns any more.
    pub orphan_retries: u8,
    /// How long FIN-WAIT-2 lasts when no application owns the connection.
    pub fin_wait_2: Duration,
    /// The bounds of the retransmission timeout (RFC 6298).
    pub rto: RtoBounds,
    /// How long a delayed ACK waits: at most 499 ms (RFC 9293 §3.8.6.3, MUST-40).
    pub delayed_ack: Duration,
    /// How many of the first segments are acknowledged at once. 0 is plain RFC 9293.
    pub quick_acks: u8,
    /// Whether the peer's FIN is acknowledged at once. Else its ACK may be delayed like that of data, so that an
    /// application that closes at once lets its FIN ride on it.
    pub quick_fin_acks: bool,
    /// Whether a RST ends a connection at exactly RCV.NXT only, and draws a challenge ACK elsewhere in the window
    /// (RFC 5961 §3.2). Without, any RST in the window counts, as RFC 9293 §3.10.7.4 has it for stacks "otherwise":
    /// a blind attacker need guess only the window. For testers of protocols. TIME-WAIT has a switch of its own,
    /// [`reset_ends_time_wait`](Self::reset_ends_time_wait).
    pub exact_resets: bool,
    /// Whether a SYN draws a challenge ACK from a synchronized connection (RFC 5961 §4.2). Without, a SYN in the
    /// window is answered with a RST and ends the connection, "the original behavior described in RFC 793" (RFC 9293
    /// §3.10.7.4): as weak against blind attackers. For testers of protocols. TIME-WAIT is not touched by it (RFC 6191).
    pub challenge_syns: bool,
    /// What becomes of a SYN with a FIN on it.
    pub syn_fin: SynFin,
    /// Challenge ACKs a second, over all connections (RFC 5961 §10).
    pub challenge_acks_per_second: u32,
    /// Whether to offer timestamps (RFC 7323).
    pub timestamps: bool,
    /// Whether to offer window scaling (RFC 7323).
    pub window_scaling: bool,
    /// Whether to offer selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// The congestion control of new connections.
    pub congestion: Algorithm,
    /// TTL, or hop limit, of what is sent (RFC 9293 §3.9.2.1, MUST-49), where the socket has no other.
    pub ttl: u8,
    /// The initial congestion window, in segments: 10 (RFC 6928 §2). Zero counts as 1.
    pub initial_window: u8,
    /// Whether the congestion window shrinks to the initial one over idle times of more than an RTO (RFC 5681 §4.1,
    /// a SHOULD).
    pub slow_start_after_idle: bool,
    /// The largest receive buffer that sockets will ask for later, in bytes: the window scale offered lets it
    /// be used (RFC 7323 §2.3), as Linux does for `tcp_rmem[2]` and FreeBSD for `maxsockbuf`. A socket's own
    /// buffer counts where it is larger.
    pub max_receive_buffer: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            mtu: 1500,
            time_wait: Duration::from_secs(60),
            time_wait_window: 512,
            reset_ends_time_wait: false,
            max_connections: 65_536,
            max_syn_received: 4_096,
            syn_cookies: SynCookies::default(),
            max_time_wait: 65_536,
            max_listeners: 1_024,
            max_replies: 4_096,
            max_syn_data: 65_536,
            ephemeral_ports: 32_768..=60_999,
            syn_retries: 6,
            syn_ack_retries: 5,
            data_retries: 15,
            orphan_retries: 8,
            fin_wait_2: Duration::from_secs(60),
            rto: RtoBounds::default(),
            delayed_ack: Duration::from_millis(40),
            quick_acks: 16,
            quick_fin_acks: false,
            exact_resets: true,
            challenge_syns: true,
            syn_fin: SynFin::default(),
            challenge_acks_per_second: 1_000,
            timestamps: true,
            window_scaling: true,
            sack: true,
            congestion: Algorithm::default(),
            ttl: 64,
            initial_window: 10,
            slow_start_after_idle: true,
            max_receive_buffer: 0,
        }
    }
}

impl Config {
    /// "The delay MUST be less than 0.5 seconds" (RFC 9293 §3.8.6.3, MUST-40).
    const LONGEST_DELAYED_ACK: Duration = Duration::from_millis(499);

    /// The settings with times brought into range.
    pub(crate) fn clamped(mut self) -> Self {
        self.delayed_ack = self.delayed_ack.min(Self::LONGEST_DELAYED_ACK);
        self
    }

    /// How IP is to treat what a socket sends, or what the stack sends for none.
    pub(crate) fn treatment(&self, socket: Option<&SocketOptions>) -> Treatment {
        let ttl = socket.and_then(|options| options.ttl).unwrap_or(self.ttl);
        Treatment {
            hop_limit: ttl.max(1),
            // RFC 3168 §5: the lower two bits would say that ECN is understood.
            traffic_class: socket.map_or(0, |options| options.traffic_class & 0xfc),
        }
    }
}

/// The bounds of the retransmission timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtoBounds {
    /// Before the first measurement (RFC 6298 §2.1).
    pub initial: Duration,
    /// The least: 200 ms as Linux, where RFC 6298 §2.4 says 1 s, SHOULD.
    pub min: Duration,
    /// The most, also after back-off.
    pub max: Duration,
    /// Whether `min` bounds the part of the variation alone, as RFC 6298 §2.3's G does, and not the sum: RTO then
    /// lies at least `min` above SRTT. Linux and FreeBSD count so.
    pub min_above_rtt: bool,
}

impl Default for RtoBounds {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            min: Duration::from_millis(200),
            max: Duration::from_secs(120),
            min_above_rtt: false,
        }
    }
}

/// Keep-alive (RFC 9293 §3.8.4): off unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Probes without an answer before the connection ends.
    pub count: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7200),
            interval: Duration::from_secs(75),
            count: 9,
        }
    }
}

/// The options of a socket. Accepted connections inherit them from their listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Sends small segments at once, without Nagle's algorithm (RFC 9293 §3.7.4).
    pub nodelay: bool,
    /// Probes a silent peer.
    pub keep_alive: Option<KeepAlive>,
    /// How long sent data may stay unacknowledged before the connection ends, instead of
    /// [`data_retries`](Config::data_retries) (RFC 9293 §3.8.3, MUST-21; RFC 5482). Zero is none.
    pub user_timeout: Option<Duration>,
    /// Times this socket's SYN is sent again, if not as often as the stack's settings say.
    pub syn_retries: Option<u8>,
    /// What `close` does: `None` sends what is left in the background; zero sends a RST; any other time
    /// sends a RST when that time passes before everything is acknowledged.
    pub linger: Option<Duration>,
    /// Lets `listen` take a port that connections of an earlier listener still hold, and `connect` with a local
    /// port take the place of the same connection in TIME-WAIT, if timestamps keep the two apart.
    pub reuse_address: bool,
    /// Lets several listeners have the same address and port, if all say so: each connection goes to the one that
    /// its 4-tuple's keyed hash chooses (Linux's SO_REUSEPORT).
    pub reuse_port: bool,
    /// Bytes the application may write ahead of the peer's acknowledgments.
    pub send_buffer: usize,
    /// Bytes that may wait for the application; bounds the window we offer.
    pub receive_buffer: usize,
    /// The largest segment offered to the peer and sent to it (Linux's TCP_MAXSEG), in data bytes and options:
    /// 88 to 32,767. What was offered stays; what is sent follows at once.
    pub max_segment: Option<u16>,
    /// Only full segments leave, until this is taken back, the sending side is closed, or 200 ms have passed
    /// since everything before was acknowledged (Linux's TCP_CORK).
    pub cork: bool,
    /// Every segment with data is acknowledged at once (Linux's TCP_QUICKACK, which wears off there).
    pub quick_ack: bool,
    /// TTL, or hop limit (RFC 9293 §3.9.2.1, MUST-49); `None` is the stack's, zero counts as 1.
    pub ttl: Option<u8>,
    /// DSCP, in the upper six bits: IPv4's type of service, IPv6's traffic class. The lower two are ECN's.
    pub traffic_class: u8,
    /// No SYN carries an option, and none of the peer's that needs an answer is used (FreeBSD's TCP_NOOPT). Not even
    /// the MSS is told, so that the peer sends the default, 536 or 1220 bytes (RFC 9293 §3.7.1, MUST-15). What has
    /// been agreed stays.
    pub no_options: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: false,
            keep_alive: None,
            user_timeout: None,
            syn_retries: None,
            linger: None,
            reuse_address: false,
            reuse_port: false,
            send_buffer: 256 * 1024,
            receive_buffer: 256 * 1024,
            max_segment: None,
            cork: false,
            quick_ack: false,
            ttl: None,
            traffic_class: 0,
            no_options: false,
        }
    }
}

impl SocketOptions {
    /// The least and the most a buffer can be: below, no full segment fits; above, RFC 7323's largest
    /// window cannot cover it.
    pub(crate) const BUFFER: RangeInclusive<usize> = 2048..=1 << 29;

    /// The least time between keep-alive probes: a timer that is always due would stop the world.
    const LEAST_KEEP_ALIVE: Duration = Duration::from_millis(1);

    /// The options with sizes and times brought into range.
    pub(crate) fn clamped(mut self) -> Self {
        self.max_segment = self.max_segment.map(|most| most.clamp(88, 32_767));
        self.user_timeout = self.user_timeout.filter(|limit| !limit.is_zero());
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.idle = keep_alive.idle.max(Self::LEAST_KEEP_ALIVE);
            keep_alive.interval = keep_alive.interval.max(Self::LEAST_KEEP_ALIVE);
        }
        let (least, most) = (*Self::BUFFER.start(), *Self::BUFFER.end());
        self.send_buffer = self.send_buffer.clamp(least, most);
        self.receive_buffer = self.receive_buffer.clamp(least, most);
        self
    }
}

/// What becomes of a SYN with a FIN on it: no stack means it, but scanners send it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SynFin {
    /// It opens no connection, as in Linux: a listener does not answer. A connection judges the SYN, and in
    /// SYN-SENT the FIN is queued (RFC 9293 §3.10.7.3).
    #[default]
    Unanswered,
    /// It is dropped in every state.
    Dropped,
    /// It opens a connection like any SYN (RFC 9293 §3.10.7.2). The FIN is not acknowledged with it, so that the
    /// peer sends it again. Weaker: filters that look for a lone SYN are passed by.
    Taken,
}

/// Whether SYNs are answered by cookies (RFC 4987 §3.6): without an entry in the SYN queue, which a flood fills. The
/// peer's ACK brings back all that counts: its MSS (rounded down to 48, 536, 1220, 1360, 1400, 1440, 1460 or 8940),
/// window scale, SACK and timestamps.
///
/// A guessed ACK makes a connection with a chance of 2^-28 if it has timestamps, and of 2^-23 if not. The SYN,ACK is
/// not sent again; a cookie is good for 64 to 128 s, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SynCookies {
    /// None are sent and none are taken: beyond the limits of the SYN queue, SYNs are not answered.
    Off,
    /// Beyond the limits of the SYN queue (Linux's default).
    #[default]
    Auto,
    /// Every SYN but those that take over from a connection in TIME-WAIT.
    Always,
}

impl SynCookies {
    /// As it is written: `off`, `auto`, `always`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Auto => "auto",
            Self::Always => "always",
        }
    }
}

/// What a listener does when its accept queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptPolicy {
    /// New SYNs are not answered; a child that completes waits for a place, and its peer gets a RST if
    /// none comes free in the time of a handshake.
    #[default]
    Hold,
    /// A child that completes is reset.
    Reset,
    /// The oldest child in the queue is reset to make room.
    ShedOldest,
}

impl AcceptPolicy {
    /// As it is written: `hold`, `reset`, `shed-oldest`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Reset => "reset",
            Self::ShedOldest => "shed-oldest",
        }
    }
}
