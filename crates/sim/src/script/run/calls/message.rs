//! Records in arguments: vectors, messages, descriptors to poll, values of options.

use std::time::Duration;

use super::super::super::ast::{Expression, Field};
use super::super::report::Failure;
use super::arguments::{field, int, number, wrong};
use super::plan::WantedOption;
use crate::sockets::symbols;

/// A `struct msghdr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The length of its buffers.
    pub(super) len: usize,
    /// `msg_flags`: what `recvmsg` is to set.
    pub(super) flags: i32,
    /// What a `TCP_CM_INQ` among its control messages says.
    pub(super) inq: Option<i32>,
    /// Whether it has a name: where to send to.
    pub(super) is_addressed: bool,
}

/// `[{..., 1000}, {..., 500}]`: how many bytes.
pub(super) fn vector_len(expression: &Expression) -> Result<usize, Failure> {
    let Expression::List(items) = expression else {
        return Err(wrong("a list of {..., length}", expression));
    };
    items.iter().try_fold(0_usize, |sum, item| {
        let Expression::Record(fields) = item else {
            return Err(wrong("{..., length}", item));
        };
        let [_, len] = fields.as_slice() else {
            return Err(wrong("{..., length}", item));
        };
        let len = usize::try_from(number(&len.value)?);
        let len = len.map_err(|_| Failure::new("a length cannot be negative"))?;
        Ok(sum.saturating_add(len).min(1 << 30))
    })
}

/// A vector has as many parts as is said beside it.
pub(super) fn hold_count(vector: &Expression, count: &Expression) -> Result<(), Failure> {
    let count = number(count)?;
    match vector {
        Expression::List(parts) if usize::try_from(count) != Ok(parts.len()) => Err(Failure::new(
            format!("the vector has {} parts, not {count}", parts.len()),
        )),
        _ => Ok(()),
    }
}

/// `{msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0}`
pub(super) fn parse(expression: &Expression) -> Result<Message, Failure> {
    let Expression::Record(fields) = expression else {
        return Err(wrong(
            "a message {msg_iov(1)=[{..., length}], msg_flags=0}",
            expression,
        ));
    };
    let mut message = Message::default();
    if let Some(vector) = field(fields, &["msg_iov"]) {
        message.len = vector_len(&vector.value)?;
        if let Some(count) = &vector.argument {
            hold_count(&vector.value, count)?;
        }
    }
    if let Some(flags) = field(fields, &["msg_flags"]) {
        message.flags = int(&flags.value)?;
    }
    if let Some(control) = field(fields, &["msg_control"]) {
        message.inq = control_messages(&control.value)?;
    }
    message.is_addressed = field(fields, &["msg_name"]).is_some();
    Ok(message)
}

/// The one control message that TCP has: how much is left to read.
fn control_messages(expression: &Expression) -> Result<Option<i32>, Failure> {
    let Expression::List(items) = expression else {
        return Err(wrong("a list of control messages", expression));
    };
    let mut inq = None;
    for item in items {
        let Expression::Record(fields) = item else {
            return Err(wrong("{cmsg_level=…, cmsg_type=…, cmsg_data=…}", item));
        };
        let value = |name: &str| -> Result<i32, Failure> {
            let missing = || Failure::new(format!("a control message needs {name}"));
            int(&field(fields, &[name]).ok_or_else(missing)?.value)
        };
        let kind = (value("cmsg_level")?, value("cmsg_type")?);
        if kind != (symbols::SOL_TCP, symbols::TCP_CM_INQ) {
            return Err(Failure::unsupported(
                "control messages other than TCP_CM_INQ",
            ));
        }
        inq = Some(value("cmsg_data")?);
    }
    Ok(inq)
}

/// `{fd=3, events=POLLIN, revents=POLLIN}`
pub(super) fn poll_record(expression: &Expression) -> Result<(i32, i16, i16), Failure> {
    let Expression::Record(fields) = expression else {
        return Err(wrong("{fd=…, events=…, revents=…}", expression));
    };
    let named =
        |name: &str, place: usize| field(fields, &[name]).or_else(|| unnamed(fields, place));
    let events = |field: Option<&Field>| -> Result<i16, Failure> {
        let bits = field.map_or(Ok(0), |field| int(&field.value))?;
        i16::try_from(bits).map_err(|_| Failure::new(format!("{bits:#x} is no set of poll events")))
    };
    let fd = named("fd", 0).ok_or_else(|| Failure::new("poll needs fd=…"))?;
    Ok((
        int(&fd.value)?,
        events(named("events", 1))?,
        events(named("revents", 2))?,
    ))
}

fn unnamed(fields: &[Field], place: usize) -> Option<&Field> {
    fields.get(place).filter(|field| field.name.is_none())
}

/// The value of an option; `None` for `...`.
pub(super) fn option_value(expression: &Expression) -> Result<Option<WantedOption>, Failure> {
    match expression {
        Expression::Ellipsis => Ok(None),
        Expression::String(bytes) => Ok(Some(WantedOption::Bytes(bytes.clone()))),
        Expression::List(items) => match items.as_slice() {
            [one] => int(one).map(|value| Some(WantedOption::Int(value))),
            _ => Err(Failure::new("a list of one number is expected: [N]")),
        },
        Expression::Record(fields) => record_value(fields, expression).map(Some),
        other => Err(wrong("[N], a string or a record", other)),
    }
}

/// `{onoff=1, linger=0}` or `{tv_sec=1, tv_usec=500000}`
fn record_value(fields: &[Field], whole: &Expression) -> Result<WantedOption, Failure> {
    let value = |names: &[&str]| {
        field(fields, names)
            .map(|field| number(&field.value))
            .transpose()
    };
    let small = |value: i64| {
        i32::try_from(value).map_err(|_| Failure::new(format!("{value} does not fit in an int")))
    };
    if let (Some(on), Some(seconds)) = (
        value(&["onoff", "l_onoff"])?,
        value(&["linger", "l_linger"])?,
    ) {
        return Ok(WantedOption::Linger(small(on)?, small(seconds)?));
    }
    if let (Some(seconds), Some(micros)) = (value(&["tv_sec"])?, value(&["tv_usec"])?) {
        let parts = u64::try_from(seconds).ok().zip(u32::try_from(micros).ok());
        let (seconds, micros) = parts
            .filter(|(_, micros)| *micros < 1_000_000)
            .ok_or_else(|| Failure::new("this is no time"))?;
        return Ok(WantedOption::Time(Duration::new(seconds, micros * 1000)));
    }
    Err(Failure::unsupported(format!(
        "an option with the value {whole}"
    )))
}
