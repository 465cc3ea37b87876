//! The kernel's `struct tcp_info`, as `linux/tcp.h` lays it out.

use estab_device::kernel_sockets::Sockets;

use crate::sockets::{Fd, TcpInfo};

const IPPROTO_TCP: i32 = 6;
const TCP_INFO: i32 = 11;

/// More than any kernel's is long.
const ROOM: usize = 512;

/// Asks for it; `None` for what is no TCP socket.
pub(super) fn read(sockets: &Sockets, fd: Fd) -> Option<TcpInfo> {
    let bytes = sockets.option(fd, IPPROTO_TCP, TCP_INFO, ROOM).ok()?;
    Some(parse(&bytes))
}

/// Reads numbers one behind the other; where an older kernel's structure ends they are 0.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next<const N: usize>(&mut self) -> i64 {
        let Some((number, rest)) = self.0.split_first_chunk::<N>() else {
            self.0 = &[];
            return 0;
        };
        self.0 = rest;
        let mut bytes = [0; 8];
        if cfg!(target_endian = "big") {
            bytes[8 - N..].copy_from_slice(number);
        } else {
            bytes[..N].copy_from_slice(number);
        }
        // A rate may be without limit, ~0.
        u64::from_ne_bytes(bytes).try_into().unwrap_or(i64::MAX)
    }
}

fn parse(bytes: &[u8]) -> TcpInfo {
    let mut numbers = Numbers(bytes);
    let mut info = TcpInfo::default();
    macro_rules! fields {
        ($($size:literal: $($field:ident)+;)+) => {
            $($(info.$field = numbers.next::<$size>();)+)+
        };
    }
    fields! {
        1: state ca_state retransmits probes backoff options;
    }
    // Two bit fields of four bits; the byte behind them holds flags that `TcpInfo` has not.
    let scales = numbers.next::<1>();
    (info.snd_wscale, info.rcv_wscale) = if cfg!(target_endian = "big") {
        (scales >> 4, scales & 15)
    } else {
        (scales & 15, scales >> 4)
    };
    let _ = numbers.next::<1>();
    fields! {
        4: rto ato snd_mss rcv_mss unacked sacked lost retrans fackets
           last_data_sent last_ack_sent last_data_recv last_ack_recv
           pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering
           rcv_rtt rcv_space total_retrans;
        8: pacing_rate max_pacing_rate bytes_acked bytes_received;
        4: segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out;
        8: delivery_rate busy_time rwnd_limited sndbuf_limited;
        4: delivered delivered_ce;
        8: bytes_sent bytes_retrans;
        4: dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash;
        2: total_rto total_rto_recoveries;
        4: total_rto_time;
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_linux_has_them() {
        let mut bytes = [0; 248];
        bytes[6] = 0x7a;
        bytes[80..84].copy_from_slice(&10_u32.to_ne_bytes()); // tcpi_snd_cwnd
        bytes[160..168].copy_from_slice(&u64::MAX.to_ne_bytes()); // tcpi_delivery_rate
        bytes[228..232].copy_from_slice(&65535_u32.to_ne_bytes()); // tcpi_snd_wnd
        bytes[244..].copy_from_slice(&7_u32.to_ne_bytes()); // tcpi_total_rto_time
        let info = parse(&bytes);
        assert_eq!((info.snd_wscale, info.rcv_wscale), (10, 7));
        assert_eq!((info.snd_cwnd, info.snd_wnd), (10, 65535));
        assert_eq!((info.delivery_rate, info.total_rto_time), (i64::MAX, 7));
        assert_eq!(parse(&bytes[..230]).snd_wnd, 0, "cut off");
    }
}
