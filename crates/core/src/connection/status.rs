//! What there is to tell about a connection: what Linux gives with `TCP_INFO`, and more.

use alloc::sync::Arc;
use core::panic::Location;
use core::time::Duration;

use super::history::REORDERING;
use super::receive::AckOwed;
use super::{CongestionState, Connection, Outstanding, Owner, Shutdown, advertised_mss};
use crate::congestion::CongestionControl;
use crate::observe::{Cause, Initiator, LifeId, NetworkError, StateName};
use crate::{Config, FourTuple, Instant, SeqNumber};

/// A call of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `connect`.
    Connect,
    /// `accept` handed it out.
    Accept,
    /// `read`.
    Read,
    /// `peek`.
    Peek,
    /// `write`.
    Write,
    /// `shutdown`.
    Shutdown(Shutdown),
    /// `close`, also by dropping the socket.
    Close,
}

impl Call {
    /// As it is written: `shutdown(write)`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Read => "read",
            Self::Peek => "peek",
            Self::Write => "write",
            Self::Shutdown(Shutdown::Read) => "shutdown(read)",
            Self::Shutdown(Shutdown::Write) => "shutdown(write)",
            Self::Shutdown(Shutdown::Both) => "shutdown(both)",
            Self::Close => "close",
        }
    }
}

/// The last call an application made on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCall {
    /// Which.
    pub call: Call,
    /// When.
    pub at: Instant,
    /// What came of it.
    pub result: CallResult,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was done, and moved so many bytes.
    Done(u32),
    /// There was nothing to read, or no room to write.
    WouldBlock,
    /// It failed: the connection had ended, or the direction was closed.
    Failed,
}

/// What a timer will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// Send again what is not acknowledged (RFC 6298).
    Retransmission,
    /// Probe a window that is shut (RFC 9293 §3.8.6.1).
    Probe,
    /// Send the ACK that is owed (RFC 9293 §3.8.6.3).
    DelayedAck,
    /// Probe a silent peer (RFC 9293 §3.8.4).
    KeepAlive,
    /// End FIN-WAIT-2, which nobody owns.
    FinWait2,
    /// Reset what lingers.
    Linger,
    /// Reset what nobody owns: its time is over.
    Orphan,
    /// Look whether the application has forgotten a connection in CLOSE-WAIT.
    CloseWait,
    /// End TIME-WAIT (RFC 9293 §3.6.1).
    TimeWait,
    /// Send the SYN-ACK again.
    SynAck,
}

impl TimerKind {
    /// As `ss -o` writes it, where it has a word: `on`, `persist`, `keepalive`, `timewait`.
    #[must_use]
    pub const fn ss(self) -> &'static str {
        match self {
            Self::Retransmission | Self::SynAck => "on",
            Self::Probe => "persist",
            Self::DelayedAck => "delack",
            Self::KeepAlive => "keepalive",
            Self::FinWait2 | Self::TimeWait => "timewait",
            Self::Linger => "linger",
            Self::Orphan => "orphan",
            Self::CloseWait => "closewait",
        }
    }

    /// What happens when it fires, for people.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Retransmission => "sends again what is not acknowledged",
            Self::Probe => "probes the closed window",
            Self::DelayedAck => "sends the delayed ACK",
            Self::KeepAlive => "probes the silent peer",
            Self::FinWait2 => "ends FIN-WAIT-2, which nobody owns",
            Self::Linger => "resets the connection",
            Self::Orphan => "resets the connection, which nobody owns",
            Self::CloseWait => "looks whether the application has forgotten the connection",
            Self::TimeWait => "ends TIME-WAIT",
            Self::SynAck => "sends the SYN,ACK again",
        }
    }
}

/// A timer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which.
    pub kind: TimerKind,
    /// When it fires.
    pub at: Instant,
}

