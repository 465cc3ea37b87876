//! ICMP and ICMPv6: echo is answered, errors reach the connection they are about.

use core::net::IpAddr;

use super::Stack;
use crate::context::Reply;
use crate::demux::Place;
use crate::observe::{DiscardReason, Observer};
use crate::wire::{self, IcmpError};

/// The header of a message in bytes, which is never cut.
const ICMP_HEADER: usize = 8;

impl<O: Observer> Stack<O> {
    /// RFC 1122 §3.2.2.6, RFC 4443 §4.2.
    pub(super) fn answer_echo(&mut self, source: IpAddr, destination: IpAddr, message: &[u8]) {
        if !self.is_ours(destination) {
            return self.cx.discard(None, None, DiscardReason::NotForUs);
        }
        if self.is_ours(source) {
            return self.cx.discard(None, None, DiscardReason::BadSource);
        }
        self.cx.counters.icmp_echoes += 1;
        // "If sending the Echo Reply requires intentional fragmentation that is not implemented, the datagram MUST
        // be truncated" (RFC 1122 §3.2.2.6). For IPv6 RFC 4443 does not say what a host does that has none.
        let header = wire::ip_header_len(destination.is_ipv4());
        let room = self.cx.config.mtu.saturating_sub(header).max(ICMP_HEADER);
        let request = message[..message.len().min(room)].into();
        self.cx.reply(Reply::Echo {
            source: destination,
            destination: source,
            request,
        });
    }

    /// RFC 5927 §4: an error counts only for a connection that has the quoted segment in flight.
    pub(super) fn receive_icmp_error(&mut self, error: &IcmpError) {
        match self.find(&error.tuple).1 {
            Some(Place::Connection(index)) => {
                self.connections[index].icmp_error(&mut self.cx, error);
                self.settle(index);
            }
            _ => {
                let tuple = Some(error.tuple);
                self.cx
                    .discard(tuple, None, DiscardReason::IcmpNoConnection);
            }
        }
    }
}
