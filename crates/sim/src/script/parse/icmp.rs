//! ICMP messages: `icmp unreachable frag_needed mtu 1200 [1:1001(1000)]`.

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::{Icmp, Sequence};

use super::error::Failure;
use super::packet::{opt_udp, sequence};
use super::tokens::{
    Input, Kind, Parsed, Token, at_word, here, in_brackets, need, number, punct, take, word,
};

/// Types, of ICMP and ICMPv6 together, and their codes that have names.
const TYPES: [(&str, &[&str]); 15] = [
    ("unreachable", &UNREACHABLE),
    (
        "time_exceeded",
        &[
            "ttl_exceeded_in_transit",
            "frag_reass_exceeded",
            "exceeded_hop_limit",
            "exceeded_frag_time",
        ],
    ),
    (
        "parameter_problem",
        &["header_field", "unknown_next_header", "unknown_option"],
    ),
    ("packet_too_big", &[]),
    ("source_quench", &[]),
    ("redirect", &[]),
    ("echo_request", &[]),
    ("echo_reply", &[]),
    ("timestamp_request", &[]),
    ("timestamp_reply", &[]),
    ("information_request", &[]),
    ("information_reply", &[]),
    ("address_mask_request", &[]),
    ("address_mask_reply", &[]),
    ("router_advertisement", &[]),
];

const UNREACHABLE: [&str; 20] = [
    "net_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "frag_needed",
    "source_route_failed",
    "net_unknown",
    "host_unknown",
    "source_host_isolated",
    "net_prohibited",
    "host_prohibited",
    "net_unreachable_for_tos",
    "host_unreachable_for_tos",
    "packet_filtered",
    "precedence_violation",
    "precedence_cutoff",
    "no_route",
    "admin_prohibited",
    "not_neighbour",
    "address_unreachable",
];

/// The bytes of an ICMP message's header.
const HEADER: u16 = 8;

/// What stands behind `icmp`, and the UDP ports of the segment it quotes.
pub(super) fn icmp(input: &mut Input<'_>) -> Parsed<(Icmp, Option<(u16, u16)>)> {
    let start = here(input).start;
    let (kind, codes) = kind(input)?;
    let code = code(input, kind, codes)?;
    let mtu = match opt(word("mtu")).parse_next(input)? {
        Some(_) => Some(number(input, "the MTU")?),
        None => None,
    };
    hold_mtu(start, kind, code, mtu)?;
    let id = match opt(word("id")).parse_next(input)? {
        Some(_) => Some(number(input, "the identifier")?),
        None => None,
    };
    let mut icmp = Icmp {
        kind: kind.to_owned(),
        code: code.map(str::to_owned),
        mtu,
        quoted: None,
        quotes_udp: false,
        raw: None,
        id,
    };
    let udp = quoted(input, &mut icmp)?;
    Ok((icmp, udp))
}

/// The type, and the names its codes have.
fn kind<'t>(input: &mut Input<'t>) -> Parsed<(&'t str, &'static [&'static str])> {
    let token = take(input, Kind::Word, "an ICMP type").map_err(known)?;
    if let Some((_, codes)) = TYPES.iter().find(|(name, _)| *name == token.text) {
        return Ok((token.text, codes));
    }
    by_number(token, "type_").ok_or_else(|| {
        known(Failure::wrong(
            token.start,
            format!("unknown ICMP type `{}`", token.text),
        ))
    })?;
    Ok((token.text, &[]))
}

fn known(failure: Failure) -> Failure {
    let names: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
    failure.hint(format!("there are {}, and type_N", names.join(", ")))
}

/// `type_3`: a number in place of a name.
fn by_number(token: Token<'_>, prefix: &str) -> Option<u8> {
    token.text.strip_prefix(prefix)?.parse().ok()
}

fn code<'t>(input: &mut Input<'t>, kind: &str, codes: &[&str]) -> Parsed<Option<&'t str>> {
    let token = here(input);
    if token.kind != Kind::Word || ["mtu", "id"].contains(&token.text) {
        return Ok(None);
    }
    if !codes.contains(&token.text) && by_number(token, "code_").is_none() {
        let names = codes
            .iter()
            .fold(String::new(), |names, code| names + code + ", ");
        return Err(Failure::wrong(
            token.start,
            format!("unknown code `{}` of ICMP's {kind}", token.text),
        )
        .hint(format!("there are {names}and code_N"))
        .maybe_symbol(token));
    }
    take(input, Kind::Word, "a code").map(|token| Some(token.text))
}

/// An MTU belongs to some messages, and is needed in some.
fn hold_mtu(at: usize, kind: &str, code: Option<&str>, mtu: Option<u32>) -> Parsed<()> {
    let needed = ["packet_too_big", "router_advertisement"].contains(&kind);
    let by_number = kind.starts_with("type_") || code.is_some_and(|code| code.starts_with("code_"));
    if needed && mtu.is_none() {
        return Err(Failure::wrong(at, format!("{kind} without an MTU"))
            .hint(format!("`icmp {kind} mtu 1280`")));
    }
    if code == Some("frag_needed") && mtu.is_some_and(|mtu| mtu > 0xffff) {
        return Err(Failure::wrong(at, "the MTU is out of range")
            .hint("frag_needed has 16 bits for it: 0 to 65535"));
    }
    if mtu.is_some() && !needed && !by_number && code != Some("frag_needed") {
        return Err(Failure::wrong(at, format!("an MTU in ICMP's {kind}"))
            .hint("only `unreachable frag_needed` and `packet_too_big` carry one"));
    }
    Ok(())
}

/// `[1:1001(1000)]`, `[udp (1000)]` or `[raw (8)]`.
fn quoted(input: &mut Input<'_>, icmp: &mut Icmp) -> Parsed<Option<(u16, u16)>> {
    if opt(punct('[')).parse_next(input)?.is_none() {
        return Ok(None);
    }
    let mut udp = None;
    if opt(word("udp")).parse_next(input)?.is_some() {
        let length =
            in_brackets(|input| number(input, "the length of UDP's payload")).parse_next(input)?;
        icmp.quoted = Some((0, length));
        icmp.quotes_udp = true;
    } else if opt(word("raw")).parse_next(input)?.is_some() {
        let start = here(input).start;
        let length = in_brackets(|input| number(input, "the length")).parse_next(input)?;
        if length < HEADER {
            return Err(Failure::wrong(
                start,
                "an ICMP message of fewer bytes than its header has",
            )
            .hint(format!(
                "the header counts: [raw ({HEADER})] is the shortest"
            )));
        }
        icmp.raw = Some(length);
    } else if at_word(input, "sctp") {
        return Err(Failure::unsupported(here(input).start, "SCTP packets"));
    } else if at_word(input, "udplite") {
        return Err(Failure::unsupported(here(input).start, "UDP-Lite packets"));
    } else {
        let start = here(input).start;
        match sequence(input)? {
            Sequence::At { start, len } => icmp.quoted = Some((start, len)),
            Sequence::Any { .. } => {
                return Err(Failure::wrong(
                    start,
                    "a quoted segment without a sequence number",
                ));
            }
        }
        udp = opt_udp(input)?;
    }
    need(']').parse_next(input)?;
    Ok(udp)
}
