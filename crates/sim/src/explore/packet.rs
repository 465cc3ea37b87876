//! Segments on their way, and sequence numbers counted from the ISNs they belong to.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use estab_core::{Flags, SeqNumber};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::ladder::Side;

/// A segment on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its control bits.
    pub flags: Flags,
    /// SEG.SEQ.
    pub seq: SeqNumber,
    /// SEG.ACK, zero without ACK.
    pub ack: SeqNumber,
    /// SEG.WND.
    pub wnd: u16,
    /// The options, as on the wire.
    pub options: Rc<[u8]>,
    /// The data.
    pub data: Rc<[u8]>,
    /// The whole IP packet; empty if a thin endpoint made it.
    pub bytes: Rc<[u8]>,
}

impl Packet {
    /// Reads an IP packet that a stack has written; `None` if it is not TCP.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ip(bytes).ok()?;
        let (Some(NetSlice::Ipv4(_) | NetSlice::Ipv6(_)), Some(TransportSlice::Tcp(tcp))) =
            (sliced.net, sliced.transport)
        else {
            return None;
        };
        Some(Self {
            flags: Flags::from_bits_retain(tcp.slice()[13]),
            seq: SeqNumber(tcp.sequence_number()),
            ack: SeqNumber(tcp.acknowledgment_number()),
            wnd: tcp.window_size(),
            options: tcp.options().into(),
            data: tcp.payload().into(),
            bytes: bytes.into(),
        })
    }

    /// A segment without options, for endpoints that are models.
    #[must_use]
    pub fn bare(flags: Flags, seq: SeqNumber, ack: SeqNumber, data: &[u8]) -> Self {
        let nothing: Rc<[u8]> = Rc::from([]);
        Self {
            flags,
            seq,
            ack,
            wnd: 0,
            options: Rc::clone(&nothing),
            data: data.into(),
            bytes: nothing,
        }
    }

    /// Whether `flag` is set.
    #[must_use]
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.contains(flag)
    }

    /// SEG.LEN.
    #[must_use]
    pub fn len(&self) -> u32 {
        let controls = u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN));
        self.data.len() as u32 + controls
    }

    /// Whether it occupies no sequence number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its control bits as RFC 9293 writes them: `SYN,ACK`.
    #[must_use]
    pub fn controls(&self) -> String {
        controls(self.flags)
    }

    /// What it says, its numbers counted from ISNs: `SYN,ACK seq 0 ack 1`.
    #[must_use]
    pub fn describe(&self, numbers: &Numbers) -> String {
        let mut text = self.controls();
        let _ = write!(text, " seq {}", numbers.name(self.seq));
        if self.has(Flags::ACK) {
            let _ = write!(text, " ack {}", numbers.name(self.ack));
        }
        match self.data.len() {
            0 => {}
            1 => text.push_str(", 1 byte"),
            more => {
                let _ = write!(text, ", {more} bytes");
            }
        }
        text
    }

    /// Hashes what an endpoint can see of it, with numbers counted from ISNs.
    pub(super) fn hash_into(&self, numbers: &Numbers, hasher: &mut impl Hasher) {
        self.flags.hash(hasher);
        numbers.place(self.seq).hash(hasher);
        numbers.place(self.ack).hash(hasher);
        (self.wnd, &self.options, &self.data).hash(hasher);
    }
}

/// Control bits as RFC 9293 writes them; PSH, which changes nothing, is left out.
#[must_use]
pub fn controls(flags: Flags) -> String {
    let names = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::ACK, "ACK"),
        (Flags::URG, "URG"),
    ];
    let set = names.iter().filter(|(flag, _)| flags.contains(*flag));
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    if set.is_empty() {
        "no flags".to_owned()
    } else {
        set.join(",")
    }
}

/// Numbers this close belong to the same ISN: more than any window, less than lies between two ISNs.
pub(super) const NEAR: i32 = 1 << 17;

/// Numbers further from every ISN are shown as they are.
const SHOWN: i32 = 1 << 20;

/// The ISNs there have been, so that numbers can be counted from them: two runs that differ only in their ISNs are the
/// same to TCP, whose arithmetic is relative.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// By side, in the order in which they were first sent; those of earlier incarnations first.
    isns: [Vec<SeqNumber>; 2],
    /// How many of each side are of earlier incarnations.
    old: [usize; 2],
}

/// A number, counted from an ISN: whose, which, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Near(u8, u8, i32),
    Nowhere(u32),
}

impl Numbers {
    /// Notes the ISN of a SYN that a side sends.
    pub fn learn(&mut self, side: Side, isn: SeqNumber) {
        let known = &mut self.isns[side.index()];
        if !known.iter().any(|other| near(isn, *other).is_some()) {
            known.push(isn);
        }
    }

    /// Everything learnt so far is of earlier incarnations.
    pub fn all_are_old(&mut self) {
        self.old = [self.isns[0].len(), self.isns[1].len()];
    }

    pub(super) fn place(&self, number: SeqNumber) -> Place {
        for (side, isns) in self.isns.iter().enumerate() {
            for (which, isn) in isns.iter().enumerate() {
                if let Some(distance) = near(number, *isn) {
                    return Place::Near(side as u8, which as u8, distance);
                }
            }
        }
        Place::Nowhere(number.0)
    }

    /// For people: `1` is the first number after the ISN, `old+1` that of an earlier incarnation, `1'` that of a later.
    #[must_use]
    pub fn name(&self, number: SeqNumber) -> String {
        let isns = |side: usize| self.isns[side].iter().enumerate().map(move |it| (side, it));
        let known = isns(0).chain(isns(1));
        let nearest = known
            .map(|(side, (which, isn))| (number.distance_from(*isn), which, self.old[side]))
            .min_by_key(|(distance, ..)| distance.unsigned_abs());
        match nearest {
            Some((distance, ..)) if distance.abs() > SHOWN => number.0.to_string(),
            Some((distance, which, old)) if which < old => format!("old+{distance}"),
            Some((distance, which, old)) => format!("{distance}{}", "'".repeat(which - old)),
            None => number.0.to_string(),
        }
    }
}

/// How far a number lies from an ISN, if it is near.
fn near(number: SeqNumber, isn: SeqNumber) -> Option<i32> {
    let distance = number.distance_from(isn);
    (-NEAR < distance && distance < NEAR).then_some(distance)
}
