//! Packets as scripts write them.

use std::fmt::{self, Display, Formatter, Write};

use crate::script::ast::{
    Body, Direction, Icmp, IpFields, Packet, Sequence, Tcp, TcpFlags, TcpOption, Tos,
};

impl Display for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            direction,
            ip,
            ports,
            udp,
            body,
        } = self;
        f.write_char(match direction {
            Direction::Inbound => '<',
            Direction::Outbound => '>',
        })?;
        write!(f, "{ip}")?;
        if matches!(body, Body::Udp(_)) {
            f.write_str(" udp")?;
        }
        if let Some((from, to)) = ports {
            write!(f, " {from} > {to}")?;
        }
        match body {
            Body::Tcp(tcp) => {
                write!(f, " {tcp}")?;
                encapsulation(f, *udp)
            }
            Body::Icmp(icmp) => message(f, icmp, *udp),
            Body::Udp(length) => write!(f, " ({length})"),
        }
    }
}

fn encapsulation(f: &mut Formatter<'_>, udp: Option<(u16, u16)>) -> fmt::Result {
    udp.map_or(Ok(()), |(from, to)| write!(f, "/udp({from} > {to})"))
}

impl Display for IpFields {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            tos,
            ttl,
            flow_label,
        } = self;
        let mut fields = Vec::new();
        if let Some(tos) = tos {
            fields.push(match tos {
                Tos::Ecn(0) => "noecn".to_owned(),
                Tos::Ecn(1) => "ect1".to_owned(),
                Tos::Ecn(2) => "ect0".to_owned(),
                Tos::Ecn(_) => "ce".to_owned(),
                Tos::Ect01 => "ect01".to_owned(),
                Tos::Byte(byte) => format!("tos {byte:#x}"),
                Tos::Dscp(point) => format!("dscp {point:#x}"),
                Tos::DscpEct01(point) => format!("dscp {point:#x}, ect01"),
            });
        }
        fields.extend(ttl.map(|ttl| format!("ttl {ttl}")));
        fields.extend(flow_label.map(|label| format!("flowlabel {label:#x}")));
        if fields.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", fields.join(", "))
    }
}

impl Display for Tcp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            flags,
            seq,
            ack,
            any_ack,
            win,
            urg,
            options,
            unmapped_seq,
        } = self;
        write!(f, "{flags} {seq}")?;
        if *unmapped_seq {
            f.write_char('!')?;
        }
        if *any_ack {
            f.write_str(" ack *")?;
        } else if let Some(ack) = ack {
            write!(f, " ack {ack}")?;
        }
        if let Some(win) = win {
            write!(f, " win {win}")?;
        }
        if let Some(urg) = urg {
            write!(f, " urg {urg}")?;
        }
        match options.as_deref() {
            None => f.write_str(" <...>"),
            Some([]) => Ok(()),
            Some([first, rest @ ..]) => {
                write!(f, " <{first}")?;
                for option in rest {
                    write!(f, ",{option}")?;
                }
                f.write_char('>')
            }
        }
    }
}

impl Display for TcpFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            fin,
            syn,
            rst,
            psh,
            ack,
            urg,
            ece,
            cwr,
            ae,
            ace,
        } = *self;
        let letters = [
            (fin, 'F'),
            (syn, 'S'),
            (rst, 'R'),
            (psh, 'P'),
            (urg, 'U'),
            (ece, 'E'),
            (cwr, 'W'),
            (ae, 'A'),
        ];
        let mut text: String = letters
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, letter)| *letter)
            .collect();
        let dot = if ack { "." } else { "" };
        let count = ace.map(|ace| ace.to_string()).unwrap_or_default();
        if ack && text.is_empty() {
            // `.5`; a digit before the dot would be read as a number.
            text = format!(".{count}");
        } else {
            text = format!("{text}{count}{dot}");
        }
        f.write_str(if text.is_empty() { "-" } else { &text })
    }
}

impl Display for Sequence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::At { start, len } => {
                let end = start.wrapping_add(u32::from(len));
                write!(f, "{start}:{end}({len})")
            }
            Self::Any { len } => write!(f, "...({len})"),
        }
    }
}

impl Display for TcpOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::Nop => f.write_str("nop"),
            Self::Eol => f.write_str("eol"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks
                    .iter()
                    .try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            Self::Timestamps { val, ecr } => {
                let shown = |value: &Option<u32>| {
                    value.map_or_else(|| "...".to_owned(), |value| value.to_string())
                };
                write!(f, "TS val {} ecr {}", shown(val), shown(ecr))
            }
            Self::FastOpen {
                experimental,
                cookie,
            } => {
                f.write_str(if *experimental { "FOEXP" } else { "FO" })?;
                data(f, cookie)
            }
            Self::Md5(digest) => write!(f, "md5 {digest}"),
            Self::Other { kind, data: bytes } => {
                write!(f, "gen-{kind}")?;
                data(f, bytes)
            }
            Self::Raw(bytes) => hex(f, bytes),
        }
    }
}

fn data(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    if bytes.is_empty() {
        return Ok(());
    }
    f.write_char(' ')?;
    hex(f, bytes)
}

fn hex(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn message(f: &mut Formatter<'_>, icmp: &Icmp, udp: Option<(u16, u16)>) -> fmt::Result {
    let Icmp {
        kind,
        code,
        mtu,
        quoted,
        quotes_udp,
        raw,
        id,
    } = icmp;
    write!(f, " icmp {kind}")?;
    if let Some(code) = code {
        write!(f, " {code}")?;
    }
    if let Some(mtu) = mtu {
        write!(f, " mtu {mtu}")?;
    }
    if let Some(id) = id {
        write!(f, " id {id}")?;
    }
    match (quoted, raw) {
        (Some((_, length)), _) if *quotes_udp => write!(f, " [udp ({length})]"),
        (Some((start, len)), _) => {
            let (start, len) = (*start, *len);
            write!(f, " [{}", Sequence::At { start, len })?;
            encapsulation(f, udp)?;
            f.write_char(']')
        }
        (None, Some(length)) => write!(f, " [raw ({length})]"),
        (None, None) => Ok(()),
    }
}
