//! Somebody in between who sees packets pass and forges others: a middle-box that resets, an attacker that
//! guesses, a router that complains.

use std::time::Duration;

use estab_core::{Flags, Instant, SeqNumber};

use super::coverage::Fate;
use super::draw::Draw;
use super::network::{Origin, Packet, Passage};
use super::packet::{Forged, Header, Notice, icmp_error, icmp_query, rubbish};
use super::profile::router;

/// Puts something of its own on the wire, having seen `packet`. It takes `there` to its destination and `back`
/// to its source.
pub(super) fn meddle(
    draw: &mut Draw,
    now: Instant,
    (there, back): (Duration, Duration),
    packet: &Packet,
    passage: &mut Passage,
) {
    let Some(header) = packet.header else { return };
    let (source, destination) = (header.tuple.local().ip(), header.tuple.remote().ip());
    let towards_source = draw.chance(0.5);
    let (fate, bytes) = match draw.range(0..=9) {
        0..=2 => (Fate::ForgedReset, reset(draw, &header, towards_source)),
        3..=6 => (Fate::ForgedSegment, segment(draw, &header, towards_source)),
        7 => (Fate::ForgedIcmp, {
            let (from, to) = if towards_source {
                (destination, source)
            } else {
                (source, destination)
            };
            icmp_query(draw.chance(0.5), from, to)
        }),
        8 => {
            let error = icmp(draw, packet);
            let answer = forged(packet, error, true, now);
            passage.fates.push(Fate::ForgedIcmp);
            return passage.arrivals.push((now + back, answer));
        }
        _ => {
            let (from, to) = if towards_source {
                (destination, source)
            } else {
                (source, destination)
            };
            (Fate::Rubbish, rubbish(draw, from, to))
        }
    };
    passage.fates.push(fate);
    let delay = if towards_source { back } else { there };
    let arrival = forged(packet, bytes, towards_source, now);
    passage.arrivals.push((now + delay, arrival));
}

fn forged(seen: &Packet, bytes: Vec<u8>, towards_source: bool, now: Instant) -> Packet {
    let (from, to) = if towards_source {
        (seen.to, seen.from)
    } else {
        (seen.from, seen.to)
    };
    Packet {
        header: Header::read(&bytes),
        bytes,
        from,
        to,
        origin: Origin::Forged,
        iss: None,
        sent_at: now,
    }
}

/// The numbers that the next segment in a direction would have: as far as a passing packet shows them.
fn next(header: &Header, towards_source: bool) -> (SeqNumber, SeqNumber) {
    if towards_source {
        (header.ack, header.end())
    } else {
        (header.end(), header.ack)
    }
}

/// A RST with the right sequence number, one near it, or any.
fn reset(draw: &mut Draw, header: &Header, towards_source: bool) -> Vec<u8> {
    let (seq, ack) = next(header, towards_source);
    let seq = match draw.range(0..=3) {
        0 => seq,
        1 => seq + draw.scale(1..=60_000) as u32,
        2 => seq + draw.offset(4),
        _ => SeqNumber(draw.number()),
    };
    let flags = draw.pick(&[Flags::RST, Flags::RST | Flags::ACK]);
    forge(header, towards_source, flags, seq, ack).packet()
}

/// A segment with numbers that are right, nearly right or random.
fn segment(draw: &mut Draw, header: &Header, towards_source: bool) -> Vec<u8> {
    let (seq, ack) = next(header, towards_source);
    let near = |draw: &mut Draw, number: SeqNumber| match draw.range(0..=4) {
        0 | 1 => number,
        2 => number + draw.offset(3),
        3 => number + draw.offset(100_000),
        _ => SeqNumber(draw.number()),
    };
    let flags = if draw.chance(0.15) {
        Flags::from_bits_retain(draw.byte() & 0x3f)
    } else {
        draw.pick(&[
            Flags::ACK,
            Flags::ACK,
            Flags::SYN,
            Flags::SYN | Flags::ACK,
            Flags::FIN | Flags::ACK,
            Flags::PSH | Flags::ACK,
            Flags::SYN | Flags::FIN,
            Flags::empty(),
        ])
    };
    let mut payload = [0; 64];
    let length = if draw.chance(0.4) {
        draw.range(1..=64)
    } else {
        0
    };
    payload.fill_with(|| draw.byte());
    let timestamps = draw.chance(0.4).then(|| (draw.number(), draw.number()));
    let (seq, ack) = (near(draw, seq), near(draw, ack));
    Forged {
        timestamps,
        payload: &payload[..length],
        wnd: draw.pick(&[header.wnd, 0, 1, 65_535]),
        ..forge(header, towards_source, flags, seq, ack)
    }
    .packet()
}

fn forge(
    header: &Header,
    towards_source: bool,
    flags: Flags,
    seq: SeqNumber,
    ack: SeqNumber,
) -> Forged<'static> {
    let tuple = header.tuple;
    Forged {
        tuple: if towards_source {
            tuple.reversed()
        } else {
            tuple
        },
        flags,
        seq,
        ack,
        wnd: header.wnd,
        timestamps: None,
        payload: &[],
    }
}

/// An ICMP error about the packet, or about one that was never sent.
fn icmp(draw: &mut Draw, packet: &Packet) -> Vec<u8> {
    let Some(header) = packet.header else {
        return Vec::new();
    };
    let notice = match draw.range(0..=5) {
        0..=2 => Notice::Unreachable(draw.byte()),
        3 => Notice::TimeExceeded,
        4 => Notice::ParameterProblem,
        _ => Notice::TooBig(draw.pick(&[0, 68, 300, 1000, 1280, 1400, 9000])),
    };
    let source = header.tuple.local().ip();
    let way = (router(source), source);
    let stranger = |seq, port: u16| Forged {
        tuple: estab_core::FourTuple::new(
            (source, header.tuple.local_port().wrapping_add(port)).into(),
            header.tuple.remote(),
        ),
        ..forge(&header, false, Flags::ACK, seq, header.ack)
    };
    match draw.range(0..=4) {
        0 => {
            let seq = SeqNumber(draw.number());
            icmp_error(notice, &stranger(seq, 0).packet(), way)
        }
        1 => icmp_error(notice, &stranger(header.seq, 1).packet(), way),
        _ => icmp_error(notice, &packet.bytes, way),
    }
}
