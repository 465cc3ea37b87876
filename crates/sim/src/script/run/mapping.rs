//! A connection in the script's numbers and in live ones: ports, sequence numbers, timestamps, descriptors.
//!
//! The numbers of segments with SYN are the script's own; all others count from the ISNs, as tcpdump has it. The
//! script's side is free to choose its ISN, so that is live as it stands; the stack's must be learnt.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::super::ast::TcpOption;
use super::wire::{Datagram, Segment};
use crate::sockets::Fd;

/// How far a connection, or the socket that is to become one, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// `socket` was called.
    New,
    /// `listen` was called.
    Listening,
    /// A packet of the script's opened it.
    PacketReceived,
    /// The stack answered with a SYN-ACK.
    SynAckSent,
    /// The script acknowledged that.
    SynAckAcked,
    /// `connect` was called.
    Connecting,
    /// The script expects its SYN.
    SynSent,
    /// The script answered with a SYN-ACK.
    SynAcked,
}

/// A connection, or the socket that is to become one.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// The script's descriptor and the live one, while it is open.
    pub(super) descriptor: Option<(Fd, Fd)>,
    /// The ports its packets are written with in the script, seen from the stack: local, remote.
    pub(super) script_ports: Option<(u16, u16)>,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) remote_isn: u32,
    pub(super) live_isn: u32,
    pub(super) script_isn: u32,
    /// Whether the two SYNs have crossed: a later SYN is another's, and says nothing about the remote ISN.
    pub(super) syns_crossed: bool,
    /// The ISN of a SYN that came in when the connection was already open.
    pub(super) reopening: Option<u32>,
    pub(super) stamps: Stamps,
    /// The flow label in the script, and live.
    pub(super) flow: Option<(u32, u32)>,
    pub(super) content: Content,
}

impl Connection {
    pub(super) fn new(stage: Stage) -> Self {
        Self {
            stage,
            descriptor: None,
            script_ports: None,
            local: None,
            remote: None,
            remote_isn: 0,
            live_isn: 0,
            script_isn: 0,
            syns_crossed: false,
            reopening: None,
            stamps: Stamps::default(),
            flow: None,
            content: Content::default(),
        }
    }

    /// Whether a packet is one that the stack sends on this connection.
    pub(super) fn sends(&self, datagram: &Datagram, segment: &Segment) -> bool {
        let source = SocketAddr::new(datagram.source, segment.source_port);
        self.local == Some(source) && self.is_to_remote(datagram, segment)
    }

    /// Whether a packet is the first SYN of this connection, whose local port is not known yet.
    pub(super) fn opens_with(&self, datagram: &Datagram, segment: &Segment) -> bool {
        let is_syn = segment.flags.syn && !segment.flags.ack;
        let is_opening = matches!(self.stage, Stage::Connecting | Stage::SynSent);
        is_syn && is_opening && self.is_to_remote(datagram, segment)
    }

    fn is_to_remote(&self, datagram: &Datagram, segment: &Segment) -> bool {
        let destination = SocketAddr::new(datagram.destination, segment.destination_port);
        self.remote == Some(destination)
    }

    /// What is to be added to the script's numbers of the stack's data to make them live.
    pub(super) const fn local_offset(&self, is_syn: bool) -> u32 {
        if is_syn {
            self.live_isn.wrapping_sub(self.script_isn)
        } else {
            self.live_isn
        }
    }

    /// The same for the numbers of the script's data.
    pub(super) const fn remote_offset(&self, is_syn: bool) -> u32 {
        if is_syn { 0 } else { self.remote_isn }
    }

    /// A segment of the stack's in the script's numbers, but for its timestamps.
    pub(super) fn to_script(&self, mut segment: Segment, keep_seq: bool) -> Segment {
        let is_syn = segment.flags.syn;
        if !keep_seq {
            segment.seq = segment.seq.wrapping_sub(self.local_offset(is_syn));
        }
        let offset = self.remote_offset(is_syn);
        if segment.flags.ack {
            segment.ack = segment.ack.wrapping_sub(offset);
        }
        shift_sack(&mut segment.options, 0_u32.wrapping_sub(offset));
        segment
    }
}

/// Moves the edges of SACK blocks.
pub(super) fn shift_sack(options: &mut [TcpOption], by: u32) {
    for option in options {
        if let TcpOption::Sack(blocks) = option {
            for (left, right) in blocks {
                *left = left.wrapping_add(by);
                *right = right.wrapping_add(by);
            }
        }
    }
}