/// Everything about one connection at one moment. Numbers are RFC 9293's, sizes are bytes.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whose life.
    pub life: LifeId,
    /// The connection.
    pub tuple: FourTuple,
    /// Its state.
    pub state: StateName,
    /// When it entered the state.
    pub entered_at: Instant,
    /// When it was opened: `connect`, or the SYN.
    pub opened_at: Instant,
    /// Whether an application holds it. If not it waits to be accepted, or ends on its own.
    pub is_owned: bool,
    /// Whether it waits in an accept queue.
    pub awaits_accept: bool,
    /// Who closed first, once anybody has.
    pub first_closer: Option<Initiator>,
    /// Why it ended, once it has.
    pub ended: Option<Cause>,
    /// The state it ended in, once it has.
    pub ended_in: Option<StateName>,
    /// What the network said last since the peer was heard (RFC 9293 §3.9.2.2, SHLD-25). When the connection ends
    /// by a timer this tells more than that nobody answered: Linux gives it as the error then.
    pub soft_error: Option<NetworkError>,
    /// The timer that fires next.
    pub timer: Option<Timer>,
    /// SND.UNA.
    pub snd_una: SeqNumber,
    /// SND.NXT.
    pub snd_nxt: SeqNumber,
    /// SND.WND, scaled.
    pub snd_wnd: u32,
    /// RCV.NXT.
    pub rcv_nxt: SeqNumber,
    /// RCV.WND.
    pub rcv_wnd: u32,
    /// Bytes received that the application has not read (`ss`'s Recv-Q).
    pub unread: usize,
    /// Bytes to be read until the end of the urgent data, if there is any.
    pub urgent: Option<usize>,
    /// Bytes held out of order.
    pub out_of_order: usize,
    /// Bytes written that are not acknowledged (`ss`'s Send-Q).
    pub unacknowledged: usize,
    /// Bytes written that were never sent.
    pub unsent: usize,
    /// Bytes in flight.
    pub in_flight: u32,
    /// The congestion window, in bytes.
    pub cwnd: u32,
    /// The slow-start threshold, in bytes.
    pub ssthresh: u32,
    /// What the acknowledgments say of the path.
    pub congestion: CongestionState,
    /// What was sent and is not acknowledged, in segments.
    pub outstanding: Outstanding,
    /// Segments that may overtake each other before one counts as lost.
    pub reordering: u32,
    /// SRTT.
    pub rtt: Option<Duration>,
    /// RTTVAR.
    pub rttvar: Option<Duration>,
    /// The last round trip measured.
    pub latest_rtt: Option<Duration>,
    /// The least round trip seen.
    pub min_rtt: Option<Duration>,
    /// RTO, backed off.
    pub rto: Duration,
    /// Timeouts in a row.
    pub backoff: u8,
    /// How often RTO is doubled (`tcpi_backoff`).
    pub doublings: u8,
    /// Retransmission timeouts in the connection's life.
    pub timeouts: u16,
    /// Probes sent since the peer was last heard: of its shut window, or of a silent peer.
    pub probes: u8,
    /// How long an ACK may be delayed (`tcpi_ato`).
    pub delayed_ack: Duration,
    /// Effective send MSS.
    pub mss: u16,
    /// The MSS the peer offered.
    pub peer_mss: u16,
    /// The MSS we offered.
    pub advertised_mss: u16,
    /// Data bytes of the largest segment the peer has sent; before, a guess.
    pub rcv_mss: u16,
    /// The path MTU in use.
    pub path_mtu: u16,
    /// Our window shift and the peer's.
    pub window_shifts: (u8, u8),
    /// Whether both ends scale their windows, by zero perhaps.
    pub window_scaling: bool,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// Whether SACK is in use.
    pub sack: bool,
    /// Segments received, modulo 2^32.
    pub segs_in: u32,
    /// Segments sent, modulo 2^32.
    pub segs_out: u32,
    /// Segments received with data, modulo 2^32.
    pub data_segs_in: u32,
    /// Segments sent with data, those sent again included, modulo 2^32.
    pub data_segs_out: u32,
    /// Segments the peer has received, as it says, modulo 2^32; the SYN is one.
    pub delivered: u32,
    /// Segments sent again, modulo 2^32.
    pub retransmissions: u32,
    /// Bytes delivered in order.
    pub bytes_received: u64,
    /// Bytes sent and acknowledged.
    pub bytes_acked: u64,
    /// Bytes sent, those sent again included. Once the connection has ended, what it left unacknowledged no
    /// longer counts.
    pub bytes_sent: u64,
    /// Bytes sent again.
    pub bytes_retransmitted: u64,
    /// Whether the application was told of the peer's FIN.
    pub end_of_file_delivered: bool,
    /// Whether the application has ever called `read`.
    pub has_read: bool,
    /// The application's last call.
    pub last_call: Option<LastCall>,
    /// When the application, or data either way, did something last; or when the state was entered.
    pub idle_since: Instant,
    /// The line of the program that accepted or connected, if it was told; of one that waits to be accepted, the line
    /// that listens.
    pub site: Option<&'static Location<'static>>,
    /// The label of its origin.
    pub label: Option<Arc<str>>,
    /// When the last segment was received.
    pub heard_at: Instant,
    /// When data was last sent; before, when the connection was established.
    pub data_sent_at: Instant,
    /// When data was last received in order; before, when the connection was established.
    pub data_received_at: Instant,
}

