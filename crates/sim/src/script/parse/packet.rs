//! Packets: TCP, UDP and ICMP.

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::{Body, Direction, Packet, Sequence, Tcp, TcpFlags};

use super::error::Failure;
use super::tokens::{
    Input, Kind, Parsed, at, at_word, here, in_brackets, kind, need, number, punct, second, take,
    word,
};
use super::{icmp, ip, options};

/// What packetdrill's language has and estab does not, by the word that begins it.
const UNSUPPORTED: [(&str, &str); 9] = [
    ("sctp", "SCTP packets"),
    ("udplite", "UDP-Lite packets"),
    ("gre", "GRE"),
    ("GREv0", "GRE"),
    ("mpls", "MPLS"),
    ("ipv4", "IP in IP"),
    ("ipv6", "IP in IP"),
    ("encap", "PSP"),
    ("psp", "PSP"),
];

/// `< S 0:0(0) win 1000`
pub(super) fn packet(input: &mut Input<'_>) -> Parsed<Packet> {
    let direction = if opt(punct('<')).parse_next(input)?.is_some() {
        Direction::Inbound
    } else {
        need('>').parse_next(input)?;
        Direction::Outbound
    };
    refuse_unsupported(input)?;
    let ip = ip::fields(input, direction)?;
    refuse_unsupported(input)?;
    if opt(word("icmp")).parse_next(input)?.is_some() {
        let (icmp, udp) = icmp::icmp(input)?;
        return Ok(Packet {
            direction,
            ip,
            ports: None,
            udp,
            body: Body::Icmp(icmp),
        });
    }
    let is_udp = opt(word("udp")).parse_next(input)?.is_some();
    let ports = opt_ports(input)?;
    let (body, udp) = if is_udp {
        let length =
            in_brackets(|input| number(input, "the length of UDP's payload")).parse_next(input)?;
        (Body::Udp(length), None)
    } else {
        (Body::Tcp(tcp(input, direction)?), opt_udp(input)?)
    };
    Ok(Packet {
        direction,
        ip,
        ports,
        udp,
        body,
    })
}

fn refuse_unsupported(input: &Input<'_>) -> Parsed<()> {
    let token = here(input);
    let unsupported = UNSUPPORTED.iter().find(|(word, _)| at_word(input, word));
    unsupported.map_or(Ok(()), |(_, name)| {
        Err(Failure::unsupported(token.start, name))
    })
}

/// `8080 > 53`
fn opt_ports(input: &mut Input<'_>) -> Parsed<Option<(u16, u16)>> {
    if here(input).kind == Kind::Integer {
        ports(input).map(Some)
    } else {
        Ok(None)
    }
}

fn ports(input: &mut Input<'_>) -> Parsed<(u16, u16)> {
    let from = number(input, "the source port")?;
    need('>').parse_next(input)?;
    Ok((from, number(input, "the destination port")?))
}

/// `/udp(9899 > 9811)`
pub(super) fn opt_udp(input: &mut Input<'_>) -> Parsed<Option<(u16, u16)>> {
    if opt(punct('/')).parse_next(input)?.is_none() {
        return Ok(None);
    }
    if !at_word(input, "udp") {
        return Err(Failure::expected(input, "`udp(PORT > PORT)`"));
    }
    take(input, Kind::Word, "`udp`")?;
    in_brackets(ports).map(Some).parse_next(input)
}

fn tcp(input: &mut Input<'_>, direction: Direction) -> Parsed<Tcp> {
    let flags = flags(input)?;
    let start = here(input).start;
    let seq = sequence(input)?;
    let unmapped_seq =
        matches!(seq, Sequence::At { .. }) && opt(punct('!')).parse_next(input)?.is_some();
    if direction == Direction::Inbound && matches!(seq, Sequence::Any { .. }) {
        return Err(only_outbound(
            start,
            "a sequence number that is not checked",
        ));
    }
    let (ack, any_ack) = ack(input, direction)?;
    let window_at = here(input).start;
    let win = window(input)?;
    let urg = match opt(word("urg")).parse_next(input)? {
        Some(_) => Some(number(input, "the urgent pointer")?),
        None => None,
    };
    let options = options::options(input, direction)?;
    if direction == Direction::Inbound && win.is_none() {
        return Err(
            Failure::wrong(window_at, "an inbound segment without its window")
                .hint("it stands behind the sequence numbers and `ack`: `win 1000`"),
        );
    }
    if at(input, '[') && second(input).is_some_and(|token| token.text == "code") {
        return Err(Failure::unsupported(
            here(input).start,
            "the diagnostic payload of a RST",
        ));
    }
    Ok(Tcp {
        flags,
        seq,
        ack,
        any_ack,
        win,
        urg,
        options,
        unmapped_seq,
    })
}