/// The timestamps of the stack, in the script and live.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps {
    live: HashMap<u32, u32>,
    first: Option<(u32, u32)>,
    /// The stack's latest TSval, live.
    pub(super) latest: Option<u32>,
    /// The latest TSval of the script's side.
    pub(super) inbound: Option<u32>,
    /// Whether `--with-timestamps` gave the connection timestamps of its own.
    pub(super) is_added: bool,
}

impl Stamps {
    /// The script expects a TSval where a live one was seen; answers the live one in the script's numbers.
    pub(super) fn learn(&mut self, script: u32, live: u32) -> u32 {
        self.live.insert(script, live);
        let (first_script, first_live) = *self.first.get_or_insert((script, live));
        first_script.wrapping_add(live.wrapping_sub(first_live))
    }

    /// A live TSval in the script's numbers, as far as that is known.
    pub(super) fn to_script(&self, live: u32) -> u32 {
        self.first.map_or(live, |(first_script, first_live)| {
            first_script.wrapping_add(live.wrapping_sub(first_live))
        })
    }

    /// The live TSecr for one of the script: the live TSval of the packet that had it. Where none had it, it is
    /// interpolated if that is allowed.
    pub(super) fn echo(&self, script: u32, may_scale: bool) -> Option<u32> {
        let exact = self.live.get(&script).copied();
        exact.or_else(|| {
            let (first_script, first_live) = self.first.filter(|_| may_scale)?;
            Some(script.wrapping_sub(first_script).wrapping_add(first_live))
        })
    }
}

/// What the bytes of a connection are: each tells its place in the stream, so that lost, doubled and misplaced ones
/// are noticed whatever the lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Bytes the stack has taken for sending.
    pub(super) sent: u64,
    /// Bytes the stack has handed over.
    pub(super) received: u64,
    /// Whether places in the stream are not known: urgent data, a second connection on the same ports.
    pub(super) is_unknown: bool,
}

/// The bytes of a stream from a place on.
pub(super) fn bytes_from(place: u64, len: usize) -> Vec<u8> {
    let places = (0..).map(|step| place.wrapping_add(step));
    places.take(len).map(byte_at).collect()
}

/// The byte at a place of a stream. 251 is prime, so no segment size repeats the pattern.
#[allow(clippy::cast_possible_truncation, reason = "it is below 251")]
const fn byte_at(place: u64) -> u8 {
    (place % 251) as u8
}

/// The first byte that is not the stream's at this place.
pub(super) fn first_wrong(place: u64, bytes: &[u8]) -> Option<usize> {
    let is_wrong = |(expected, byte): (u64, &u8)| byte_at(expected) != *byte;
    (place..).zip(bytes).position(is_wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::ast::TcpFlags;

    fn connection() -> Connection {
        Connection {
            remote_isn: 100,
            live_isn: 0xffff_ffff,
            script_isn: 7,
            ..Connection::new(Stage::SynAckAcked)
        }
    }

    fn segment(syn: bool, seq: u32, ack: u32) -> Segment {
        Segment {
            seq,
            ack,
            flags: TcpFlags {
                syn,
                ack: true,
                ..TcpFlags::default()
            },
            options: vec![TcpOption::Sack(vec![(ack, ack.wrapping_add(10))])],
            ..Segment::default()
        }
    }

    #[test]
    fn numbers_count_from_the_isns_but_on_a_syn() {
        let syn = connection().to_script(segment(true, 0xffff_ffff, 101), false);
        assert_eq!((syn.seq, syn.ack), (7, 101));
        let later = connection().to_script(segment(false, 4, 101), false);
        assert_eq!((later.seq, later.ack), (5, 1));
        assert_eq!(later.options, [TcpOption::Sack(vec![(1, 11)])]);
    }

    #[test]
    fn a_seq_without_mapping_stays() {
        let kept = connection().to_script(segment(false, 0, 101), true);
        assert_eq!((kept.seq, kept.ack), (0, 1));
    }

    #[test]
    fn a_timestamp_is_echoed_by_the_live_value_of_the_packet_that_had_it() {
        let mut stamps = Stamps::default();
        assert_eq!(stamps.learn(100, 5_000), 100);
        assert_eq!(stamps.learn(200, 5_103), 203);
        assert_eq!(stamps.echo(200, false), Some(5_103));
        assert_eq!(stamps.echo(150, false), None);
        assert_eq!(stamps.echo(150, true), Some(5_050));
    }

    #[test]
    fn a_byte_out_of_place_is_found() {
        let stream = bytes_from(1_000, 600);
        assert_eq!(first_wrong(1_000, &stream), None);
        assert_eq!(first_wrong(1_001, &stream), Some(0));
        let mut doubled = stream[..300].to_vec();
        doubled.extend_from_slice(&stream[..300]);
        assert_eq!(first_wrong(1_000, &doubled), Some(300));
    }
}
