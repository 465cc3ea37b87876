//! What a call answered, held against what the script says, and what follows for its connections.

use super::super::super::ast::Call;
use super::super::super::parse::Dialect;
use super::super::Runner;
use super::super::mapping::{Connection, Stage, first_wrong};
use super::super::report::Failure;
use super::arguments::number;
use super::plan::{Plan, Wanted, WantedOption};
use super::signature;
use crate::sockets::{self, Errno, OptionValue, Output, Returned, symbol, symbols};

impl Runner<'_> {
    pub(super) fn check_result(
        &mut self,
        call: &Call,
        plan: &Plan,
        returned: &Returned,
    ) -> Result<(), Failure> {
        let makes_descriptor = matches!(
            plan.call,
            sockets::Call::Socket { .. } | sockets::Call::Accept { .. }
        );
        let expected = self.expected_value(call)?;
        let is_expected = if makes_descriptor && expected >= 0 {
            returned.value >= 0
        } else {
            returned.value == expected
        };
        let errno = match &call.errno {
            None => None,
            Some(name) => Some(
                Errno::named(name)
                    .ok_or_else(|| Failure::unsupported(format!("the error {name}")))?,
            ),
        };
        let is_errno_expected = errno.is_none_or(|errno| returned.errno == Some(errno));
        if !is_expected || !is_errno_expected {
            let signature = signature(call);
            let wanted = match &call.errno {
                Some(errno) => format!("{} {errno}", call.result),
                None => call.result.to_string(),
            };
            let is_option = matches!(
                plan.call,
                sockets::Call::SetOption { .. } | sockets::Call::GetOption { .. }
            );
            let failure = if is_option && returned.errno == Some(Errno::EOPNOTSUPP) {
                Failure::unsupported(&signature)
            } else {
                Failure::new(format!("{} answered something else", call.name))
            };
            return Err(failure
                .expected(format!("{signature} = {wanted}"))
                .seen(format!("{signature} = {}", answer(returned))));
        }
        if returned.errno.is_some() {
            return Ok(());
        }
        self.check_output(call, plan, returned)
    }

    fn check_output(
        &mut self,
        call: &Call,
        plan: &Plan,
        returned: &Returned,
    ) -> Result<(), Failure> {
        let output = &returned.output;
        match (&plan.wanted, output) {
            (Wanted::Int(wanted), Output::Int(seen)) => compare(call, "value", wanted, seen),
            (Wanted::Events(wanted), Output::Events(seen)) => {
                let show = |events: &[i16]| {
                    let all: Vec<String> = events.iter().map(|&bits| event_names(bits)).collect();
                    all.join(", ")
                };
                if wanted == seen {
                    return Ok(());
                }
                compare(call, "revents", &show(wanted), &show(seen))
            }
            (Wanted::Address(wanted), Output::Address(seen)) => {
                compare(call, "address", wanted, seen)
            }
            (Wanted::Message { flags, inq }, Output::Bytes(_, seen)) => {
                if flags != seen {
                    return compare(
                        call,
                        "msg_flags",
                        &format!("{flags:#x}"),
                        &format!("{seen:#x}"),
                    );
                }
                match inq {
                    Some(wanted) => compare(call, "TCP_CM_INQ", wanted, &self.left_to_read(plan)),
                    None => Ok(()),
                }
            }
            (Wanted::Option(wanted, len), Output::Option(seen)) => {
                check_option(call, wanted.as_ref(), *len, seen)
            }
            _ => Ok(()),
        }?;
        self.check_bytes(plan, returned)
    }

    /// What `TCP_CM_INQ` says: the bytes left to read, and 1 if only the end of the stream is left.
    fn left_to_read(&mut self, plan: &Plan) -> i32 {
        let sockets::Call::Receive { fd, .. } = plan.call else {
            return 0;
        };
        let request = u64::from(symbols::SIOCINQ.cast_unsigned());
        let left = match self.at_once(sockets::Call::Ioctl { fd, request }) {
            Some(Output::Int(left)) => left,
            _ => 0,
        };
        let hung_up = i16::try_from(symbols::POLLRDHUP).unwrap_or_default();
        let poll = sockets::Call::Poll {
            fds: vec![(fd, hung_up)],
            timeout: Some(std::time::Duration::ZERO),
        };
        match self.at_once(poll) {
            Some(Output::Events(events)) if left == 0 => {
                i32::from(events.iter().any(|events| events & hung_up != 0))
            }
            _ => left,
        }
    }

    fn at_once(&mut self, call: sockets::Call) -> Option<Output> {
        let id = self.subject.call(call);
        self.subject
            .outcome(id)
            .map(|outcome| outcome.returned.output)
    }

    /// The bytes received are those that were sent there.
    fn check_bytes(&mut self, plan: &Plan, returned: &Returned) -> Result<(), Failure> {
        let (sockets::Call::Receive { flags, .. }, Output::Bytes(bytes, _), Some(place)) =
            (&plan.call, &returned.output, plan.place)
        else {
            return Ok(());
        };
        // Linux throws away what is received so (tcp(7)), and leaves the buffer as it is.
        if flags & symbols::MSG_TRUNC != 0 {
            return Ok(());
        }
        let content = &self.connections[place].content;
        match first_wrong(content.received, bytes) {
            Some(wrong) if !content.is_unknown => Err(Failure::new(format!(
                "byte {wrong} of those received is not the one that was sent there"
            ))),
            _ => Ok(()),
        }
    }

    /// What a call changes about connections once it has returned.
    pub(super) fn apply(
        &mut self,
        call: &Call,
        plan: &Plan,
        returned: &Returned,
    ) -> Result<(), Failure> {
        if returned.value < 0 {
            return Ok(());
        }
        let count = returned.value.unsigned_abs();
        match (&plan.call, plan.place) {
            (sockets::Call::Socket { .. }, _) => {
                let descriptor = self.new_descriptor(call, returned)?;
                let place = self.add_connection(Connection::new(Stage::New));
                self.connections[place].descriptor = Some(descriptor);
            }
            (sockets::Call::Accept { .. }, _) => self.accepted(call, returned)?,
            (sockets::Call::Listen { .. }, Some(place)) => {
                self.connections[place].stage = Stage::Listening;
            }
            (sockets::Call::Close { .. }, Some(place)) => self.connections[place].descriptor = None,
            (sockets::Call::Send { .. }, Some(place)) => {
                self.connections[place].content.sent += count;
            }
            (sockets::Call::Receive { flags, .. }, Some(place))
                if flags & (symbols::MSG_PEEK | symbols::MSG_OOB) == 0 =>
            {
                self.connections[place].content.received += count;
            }
            _ => {}
        }
        Ok(())
    }

    /// What the script says that a call answers.
    fn expected_value(&self, call: &Call) -> Result<i64, Failure> {
        let value = number(&call.result)?;
        let value = match (self.config.dialect, call.name.as_str()) {
            (Dialect::FreeBsd, "fcntl") => flags_of_freebsd(value),
            _ => value,
        };
        match (noted_flags(call), &call.note) {
            (Some(flags), Some(note)) if flags != value => Err(Failure::new(format!(
                "{} is not what the note says: {note}",
                call.result
            ))),
            _ => Ok(value),
        }
    }

    /// The descriptor that the script gives what a call made, and the live one.
    fn new_descriptor(&self, call: &Call, returned: &Returned) -> Result<(i32, i32), Failure> {
        let live = i32::try_from(returned.value).unwrap_or(-1);
        let script = i32::try_from(self.expected_value(call)?).unwrap_or(-1);
        if script < 0 || self.descriptor(script).is_ok() {
            return Err(Failure::new(format!(
                "descriptor {script} is in use in the script"
            )));
        }
        Ok((script, live))
    }

    /// Finds the connection that `accept` answered.
    fn accepted(&mut self, call: &Call, returned: &Returned) -> Result<(), Failure> {
        let descriptor = self.new_descriptor(call, returned)?;
        let peer = match returned.output {
            Output::Address(address) => Some(std::net::SocketAddr::new(
                address.ip().to_canonical(),
                address.port(),
            )),
            _ => None,
        };
        let is_waiting = |known: &Connection| {
            let is_passive = matches!(
                known.stage,
                Stage::PacketReceived | Stage::SynAckSent | Stage::SynAckAcked
            );
            is_passive && known.descriptor.is_none()
        };
        let by_peer = self
            .connections
            .iter()
            .rposition(|known| is_waiting(known) && peer.is_some() && known.remote == peer);
        let place = by_peer
            .or_else(|| self.connections.iter().rposition(is_waiting))
            .ok_or_else(|| {
                Failure::new("no connection of the script is the one that was accepted")
            })?;
        self.connections[place].descriptor = Some(descriptor);
        Ok(())
    }
}

