//! A call of the script as a call of the stack, with what is to be looked at when it returns.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::super::ast::{self, Expression};
use super::super::Runner;
use super::super::mapping::{Connection, Stage, bytes_from, first_wrong};
use super::super::report::Failure;
use super::arguments::{self, Arguments, Buffer};
use super::message;
use crate::sockets::{Call, Fd, NULL_BUFFER, OptionValue, symbols};

/// A call, and what is to be looked at when it returns.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) call: Call,
    /// The connection it is about.
    pub(super) place: Option<usize>,
    pub(super) wanted: Wanted,
}

/// What a call is to hand back beside its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Nothing,
    /// The answer of `ioctl`.
    Int(i32),
    /// The value of an option, and how long it is to be.
    Option(Option<WantedOption>, usize),
    /// The `revents` of `poll`.
    Events(Vec<i16>),
    /// The flags of `recvmsg`, and what it says is left to read.
    Message {
        flags: i32,
        inq: Option<i32>,
    },
    /// An address.
    Address(SocketAddr),
}

/// The value that an option is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WantedOption {
    Int(i32),
    Bytes(Vec<u8>),
    Linger(i32, i32),
    Time(Duration),
}

/// Calls that packetdrill has and that are not TCP's.
const UNSUPPORTED: [&str; 14] = [
    "cap_set",
    "dup",
    "epoll_create",
    "epoll_ctl",
    "epoll_wait",
    "kqueue",
    "open",
    "pipe",
    "psp_rx_assoc",
    "psp_tx_assoc",
    "select",
    "sendfile",
    "socketpair",
    "splice",
];

