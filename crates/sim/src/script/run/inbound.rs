//! Packets of the script's side: built, mapped to live numbers, sent to the stack.

use super::super::ast::{Body, Packet, Sequence, Tcp, TcpFlags, TcpOption, Tos};
use super::connections::Seen;
use super::ladder::RungKind;
use super::mapping::{Connection, Stage, bytes_from, shift_sack};
use super::report::Failure;
use super::schedule::Due;
use super::wire::{Carried, Datagram, LARGEST, Segment};
use super::{Runner, hold_supported, stamps, text};

/// The TTL of the script's packets, unless it says another.
const DEFAULT_TTL: u8 = 255;

impl Runner<'_> {
    pub(super) fn inbound(
        &mut self,
        packet: &Packet,
        due: &Due,
        none_expected: bool,
    ) -> Result<(), Failure> {
        match &packet.body {
            Body::Tcp(tcp) => {
                let place = self.connection_for(packet)?;
                self.wait_until(due, none_expected, "the inbound packet")?;
                self.inbound_segment(packet, tcp, place)
            }
            Body::Icmp(icmp) => {
                hold_supported(packet)?;
                self.wait_until(due, none_expected, "the inbound packet")?;
                let datagram = self.icmp_datagram(packet, icmp)?;
                let bytes = datagram.to_bytes().map_err(Failure::new)?;
                let text = super::icmp::to_text(icmp);
                self.ladder.add(self.subject.now(), RungKind::Inbound, text);
                self.subject.inject(&bytes);
                Ok(())
            }
            Body::Udp(_) => Err(Failure::unsupported("UDP")),
        }
    }

    fn inbound_segment(&mut self, packet: &Packet, tcp: &Tcp, place: usize) -> Result<(), Failure> {
        let Sequence::At { start, len } = tcp.seq else {
            return Err(Failure::new("an inbound segment needs its sequence number"));
        };
        let now = self.subject.now();
        self.connections[place].arrives(tcp, start);
        let mut segment = self.script_segment(tcp, start);
        let may_scale = self.config.ts_ecr_scaled;
        let connection = &mut self.connections[place];
        let script_seq = segment.seq;
        connection.to_live(&mut segment, tcp.unmapped_seq, may_scale)?;
        if self.config.with_timestamps {
            stamps::add(connection, segment.flags, &mut segment.options, now);
        }
        if let Some(val) = stamps::val_of(&segment.options) {
            connection.stamps.inbound = Some(val);
        }
        let first = segment.seq.wrapping_add(u32::from(segment.flags.syn));
        // Data that overlaps the SYN begins before the stream.
        let before = connection.remote_isn.wrapping_add(1);
        let stream_place = i64::from(first.wrapping_sub(before).cast_signed());
        segment.payload = bytes_from(stream_place.cast_unsigned(), len.into());
        let local_port = connection.local.map_or(0, |local| local.port());
        let remote_port = connection.remote.map_or(0, |remote| remote.port());
        let (source, destination) = packet.ports.unwrap_or_default();
        let given = |port: u16, otherwise: u16| if port == 0 { otherwise } else { port };
        segment.source_port = given(source, remote_port);
        segment.destination_port = given(destination, local_port);
        let shown = Segment {
            seq: script_seq,
            ack: tcp.ack.unwrap_or(0),
            options: tcp.options.clone().unwrap_or_default(),
            ..segment.clone()
        };
        self.ladder.add(now, RungKind::Inbound, text::of(&shown));
        self.send_in_pieces(packet, segment)
    }

    /// Sends a segment; several in a row if one packet cannot hold it.
    fn send_in_pieces(&mut self, packet: &Packet, segment: Segment) -> Result<(), Failure> {
        let room = LARGEST - 120;
        let mut rest = segment.payload.as_slice();
        let mut seq = segment.seq;
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(room));
            let mut part = Segment {
                seq,
                payload: piece.to_vec(),
                ..segment.clone()
            };
            part.flags.fin &= behind.is_empty();
            part.flags.psh &= behind.is_empty();
            let datagram = self.datagram(packet, Carried::Tcp(part))?;
            let bytes = datagram.to_bytes().map_err(Failure::new)?;
            self.subject.inject(&bytes);
            seq = seq.wrapping_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            rest = behind;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// A segment as the script writes it, without payload and in its numbers.
    fn script_segment(&self, tcp: &Tcp, seq: u32) -> Segment {
        Segment {
            seq,
            ack: tcp.ack.unwrap_or(0),
            flags: bits(tcp.flags),
            window: tcp.win.unwrap_or(u16::MAX),
            urgent: tcp.urg.unwrap_or(0),
            options: tcp.options.clone().unwrap_or_default(),
            ..Segment::default()
        }
    }

    /// A packet from the script's side to the stack.
    pub(super) fn datagram(&self, packet: &Packet, carried: Carried) -> Result<Datagram, Failure> {
        let tos = match packet.ip.tos {
            None => 0,
            Some(Tos::Ecn(bits) | Tos::Byte(bits)) => bits,
            Some(Tos::Dscp(dscp)) => dscp << 2,
            Some(Tos::Ect01 | Tos::DscpEct01(_)) => {
                return Err(Failure::new(
                    "ect01 is for outbound packets: write ect0 or ect1",
                ));
            }
        };
        Ok(Datagram {
            source: self.config.remote_ip(),
            destination: self.config.local_ip(),
            tos,
            ttl: packet.ip.ttl.unwrap_or(DEFAULT_TTL),
            flow_label: packet.ip.flow_label.unwrap_or(0),
            carried,
        })
    }

    /// Whether a packet that left is one of this connection.
    pub(super) fn is_of(&self, seen: &Seen, place: usize) -> bool {
        seen.owner == super::connections::Owner::Connection(place)
    }
}