impl Status {
    /// What is known of a connection that has no slot.
    pub(crate) fn bare(
        (life, tuple): (LifeId, FourTuple),
        (state, entered_at): (StateName, Instant),
        timer: Timer,
    ) -> Self {
        Self {
            life,
            tuple,
            state,
            entered_at,
            opened_at: entered_at,
            is_owned: false,
            awaits_accept: false,
            first_closer: None,
            ended: None,
            ended_in: None,
            soft_error: None,
            timer: Some(timer),
            snd_una: SeqNumber(0),
            snd_nxt: SeqNumber(0),
            snd_wnd: 0,
            rcv_nxt: SeqNumber(0),
            rcv_wnd: 0,
            unread: 0,
            urgent: None,
            out_of_order: 0,
            unacknowledged: 0,
            unsent: 0,
            in_flight: 0,
            cwnd: 0,
            ssthresh: 0,
            congestion: CongestionState::Open,
            outstanding: Outstanding::default(),
            reordering: REORDERING,
            rtt: None,
            rttvar: None,
            latest_rtt: None,
            min_rtt: None,
            rto: Duration::ZERO,
            backoff: 0,
            doublings: 0,
            timeouts: 0,
            probes: 0,
            delayed_ack: Duration::ZERO,
            mss: 0,
            peer_mss: 0,
            advertised_mss: 0,
            rcv_mss: 0,
            path_mtu: 0,
            window_shifts: (0, 0),
            window_scaling: false,
            timestamps: false,
            sack: false,
            segs_in: 0,
            segs_out: 0,
            data_segs_in: 0,
            data_segs_out: 0,
            delivered: 0,
            retransmissions: 0,
            bytes_received: 0,
            bytes_acked: 0,
            bytes_sent: 0,
            bytes_retransmitted: 0,
            end_of_file_delivered: false,
            has_read: false,
            last_call: None,
            idle_since: entered_at,
            site: None,
            label: None,
            heard_at: entered_at,
            data_sent_at: entered_at,
            data_received_at: entered_at,
        }
    }
}

