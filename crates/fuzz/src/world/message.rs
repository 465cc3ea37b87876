//! ICMP messages to the stack: errors with a quote that is nearly right, echo requests, and others.

use std::net::IpAddr;

use estab_core::observe::StateName;
use estab_core::{Checksum, Flags, FourTuple, Options, Segment, SeqNumber, Status, fuzzing};

use super::step::distance;
use super::{Sent, World, key};
use crate::checksum;

/// A message of eight bytes, the first of which is 128 or more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    /// Bit 0: the quote is garbled.
    how: u8,
    /// Which connection is quoted.
    who: u8,
    /// Type and code: an index of those worth something, or from 192 on the type itself.
    what: u8,
    /// How far the quoted SEG.SEQ is from that of the segment last sent.
    seq: u8,
    /// The MTU of the next hop, in steps of 16 bytes.
    mtu: u8,
    /// Where the message is cut; zero leaves it whole.
    cut: u8,
    place: u8,
    change: u8,
}

impl From<[u8; 8]> for Message {
    fn from([how, who, what, seq, mtu, cut, place, change]: [u8; 8]) -> Self {
        Self {
            how,
            who,
            what,
            seq,
            mtu,
            cut,
            place,
            change,
        }
    }
}

/// Types and codes of ICMP (RFC 792, RFC 1122): first the errors about segments.
const V4: &[(u8, u8)] = &[
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 9),
    (3, 10),
    (3, 13),
    (11, 0),
    (11, 1),
    (12, 0),
    (8, 0),
    (0, 0),
    (4, 0),
    (5, 1),
];

/// Types and codes of ICMPv6 (RFC 4443).
const V6: &[(u8, u8)] = &[
    (1, 0),
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 0),
    (1, 4),
    (1, 5),
    (1, 6),
    (2, 1),
    (3, 0),
    (3, 1),
    (4, 0),
    (128, 0),
    (129, 0),
    (4, 1),
    (135, 0),
];

impl Message {
    fn kind(&self, is_v4: bool) -> (u8, u8) {
        let table = if is_v4 { V4 } else { V6 };
        if self.what >= 192 {
            (self.change, self.what - 192)
        } else {
            table[usize::from(self.what) % table.len()]
        }
    }
}

/// The least path MTU that is believed.
const LEAST_MTU: u16 = 296;

impl World {
    /// Hands the stack a message. An echo request gets its reply; anything else gets none, and touches at most
    /// the connection it quotes.
    pub(crate) fn message(&mut self, message: &Message) {
        self.flush();
        let before = self.stack.statuses();
        let quoted =
            (!before.is_empty()).then(|| before[usize::from(message.who) % before.len()].clone());
        let is_v4 = self.settings.ours().is_ipv4();
        let (kind, code) = message.kind(is_v4);
        let body = self.body(message, quoted.as_ref());
        let packet = self.icmp(kind, code, message, &body);
        let echoes = self.stack.counters().icmp_echoes;
        self.stack.receive(self.now, &packet, Checksum::Unknown);
        let echoed = self.stack.counters().icmp_echoes - echoes;
        let asked = kind == if is_v4 { 8 } else { 128 };
        assert!(echoed == 0 || asked && echoed == 1);
        let garbled = message.how & 1 != 0;
        // RFC 5927 §4.1: an error about what is not in flight is not believed.
        let believable = |status: &&Status| {
            let in_flight = status.snd_nxt - status.snd_una;
            let seq = quoted_seq(&body);
            seq.is_some_and(|seq| seq.is_within(status.snd_una, in_flight))
        };
        // A socket may be held whose connection has ended and whose tuple is another's now.
        let alive = quoted.as_ref().and_then(|quoted| {
            let is_it = |old: &&Status| old.tuple == quoted.tuple && old.ended.is_none();
            before.iter().find(is_it)
        });
        let target = alive.filter(|_| !garbled && !asked).filter(believable);
        self.check_touched(&before, target, garbled);
        let Sent {
            resets, packets, ..
        } = self.flush();
        assert_eq!(resets, 0, "a RST for ICMP");
        assert!(!asked || packets <= 1);
        self.check();
    }

