//! `TCP_INFO` by the names that code uses.

use crate::sockets::{TcpInfo, symbols};

macro_rules! fields {
    ($($name:ident)*) => {
        /// A field by its name, without `tcpi_`; `None` if there is no such field.
        pub(super) fn field(info: &TcpInfo, name: &str) -> Option<i64> {
            let TcpInfo { $($name),* } = *info;
            match name {
                $(stringify!($name) => Some($name),)*
                _ => None,
            }
        }
    };
}

fields! {
    state ca_state retransmits probes backoff options snd_wscale rcv_wscale rto ato snd_mss rcv_mss unacked sacked
    lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar
    snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans pacing_rate max_pacing_rate bytes_acked
    bytes_received segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out delivery_rate busy_time
    rwnd_limited sndbuf_limited delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack
    snd_wnd rcv_wnd rehash total_rto total_rto_recoveries total_rto_time
}

/// FreeBSD's names of the states, in the numbers that [`TcpInfo`] has.
pub(super) fn freebsd_state(name: &str) -> Option<i64> {
    let state = match name.strip_prefix("TCPI_")? {
        "CLOSED" => symbols::TCP_CLOSE,
        "LISTEN" => symbols::TCP_LISTEN,
        "SYN_SENT" => symbols::TCP_SYN_SENT,
        "SYN_RECEIVED" => symbols::TCP_SYN_RECV,
        "ESTABLISHED" => symbols::TCP_ESTABLISHED,
        "CLOSE_WAIT" => symbols::TCP_CLOSE_WAIT,
        "FIN_WAIT_1" => symbols::TCP_FIN_WAIT1,
        "CLOSING" => symbols::TCP_CLOSING,
        "LAST_ACK" => symbols::TCP_LAST_ACK,
        "FIN_WAIT_2" => symbols::TCP_FIN_WAIT2,
        "TIME_WAIT" => symbols::TCP_TIME_WAIT,
        _ => return None,
    };
    Some(state.into())
}
