//! What `TCP_INFO` tells.

use std::time::Duration;

use estab_core::observe::{Observer, StateName};
use estab_core::{CongestionState, Instant, Status};

use super::symbols::*;
use super::{Endpoint, Socket, Sockets};

/// Linux's `struct tcp_info`, in its names and units: times in µs, windows in segments (`snd_cwnd`,
/// `snd_ssthresh`) or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Linux's, from linux/tcp.h")]
pub struct TcpInfo {
    pub state: i64,
    pub ca_state: i64,
    pub retransmits: i64,
    pub probes: i64,
    pub backoff: i64,
    pub options: i64,
    pub snd_wscale: i64,
    pub rcv_wscale: i64,
    pub rto: i64,
    pub ato: i64,
    pub snd_mss: i64,
    pub rcv_mss: i64,
    pub unacked: i64,
    pub sacked: i64,
    pub lost: i64,
    pub retrans: i64,
    pub fackets: i64,
    pub last_data_sent: i64,
    pub last_ack_sent: i64,
    pub last_data_recv: i64,
    pub last_ack_recv: i64,
    pub pmtu: i64,
    pub rcv_ssthresh: i64,
    pub rtt: i64,
    pub rttvar: i64,
    pub snd_ssthresh: i64,
    pub snd_cwnd: i64,
    pub advmss: i64,
    pub reordering: i64,
    pub rcv_rtt: i64,
    pub rcv_space: i64,
    pub total_retrans: i64,
    pub pacing_rate: i64,
    pub max_pacing_rate: i64,
    pub bytes_acked: i64,
    pub bytes_received: i64,
    pub segs_out: i64,
    pub segs_in: i64,
    pub notsent_bytes: i64,
    pub min_rtt: i64,
    pub data_segs_in: i64,
    pub data_segs_out: i64,
    pub delivery_rate: i64,
    pub busy_time: i64,
    pub rwnd_limited: i64,
    pub sndbuf_limited: i64,
    pub delivered: i64,
    pub delivered_ce: i64,
    pub bytes_sent: i64,
    pub bytes_retrans: i64,
    pub dsack_dups: i64,
    pub reord_seen: i64,
    pub rcv_ooopack: i64,
    pub snd_wnd: i64,
    pub rcv_wnd: i64,
    pub rehash: i64,
    pub total_rto: i64,
    pub total_rto_recoveries: i64,
    pub total_rto_time: i64,
}

impl TcpInfo {
    /// A field by its name in C: `tcpi_snd_cwnd`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<i64> {
        Some(match name.strip_prefix("tcpi_")? {
            "state" => self.state,
            "ca_state" => self.ca_state,
            "retransmits" => self.retransmits,
            "probes" => self.probes,
            "backoff" => self.backoff,
            "options" => self.options,
            "snd_wscale" => self.snd_wscale,
            "rcv_wscale" => self.rcv_wscale,
            "rto" => self.rto,
            "ato" => self.ato,
            "snd_mss" => self.snd_mss,
            "rcv_mss" => self.rcv_mss,
            "unacked" => self.unacked,
            "sacked" => self.sacked,
            "lost" => self.lost,
            "retrans" => self.retrans,
            "fackets" => self.fackets,
            "last_data_sent" => self.last_data_sent,
            "last_ack_sent" => self.last_ack_sent,
            "last_data_recv" => self.last_data_recv,
            "last_ack_recv" => self.last_ack_recv,
            "pmtu" => self.pmtu,
            "rcv_ssthresh" => self.rcv_ssthresh,
            "rtt" => self.rtt,
            "rttvar" => self.rttvar,
            "snd_ssthresh" => self.snd_ssthresh,
            "snd_cwnd" => self.snd_cwnd,
            "advmss" => self.advmss,
            "reordering" => self.reordering,
            "rcv_rtt" => self.rcv_rtt,
            "rcv_space" => self.rcv_space,
            "total_retrans" => self.total_retrans,
            "pacing_rate" => self.pacing_rate,
            "max_pacing_rate" => self.max_pacing_rate,
            "bytes_acked" => self.bytes_acked,
            "bytes_received" => self.bytes_received,
            "segs_out" => self.segs_out,
            "segs_in" => self.segs_in,
            "notsent_bytes" => self.notsent_bytes,
            "min_rtt" => self.min_rtt,
            "data_segs_in" => self.data_segs_in,
            "data_segs_out" => self.data_segs_out,
            "delivery_rate" => self.delivery_rate,
            "busy_time" => self.busy_time,
            "rwnd_limited" => self.rwnd_limited,
            "sndbuf_limited" => self.sndbuf_limited,
            "delivered" => self.delivered,
            "delivered_ce" => self.delivered_ce,
            "bytes_sent" => self.bytes_sent,
            "bytes_retrans" => self.bytes_retrans,
            "dsack_dups" => self.dsack_dups,
            "reord_seen" => self.reord_seen,
            "rcv_ooopack" => self.rcv_ooopack,
            "snd_wnd" => self.snd_wnd,
            "rcv_wnd" => self.rcv_wnd,
            "rehash" => self.rehash,
            "total_rto" => self.total_rto,
            "total_rto_recoveries" => self.total_rto_recoveries,
            "total_rto_time" => self.total_rto_time,
            _ => return None,
        })
    }

    /// The first `len` bytes of the structure, as Linux lays it out.
    #[must_use]
    pub fn to_bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let first = [
            self.state,
            self.ca_state,
            self.retransmits,
            self.probes,
            self.backoff,
            self.options,
            self.snd_wscale | self.rcv_wscale << 4,
            0,
        ];
        bytes.extend(first.map(|value| value as u8));
        for (name, width) in LAYOUT {
            let value = self.field(&format!("tcpi_{name}")).unwrap_or(0);
            bytes.extend(&value.to_le_bytes()[..*width]);
        }
        bytes.truncate(len);
        bytes
    }
}

