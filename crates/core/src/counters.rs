//! What happened how often. Names are Linux's (`/proc/net/snmp`, `/proc/net/netstat`) where it has them.

use crate::observe::{DiscardReason, RefusalReason, ResetReason};

/// The stack's counters, from its start.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Connections opened by `connect`.
    pub active_opens: u64,
    /// Connections opened by a SYN for a listener.
    pub passive_opens: u64,
    /// Connections that ended before they were established.
    pub attempt_fails: u64,
    /// Connections that ended by a RST, or by our giving up, after they were established.
    pub estab_resets: u64,
    /// Segments received, also those discarded.
    pub in_segs: u64,
    /// Segments sent, without retransmissions.
    pub out_segs: u64,
    /// Segments sent again.
    pub retrans_segs: u64,
    /// RSTs sent.
    pub out_rsts: u64,
    /// Retransmission timeouts.
    pub tcp_timeouts: u64,
    /// Fast retransmits (RFC 5681 §3.2).
    pub tcp_fast_retrans: u64,
    /// Zero-window probes sent.
    pub tcp_win_probe: u64,
    /// Keep-alive probes sent.
    pub tcp_keep_alive: u64,
    /// ACKs delayed and then sent by their timer.
    pub delayed_acks: u64,
    /// Challenge ACKs sent (RFC 5961).
    pub tcp_challenge_ack: u64,
    /// Challenge ACKs, and other answers to suspicious segments, not sent because there were too many (RFC 5961 §10).
    pub tcp_ack_skipped_challenge: u64,
    /// Segments held out of order.
    pub tcp_ofo_queue: u64,
    /// SYN-ACKs sent again.
    pub tcp_synack_retrans: u64,
    /// SYN cookies sent.
    pub syncookies_sent: u64,
    /// SYN cookies that came back and were good.
    pub syncookies_recv: u64,
    /// ACKs for a listener, while cookies were expected, that brought back none.
    pub syncookies_failed: u64,
    /// SYNs answered by a cookie because the SYN queue was full.
    pub tcp_req_q_full_do_cookies: u64,
    /// SYNs not answered because the SYN queue was full.
    pub tcp_req_q_full_drop: u64,
    /// SYNs and children that found an accept queue full.
    pub listen_overflows: u64,
    /// SYNs not answered, and children that did not get into an accept queue at once.
    pub listen_drops: u64,
    /// Bare ACKs of handshakes that went on waiting for data, by `defer_accept`.
    pub tcp_defer_accept_drop: u64,
    /// Connections that entered TIME-WAIT.
    pub time_waited: u64,
    /// Connections in TIME-WAIT that gave way to a new SYN, the peer's or ours.
    pub tw_recycled: u64,
    /// Echo requests answered.
    pub icmp_echoes: u64,
    /// Packets discarded, by `DiscardReason as usize`.
    pub discards: [u64; DiscardReason::ALL.len()],
    /// Requests refused, by `RefusalReason as usize`.
    pub refusals: [u64; RefusalReason::ALL.len()],
    /// RSTs sent, by `ResetReason as usize`.
    pub resets: [u64; ResetReason::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            active_opens: 0,
            passive_opens: 0,
            attempt_fails: 0,
            estab_resets: 0,
            in_segs: 0,
            out_segs: 0,
            retrans_segs: 0,
            out_rsts: 0,
            tcp_timeouts: 0,
            tcp_fast_retrans: 0,
            tcp_win_probe: 0,
            tcp_keep_alive: 0,
            delayed_acks: 0,
            tcp_challenge_ack: 0,
            tcp_ack_skipped_challenge: 0,
            tcp_ofo_queue: 0,
            tcp_synack_retrans: 0,
            syncookies_sent: 0,
            syncookies_recv: 0,
            syncookies_failed: 0,
            tcp_req_q_full_do_cookies: 0,
            tcp_req_q_full_drop: 0,
            listen_overflows: 0,
            listen_drops: 0,
            tcp_defer_accept_drop: 0,
            time_waited: 0,
            tw_recycled: 0,
            icmp_echoes: 0,
            discards: [0; DiscardReason::ALL.len()],
            refusals: [0; RefusalReason::ALL.len()],
            resets: [0; ResetReason::ALL.len()],
        }
    }
}

impl Counters {
    /// How often packets were discarded for `reason`.
    #[must_use]
    pub fn discarded(&self, reason: DiscardReason) -> u64 {
        self.discards[reason as usize]
    }

    /// How often requests were refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: RefusalReason) -> u64 {
        self.refusals[reason as usize]
    }

    /// How often a RST was sent for `reason`.
    #[must_use]
    pub fn reset(&self, reason: ResetReason) -> u64 {
        self.resets[reason as usize]
    }
}
