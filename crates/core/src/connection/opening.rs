//! How a connection comes to be: by `connect`, or from an entry of the SYN queue whose handshake is done.
//! What both ends agree on is settled here.

use super::history::History;
use super::receive::{ALWAYS_QUICK, ReceiveSide};
use super::send::SendSide;
use super::state::{Closed, Receiving, Sending, State, Synchronized};
use super::timeout::Timers;
use core::num::NonZeroU32;

use super::{Call, CallResult, Connection, LastCall, Owner, Readiness, TimestampState};
use crate::context::Context;
use crate::list::Links;
use crate::observe::{LifeId, Observer};
use crate::{
    Config, FourTuple, Instant, Options, Segment, SeqNumber, SocketOptions, Timestamps, wire,
};

/// What a passive handshake has settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    pub(crate) life: LifeId,
    pub(crate) tuple: FourTuple,
    pub(crate) peer_mss: u16,
    /// The peer's shift, if both scale.
    pub(crate) peer_shift: Option<u8>,
    /// Our shift, if both scale.
    pub(crate) shift: u8,
    pub(crate) sack: bool,
    /// The peer's newest timestamp, if both send them.
    pub(crate) ts_recent: Option<u32>,
    /// When the SYN came.
    pub(crate) opened_at: Instant,
    pub(crate) path: PathSeen,
    /// How often the SYN-ACK was sent again by the timer.
    pub(crate) retries: u8,
}

/// What a passive handshake tells of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathSeen {
    /// The SYN-ACK was sent at this moment, and only then: its ACK measures the path.
    Measured(Instant),
    /// The SYN-ACK, or its ACK, was lost.
    Lossy,
    /// Nothing.
    Unknown,
}

impl Connection {
    /// An active open: the SYN is sent by the next `emit`.
    pub(crate) fn connect<O: Observer>(
        cx: &Context<O>,
        life: LifeId,
        tuple: FourTuple,
        options: SocketOptions,
        iss: SeqNumber,
    ) -> Self {
        let state = State::SynSent(Closed.connect(iss));
        let mut connection = Self::new(cx, life, tuple, options, state, Owner::Application);
        connection.history.last_call = Some(LastCall {
            call: Call::Connect,
            at: cx.now,
            result: CallResult::Done(0),
        });
        if cx.config.timestamps && !options.no_options {
            let offset = cx.secrets.timestamp_offset(&tuple);
            // Nothing is agreed yet: the SYN offers.
            connection.timestamps = Some(TimestampState {
                recent: 0,
                recent_at: cx.now,
                last_ack_sent: SeqNumber(0),
                offset,
            });
        }
        connection
    }

    /// The end of a passive handshake: ESTABLISHED, because our SYN was acknowledged (RFC 9293 §3.5).
    pub(crate) fn accept<O: Observer>(
        cx: &Context<O>,
        (handshake, offset): (Handshake, NonZeroU32),
        mut state: Synchronized<Sending, Receiving>,
        options: SocketOptions,
        owner: Owner,
    ) -> Self {
        let Handshake { life, tuple, .. } = handshake;
        // What our SYN,ACK offered.
        state.receive.rcv.wnd = options.receive_buffer.min(usize::from(u16::MAX)) as u32;
        let irs = state.receive.rcv.irs;
        let state = State::Established(state);
        let mut connection = Self::new(cx, life, tuple, options, state, owner);
        connection.history.opened_at = handshake.opened_at;
        connection.history.timeouts = u16::from(handshake.retries);
        connection.history.retransmissions = u32::from(handshake.retries);
        connection.send.queue.count_delivered();
        connection.timestamps = handshake.ts_recent.map(|recent| TimestampState {
            recent,
            recent_at: cx.now,
            last_ack_sent: irs + 1,
            offset,
        });
        connection.receive.shift = handshake.shift;
        connection.agree_on_scaling(cx, handshake.peer_shift);
        connection.send.sack = handshake.sack;
        connection.receive.sack = handshake.sack;
        connection.send.peer_mss = handshake.peer_mss;
        connection.set_segment_sizes();
        match handshake.path {
            PathSeen::Measured(sent_at) => connection.send.rtt.sample(cx.now - sent_at),
            PathSeen::Unknown => {}
            PathSeen::Lossy => {
                connection.send.rtt.syn_was_retransmitted();
                connection.send.start_with_one_segment();
            }
        }
        connection.readiness |= Readiness::WRITABLE;
        connection.arm_keep_alive(cx.now);
        connection
    }