/// The flags that strace notes behind what `fcntl` answered: `(flags O_RDWR|O_NONBLOCK)`.
fn noted_flags(call: &Call) -> Option<i64> {
    let note = call.note.as_deref().filter(|_| call.name == "fcntl")?;
    let names = note.strip_prefix("flags ")?.split('|');
    let bits: Option<Vec<i64>> = names.map(|name| symbol(name.trim())).collect();
    Some(bits?.iter().fold(0, |all, bit| all | bit))
}

/// FreeBSD's flags of a file by Linux's numbers.
fn flags_of_freebsd(value: i64) -> i64 {
    const O_NONBLOCK: i64 = 4;
    if value > 0 && value & O_NONBLOCK != 0 {
        (value & !O_NONBLOCK) | i64::from(symbols::O_NONBLOCK)
    } else {
        value
    }
}

/// What a call answered, as strace writes it.
pub(super) fn answer(returned: &Returned) -> String {
    match returned.errno {
        Some(errno) => match errno.name() {
            Some(name) => format!("-1 {name} ({})", errno.describe()),
            None => format!("-1 errno {}", errno.0),
        },
        None => returned.value.to_string(),
    }
}

fn compare<T: PartialEq + std::fmt::Display>(
    call: &Call,
    what: &str,
    wanted: &T,
    seen: &T,
) -> Result<(), Failure> {
    if wanted == seen {
        return Ok(());
    }
    Err(
        Failure::new(format!("{} handed back something else", call.name))
            .expected(format!("{what} {wanted}"))
            .seen(format!("{what} {seen}")),
    )
}

