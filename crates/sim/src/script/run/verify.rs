//! Where a segment differs from the one the script expects, field by field.

use std::time::Duration;

use super::super::ast::{IpFields, Packet, Sequence, Tcp, TcpOption, Tos};
use super::super::parse::Dialect;
use super::config::Config;
use super::inbound::bits;
use super::mapping::{Connection, first_wrong};
use super::options::{self, Order};
use super::report::Failure;
use super::schedule::Due;
use super::wire::{Datagram, Segment};
use super::{stamps, text};

/// What the stack sent.
pub(super) struct Actual<'a> {
    pub(super) datagram: &'a Datagram,
    /// Its segment, in the script's numbers.
    pub(super) segment: &'a Segment,
    pub(super) connection: &'a mut Connection,
}

/// Whether a segment can be the beginning of the one expected.
pub(super) fn begins(tcp: &Tcp, segment: &Segment) -> bool {
    match tcp.seq {
        Sequence::At { start, .. } => start == segment.seq,
        Sequence::Any { .. } => true,
    }
}

/// Whether a segment continues another, with nothing changed but FIN, PSH and CWR.
pub(super) fn continues(whole: &Segment, next: &Segment) -> bool {
    let len = u32::try_from(whole.payload.len()).unwrap_or(u32::MAX);
    let mut flags = next.flags;
    (flags.fin, flags.psh, flags.cwr) = (whole.flags.fin, whole.flags.psh, whole.flags.cwr);
    next.seq == whole.seq.wrapping_add(len)
        && flags == whole.flags
        && next.ack == whole.ack
        && next.window == whole.window
        && next.urgent == whole.urgent
        && next.options.len() == whole.options.len()
}

/// All the differences.
///
/// # Errors
/// The script asks for what cannot be verified.
pub(super) fn differences(
    packet: &Packet,
    tcp: &Tcp,
    actual: Actual<'_>,
    due: &Due,
    config: &Config,
) -> Result<Vec<String>, Failure> {
    let Actual {
        datagram,
        segment,
        connection,
    } = actual;
    let mut all = Differences::default();
    header(tcp, segment, config, &mut all);
    let len = match tcp.seq {
        Sequence::At { len, .. } | Sequence::Any { len } => len,
    };
    all.compare("payload bytes", usize::from(len), segment.payload.len());
    tcp_options(tcp, segment, connection, config, &mut all)?;
    timestamps(tcp, segment, due, config, &mut all);
    ip(&packet.ip, datagram, &mut all);
    flow_label(&packet.ip, datagram, connection, &mut all);
    if all.0.is_empty() && !connection.content.is_unknown && !tcp.unmapped_seq {
        payload(tcp, segment, connection, &mut all);
    }
    Ok(all.0)
}

fn header(tcp: &Tcp, segment: &Segment, config: &Config, all: &mut Differences) {
    let mut expected = bits(tcp.flags);
    let mut seen = segment.flags;
    if !config.strict {
        // When data is pushed is the sender's own affair (RFC 9293, 3.9.1.2).
        (expected.psh, seen.psh) = (false, false);
    }
    if tcp.flags.ace.is_some() {
        let ace = |flags: super::super::ast::TcpFlags| {
            u8::from(flags.ae) << 2 | u8::from(flags.cwr) << 1 | u8::from(flags.ece)
        };
        all.compare("ACE", ace(expected), ace(seen));
        (seen.ae, seen.cwr, seen.ece) = (expected.ae, expected.cwr, expected.ece);
    }
    if expected != seen {
        all.add("flags", &text::flags(expected), &text::flags(seen));
    }
    all.compare("reserved bits", 0, segment.reserved);
    if let Sequence::At { start, .. } = tcp.seq {
        all.compare("seq", start, segment.seq);
    }
    if !tcp.any_ack {
        all.compare("ack", tcp.ack.unwrap_or(0), segment.ack);
    }
    if let Some(win) = tcp.win {
        all.compare("win", win, segment.window);
    }
    all.compare("urg", tcp.urg.unwrap_or(0), segment.urgent);
}

fn tcp_options(
    tcp: &Tcp,
    segment: &Segment,
    connection: &Connection,
    config: &Config,
    all: &mut Differences,
) -> Result<(), Failure> {
    let Some(expected) = &tcp.options else {
        return Ok(());
    };
    if expected
        .iter()
        .any(|option| matches!(option, TcpOption::Md5(_)))
    {
        return Err(Failure::unsupported("the MD5 option"));
    }
    let mut seen = segment.options.clone();
    let mut order = match config.dialect {
        Dialect::Linux => Order::Exact,
        Dialect::FreeBsd => Order::AnySet,
    };
    if connection.stamps.is_added && !stamps::are_in(expected) {
        order = Order::AnySet;
        if !stamps::are_in(&seen) && !segment.flags.rst {
            all.0
                .push("options: the timestamps that were negotiated are missing".to_owned());
        }
        seen.retain(|option| !matches!(option, TcpOption::Timestamps { .. }));
    }
    if !options::are_as_expected(expected, &seen, order) {
        all.add(
            "options",
            &options::to_text(expected),
            &options::to_text(&seen),
        );
    }
    Ok(())
}