    /// What an error quotes: a segment that was really sent, if there is one.
    fn body(&self, message: &Message, quoted: Option<&Status>) -> Vec<u8> {
        let tuple = quoted.map_or_else(|| self.nobody(), |status| status.tuple);
        let seq = quoted.map_or(SeqNumber(0), |status| status.snd_una);
        let mut body = self
            .last_sent
            .get(&key(&tuple))
            .cloned()
            .unwrap_or_else(|| {
                let segment = Segment {
                    tuple,
                    seq,
                    ack: SeqNumber(0),
                    wnd: 0,
                    flags: Flags::ACK,
                    urgent: 0,
                    options: Options::default(),
                    payload: &[],
                };
                fuzzing::write(&segment, &[])
            });
        if let Some(seq) = quoted_seq(&body) {
            let moved = (seq + distance(message.seq)).0.to_be_bytes();
            let at = seq_at(&body);
            body[at..at + 4].copy_from_slice(&moved);
        }
        if message.how & 1 != 0 {
            let place = usize::from(message.place) % body.len();
            body[place] ^= message.change;
        }
        if message.cut != 0 {
            body.truncate(usize::from(message.cut));
        }
        body
    }

    fn nobody(&self) -> FourTuple {
        let (ours, theirs) = (self.settings.ours(), self.settings.theirs());
        FourTuple::new((ours, 9).into(), (theirs, 9).into())
    }

    /// A message from the peer's address, its checksum right.
    fn icmp(&self, kind: u8, code: u8, message: &Message, body: &[u8]) -> Vec<u8> {
        let mtu = u32::from(message.mtu) * 16;
        let mut rest = vec![kind, code, 0, 0];
        rest.extend(mtu.to_be_bytes());
        rest.extend(body);
        let length = rest.len() as u16;
        let mut packet = Vec::new();
        match (self.settings.theirs(), self.settings.ours()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet.extend([0x45, 0]);
                packet.extend((20 + length).to_be_bytes());
                packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
                checksum::repair_ipv4(&mut packet);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(length.to_be_bytes());
                packet.extend([58, 64]);
                packet.extend(source.octets());
                packet.extend(destination.octets());
            }
            _ => unreachable!("both addresses are of one family"),
        }
        checksum::fill(&packet, &mut rest, 2);
        packet.extend(rest);
        packet
    }

    /// Only the quoted connection may be another than before, and only so: it ends while it is being opened, or
    /// its path takes smaller packets, or it remembers a soft error. A garbled quote may be any connection's.
    fn check_touched(&self, before: &[Status], target: Option<&Status>, garbled: bool) {
        assert!(self.stack.statuses().len() <= before.len());
        for old in before {
            let new = self.by_life(old);
            if !garbled && target.is_none_or(|target| target.life != old.life) {
                let new = new.expect("it is still there");
                assert_eq!(format!("{new:?}"), format!("{old:?}"));
                continue;
            }
            let opening = matches!(old.state, StateName::SynSent | StateName::SynReceived);
            let Some(new) = new else {
                // A slot that nobody holds is freed at once.
                assert!(opening && !old.is_owned, "ended by ICMP: {old:?}");
                continue;
            };
            let same = new.state == old.state || opening && new.state == StateName::Closed;
            assert!(same, "{old:?} became {new:?}");
            let lower = new.path_mtu >= LEAST_MTU && new.path_mtu < old.path_mtu;
            assert!(new.path_mtu == old.path_mtu || lower, "{old:?}: {new:?}");
        }
    }

    fn by_life(&self, old: &Status) -> Option<Status> {
        let all = self.stack.statuses();
        all.into_iter().find(|status| status.life == old.life)
    }
}

/// Where a quoted segment's SEG.SEQ stands.
fn seq_at(quote: &[u8]) -> usize {
    let ip = if quote[0] >> 4 == 4 { 20 } else { 40 };
    ip + 4
}

fn quoted_seq(quote: &[u8]) -> Option<SeqNumber> {
    let number = quote.get(seq_at(quote)..)?.first_chunk::<4>()?;
    Some(SeqNumber(u32::from_be_bytes(*number)))
}