    fn new<O: Observer>(
        cx: &Context<O>,
        life: LifeId,
        tuple: FourTuple,
        options: SocketOptions,
        state: State,
        owner: Owner,
    ) -> Self {
        let config = &cx.config;
        let shift = receive_shift(config, &options);
        let quick = if options.quick_ack {
            ALWAYS_QUICK
        } else {
            config.quick_acks.min(ALWAYS_QUICK - 1)
        };
        let mss = advertised_mss(config, &options, tuple.is_ipv4());
        Self {
            life,
            tuple,
            state: Some(state),
            exit: None,
            ended: None,
            error: None,
            send: SendSide::new(config, &options, cx.now),
            receive: ReceiveSide::new(options.receive_buffer, shift, mss, quick),
            timestamps: None,
            timers: Timers::default(),
            options,
            owner,
            history: History::new(cx.now),
            challenge_after: Instant::ZERO,
            readiness: Readiness::default(),
            ready_links: Links::default(),
            event_links: Links::default(),
            accept_links: Links::default(),
            keep_alive_probes: 0,
            is_ready: false,
            has_news: false,
            ended_in: None,
            network_error: None,
        }
    }

    /// When it began: by `connect`, or by the peer's SYN.
    pub(crate) fn opened_at(&self) -> Instant {
        self.history.opened_at
    }

    /// What our SYN offers, or our SYN,ACK accepts: only what the peer's SYN had, too.
    pub(super) fn syn_options<O: Observer>(&self, cx: &Context<O>, is_answer: bool) -> Options {
        if self.options.no_options {
            return Options::default();
        }
        let config = &cx.config;
        let timestamps = self.timestamps.map(|agreed| Timestamps {
            value: agreed.clock(cx.now),
            echo: if is_answer { agreed.recent } else { 0 },
        });
        let scaling = if is_answer {
            self.send.scaling.then_some(self.receive.shift)
        } else {
            config.window_scaling.then_some(self.receive.shift)
        };
        Options {
            mss: Some(advertised_mss(config, &self.options, self.tuple.is_ipv4())),
            window_scale: scaling,
            sack_permitted: if is_answer {
                self.receive.sack
            } else {
                config.sack
            },
            timestamps,
            ..Options::default()
        }
    }

    /// The peer's SYN, or SYN,ACK, says what it can do.
    pub(super) fn agree_on_options<O: Observer>(&mut self, cx: &Context<O>, segment: &Segment<'_>) {
        let theirs = &segment.options;
        self.timestamps = match (self.timestamps, theirs.timestamps) {
            (Some(ours), Some(theirs)) => Some(TimestampState {
                recent: theirs.value,
                recent_at: cx.now,
                last_ack_sent: segment.seq + 1,
                ..ours
            }),
            _ => None,
        };
        let offered = !self.options.no_options;
        self.agree_on_scaling(cx, theirs.window_scale.filter(|_| offered));
        let sack = cx.config.sack && theirs.sack_permitted && offered;
        self.send.sack = sack;
        self.receive.sack = sack;
        self.send.peer_mss = usable_mss(theirs.mss, self.tuple.is_ipv4());
        self.set_segment_sizes();
    }

    /// Both must offer window scaling, or neither scales (RFC 7323 §2.2).
    fn agree_on_scaling<O: Observer>(&mut self, cx: &Context<O>, peer_shift: Option<u8>) {
        match peer_shift.filter(|_| cx.config.window_scaling) {
            Some(shift) => {
                self.send.shift = shift;
                self.send.scaling = true;
            }
            None => self.receive.shift = 0,
        }
    }
}

/// The MSS option we send: what the link carries, without options (RFC 9293 §3.7.1, RFC 6691 §2), or less, if
/// the application wants less.
pub(crate) fn advertised_mss(config: &Config, options: &SocketOptions, is_ipv4: bool) -> u16 {
    let mss = config.mtu.saturating_sub(wire::header_len(is_ipv4));
    let wanted = options.max_segment.unwrap_or(u16::MAX);
    u16::try_from(mss).unwrap_or(u16::MAX).min(wanted)
}

/// The shift that lets the whole receive buffer be offered, the largest that may be asked for later included
/// (RFC 7323 §2.3).
pub(crate) fn receive_shift(config: &Config, options: &SocketOptions) -> u8 {
    if !config.window_scaling {
        return 0;
    }
    let most = options.receive_buffer.max(config.max_receive_buffer);
    let bits = usize::BITS - (most >> 16).leading_zeros();
    (bits as u8).min(14)
}

/// The peer's MSS: the default when it says nothing (RFC 9293 §3.7.1, MUST-15), and a floor against a peer
/// that would have us send its data byte by byte.
pub(crate) fn usable_mss(offered: Option<u16>, is_ipv4: bool) -> u16 {
    const FLOOR: u16 = 48;
    let default = if is_ipv4 {
        super::send::DEFAULT_MSS
    } else {
        1220
    };
    offered.unwrap_or(default).max(FLOOR)
}