/// The flags with the ACE counter spread over its three bits.
pub(super) const fn bits(mut flags: TcpFlags) -> TcpFlags {
    if let Some(count) = flags.ace {
        flags.ae = count & 4 != 0;
        flags.cwr = count & 2 != 0;
        flags.ece = count & 1 != 0;
        flags.ace = None;
    }
    flags
}

impl Connection {
    /// What an inbound segment changes about how far the connection has come.
    fn arrives(&mut self, tcp: &Tcp, seq: u32) {
        let TcpFlags { syn, ack, .. } = tcp.flags;
        self.content.is_unknown |= tcp.flags.urg;
        match self.stage {
            Stage::PacketReceived if syn && !ack => self.remote_isn = seq,
            Stage::SynAckSent if ack => self.stage = Stage::SynAckAcked,
            Stage::SynSent if syn => {
                if ack || !self.syns_crossed {
                    self.remote_isn = seq;
                }
                self.syns_crossed |= !ack;
                if ack {
                    self.stage = Stage::SynAcked;
                }
            }
            // It may be a new connection, or be answered as a part of this one: the stack's SYN-ACK will tell.
            Stage::SynAckAcked if syn && !ack => self.reopening = Some(seq),
            _ => {}
        }
    }

    /// Puts a segment of the script into live numbers.
    fn to_live(
        &self,
        segment: &mut Segment,
        keep_seq: bool,
        may_scale: bool,
    ) -> Result<(), Failure> {
        let is_syn = segment.flags.syn;
        if !keep_seq {
            segment.seq = segment.seq.wrapping_add(self.remote_offset(is_syn));
        }
        let offset = self.local_offset(is_syn);
        if segment.flags.ack {
            segment.ack = segment.ack.wrapping_add(offset);
        }
        shift_sack(&mut segment.options, offset);
        for option in &mut segment.options {
            let TcpOption::Timestamps { val, ecr } = option else {
                continue;
            };
            val.get_or_insert_with(|| self.stamps.inbound.unwrap_or(0));
            if !segment.flags.ack {
                continue;
            }
            *ecr = match *ecr {
                None => Some(self.stamps.latest.unwrap_or(0)),
                Some(script) => Some(self.stamps.echo(script, may_scale).ok_or_else(|| {
                    Failure::new(format!(
                        "TSecr {script} echoes no TSval that the script expected of the stack"
                    ))
                })?),
            };
        }
        Ok(())
    }
}