impl Connection {
    /// Everything about this connection.
    pub(crate) fn status(&self, config: &Config) -> Status {
        let Self {
            send,
            receive,
            history,
            ..
        } = self;
        let state = self.state.as_ref();
        let snd = state.and_then(|state| state.snd());
        let rcv = state.and_then(|state| state.rcv());
        let snd_nxt = state.map(|state| state.snd_nxt()).unwrap_or_default();
        let unsent = snd.map_or(0, |snd| send.data_end(snd).distance_from(snd.nxt).max(0)) as usize;
        let in_flight = (send.busy.buffer.len() - unsent.min(send.busy.buffer.len())) as u64;
        Status {
            life: self.life,
            tuple: self.tuple,
            state: self.state_name(),
            entered_at: history.entered_at,
            opened_at: history.opened_at,
            is_owned: self.owner == Owner::Application,
            awaits_accept: matches!(self.owner, Owner::AcceptQueue(_)),
            first_closer: history.first_closer,
            ended: self.ended,
            ended_in: self.ended_in,
            soft_error: self.network_error,
            timer: self.timer(config),
            snd_una: snd.map_or(snd_nxt, |snd| snd.una),
            snd_nxt,
            snd_wnd: snd.map_or(0, |snd| snd.wnd),
            rcv_nxt: rcv.map(|rcv| rcv.nxt).unwrap_or_default(),
            rcv_wnd: rcv.map_or(0, |rcv| rcv.wnd),
            unread: receive.busy.buffer.len(),
            urgent: self.urgent(),
            out_of_order: receive.out_of_order(),
            unacknowledged: send.busy.buffer.len(),
            // Before the SYN is sent its number is not: it is no data.
            unsent: unsent.min(send.busy.buffer.len()),
            in_flight: send.busy.queue.outstanding(),
            cwnd: send.congestion.window(),
            ssthresh: send.congestion.ssthresh(),
            congestion: send.congestion_state(),
            outstanding: send.outstanding(),
            reordering: REORDERING,
            rtt: send.rtt.srtt(),
            rttvar: send.rtt.rttvar(),
            latest_rtt: send.rtt.latest(),
            min_rtt: send.rtt.min_rtt(),
            rto: send.rto(),
            backoff: send.busy.timeouts,
            doublings: send.rtt.doublings(),
            timeouts: history.timeouts,
            probes: self.probes(),
            delayed_ack: config.delayed_ack,
            mss: send.mss,
            peer_mss: send.peer_mss,
            advertised_mss: advertised_mss(
                config,
                self.options.max_segment(),
                self.tuple.is_ipv4(),
            ),
            rcv_mss: receive.segment(),
            path_mtu: send.path_mtu,
            window_shifts: (receive.shift, send.shift),
            window_scaling: send.scaling,
            timestamps: self.timestamps.is_some(),
            sack: send.sack,
            segs_in: history.segs_in(),
            segs_out: history.segs_out,
            data_segs_in: history.data_segs_in,
            data_segs_out: history.data_segs_out,
            delivered: send.delivered(),
            retransmissions: history.retransmissions,
            bytes_received: history.bytes_received,
            bytes_acked: history.bytes_acked,
            bytes_sent: history.bytes_acked + in_flight + history.bytes_retransmitted,
            bytes_retransmitted: history.bytes_retransmitted,
            end_of_file_delivered: history.end_of_file_delivered,
            has_read: self.has_read,
            last_call: history.last_call.map(LastCall::from),
            idle_since: self.idle_since(),
            site: None,
            label: None,
            heard_at: history.heard_at,
            data_sent_at: send.data_sent_at,
            data_received_at: history.data_received_at,
        }
    }

    /// Probes that nobody has answered: of a shut window, else of a silent peer.
    fn probes(&self) -> u8 {
        let probing = self.send.busy.queue.is_empty() || self.is_window_shut();
        let silent = self.history.heard_at < self.send.data_sent_at;
        if probing && silent && self.send.busy.timeouts > 0 {
            self.send.busy.timeouts
        } else {
            self.keep_alive_probes
        }
    }

    /// The timer that fires next, and what it will do.
    fn timer(&self, config: &Config) -> Option<Timer> {
        let timers = &self.timers;
        let resend = if self.send.busy.queue.is_empty() || self.is_window_shut() {
            TimerKind::Probe
        } else {
            TimerKind::Retransmission
        };
        let last = match self.state_name() {
            StateName::FinWait2 => TimerKind::FinWait2,
            StateName::CloseWait => TimerKind::CloseWait,
            _ if self.lingers(config) => TimerKind::Linger,
            _ => TimerKind::Orphan,
        };
        debug_assert!(self.receive.owed != AckOwed::No || !timers.delayed_ack.is_set());
        [
            (resend, timers.retransmit),
            (TimerKind::DelayedAck, timers.delayed_ack),
            (TimerKind::KeepAlive, timers.keep_alive),
            (last, timers.last),
        ]
        .into_iter()
        .filter_map(|(kind, deadline)| {
            Some(Timer {
                kind,
                at: deadline.get()?,
            })
        })
        .min_by_key(|timer| timer.at)
    }

    fn is_window_shut(&self) -> bool {
        let snd = self.state.as_ref().and_then(|state| state.snd());
        snd.is_some_and(|snd| snd.wnd == 0 && !snd.syn_unacked())
    }
}
