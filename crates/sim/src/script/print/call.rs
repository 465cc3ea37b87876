//! Calls as scripts write them.

use std::fmt::{self, Display, Formatter, Write};
use std::net::IpAddr;

use crate::script::ast::{Call, Expression, Field};

use super::Seconds;

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            until,
            name,
            arguments,
            result,
            errno,
            note,
        } = self;
        if let Some(until) = until {
            write!(f, "...{} ", Seconds(*until))?;
        }
        write!(f, "{name}(")?;
        with_commas(f, arguments)?;
        write!(f, ") = {result}")?;
        if let Some(errno) = errno {
            write!(f, " {errno}")?;
        }
        if let Some(note) = note {
            write!(f, " ({note})")?;
        }
        Ok(())
    }
}

fn with_commas(f: &mut Formatter<'_>, items: &[impl Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        item.fmt(f)?;
    }
    Ok(())
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ellipsis => f.write_str("..."),
            Self::Integer(value) => write!(f, "{value}"),
            Self::String(bytes) => string(f, bytes),
            Self::Word(word) => f.write_str(word),
            Self::Or(left, right) => write!(f, "{left}|{right}"),
            Self::Not(of) => write!(f, "~{of}"),
            Self::Assign(name, value) => write!(f, "{name}={value}"),
            Self::List(items) => {
                f.write_char('[')?;
                with_commas(f, items)?;
                f.write_char(']')
            }
            Self::Record(fields) => {
                f.write_char('{')?;
                with_commas(f, fields)?;
                f.write_char('}')
            }
            Self::Port(port) => write!(f, "htons({port})"),
            Self::Address(IpAddr::V4(address)) => write!(f, "inet_addr(\"{address}\")"),
            Self::Address(IpAddr::V6(address)) => write!(f, "inet6_addr(\"{address}\")"),
            // A point marks it as one.
            Self::Float(value) if value.fract() == 0.0 => write!(f, "{value:.1}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            argument,
            value,
        } = self;
        if let Some(name) = name {
            f.write_str(name)?;
            if let Some(argument) = argument {
                write!(f, "({argument})")?;
            }
            f.write_char('=')?;
            // Of either family: packetdrill's grammar has only this name for a field.
            if let Expression::Address(address) = value {
                return write!(f, "inet_addr(\"{address}\")");
            }
        }
        value.fmt(f)
    }
}

fn string(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_char('"')?;
    for byte in bytes {
        match byte {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            b' '..=b'~' => f.write_char(char::from(*byte))?,
            _ => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_char('"')
}
