//! A socket as it passes over the control socket, and as `--json` shows it. Field names are stable; times are
//! integer nanoseconds before or after the moment of the answer, and their names say so.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use estab_core::observe::{Cause, Diagnosis, Initiator, RefusalReason, StateName};
use estab_core::{
    Before, CallResult, CloseWaitPolicy, Config, Instant, LastCall, ListenerStatus, MemoryStatus,
    OriginStatus, Status, Timer,
};
use serde::{Deserialize, Serialize};

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Socket {
    pub life: u32,
    #[serde(with = "state_name")]
    pub state: StateName,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub recv_q: u64,
    pub send_q: u64,
    /// How long it has been in this state.
    pub age_ns: u64,
    /// How long ago it was opened.
    pub opened_ns: u64,
    /// `application`, `peer` or `stack`.
    pub first_closer: Option<String>,
    pub timer: Option<TimerRecord>,
    /// Why it ended, if it has.
    pub ended: Option<CauseRecord>,
    pub is_owned: bool,
    pub awaits_accept: bool,
    pub end_of_file_delivered: bool,
    pub last_call: Option<CallRecord>,
    /// How long ago the application, or data either way, did something.
    #[serde(default)]
    pub idle_ns: u64,
    /// The line that accepted or connected: `FILE:LINE:COLUMN`.
    #[serde(default)]
    pub site: Option<String>,
    #[serde(default)]
    pub label: Option<String>,
    /// Why it is still there, if that is odd.
    #[serde(default)]
    pub diagnosis: Option<DiagnosisRecord>,
    pub info: Info,
}

/// The timer that fires next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerRecord {
    /// As ss names it.
    pub name: String,
    pub in_ns: u64,
    /// How often it has fired in a row.
    pub fired: u8,
    /// What happens when it fires.
    pub action: String,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseRecord {
    pub cause: String,
    pub text: String,
    pub rule: String,
}

/// A diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiagnosisRecord {
    pub diagnosis: String,
    /// `leak`, `overload`, `never read` or `never accepted`.
    pub trouble: String,
    pub text: String,
    pub rule: String,
}

/// The connections of one place in the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub site: Option<String>,
    pub label: Option<String>,
    /// Of all places that there was no room for.
    pub is_rest: bool,
    pub opened: u64,
    pub open: u32,
    pub close_wait: u32,
    pub leaked: u32,
    pub reaped: u64,
    /// How many were leaked some time ago.
    pub before: Option<BeforeRecord>,
}

/// A number as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeforeRecord {
    pub ago_ns: u64,
    pub leaked: u32,
}

/// What a leak runs into.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Places that connections hold.
    pub connections: u64,
    pub max_connections: u64,
    /// How long an application may be idle in CLOSE-WAIT.
    pub patience_ns: u64,
    /// `report`, `cap` or `reap`.
    pub policy: String,
    /// How many may be leaked, if that is capped.
    pub cap: Option<u64>,
    /// After how long leaks end, if they do.
    pub reap_ns: Option<u64>,
}

/// The application's last call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    pub call: String,
    pub ago_ns: u64,
    /// What it moved, if it was done.
    pub bytes: Option<u64>,
    /// `done`, `would_block` or `failed`.
    pub result: String,
}

/// The rest of what Linux tells with `TCP_INFO`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    pub snd_una: u32,
    pub snd_nxt: u32,
    pub snd_wnd: u32,
    pub rcv_nxt: u32,
    pub rcv_wnd: u32,
    pub out_of_order: u64,
    pub unsent: u64,
    pub in_flight: u32,
    pub cwnd: u32,
    pub ssthresh: u32,
    /// `open`, `disorder`, `cwr`, `recovery` or `loss`, as Linux calls them.
    pub congestion: String,
    pub rtt_ns: Option<u64>,
    pub rttvar_ns: Option<u64>,
    pub latest_rtt_ns: Option<u64>,
    pub min_rtt_ns: Option<u64>,
    pub rto_ns: u64,
    pub mss: u16,
    pub peer_mss: u16,
    pub path_mtu: u16,
    pub our_window_shift: u8,
    pub peer_window_shift: u8,
    pub timestamps: bool,
    pub sack: bool,
    pub segments_in: u64,
    pub segments_out: u64,
    pub retransmissions: u32,
    pub bytes_received: u64,
    pub bytes_acked: u64,
    /// How long ago the last segment was received.
    pub heard_ns: u64,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    pub life: u32,
    #[serde(with = "state_name")]
    pub state: StateName,
    pub local: SocketAddr,
    /// Children that wait for `accept` (ss's Recv-Q).
    pub accept_queue: u64,
    /// How many may (ss's Send-Q).
    pub backlog: u64,
    /// `hold`, `reset` or `shed-oldest`: what happens when so many wait.
    pub policy: String,
    /// How long ago the SYN came of the child that has waited longest.
    pub oldest_ns: Option<u64>,
    /// The SYN queue's fill and limit.
    pub half_open: u64,
    pub syn_backlog: u64,
    /// Of these, children whose handshake is done and who wait for a place.
    pub held: u64,
    pub accepted: u64,
    pub cookies: Cookies,
    pub refused: u64,
    /// The same by reason.
    pub refusals: Vec<ReasonRecord>,
}