/// The fields behind the first eight bytes, in the order of `struct tcp_info`, with their bytes.
const LAYOUT: &[(&str, usize)] = &[
    ("rto", 4),
    ("ato", 4),
    ("snd_mss", 4),
    ("rcv_mss", 4),
    ("unacked", 4),
    ("sacked", 4),
    ("lost", 4),
    ("retrans", 4),
    ("fackets", 4),
    ("last_data_sent", 4),
    ("last_ack_sent", 4),
    ("last_data_recv", 4),
    ("last_ack_recv", 4),
    ("pmtu", 4),
    ("rcv_ssthresh", 4),
    ("rtt", 4),
    ("rttvar", 4),
    ("snd_ssthresh", 4),
    ("snd_cwnd", 4),
    ("advmss", 4),
    ("reordering", 4),
    ("rcv_rtt", 4),
    ("rcv_space", 4),
    ("total_retrans", 4),
    ("pacing_rate", 8),
    ("max_pacing_rate", 8),
    ("bytes_acked", 8),
    ("bytes_received", 8),
    ("segs_out", 4),
    ("segs_in", 4),
    ("notsent_bytes", 4),
    ("min_rtt", 4),
    ("data_segs_in", 4),
    ("data_segs_out", 4),
    ("delivery_rate", 8),
    ("busy_time", 8),
    ("rwnd_limited", 8),
    ("sndbuf_limited", 8),
    ("delivered", 4),
    ("delivered_ce", 4),
    ("bytes_sent", 8),
    ("bytes_retrans", 8),
    ("dsack_dups", 4),
    ("reord_seen", 4),
    ("rcv_ooopack", 4),
    ("snd_wnd", 4),
    ("rcv_wnd", 4),
    ("rehash", 4),
    ("total_rto", 2),
    ("total_rto_recoveries", 2),
    ("total_rto_time", 4),
];

/// What a socket's connection tells.
pub(super) fn of<O: Observer>(sockets: &Sockets<O>, socket: &Socket) -> TcpInfo {
    match (socket.endpoint, sockets.status(socket)) {
        (Endpoint::Listener(id), _) => {
            let listener = sockets.stack.listener_status(id);
            TcpInfo {
                state: TCP_LISTEN.into(),
                unacked: listener
                    .as_ref()
                    .map_or(0, |listener| listener.accept_queue as i64),
                sacked: listener
                    .as_ref()
                    .map_or(0, |listener| listener.backlog as i64 - 1),
                ..TcpInfo::default()
            }
        }
        (Endpoint::Connection(_), Some(status)) => of_connection(&status, sockets.now),
        _ => TcpInfo {
            state: TCP_CLOSE.into(),
            ..TcpInfo::default()
        },
    }
}