impl Runner<'_> {
    /// The live descriptor for a script's, and its connection.
    pub(super) fn descriptor(&self, script: i32) -> Result<(Fd, usize), Failure> {
        let open = self
            .connections
            .iter()
            .rposition(|known| known.descriptor.is_some_and(|(known, _)| known == script));
        let place = open.ok_or_else(|| {
            Failure::new(format!("no socket of the script has descriptor {script}"))
        })?;
        let live = self.connections[place]
            .descriptor
            .map_or(-1, |(_, live)| live);
        Ok((live, place))
    }

    pub(super) fn plan(&self, call: &ast::Call) -> Result<Plan, Failure> {
        let arguments = Arguments::of(call);
        match call.name.as_str() {
            "socket" => self.plan_socket(arguments),
            "poll" => self.plan_poll(arguments),
            name if UNSUPPORTED.contains(&name) || name.starts_with("sctp_") => {
                Err(Failure::unsupported(name))
            }
            "bind" | "listen" | "accept" | "accept4" | "connect" | "shutdown" | "close"
            | "fcntl" | "ioctl" | "getsockname" | "getpeername" => self.plan_of_socket(arguments),
            "read" | "readv" | "recv" | "recvfrom" | "recvmsg" => self.plan_receive(arguments),
            "write" | "writev" | "send" | "sendto" | "sendmsg" => self.plan_send(arguments),
            "setsockopt" | "getsockopt" => self.plan_option(arguments),
            name => Err(Failure::unsupported(format!("the call {name}"))),
        }
    }

    fn plan_socket(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        arguments.count(3..=3)?;
        let domain = if arguments.is_ellipsis(0) {
            let is_v4 = self.config.socket_address(self.config.local_ip()).is_ipv4();
            if is_v4 {
                symbols::AF_INET
            } else {
                symbols::AF_INET6
            }
        } else {
            arguments.int(0)?
        };
        let (kind, protocol) = (arguments.int(1)?, arguments.int(2)?);
        if kind & 0xf != symbols::SOCK_STREAM {
            return Err(Failure::unsupported("sockets other than SOCK_STREAM"));
        }
        Ok(Plan::new(Call::Socket {
            domain,
            kind,
            protocol,
        }))
    }

    fn plan_of_socket(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        let (fd, place) = self.descriptor(arguments.int(0)?)?;
        let mut wanted = Wanted::Nothing;
        let call = match arguments.name {
            "bind" => {
                arguments.count(3..=3)?;
                let default = (self.config.local_ip(), self.config.bind_port);
                Call::Bind {
                    fd,
                    address: self
                        .address(arguments, default)?
                        .ok_or_else(|| Failure::unsupported("bind without an address"))?,
                }
            }
            "connect" => {
                arguments.count(3..=3)?;
                let default = (self.config.remote_ip(), self.config.connect_port);
                let address = self.address(arguments, default)?;
                Call::Connect { fd, address }
            }
            "listen" => {
                arguments.count(2..=2)?;
                let backlog = arguments.int(1)?;
                Call::Listen { fd, backlog }
            }
            "accept" => {
                arguments.count(3..=3)?;
                Call::Accept { fd, flags: 0 }
            }
            "accept4" => {
                arguments.count(4..=4)?;
                let flags = arguments.int(3)?;
                Call::Accept { fd, flags }
            }
            "shutdown" => {
                arguments.count(2..=2)?;
                let how = arguments.int(1)?;
                Call::Shutdown { fd, how }
            }
            "close" => {
                arguments.count(1..=1)?;
                Call::Close { fd }
            }
            "fcntl" => {
                arguments.count(2..=3)?;
                Call::Fcntl {
                    fd,
                    command: arguments.int(1)?,
                    argument: if arguments.len() == 3 {
                        arguments.int(2)?
                    } else {
                        0
                    },
                }
            }
            "ioctl" => {
                arguments.count(2..=3)?;
                if arguments.len() == 3 && !arguments.is_ellipsis(2) {
                    wanted = Wanted::Int(arguments.in_list(2)?);
                }
                let request = u64::from(arguments.int(1)?.cast_unsigned());
                Call::Ioctl { fd, request }
            }
            name => {
                arguments.count(3..=3)?;
                if let Expression::Record(fields) = arguments.get(1)? {
                    wanted =
                        arguments::socket_address(fields).map_or(Wanted::Nothing, Wanted::Address);
                }
                let peer = name == "getpeername";
                Call::Name { fd, peer }
            }
        };
        Ok(Plan {
            call,
            place: Some(place),
            wanted,
        })
    }

    /// The address of `bind` and `connect`: `...` is the one of the options, `AF_UNSPEC` none.
    fn address(
        &self,
        arguments: Arguments<'_>,
        (ip, port): (std::net::IpAddr, u16),
    ) -> Result<Option<SocketAddr>, Failure> {
        match arguments.get(1)? {
            Expression::Ellipsis => Ok(Some(SocketAddr::new(self.config.socket_address(ip), port))),
            Expression::Record(fields) => {
                let address = arguments::socket_address(fields).ok_or_else(|| {
                    Failure::new(
                        "an address has a port `htons(N)` and an address `inet_addr(\"…\")`",
                    )
                })?;
                let ip = self.config.socket_address(address.ip());
                Ok(Some(SocketAddr::new(ip, address.port())))
            }
            other if arguments::int(other)? == symbols::AF_UNSPEC => Ok(None),
            other => Err(arguments::wrong("`...`, an address or AF_UNSPEC", other)),
        }
    }

    fn plan_receive(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        let (fd, place) = self.descriptor(arguments.int(0)?)?;
        let mut wanted = Wanted::Nothing;
        let (len, flags) = match arguments.name {
            "readv" => {
                arguments.count(3..=3)?;
                (vector_len(arguments)?, 0)
            }
            "recvmsg" => {
                arguments.count(3..=3)?;
                let message = message::parse(arguments.get(1)?)?;
                wanted = Wanted::Message {
                    flags: message.flags,
                    inq: message.inq,
                };
                (message.len, arguments.int(2)?)
            }
            name => {
                let count = match name {
                    "read" => 3,
                    "recv" => 4,
                    _ => 6,
                };
                arguments.count(count..=count)?;
                let mut flags = if count > 3 { arguments.int(3)? } else { 0 };
                match arguments.buffer(1)? {
                    Buffer::Any => {}
                    Buffer::Null => flags |= NULL_BUFFER,
                    // What arrives follows from its place in the stream, and is checked unasked.
                    Buffer::Bytes(_) => {
                        return Err(arguments::wrong("`...` or NULL", arguments.get(1)?));
                    }
                }
                (arguments.len_at(2)?, flags)
            }
        };
        Ok(Plan {
            call: Call::Receive { fd, len, flags },
            place: Some(place),
            wanted,
        })
    }

    fn plan_send(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        let (fd, place) = self.descriptor(arguments.int(0)?)?;
        let sent = self.connections[place].content.sent;
        let fill = |len: usize| bytes_from(sent, len);
        let given = |bytes: Vec<u8>, len: usize| match bytes.len() < len {
            true => Err(Failure::new(format!(
                "the string has {} bytes, not {len}",
                bytes.len()
            ))),
            false => Ok(bytes[..len].to_vec()),
        };
        let (data, flags, is_addressed) = match arguments.name {
            "writev" => {
                arguments.count(3..=3)?;
                (fill(vector_len(arguments)?), 0, false)
            }
            "sendmsg" => {
                arguments.count(3..=3)?;
                let message = message::parse(arguments.get(1)?)?;
                (fill(message.len), arguments.int(2)?, message.is_addressed)
            }
            name => {
                let count = match name {
                    "write" => 3,
                    "send" => 4,
                    _ => 6,
                };
                arguments.count(count..=count)?;
                let len = arguments.len_at(2)?;
                let mut flags = if count > 3 { arguments.int(3)? } else { 0 };
                let data = match arguments.buffer(1)? {
                    Buffer::Any => fill(len),
                    Buffer::Bytes(bytes) => given(bytes, len)?,
                    Buffer::Null => {
                        flags |= NULL_BUFFER;
                        fill(len)
                    }
                };
                (data, flags, count == 6 && arguments.is_ellipsis(4))
            }
        };
        let to = (self.config.remote_ip(), self.config.connect_port);
        let address = SocketAddr::new(self.config.socket_address(to.0), to.1);
        Ok(Plan {
            call: Call::Send {
                fd,
                data,
                flags,
                address: is_addressed.then_some(address),
            },
            place: Some(place),
            wanted: Wanted::Nothing,
        })
    }

    fn plan_option(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        arguments.count(5..=5)?;
        let (fd, place) = self.descriptor(arguments.int(0)?)?;
        let (level, name) = (arguments.int(1)?, arguments.int(2)?);
        let value = message::option_value(arguments.get(3)?)?;
        if arguments.name == "setsockopt" {
            let len = arguments.len_at(4)?;
            let value = value.ok_or_else(|| Failure::new("setsockopt needs a value"))?;
            return Ok(Plan {
                call: Call::SetOption {
                    fd,
                    level,
                    name,
                    value: value.with_len(len),
                },
                place: Some(place),
                wanted: Wanted::Nothing,
            });
        }
        let len = usize::try_from(arguments.in_list(4)?)
            .map_err(|_| Failure::new("a length cannot be negative"))?;
        Ok(Plan {
            call: Call::GetOption {
                fd,
                level,
                name,
                len,
            },
            place: Some(place),
            wanted: Wanted::Option(value, len),
        })
    }

    fn plan_poll(&self, arguments: Arguments<'_>) -> Result<Plan, Failure> {
        arguments.count(3..=3)?;
        let Expression::List(records) = arguments.get(0)? else {
            return Err(arguments::wrong(
                "a list of {fd=…, events=…}",
                arguments.get(0)?,
            ));
        };
        let mut fds = Vec::new();
        let mut wanted = Vec::new();
        for record in records {
            let (fd, events, revents) = message::poll_record(record)?;
            fds.push((self.descriptor(fd)?.0, events));
            wanted.push(revents);
        }
        if i64::try_from(fds.len()) != Ok(arguments.number(1)?) {
            return Err(Failure::new(format!(
                "poll is given {} descriptors",
                fds.len()
            )));
        }
        let timeout = u64::try_from(arguments.int(2)?).ok();
        Ok(Plan {
            call: Call::Poll {
                fds,
                timeout: timeout.map(Duration::from_millis),
            },
            place: None,
            wanted: Wanted::Events(wanted),
        })
    }

    /// What a call changes about connections before it is made: a SYN may leave while it is.
    pub(super) fn prepare(&mut self, plan: &Plan) {
        let Some(place) = plan.place else { return };
        let connection = &mut self.connections[place];
        match &plan.call {
            Call::Connect { address: None, .. } => connection.stage = Stage::New,
            Call::Connect {
                address: Some(address),
                ..
            }
            | Call::Send {
                address: Some(address),
                ..
            } if connection.stage == Stage::New => {
                let ip = address.ip().to_canonical();
                *connection = Connection {
                    stage: Stage::Connecting,
                    descriptor: connection.descriptor,
                    remote: Some(SocketAddr::new(ip, address.port())),
                    ..Connection::new(Stage::Connecting)
                };
            }
            Call::Send { flags, data, .. } => {
                let content = &mut connection.content;
                content.is_unknown |= flags & symbols::MSG_OOB != 0;
                content.is_unknown |= first_wrong(content.sent, data).is_some();
            }
            Call::Receive { flags, .. } => {
                connection.content.is_unknown |= flags & symbols::MSG_OOB != 0;
            }
            _ => {}
        }
    }
}

/// The bytes of a vector, whose parts are as many as the call says.
fn vector_len(arguments: Arguments<'_>) -> Result<usize, Failure> {
    message::hold_count(arguments.get(1)?, arguments.get(2)?)?;
    message::vector_len(arguments.get(1)?)
}

impl Plan {
    fn new(call: Call) -> Self {
        Self {
            call,
            place: None,
            wanted: Wanted::Nothing,
        }
    }
}

impl WantedOption {
    /// As `setsockopt` takes it: an `int` of another length is bytes.
    fn with_len(self, len: usize) -> OptionValue {
        match self {
            Self::Int(value) if len < 4 => OptionValue::Bytes(value.to_le_bytes()[..len].to_vec()),
            Self::Int(value) => OptionValue::Int(value),
            Self::Bytes(bytes) => OptionValue::Bytes(bytes.into_iter().take(len).collect()),
            Self::Linger(on, seconds) => OptionValue::Linger(on, seconds),
            Self::Time(time) => OptionValue::Time(time),
        }
    }
}
