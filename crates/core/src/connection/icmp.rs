//! What the network says about a connection (RFC 5461, RFC 5927, RFC 1191, RFC 8201).

use super::Connection;
use crate::context::Context;
use crate::observe::{Cause, DiscardReason, NetworkError, Observer};
use crate::wire::{IcmpError, IcmpKind, Unreachable};

/// The least path MTU believed: RFC 1191 §7's plateau for slow links, RFC 8201 §4 for IPv6.
const LEAST_V4: u32 = 296;
const LEAST_V6: u32 = 1280;

/// RFC 1191 §7, Table 7-1: what to try when a router does not say.
const PLATEAUS: [u16; 10] = [
    32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68,
];

impl Connection {
    pub(crate) fn icmp_error<O: Observer>(&mut self, cx: &mut Context<O>, error: &IcmpError) {
        // RFC 5927 §4.1: "SND.UNA =< SEG.SEQ < SND.NXT".
        let in_flight = self
            .state()
            .snd()
            .is_some_and(|snd| snd.una.precedes_or_is(error.seq) && error.seq.precedes(snd.nxt));
        if !in_flight {
            return self.discard(cx, DiscardReason::IcmpSequence);
        }
        match error.kind {
            IcmpKind::PacketTooBig { mtu } => self.lower_path_mtu(cx, mtu),
            // RFC 5461 §4: while connecting, an error is an answer; later all of them are soft, because a
            // forged one must not end a connection (RFC 5927 §5).
            IcmpKind::Unreachable { code } => {
                self.network_error = Some(unreachable(code));
                if !self.state().is_synchronized() {
                    let hard = matches!(code, Unreachable::Protocol | Unreachable::Port);
                    let cause = if hard {
                        Cause::Refused
                    } else {
                        Cause::Unreachable
                    };
                    self.end(cx, cause);
                }
            }
            IcmpKind::TimeExceeded => self.network_error = Some(NetworkError::TimeExceeded),
            IcmpKind::ParameterProblem => {
                self.network_error = Some(NetworkError::ParameterProblem);
            }
        }
    }

    /// The path carries less than we thought: smaller segments, and at once for what was too big.
    fn lower_path_mtu<O: Observer>(&mut self, cx: &mut Context<O>, mtu: u32) {
        let current = u32::from(self.send.path_mtu);
        let is_ipv4 = self.tuple.is_ipv4();
        // RFC 8201 §4: "a next-hop MTU that is less than the IPv6 minimum link MTU, it must discard it".
        if !is_ipv4 && mtu < LEAST_V6 {
            return self.discard(cx, DiscardReason::IcmpMtu);
        }
        let next_plateau = || {
            PLATEAUS
                .into_iter()
                .map(u32::from)
                .find(|step| *step < current)
        };
        let told = if mtu == 0 {
            next_plateau().unwrap_or(LEAST_V4)
        } else {
            mtu
        };
        let lower = told.max(LEAST_V4);
        if lower >= current {
            return self.discard(cx, DiscardReason::IcmpMtu);
        }
        self.send.path_mtu = lower as u16;
        self.set_segment_sizes();
        // RFC 1191 §6.5: sent again, but not as a sign of congestion.
        let most = u32::from(self.send.mss);
        self.send.busy.queue.mark_larger_lost(most);
        self.send.busy.urgent = true;
        self.arm_retransmission(cx.now);
    }
}

fn unreachable(code: Unreachable) -> NetworkError {
    match code {
        Unreachable::Network => NetworkError::Network,
        Unreachable::Host => NetworkError::Host,
        Unreachable::Protocol => NetworkError::Protocol,
        Unreachable::Port => NetworkError::Port,
        Unreachable::SourceRoute => NetworkError::SourceRoute,
        Unreachable::Prohibited => NetworkError::Prohibited,
    }
}