/// SYN cookies of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cookies {
    pub sent: u64,
    pub accepted: u64,
    pub failed: u64,
}

/// What happened how often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// By name.
    pub counts: BTreeMap<String, u64>,
    /// Packets not used, by reason.
    pub discards: Vec<ReasonRecord>,
    /// Requests refused.
    pub refusals: Vec<ReasonRecord>,
    /// RSTs sent.
    pub resets: Vec<ReasonRecord>,
}

/// How much of the memory budget is used. In bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub used: u64,
    /// Nothing if there is no limit.
    pub budget: Option<u64>,
    /// `low`, `pressure` or `high`.
    pub level: String,
    /// Connections that hold data.
    pub holders: u64,
    /// What each of them may hold under pressure.
    pub fair_share: u64,
    /// What each of them may hold each way at any level.
    pub guaranteed_share: u64,
}

impl Memory {
    /// As the stack tells it.
    pub fn new(status: &MemoryStatus) -> Self {
        Self {
            used: status.used as u64,
            budget: (status.budget < usize::MAX).then_some(status.budget as u64),
            level: status.level.name().to_owned(),
            holders: status.holders as u64,
            fair_share: status.fair_share as u64,
            guaranteed_share: status.guaranteed_share as u64,
        }
    }
}

/// A reason that occurred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReasonRecord {
    pub reason: String,
    pub text: String,
    pub rule: String,
    pub count: u64,
}

impl Socket {
    /// A connection as it is at `now`.
    pub fn new(status: &Status, now: Instant, patience: Duration) -> Self {
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
            idle_ns: nanos(now - status.idle_since),
            site: status.site.map(ToString::to_string),
            label: status.label.as_deref().map(str::to_owned),
            diagnosis: status.diagnose(now, patience).map(DiagnosisRecord::new),
            info: Info::new(status, now),
        }
    }
}

impl Listener {
    /// A listener as it is at `now`.
    pub fn new(status: &ListenerStatus, now: Instant) -> Self {
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
    pub fn remote(&self) -> SocketAddr {
        match self.local {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0; 16], 0).into(),
        }
    }
}

impl DiagnosisRecord {
    fn new(diagnosis: Diagnosis) -> Self {
        Self {
            diagnosis: diagnosis.name().to_owned(),
            trouble: diagnosis.trouble().name().to_owned(),
            text: diagnosis.text().to_owned(),
            rule: diagnosis.rule().to_owned(),
        }
    }
}

impl Origin {
    /// An origin as it is.
    pub fn new(status: &OriginStatus) -> Self {
        let before = |before: Before| BeforeRecord {
            ago_ns: nanos(before.ago),
            leaked: before.leaked,
        };
        Self {
            site: status.site.map(ToString::to_string),
            label: status.label.as_deref().map(str::to_owned),
            is_rest: status.is_rest,
            opened: status.opened,
            open: status.open,
            close_wait: status.close_wait,
            leaked: status.leaked,
            reaped: status.reaped,
            before: status.before.map(before),
        }
    }
}

impl Limits {
    /// The limits of a host with so many connections.
    pub fn new(config: &Config, connections: usize) -> Self {
        let (policy, cap, reap) = match config.close_wait {
            CloseWaitPolicy::Report => ("report", None, None),
            CloseWaitPolicy::Cap(most) => ("cap", Some(most as u64), None),
            CloseWaitPolicy::Reap(after) => ("reap", None, Some(nanos(after))),
        };
        Self {
            connections: connections as u64,
            max_connections: config.max_connections as u64,
            patience_ns: nanos(config.close_wait_patience),
            policy: policy.to_owned(),
            cap,
            reap_ns: reap,
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
            segments_in: status.segs_in.into(),
            segments_out: status.segs_out.into(),
            retransmissions: status.retransmissions,
            bytes_received: status.bytes_received,
            bytes_acked: status.bytes_acked,
            heard_ns: nanos(now - status.heard_at),
        }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
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
