//! The options of a TCP segment: `<mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>`.

use winnow::combinator::{opt, separated};
use winnow::prelude::*;

use crate::script::ast::{Direction, TcpOption};

use super::error::Failure;
use super::escapes::hex;
use super::packet::only_outbound;
use super::tokens::{
    Input, Kind, Parsed, Token, at, at_word, here, kind, need, number, punct, second, take, word,
};

/// Kinds of AccECN's options (RFC 9768 §3.2.3), and the identifiers they have as experiments.
const ACC_ECN: [(u8, [u8; 2]); 2] = [(172, [0xac, 0xc0]), (174, [0xac, 0xc1])];
/// The shared option for experiments (RFC 6994).
const EXPERIMENT: u8 = 254;
/// TARR as an experiment.
const TARR: [u8; 2] = [0x00, 0xac];

/// The options; none at all is an empty list, `<...>` is `None`.
pub(super) fn options(
    input: &mut Input<'_>,
    direction: Direction,
) -> Parsed<Option<Vec<TcpOption>>> {
    let start = here(input).start;
    if opt(punct('<')).parse_next(input)?.is_none() {
        return Ok(Some(Vec::new()));
    }
    if opt(kind(Kind::Ellipsis)).parse_next(input)?.is_some() {
        need('>').parse_next(input)?;
        if direction == Direction::Inbound {
            return Err(only_outbound(start, "`<...>`"));
        }
        return Ok(None);
    }
    let options = match raw(input) {
        Some(bytes) => {
            take(input, here(input).kind, "bytes")?;
            vec![TcpOption::Raw(bytes)]
        }
        None => separated(
            1..,
            |input: &mut Input<'_>| option(input, direction),
            punct(','),
        )
        .parse_next(input)?,
    };
    need('>').parse_next(input)?;
    hold_to_header(&options, start)?;
    Ok(Some(options))
}

/// Options need to fit in a header, whose length counts in words of four bytes.
fn hold_to_header(options: &[TcpOption], at: usize) -> Parsed<()> {
    let length: usize = options.iter().map(length).sum();
    if length > 40 {
        return Err(
            Failure::wrong(at, format!("these options take {length} bytes"))
                .hint("a TCP header has room for 40"),
        );
    }
    if !length.is_multiple_of(4) {
        return Err(Failure::wrong(
            at,
            format!("these options take {length} bytes, not a multiple of four"),
        )
        .hint(format!("add {} × `nop` or `eol`", 4 - length % 4)));
    }
    Ok(())
}

/// How many bytes an option takes on the wire.
pub(super) fn length(option: &TcpOption) -> usize {
    match option {
        TcpOption::Nop | TcpOption::Eol => 1,
        TcpOption::SackPermitted => 2,
        TcpOption::WindowScale(_) => 3,
        TcpOption::Mss(_) => 4,
        TcpOption::Timestamps { .. } => 10,
        TcpOption::Sack(blocks) => 2 + 8 * blocks.len(),
        TcpOption::FastOpen {
            experimental,
            cookie,
        } => 2 + 2 * usize::from(*experimental) + cookie.len(),
        TcpOption::Md5(digest) if digest == "valid" => 18,
        TcpOption::Md5(digest) => 2 + digest.len() / 2,
        TcpOption::Other { data, .. } => 2 + data.len(),
        TcpOption::Raw(bytes) => bytes.len(),
    }
}

/// `<0204ffff>`: nothing but digits.
fn raw(input: &Input<'_>) -> Option<Vec<u8>> {
    let token = here(input);
    let alone = second(input).is_some_and(|token| token.kind == Kind::Punct('>'));
    let digits = matches!(token.kind, Kind::Word | Kind::Integer) && token.text.len() >= 2;
    (alone && digits).then(|| hex(token.text)).flatten()
}

fn option(input: &mut Input<'_>, direction: Direction) -> Parsed<TcpOption> {
    let token = take(input, Kind::Word, "a TCP option").map_err(known)?;
    Ok(match token.text {
        "nop" => TcpOption::Nop,
        "eol" => TcpOption::Eol,
        "sackOK" => TcpOption::SackPermitted,
        "mss" => TcpOption::Mss(number(input, "the MSS")?),
        "wscale" => TcpOption::WindowScale(number(input, "the window scale")?),
        "sack" => TcpOption::Sack(sack(input)?),
        "TS" => timestamps(input, direction)?,
        "FO" | "FOEXP" | "EXP-FO" | "exp-FO" => TcpOption::FastOpen {
            experimental: token.text != "FO",
            cookie: data(input)?,
        },
        "md5" => md5(input)?,
        "ECN" => {
            let first = usize::from(!at_word(input, "e0b"));
            acc_ecn(input, first, false, ["e0b", "ceb", "e1b"])?
        }
        "AccECN0" => acc_ecn(input, 0, false, ["ee0b", "eceb", "ee1b"])?,
        "AccECN1" => acc_ecn(input, 1, false, ["ee0b", "eceb", "ee1b"])?,
        "exp-AccECN0" => acc_ecn(input, 0, true, ["ee0b", "eceb", "ee1b"])?,
        "exp-AccECN1" => acc_ecn(input, 1, true, ["ee0b", "eceb", "ee1b"])?,
        "exp-tarr" => tarr(input)?,
        text => match (text.strip_prefix("gen-"), text.strip_prefix("exp-")) {
            (Some(kind), _) => generic(input, token, kind)?,
            (_, Some(identifier)) => experiment(input, token, identifier)?,
            _ => {
                return Err(known(Failure::wrong(
                    token.start,
                    format!("unknown TCP option `{text}`"),
                )));
            }
        },
    })
}

