//! The way in: a packet is parsed once, its owner found, and handed the segment.

use super::Stack;
use crate::demux::{ListenerId, Place};
use crate::observe::{DiscardReason, Observer, ResetReason};
use crate::wire::{self, Icmp, Packet};
use crate::{Checksum, Flags, Instant, Segment, SynFin};

impl<O: Observer> Stack<O> {
    /// Takes one IP packet from the wire. Whatever the bytes are, nothing worse than a counted discard
    /// happens.
    pub fn receive(&mut self, now: Instant, packet: &[u8], checksum: Checksum) {
        self.set_now(now);
        match wire::parse(packet, checksum) {
            Ok(Packet::Tcp(segment)) => self.receive_segment(&segment),
            Ok(Packet::Icmp(icmp)) => self.receive_icmp(&icmp),
            Err(unusable) => self.cx.discard(unusable.tuple, None, unusable.reason),
        }
    }

    fn receive_icmp(&mut self, icmp: &Icmp<'_>) {
        match icmp {
            Icmp::Echo {
                source,
                destination,
                message,
            } => {
                self.answer_echo(*source, *destination, message);
            }
            Icmp::Error(error) => self.receive_icmp_error(error),
        }
    }

    fn receive_segment(&mut self, segment: &Segment<'_>) {
        self.cx.counters.in_segs += 1;
        if !self.is_ours(segment.tuple.local().ip()) {
            return self
                .cx
                .discard(Some(segment.tuple), None, DiscardReason::NotForUs);
        }
        if segment.tuple.local() == segment.tuple.remote() || self.comes_from_us(segment) {
            return self
                .cx
                .discard(Some(segment.tuple), None, DiscardReason::BadSource);
        }
        if segment.has(Flags::SYN | Flags::FIN) && self.cx.config.syn_fin == SynFin::Dropped {
            let tuple = Some(segment.tuple);
            return self.cx.discard(tuple, None, DiscardReason::SynFin);
        }
        let (hash, owner) = self.find(&segment.tuple);
        match owner {
            Some(Place::Connection(index)) => {
                self.connections[index as usize].arrive(&mut self.cx, segment);
                self.settle(index);
            }
            Some(Place::SynReceived(index)) => self.arrive_in_syn_received(index, segment),
            Some(Place::TimeWait(index)) => self.arrive_in_time_wait(index, segment),
            None => self.arrive_without_connection(segment, hash),
        }
    }

    /// Nothing on the wire may have our own address as its source.
    fn comes_from_us(&self, segment: &Segment<'_>) -> bool {
        self.is_ours(segment.tuple.remote().ip())
    }

    /// `hash`: the 4-tuple's.
    pub(super) fn arrive_without_connection(&mut self, segment: &Segment<'_>, hash: u64) {
        let local = segment.tuple.local();
        match self.listeners.find(local.ip(), local.port(), hash) {
            Some(listener) => self.arrive_for_listener(listener, segment, hash),
            None => self.arrive_for_nobody(segment),
        }
    }

    /// RFC 9293 §3.10.7.1: CLOSED.
    fn arrive_for_nobody(&mut self, segment: &Segment<'_>) {
        if segment.has(Flags::RST) {
            self.cx
                .discard(Some(segment.tuple), None, DiscardReason::ResetToNobody);
            return;
        }
        self.cx
            .discard(Some(segment.tuple), None, DiscardReason::NoConnection);
        self.cx.reset_for(segment, ResetReason::NoConnection, None);
    }

    /// RFC 9293 §3.10.7.2: LISTEN.
    fn arrive_for_listener(&mut self, listener: ListenerId, segment: &Segment<'_>, hash: u64) {
        let tuple = Some(segment.tuple);
        let alone = !segment.has(Flags::FIN) || self.cx.config.syn_fin == SynFin::Taken;
        if segment.has(Flags::RST) {
            let reason = if segment.has(Flags::SYN) {
                DiscardReason::SynFin
            } else {
                DiscardReason::ResetToNobody
            };
            self.cx.discard(tuple, None, reason);
        } else if segment.has(Flags::ACK) {
            if !segment.has(Flags::SYN) && self.take_cookie(listener, segment, hash) {
                return;
            }
            self.cx.discard(tuple, None, DiscardReason::AckToListener);
            let options = self
                .listeners
                .get(listener)
                .map(|listener| &listener.options);
            self.cx
                .reset_for(segment, ResetReason::AckToListener, options);
        } else if !segment.has(Flags::SYN) {
            self.cx.discard(tuple, None, DiscardReason::NotASyn);
        } else if !alone {
            self.cx.discard(tuple, None, DiscardReason::SynFin);
        } else {
            self.answer_syn(listener, segment, hash);
        }
    }
}
