//! What a script says of the IP header: `[ect0]`, `(tos 0x10, ttl 64)`.

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::{Direction, IpFields, Tos};

use super::error::Failure;
use super::packet::only_outbound;
use super::tokens::{Input, Kind, Parsed, any_number, at_word, here, need, number, punct, take};

/// The ECN field's two bits by name (RFC 3168, figure 1).
const ECN: [(&str, u8); 4] = [("noecn", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)];

/// Code points that nplab calls by name: RFC 2474 (CS), RFC 2597 (AF), RFC 3246, RFC 5865, RFC 8622.
const DSCP: [(&str, u8); 23] = [
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
    ("voice-admit", 44),
    ("le", 1),
];

/// The fields in brackets of either kind, if there are any.
pub(super) fn fields(input: &mut Input<'_>, direction: Direction) -> Parsed<IpFields> {
    let start = here(input).start;
    let close = if opt(punct('(')).parse_next(input)?.is_some() {
        ')'
    } else if opt(punct('[')).parse_next(input)?.is_some() {
        ']'
    } else {
        return Ok(IpFields::default());
    };
    let mut fields = IpFields::default();
    loop {
        field(input, &mut fields)?;
        if opt(punct(',')).parse_next(input)?.is_none() {
            break;
        }
    }
    need(close).parse_next(input)?;
    let open = matches!(fields.tos, Some(Tos::Ect01 | Tos::DscpEct01(_)));
    if open && direction == Direction::Inbound {
        return Err(only_outbound(start, "`ect01`"));
    }
    Ok(fields)
}

fn field(input: &mut Input<'_>, fields: &mut IpFields) -> Parsed<()> {
    let token = here(input);
    let tos = match token.text {
        "ttl" | "hlim" | "hop_limit" => {
            take(input, Kind::Word, "a field")?;
            fields.ttl = Some(number(input, "the TTL")?);
            return Ok(());
        }
        "flowlabel" => {
            take(input, Kind::Word, "a field")?;
            let at = here(input).start;
            let label = any_number(input, "the flow label")?;
            if label > 0xf_ffff {
                return Err(Failure::wrong(at, "the flow label is out of range")
                    .hint("it has 20 bits: 0 to 0xfffff"));
            }
            fields.flow_label = Some(label);
            return Ok(());
        }
        "tos" | "class" => {
            take(input, Kind::Word, "a field")?;
            Tos::Byte(any_number(input, "the TOS byte")?)
        }
        "dscp" => {
            take(input, Kind::Word, "a field")?;
            Tos::Dscp(code_point(input)?)
        }
        "ecn" => {
            take(input, Kind::Word, "a field")?;
            ecn(input)?
        }
        _ => ecn(input)?,
    };
    let already = "the TOS byte is already said";
    fields.tos = Some(match (fields.tos, tos) {
        (None, tos) => tos,
        (Some(Tos::Dscp(dscp)), Tos::Ecn(ecn)) | (Some(Tos::Ecn(ecn)), Tos::Dscp(dscp)) => {
            Tos::Byte(dscp << 2 | ecn)
        }
        (Some(Tos::Dscp(dscp)), Tos::Ect01) | (Some(Tos::Ect01), Tos::Dscp(dscp)) => {
            Tos::DscpEct01(dscp)
        }
        _ => {
            return Err(Failure::wrong(token.start, already)
                .hint("say it once, or its two parts: `dscp 8, ect0`"));
        }
    });
    Ok(())
}

fn ecn(input: &mut Input<'_>) -> Parsed<Tos> {
    let token = here(input);
    let tos = if at_word(input, "ect01") {
        Tos::Ect01
    } else if let Some((_, bits)) = ECN.iter().find(|(name, _)| *name == token.text) {
        Tos::Ecn(*bits)
    } else {
        return Err(Failure::expected(input, "a field of the IP header").hint(
            "there are noecn, ect0, ect1, ect01, ce, tos, class, dscp, ttl, hlim and flowlabel",
        ));
    };
    take(input, Kind::Word, "a field")?;
    Ok(tos)
}

fn code_point(input: &mut Input<'_>) -> Parsed<u8> {
    let token = here(input);
    if token.kind == Kind::Word {
        let named = DSCP.iter().find(|(name, _)| *name == token.text);
        let (_, point) = named.ok_or_else(|| {
            Failure::expected(input, "a DSCP")
                .hint("a number, cs0 to cs7, af11 to af43, ef, voice-admit or le")
        })?;
        take(input, Kind::Word, "a DSCP")?;
        return Ok(*point);
    }
    let point = any_number(input, "the DSCP")?;
    if point > 63 {
        return Err(Failure::wrong(token.start, "the DSCP is out of range")
            .hint("it has six bits: 0 to 63"));
    }
    Ok(point)
}
