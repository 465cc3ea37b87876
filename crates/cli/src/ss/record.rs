//! A socket as it passes over the control socket, and as `--json` shows it. Field names are stable; times are
//! integer nanoseconds before or after the moment of the answer, and their names say so.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use estab_core::observe::{Cause, Initiator, RefusalReason, StateName};
use estab_core::{CallResult, Instant, LastCall, ListenerStatus, Status, Timer};
use serde::{Deserialize, Serialize};

use super::filter::Subject;

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Socket {
    pub(crate) life: u32,
    #[serde(with = "state_name")]
    pub(crate) state: StateName,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) recv_q: u64,
    pub(crate) send_q: u64,
    /// How long it has been in this state.
    pub(crate) age_ns: u64,
    /// How long ago it was opened.
    pub(crate) opened_ns: u64,
    /// `application`, `peer` or `stack`.
    pub(crate) first_closer: Option<String>,
    pub(crate) timer: Option<TimerRecord>,
    /// Why it ended, if it has.
    pub(crate) ended: Option<CauseRecord>,
    pub(crate) is_owned: bool,
    pub(crate) awaits_accept: bool,
    pub(crate) end_of_file_delivered: bool,
    pub(crate) last_call: Option<CallRecord>,
    pub(crate) info: Info,
}

/// The timer that fires next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimerRecord {
    /// As ss names it.
    pub(crate) name: String,
    pub(crate) in_ns: u64,
    /// How often it has fired in a row.
    pub(crate) fired: u8,
    /// What happens when it fires.
    pub(crate) action: String,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CauseRecord {
    pub(crate) cause: String,
    pub(crate) text: String,
    pub(crate) rule: String,
}

/// The application's last call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    pub(crate) call: String,
    pub(crate) ago_ns: u64,
    /// What it moved, if it was done.
    pub(crate) bytes: Option<u64>,
    /// `done`, `would_block` or `failed`.
    pub(crate) result: String,
}

/// The rest of what Linux tells with `TCP_INFO`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) snd_una: u32,
    pub(crate) snd_nxt: u32,
    pub(crate) snd_wnd: u32,
    pub(crate) rcv_nxt: u32,
    pub(crate) rcv_wnd: u32,
    pub(crate) out_of_order: u64,
    pub(crate) unsent: u64,
    pub(crate) in_flight: u32,
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    /// `open`, `disorder`, `cwr`, `recovery` or `loss`, as Linux calls them.
    pub(crate) congestion: String,
    pub(crate) rtt_ns: Option<u64>,
    pub(crate) rttvar_ns: Option<u64>,
    pub(crate) latest_rtt_ns: Option<u64>,
    pub(crate) min_rtt_ns: Option<u64>,
    pub(crate) rto_ns: u64,
    pub(crate) mss: u16,
    pub(crate) peer_mss: u16,
    pub(crate) path_mtu: u16,
    pub(crate) our_window_shift: u8,
    pub(crate) peer_window_shift: u8,
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) segments_in: u64,
    pub(crate) segments_out: u64,
    pub(crate) retransmissions: u32,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_acked: u64,
    /// How long ago the last segment was received.
    pub(crate) heard_ns: u64,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) life: u32,
    #[serde(with = "state_name")]
    pub(crate) state: StateName,
    pub(crate) local: SocketAddr,
    /// Children that wait for `accept` (ss's Recv-Q).
    pub(crate) accept_queue: u64,
    /// How many may (ss's Send-Q).
    pub(crate) backlog: u64,
    /// `hold`, `reset` or `shed-oldest`: what happens when so many wait.
    pub(crate) policy: String,
    /// How long ago the SYN came of the child that has waited longest.
    pub(crate) oldest_ns: Option<u64>,
    /// The SYN queue's fill and limit.
    pub(crate) half_open: u64,
    pub(crate) syn_backlog: u64,
    /// Of these, children whose handshake is done and who wait for a place.
    pub(crate) held: u64,
    pub(crate) accepted: u64,
    pub(crate) cookies: Cookies,
    pub(crate) refused: u64,
    /// The same by reason.
    pub(crate) refusals: Vec<ReasonRecord>,
}

/// SYN cookies of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cookies {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) failed: u64,
}

/// What happened how often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// By name.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Packets not used, by reason.
    pub(crate) discards: Vec<ReasonRecord>,
    /// Requests refused.
    pub(crate) refusals: Vec<ReasonRecord>,
    /// RSTs sent.
    pub(crate) resets: Vec<ReasonRecord>,
}

/// A reason that occurred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReasonRecord {
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) rule: String,
    pub(crate) count: u64,
}