/// Something is not to be checked, in a packet the script itself makes.
pub(super) fn only_outbound(at: usize, what: &str) -> Failure {
    Failure::wrong(at, format!("{what} in an inbound packet"))
        .hint("only in outbound packets, which are checked, can something be left open")
}

/// `S`, `P.`, `SEW`, `.5`; `-` is none.
fn flags(input: &mut Input<'_>) -> Parsed<TcpFlags> {
    if opt(punct('-')).parse_next(input)?.is_some() {
        return Ok(TcpFlags::default());
    }
    let mut flags = TcpFlags::default();
    let mut read = |input: &mut Input<'_>, wanted: Kind| -> Parsed<bool> {
        let Some(token) = opt(kind(wanted)).parse_next(input)? else {
            return Ok(false);
        };
        let letters = if wanted == Kind::Punct('.') {
            "."
        } else {
            token.text
        };
        set_flags(&mut flags, letters, token.start)?;
        Ok(true)
    };
    let letters = read(input, Kind::Word)?;
    let dot = read(input, Kind::Float)? || read(input, Kind::Punct('.'))?;

    if !letters && !dot {
        return Err(Failure::expected(input, "TCP's control bits")
            .hint("for example `S`, `P.`, `.`, `FP.`, `SEW`; `-` is none"));
    }
    // nplab writes `S.EW` as well as `SEW.`.
    if letters && dot && glued(input) {
        read(input, Kind::Word)?;
    }
    Ok(flags)
}

/// Whether a word follows without a blank between.
fn glued(input: &Input<'_>) -> bool {
    let end = input.previous_tokens().next().map(|previous| previous.end);
    here(input).kind == Kind::Word && end == Some(here(input).start)
}

fn set_flags(flags: &mut TcpFlags, letters: &str, at: usize) -> Parsed<()> {
    for letter in letters.chars() {
        match letter {
            'F' => flags.fin = true,
            'S' => flags.syn = true,
            'R' => flags.rst = true,
            'P' => flags.psh = true,
            '.' => flags.ack = true,
            'U' => flags.urg = true,
            'E' => flags.ece = true,
            'W' => flags.cwr = true,
            'A' => flags.ae = true,
            '0'..='7' if flags.ace.is_none() => {
                flags.ace = letter
                    .to_digit(8)
                    .and_then(|count| u8::try_from(count).ok())
            }
            _ => {
                return Err(Failure::wrong(at, format!("unknown control bit `{letter}` in `{letters}`"))
                    .hint("F FIN, S SYN, R RST, P PSH, . ACK, U URG, E ECE, W CWR, A AE, or one digit for the three of ECN"));
            }
        }
    }
    if flags.ace.is_some() && (flags.ece || flags.cwr || flags.ae) {
        return Err(
            Failure::wrong(at, format!("E, W or A beside a digit in `{letters}`"))
                .hint("the digit 0 to 7 stands for these three bits"),
        );
    }
    Ok(())
}

/// `1:1001(1000)`, or `...(1000)`.
pub(super) fn sequence(input: &mut Input<'_>) -> Parsed<Sequence> {
    let length = || in_brackets(|input| number::<u16>(input, "the length of TCP's payload"));
    if opt(kind(Kind::Ellipsis)).parse_next(input)?.is_some() {
        return length().map(|len| Sequence::Any { len }).parse_next(input);
    }
    let first = here(input);
    if first.kind != Kind::Integer {
        return Err(Failure::expected(input, "sequence numbers").hint("for example `1:1001(1000)`"));
    }
    let start: u32 = number(input, "the sequence number")?;
    need(':').parse_next(input)?;
    let end: u32 = number(input, "the sequence number after the last byte")?;
    let len = length().parse_next(input)?;
    if end != start.wrapping_add(u32::from(len)) {
        let right = start.wrapping_add(u32::from(len));
        return Err(Failure::wrong(
            first.start,
            format!("inconsistent sequence numbers: {len} bytes from {start} end at {right}, not at {end}"),
        )
        .hint(format!("`{start}:{right}({len})`, if {len} bytes are meant")));
    }
    Ok(Sequence::At { start, len })
}

/// `ack 1`, or `ack *`.
fn ack(input: &mut Input<'_>, direction: Direction) -> Parsed<(Option<u32>, bool)> {
    if opt(word("ack")).parse_next(input)?.is_none() {
        return Ok((None, false));
    }
    let Some(star) = opt(punct('*')).parse_next(input)? else {
        return Ok((Some(number(input, "the acknowledgment number")?), false));
    };
    if direction == Direction::Inbound {
        return Err(only_outbound(star.start, "`ack *`"));
    }
    Ok((None, true))
}

/// `win 65535`, or `win *`, which is as good as nothing.
fn window(input: &mut Input<'_>) -> Parsed<Option<u16>> {
    if opt(word("win")).parse_next(input)?.is_none() || opt(punct('*')).parse_next(input)?.is_some()
    {
        return Ok(None);
    }
    number(input, "the window").map(Some)
}
