//! The arguments of a call as numbers, addresses and buffers.

use std::net::SocketAddr;

use super::super::super::ast::{Call, Expression, Field};
use super::super::report::Failure;
use crate::sockets::symbol;

/// A call's arguments.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a> {
    pub(super) name: &'a str,
    all: &'a [Expression],
}

impl<'a> Arguments<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        Self {
            name: &call.name,
            all: &call.arguments,
        }
    }

    pub(super) fn count(self, possible: std::ops::RangeInclusive<usize>) -> Result<(), Failure> {
        if possible.contains(&self.all.len()) {
            return Ok(());
        }
        let wanted = if possible.start() == possible.end() {
            possible.start().to_string()
        } else {
            format!("{} to {}", possible.start(), possible.end())
        };
        Err(Failure::new(format!(
            "{} takes {wanted} arguments, not {}",
            self.name,
            self.all.len()
        )))
    }

    pub(super) fn len(self) -> usize {
        self.all.len()
    }

    pub(super) fn get(self, place: usize) -> Result<&'a Expression, Failure> {
        let missing = || Failure::new(format!("{} has no argument {}", self.name, place + 1));
        self.all.get(place).ok_or_else(missing)
    }

    pub(super) fn is_ellipsis(self, place: usize) -> bool {
        matches!(self.all.get(place), Some(Expression::Ellipsis))
    }

    pub(super) fn number(self, place: usize) -> Result<i64, Failure> {
        number(self.get(place)?)
    }

    /// A number of 32 bits, signed or not.
    pub(super) fn int(self, place: usize) -> Result<i32, Failure> {
        int(self.get(place)?)
    }

    /// A length in bytes.
    pub(super) fn len_at(self, place: usize) -> Result<usize, Failure> {
        let number = self.number(place)?;
        let len = usize::try_from(number).ok().filter(|&len| len <= LONGEST);
        len.ok_or_else(|| Failure::new(format!("{} cannot be given {number} bytes", self.name)))
    }

    /// A buffer that the script leaves to the runner: `...`; or a string, or `NULL`.
    pub(super) fn buffer(self, place: usize) -> Result<Buffer, Failure> {
        match self.get(place)? {
            Expression::Ellipsis => Ok(Buffer::Any),
            Expression::String(bytes) => Ok(Buffer::Bytes(bytes.clone())),
            Expression::Integer(0) => Ok(Buffer::Null),
            Expression::Word(word) if word == "NULL" => Ok(Buffer::Null),
            other => Err(wrong("`...`, a string or NULL", other)),
        }
    }

    /// `[N]`
    pub(super) fn in_list(self, place: usize) -> Result<i32, Failure> {
        match self.get(place)? {
            Expression::List(items) => match items.as_slice() {
                [one] => int(one),
                _ => Err(Failure::new("a list of one number is expected: [N]")),
            },
            other => Err(wrong("[N]", other)),
        }
    }
}

/// The longest buffer: more would only cost memory.
const LONGEST: usize = 1 << 30;

/// What a call reads from or writes to.
pub(super) enum Buffer {
    Any,
    Bytes(Vec<u8>),
    Null,
}

/// The value of an expression that is a number.
pub(super) fn number(expression: &Expression) -> Result<i64, Failure> {
    match expression {
        Expression::Integer(value) => Ok(*value),
        Expression::Word(word) => {
            symbol(word).ok_or_else(|| Failure::unsupported(format!("the name {word}")))
        }
        Expression::Or(left, right) => Ok(number(left)? | number(right)?),
        Expression::Not(of) => Ok(!number(of)?),
        other => Err(wrong("a number", other)),
    }
}

/// A number of 32 bits, signed or not.
#[allow(
    clippy::cast_possible_truncation,
    reason = "an unsigned 32 bits keep their bits"
)]
pub(super) fn int(expression: &Expression) -> Result<i32, Failure> {
    let value = number(expression)?;
    if (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&value) {
        Ok(value as i32)
    } else {
        Err(Failure::new(format!("{value} does not fit in 32 bits")))
    }
}

/// A field by one of its names.
pub(super) fn field<'a>(fields: &'a [Field], names: &[&str]) -> Option<&'a Field> {
    let is_named = |field: &&Field| {
        field
            .name
            .as_deref()
            .is_some_and(|name| names.contains(&name))
    };
    fields.iter().find(is_named)
}

/// `{sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}`, whatever the fields are called.
pub(super) fn socket_address(fields: &[Field]) -> Option<SocketAddr> {
    let values = || fields.iter().map(|field| &field.value);
    let port = values().find_map(|value| match value {
        Expression::Port(port) => Some(*port),
        _ => None,
    })?;
    let ip = values().find_map(|value| match value {
        Expression::Address(ip) => Some(*ip),
        _ => None,
    })?;
    Some(SocketAddr::new(ip, port))
}

pub(super) fn wrong(expected: &str, seen: &Expression) -> Failure {
    Failure::new(format!("{expected} is expected, not {seen}"))
}