fn check_option(
    call: &Call,
    wanted: Option<&WantedOption>,
    len: usize,
    seen: &OptionValue,
) -> Result<(), Failure> {
    let seen_len = match seen {
        OptionValue::Int(_) => len.min(4),
        OptionValue::Linger(..) => len.min(8),
        OptionValue::Time(_) => len.min(16),
        OptionValue::Bytes(bytes) => bytes.len(),
    };
    compare(call, "a value of so many bytes:", &len, &seen_len)?;
    // A string is the whole of the value, with the zeros that fill it up.
    let text = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
    match (wanted, seen) {
        (None, _) => Ok(()),
        (Some(WantedOption::Int(wanted)), OptionValue::Int(seen)) => {
            compare(call, "value", wanted, seen)
        }
        (Some(WantedOption::Int(wanted)), OptionValue::Bytes(bytes)) => {
            let mut four = [0; 4];
            four.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            compare(call, "value", wanted, &i32::from_le_bytes(four))
        }
        (Some(WantedOption::Bytes(wanted)), OptionValue::Bytes(seen)) => {
            compare(call, "value", &text(wanted), &text(seen))
        }
        (Some(WantedOption::Bytes(wanted)), OptionValue::Int(seen)) => {
            let seen = &seen.to_le_bytes()[..seen_len];
            compare(call, "value", &text(wanted), &text(seen))
        }
        (Some(WantedOption::Linger(on, seconds)), OptionValue::Linger(seen_on, seen_seconds)) => {
            let (a, b) = (
                format!("{on} {seconds}"),
                format!("{seen_on} {seen_seconds}"),
            );
            compare(call, "linger", &a, &b)
        }
        (Some(WantedOption::Time(wanted)), OptionValue::Time(seen)) => {
            compare(call, "seconds", &wanted.as_secs_f64(), &seen.as_secs_f64())
        }
        (Some(_), _) => {
            let kind = match seen {
                OptionValue::Int(_) => "a number",
                OptionValue::Linger(..) => "{onoff=…, linger=…}",
                OptionValue::Time(_) => "{tv_sec=…, tv_usec=…}",
                OptionValue::Bytes(_) => "bytes",
            };
            Err(Failure::new(format!("the option's value is {kind}")))
        }
    }
}

/// `POLLIN|POLLOUT`
fn event_names(bits: i16) -> String {
    const NAMES: [(&str, i32); 11] = [
        ("POLLIN", symbols::POLLIN),
        ("POLLPRI", symbols::POLLPRI),
        ("POLLOUT", symbols::POLLOUT),
        ("POLLERR", symbols::POLLERR),
        ("POLLHUP", symbols::POLLHUP),
        ("POLLNVAL", symbols::POLLNVAL),
        ("POLLRDNORM", symbols::POLLRDNORM),
        ("POLLRDBAND", symbols::POLLRDBAND),
        ("POLLWRNORM", symbols::POLLWRNORM),
        ("POLLWRBAND", symbols::POLLWRBAND),
        ("POLLRDHUP", symbols::POLLRDHUP),
    ];
    let set = NAMES.iter().filter(|(_, bit)| i32::from(bits) & bit != 0);
    let names: Vec<&str> = set.map(|(name, _)| *name).collect();
    if names.is_empty() {
        "0".to_owned()
    } else {
        names.join("|")
    }
}