fn known(failure: Failure) -> Failure {
    failure.hint("there are mss, nop, eol, wscale, sackOK, sack, TS, FO, FOEXP, md5, ECN, AccECN0, AccECN1, gen-KIND, exp-ID")
}

/// `sack 1:1001 2001:3001`
fn sack(input: &mut Input<'_>) -> Parsed<Vec<(u32, u32)>> {
    let mut blocks = Vec::new();
    while here(input).kind == Kind::Integer || blocks.is_empty() {
        let left = number(input, "the left edge of a SACK block")?;
        need(':').parse_next(input)?;
        blocks.push((left, number(input, "the right edge of a SACK block")?));
    }
    Ok(blocks)
}

/// `TS val 1 ecr 2`, where `...` is not checked.
fn timestamps(input: &mut Input<'_>, direction: Direction) -> Parsed<TcpOption> {
    let mut value = |name: &'static str, what: &'static str| -> Parsed<Option<u32>> {
        if opt(word(name)).parse_next(input)?.is_none() {
            return Err(Failure::expected(input, format!("`{name}`"))
                .hint("for example `TS val 100 ecr 0`"));
        }
        if let Some(any) = opt(kind(Kind::Ellipsis)).parse_next(input)? {
            return match direction {
                Direction::Inbound => {
                    Err(only_outbound(any.start, "a timestamp that is not checked"))
                }
                Direction::Outbound => Ok(None),
            };
        }
        let value = number(input, what)?;
        if at(input, '!') {
            return Err(Failure::unsupported(
                here(input).start,
                "`!` behind a timestamp",
            ));
        }
        Ok(Some(value))
    };
    Ok(TcpOption::Timestamps {
        val: value("val", "TSval")?,
        ecr: value("ecr", "TSecr")?,
    })
}

/// `md5 valid`, or `md5` and a digest.
fn md5(input: &mut Input<'_>) -> Parsed<TcpOption> {
    let token = here(input);
    if opt(word("valid")).parse_next(input)?.is_some() {
        return Ok(TcpOption::Md5("valid".to_owned()));
    }
    let digest = data(input)?;
    if digest.len() > 16 || digest.is_empty() {
        return Err(
            Failure::wrong(token.start, "an MD5 digest of the wrong length")
                .hint("`md5 valid`, or up to 16 bytes in hex"),
        );
    }
    Ok(TcpOption::Md5(token.text.to_owned()))
}

/// Bytes in hex, or nothing.
fn data(input: &mut Input<'_>) -> Parsed<Vec<u8>> {
    let token = here(input);
    if !matches!(token.kind, Kind::Word | Kind::Integer) {
        return Ok(Vec::new());
    }
    let bytes = hex(token.text).ok_or_else(|| {
        Failure::wrong(
            token.start,
            format!("`{}` are not bytes in hex", token.text),
        )
        .hint("two digits for each byte, without 0x: `00ff`")
        .maybe_symbol(token)
    })?;
    take(input, token.kind, "bytes")?;
    Ok(bytes)
}

/// AccECN's counters, three bytes each. The second order is the first reversed; what follows one left out is left out.
fn acc_ecn(
    input: &mut Input<'_>,
    order: usize,
    experiment: bool,
    mut names: [&'static str; 3],
) -> Parsed<TcpOption> {
    let (kind, identifier) = ACC_ECN[order];
    if order == 1 {
        names.reverse();
    }
    let mut data = if experiment {
        identifier.to_vec()
    } else {
        Vec::new()
    };
    for name in names {
        if opt(word(name)).parse_next(input)?.is_none() {
            break;
        }
        let at = here(input).start;
        let count: u32 = number(input, "a counter of AccECN")?;
        let [0, bytes @ ..] = count.to_be_bytes() else {
            return Err(Failure::wrong(at, "a counter of AccECN out of range")
                .hint("it has 24 bits: 0 to 16777215"));
        };
        data.extend(bytes);
    }
    let kind = if experiment { EXPERIMENT } else { kind };
    Ok(TcpOption::Other { kind, data })
}

/// `exp-tarr`, or `exp-tarr 3`.
fn tarr(input: &mut Input<'_>) -> Parsed<TcpOption> {
    let mut data = TARR.to_vec();
    let at = here(input).start;
    if here(input).kind == Kind::Integer {
        let rate: u8 = number(input, "TARR's rate")?;
        if rate > 127 {
            return Err(Failure::wrong(at, "TARR's rate is out of range")
                .hint("it has seven bits: 0 to 127"));
        }
        data.push(rate << 1);
    }
    Ok(TcpOption::Other {
        kind: EXPERIMENT,
        data,
    })
}

/// `gen-30 0102`
fn generic(input: &mut Input<'_>, token: Token<'_>, kind: &str) -> Parsed<TcpOption> {
    let kind = kind.parse().map_err(|_| {
        Failure::wrong(
            token.start,
            format!("`{}` is not an option's kind", token.text),
        )
        .hint("gen-0 to gen-255")
    })?;
    Ok(TcpOption::Other {
        kind,
        data: data(input)?,
    })
}

/// `exp-f989 0102`
fn experiment(input: &mut Input<'_>, token: Token<'_>, identifier: &str) -> Parsed<TcpOption> {
    let identifier = u16::from_str_radix(identifier, 16).map_err(|_| {
        Failure::wrong(
            token.start,
            format!("`{}` is not an experiment's identifier", token.text),
        )
        .hint("exp-0 to exp-ffff")
    })?;
    let mut bytes = identifier.to_be_bytes().to_vec();
    bytes.extend(data(input)?);
    Ok(TcpOption::Other {
        kind: EXPERIMENT,
        data: bytes,
    })
}