impl Socket {
    /// A connection as it is at `now`.
    pub(crate) fn new(status: &Status, now: Instant) -> Self {
        let first_closer = status.first_closer.map(|closer| match closer {
            Initiator::Local => "application".to_owned(),
            Initiator::Peer => "peer".to_owned(),
            Initiator::Stack => "stack".to_owned(),
        });
        let timer = |timer| TimerRecord::new(timer, status.backoff, now);
        Self {
            life: status.life.0,
            state: status.state,
            local: status.tuple.local(),
            remote: status.tuple.remote(),
            recv_q: status.unread as u64,
            send_q: status.unacknowledged as u64,
            age_ns: nanos(now - status.entered_at),
            opened_ns: nanos(now - status.opened_at),
            first_closer,
            timer: status.timer.map(timer),
            ended: status.ended.map(CauseRecord::new),
            is_owned: status.is_owned,
            awaits_accept: status.awaits_accept,
            end_of_file_delivered: status.end_of_file_delivered,
            last_call: status.last_call.map(|call| CallRecord::new(call, now)),
            info: Info::new(status, now),
        }
    }

    /// What a filter looks at.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            state: self.state,
            local: self.local,
            remote: self.remote,
        }
    }
}

impl Listener {
    /// A listener as it is at `now`.
    pub(crate) fn new(status: &ListenerStatus, now: Instant) -> Self {
        let reason = |reason: &RefusalReason| {
            let words = (reason.name(), reason.text(), reason.rule());
            ReasonRecord::new(words, status.refused_for(*reason))
        };
        Self {
            life: status.life.0,
            state: StateName::Listen,
            local: status.address,
            accept_queue: status.accept_queue as u64,
            backlog: status.backlog as u64,
            policy: status.policy.name().to_owned(),
            oldest_ns: status.oldest_opened_at.map(|since| nanos(now - since)),
            half_open: status.half_open as u64,
            syn_backlog: status.syn_backlog as u64,
            held: status.held as u64,
            accepted: status.accepted,
            cookies: Cookies {
                sent: status.cookies_sent,
                accepted: status.cookies_accepted,
                failed: status.cookies_failed,
            },
            refused: status.refused,
            refusals: RefusalReason::ALL.iter().filter_map(reason).collect(),
        }
    }

    /// Nobody's address, of the family of the listener's.
    pub(crate) fn remote(&self) -> SocketAddr {
        match self.local {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0; 16], 0).into(),
        }
    }

    /// What a filter looks at.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            state: self.state,
            local: self.local,
            remote: self.remote(),
        }
    }
}

impl TimerRecord {
    fn new(timer: Timer, fired: u8, now: Instant) -> Self {
        Self {
            name: timer.kind.ss().to_owned(),
            in_ns: nanos(timer.at - now),
            fired,
            action: timer.kind.action().to_owned(),
        }
    }
}

impl CauseRecord {
    fn new(cause: Cause) -> Self {
        Self {
            cause: cause.name().to_owned(),
            text: cause.text().to_owned(),
            rule: cause.rule().to_owned(),
        }
    }
}

impl CallRecord {
    fn new(call: LastCall, now: Instant) -> Self {
        let (bytes, result) = match call.result {
            CallResult::Done(bytes) => (Some(u64::from(bytes)), "done"),
            CallResult::WouldBlock => (None, "would_block"),
            CallResult::Failed => (None, "failed"),
        };
        Self {
            call: call.call.name().to_owned(),
            ago_ns: nanos(now - call.at),
            bytes,
            result: result.to_owned(),
        }
    }
}

impl Info {
    fn new(status: &Status, now: Instant) -> Self {
        let (our_window_shift, peer_window_shift) = status.window_shifts;
        Self {
            snd_una: status.snd_una.0,
            snd_nxt: status.snd_nxt.0,
            snd_wnd: status.snd_wnd,
            rcv_nxt: status.rcv_nxt.0,
            rcv_wnd: status.rcv_wnd,
            out_of_order: status.out_of_order as u64,
            unsent: status.unsent as u64,
            in_flight: status.in_flight,
            cwnd: status.cwnd,
            ssthresh: status.ssthresh,
            congestion: status.congestion.name().to_owned(),
            rtt_ns: status.rtt.map(nanos),
            rttvar_ns: status.rttvar.map(nanos),
            latest_rtt_ns: status.latest_rtt.map(nanos),
            min_rtt_ns: status.min_rtt.map(nanos),
            rto_ns: nanos(status.rto),
            mss: status.mss,
            peer_mss: status.peer_mss,
            path_mtu: status.path_mtu,
            our_window_shift,
            peer_window_shift,
            timestamps: status.timestamps,
            sack: status.sack,
            segments_in: status.segs_in,
            segments_out: status.segs_out,
            retransmissions: status.retransmissions,
            bytes_received: status.bytes_received,
            bytes_acked: status.bytes_acked,
            heard_ns: nanos(now - status.heard_at),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// States by the RFC's names.
mod state_name {
    use estab_core::observe::StateName;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(state: &StateName, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.rfc())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StateName, D::Error> {
        let name = String::deserialize(from)?;
        let named = StateName::ALL.into_iter().find(|state| state.rfc() == name);
        named.ok_or_else(|| de::Error::custom(format!("no state is called {name:?}")))
    }
}