fn of_connection(status: &Status, now: Instant) -> TcpInfo {
    let mss = i64::from(status.mss).max(1);
    let outstanding = status.outstanding;
    TcpInfo {
        state: state_number(status.state),
        ca_state: congestion_number(status.congestion),
        retransmits: status.backoff.into(),
        probes: status.probes.into(),
        backoff: status.doublings.into(),
        options: options(status),
        snd_wscale: status.window_shifts.1.into(),
        rcv_wscale: status.window_shifts.0.into(),
        rto: micros(status.rto),
        ato: micros(status.delayed_ack),
        snd_mss: status.mss.into(),
        rcv_mss: status.rcv_mss.into(),
        unacked: outstanding.unacked.into(),
        sacked: outstanding.sacked.into(),
        lost: outstanding.lost.into(),
        retrans: outstanding.retransmitted.into(),
        last_data_sent: millis(now - status.data_sent_at),
        last_data_recv: millis(now - status.data_received_at),
        last_ack_recv: millis(now - status.heard_at),
        pmtu: status.path_mtu.into(),
        rcv_ssthresh: status.rcv_wnd.into(),
        rtt: micros(status.rtt.unwrap_or_default()),
        rttvar: micros(status.rttvar.unwrap_or_default()),
        snd_ssthresh: ssthresh(status.ssthresh, mss),
        snd_cwnd: i64::from(status.cwnd) / mss,
        advmss: status.advertised_mss.into(),
        reordering: status.reordering.into(),
        rcv_space: status.rcv_wnd.into(),
        total_retrans: status.retransmissions.into(),
        max_pacing_rate: -1,
        bytes_acked: status.bytes_acked as i64,
        bytes_received: status.bytes_received as i64,
        segs_out: status.segs_out as i64,
        segs_in: status.segs_in as i64,
        notsent_bytes: status.unsent as i64,
        min_rtt: status.min_rtt.map_or(i64::from(u32::MAX), micros),
        data_segs_in: status.data_segs_in.into(),
        data_segs_out: status.data_segs_out.into(),
        delivered: status.delivered.into(),
        bytes_sent: status.bytes_sent as i64,
        bytes_retrans: status.bytes_retransmitted as i64,
        snd_wnd: status.snd_wnd.into(),
        rcv_wnd: status.rcv_wnd.into(),
        total_rto: status.timeouts.into(),
        ..TcpInfo::default()
    }
}

/// Linux's threshold of a connection that was never congested.
const INFINITE_SSTHRESH: i64 = 0x7fff_ffff;

/// The core's threshold then: no window is larger (RFC 7323 §2.3).
const LARGEST_WINDOW: u32 = 1 << 30;

/// The slow-start threshold in segments, as Linux counts it.
fn ssthresh(bytes: u32, mss: i64) -> i64 {
    if bytes >= LARGEST_WINDOW {
        INFINITE_SSTHRESH
    } else {
        i64::from(bytes) / mss
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn options(status: &Status) -> i64 {
    let options = [
        (status.timestamps, TCPI_OPT_TIMESTAMPS),
        (status.sack, TCPI_OPT_SACK),
        (status.window_scaling, TCPI_OPT_WSCALE),
    ];
    let set = options.into_iter().filter(|(set, _)| *set);
    set.map(|(_, bit)| i64::from(bit)).sum()
}

/// Linux's number of a state.
pub(super) fn state_number(state: StateName) -> i64 {
    i64::from(match state {
        StateName::Closed => TCP_CLOSE,
        StateName::Listen => TCP_LISTEN,
        StateName::SynSent => TCP_SYN_SENT,
        StateName::SynReceived => TCP_SYN_RECV,
        StateName::Established => TCP_ESTABLISHED,
        StateName::FinWait1 => TCP_FIN_WAIT1,
        StateName::FinWait2 => TCP_FIN_WAIT2,
        StateName::CloseWait => TCP_CLOSE_WAIT,
        StateName::Closing => TCP_CLOSING,
        StateName::LastAck => TCP_LAST_ACK,
        StateName::TimeWait => TCP_TIME_WAIT,
    })
}

fn congestion_number(state: CongestionState) -> i64 {
    i64::from(match state {
        CongestionState::Open => TCP_CA_Open,
        CongestionState::Disorder => TCP_CA_Disorder,
        CongestionState::Cwr => TCP_CA_CWR,
        CongestionState::Recovery => TCP_CA_Recovery,
        CongestionState::Loss => TCP_CA_Loss,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_that_was_never_set_is_linux_s_infinity() {
        assert_eq!(ssthresh(1 << 30, 1000), 0x7fff_ffff);
        assert_eq!(ssthresh(20_999, 1000), 20);
    }

    #[test]
    fn the_structure_is_laid_out_as_in_c() {
        let info = TcpInfo {
            state: 1,
            rto: 204_000,
            snd_cwnd: 10,
            bytes_acked: 7,
            delivered: 3,
            ..TcpInfo::default()
        };
        let bytes = info.to_bytes(1000);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((bytes[0], word(8), word(80)), (1, 204_000, 10));
        assert_eq!((word(120), word(192)), (7, 3));
        assert_eq!(info.to_bytes(12).len(), 12);
        assert_eq!(info.field("tcpi_snd_cwnd"), Some(10));
        assert_eq!(info.field("tcpi_nonsense"), None);
    }
}