/// TSval is held against the clock if `--tcp_ts_tick_usecs` says how it runs; TSecr with `--strict`.
fn timestamps(tcp: &Tcp, segment: &Segment, due: &Due, config: &Config, all: &mut Differences) {
    let of = |options: &[TcpOption]| {
        options.iter().find_map(|option| match option {
            TcpOption::Timestamps { val, ecr } => Some((*val, *ecr)),
            _ => None,
        })
    };
    let (Some((val, ecr)), Some((seen_val, seen_ecr))) = (
        of(tcp.options.as_deref().unwrap_or_default()),
        of(&segment.options),
    ) else {
        return;
    };
    if let (Some(val), Some(seen)) = (val, seen_val) {
        let distance = (seen.wrapping_sub(val) as i32).unsigned_abs();
        let share = due.at.mul_f64(config.tolerance_percent / 100.0);
        let tolerance = config.tolerance.max(share);
        if config.ts_tick > Duration::ZERO && config.ts_tick.saturating_mul(distance) > tolerance {
            all.add("TS val", &val, &seen);
        }
    }
    if let (Some(ecr), Some(seen), true) = (ecr, seen_ecr, config.strict) {
        all.compare("TS ecr", ecr, seen);
    }
}

fn ip(expected: &IpFields, datagram: &Datagram, all: &mut Differences) {
    let ecn = datagram.tos & 3;
    let dscp = datagram.tos >> 2;
    let either = |all: &mut Differences| {
        if !matches!(ecn, 1 | 2) {
            all.add("ECN", &"ect0 or ect1", &ecn);
        }
    };
    match expected.tos {
        None => {}
        Some(Tos::Ecn(bits)) => all.compare("ECN", bits, ecn),
        Some(Tos::Ect01) => either(all),
        Some(Tos::Byte(byte)) => all.compare("TOS", byte, datagram.tos),
        Some(Tos::Dscp(bits)) => all.compare("DSCP", bits, dscp),
        Some(Tos::DscpEct01(bits)) => {
            all.compare("DSCP", bits, dscp);
            either(all);
        }
    }
    if let Some(ttl) = expected.ttl {
        all.compare("TTL", ttl, datagram.ttl);
    }
}

/// The stack chooses flow labels: equal ones in the script mean equal ones, different ones different.
fn flow_label(
    expected: &IpFields,
    datagram: &Datagram,
    connection: &mut Connection,
    all: &mut Differences,
) {
    let Some(label) = expected.flow_label.filter(|&label| label != 0) else {
        return;
    };
    let live = datagram.flow_label;
    match connection.flow {
        _ if live == 0 => all.add("flow label", &"one", &"none"),
        Some((script, known)) if script == label && known != live => {
            all.add(
                "flow label",
                &format!("{known:#x}, as before"),
                &format!("{live:#x}"),
            );
        }
        Some((script, known)) if script != label && known == live => {
            all.add("flow label", &"another than before", &format!("{live:#x}"));
        }
        _ => connection.flow = Some((label, live)),
    }
}

/// Every byte is the one that the application wrote at this place.
fn payload(tcp: &Tcp, segment: &Segment, connection: &Connection, all: &mut Differences) {
    let base = if tcp.flags.syn {
        connection.script_isn
    } else {
        1
    };
    let place = segment.seq.wrapping_sub(base);
    if let Some(wrong) = first_wrong(place.into(), &segment.payload) {
        all.0.push(format!(
            "payload: byte {wrong} is not the one that was written there"
        ));
    }
}

/// An expected segment as a script writes it.
pub(super) fn to_text(tcp: &Tcp) -> String {
    let mut text = text::flags(tcp.flags);
    text += &match tcp.seq {
        Sequence::At { start, len } => {
            format!(" {start}:{}({len})", start.wrapping_add(len.into()))
        }
        Sequence::Any { len } => format!(" ...({len})"),
    };
    if let Some(ack) = tcp.ack {
        text += &format!(" ack {ack}");
    }
    if let Some(win) = tcp.win {
        text += &format!(" win {win}");
    }
    if let Some(urg) = tcp.urg {
        text += &format!(" urg {urg}");
    }
    match &tcp.options {
        None => text += " <...>",
        Some(options) if options.is_empty() => {}
        Some(options) => text += &format!(" {}", options::to_text(options)),
    }
    text
}

#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + std::fmt::Display>(&mut self, name: &str, expected: T, seen: T) {
        if expected != seen {
            self.add(name, &expected, &seen);
        }
    }

    fn add(&mut self, name: &str, expected: &dyn std::fmt::Display, seen: &dyn std::fmt::Display) {
        self.0
            .push(format!("{name}: expected {expected}, was {seen}"));
    }
}
