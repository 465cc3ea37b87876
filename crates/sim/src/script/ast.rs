//! What a script says, as it says it: nothing is resolved here, and every part knows its line.

use std::net::IpAddr;
use std::time::Duration;

/// A script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `--name=value` at the top.
    pub options: Vec<ScriptOption>,
    /// A command before the first event.
    pub init: Option<Command>,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// A command after the last event.
    pub cleanup: Option<Command>,
}

/// One `--name=value` or `--name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOption {
    /// Without the dashes.
    pub name: String,
    /// Without quotes.
    pub value: Option<String>,
    /// Where.
    pub line: usize,
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where, counted from 1.
    pub line: usize,
    /// The text as written, on one line, without its comment: for reports.
    pub text: String,
    /// When it happens, or is expected.
    pub when: When,
    /// What.
    pub action: Action,
}

/// When an event happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `+0.1`: after the event before it.
    Relative(Duration),
    /// `0.1`: after the start of the script.
    Absolute(Duration),
    /// `+0.1~+0.2`: a packet is expected between the two, counted from the event before it.
    RelativeRange(Duration, Duration),
    /// `0.1~0.2`: the same, counted from the start of the script.
    AbsoluteRange(Duration, Duration),
    /// `*`: a packet is expected at any time.
    Any,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A packet arrives, or is expected to leave.
    Packet(Packet),
    /// A system call.
    Call(Call),
    /// `` `command` ``
    Command(Command),
    /// `%{ code }%`
    Code(Code),
}

/// A shell command, which is interpreted and never given to a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Without the back quotes.
    pub text: String,
    /// Where it begins.
    pub line: usize,
}

/// A piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Without its brackets.
    pub text: String,
    /// Where it begins.
    pub line: usize,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `<`: to the stack under test.
    Inbound,
    /// `>`: from the stack under test.
    Outbound,
}

/// A packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Which way.
    pub direction: Direction,
    /// `[ect0]`, `(tos 0x10, ttl 64)`.
    pub ip: IpFields,
    /// `8080 > 53`: source and destination port.
    pub ports: Option<(u16, u16)>,
    /// `/udp(9899 > 9811)`: TCP in UDP, with these ports; behind an ICMP message it is of the segment quoted.
    pub udp: Option<(u16, u16)>,
    /// What it carries.
    pub body: Body,
}

/// The fields of the IP header a script names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpFields {
    /// The ECN field or the whole TOS byte (IPv6: traffic class).
    pub tos: Option<Tos>,
    /// TTL, or hop limit.
    pub ttl: Option<u8>,
    /// IPv6's flow label.
    pub flow_label: Option<u32>,
}

/// What is said of the TOS byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tos {
    /// `noecn`, `ect0`, `ect1`, `ce`: the ECN field's two bits.
    Ecn(u8),
    /// `ect01`: either of the two, outbound only.
    Ect01,
    /// `tos 0x2`, `class 0x2`: the whole byte.
    Byte(u8),
    /// `dscp 8`: the upper six bits.
    Dscp(u8),
    /// `dscp 8, ect01`: the upper six bits, and either of the two, outbound only.
    DscpEct01(u8),
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A TCP segment.
    Tcp(Tcp),
    /// An ICMP or ICMPv6 message.
    Icmp(Icmp),
    /// A UDP datagram with so many bytes.
    Udp(u16),
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Tcp {
    /// The control bits.
    pub flags: TcpFlags,
    /// Sequence numbers.
    pub seq: Sequence,
    /// `ack 1`.
    pub ack: Option<u32>,
    /// `ack *` (or an ACK number that is not to be checked).
    pub any_ack: bool,
    /// `win 65535`; `None` leaves it unchecked, and is for outbound segments only.
    pub win: Option<u16>,
    /// `urg 1`.
    pub urg: Option<u16>,
    /// The options; `None` is `<...>`: not checked.
    pub options: Option<Vec<TcpOption>>,
    /// A `!` behind the sequence numbers: they are live ones, not mapped.
    pub unmapped_seq: bool,
}

/// A segment's control bits as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are the header's bits")]
pub struct TcpFlags {
    /// `F`
    pub fin: bool,
    /// `S`
    pub syn: bool,
    /// `R`
    pub rst: bool,
    /// `P`
    pub psh: bool,
    /// `.`
    pub ack: bool,
    /// `U`
    pub urg: bool,
    /// `E`: ECE.
    pub ece: bool,
    /// `W`: CWR.
    pub cwr: bool,
    /// `A`: AE (RFC 9768), the former NS.
    pub ae: bool,
    /// `.5`: the three bits AE, CWR and ECE as a counter (RFC 9768), which then are not set above.
    pub ace: Option<u8>,
}

impl TcpFlags {
    /// Whether ACK is set, and of the others PSH at most.
    pub(crate) fn is_only_ack(self) -> bool {
        let ack = Self {
            ack: true,
            psh: self.psh,
            ..Self::default()
        };
        self == ack
    }
}

/// `1:1001(1000)`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// From where, and how many bytes.
    At {
        /// The first.
        start: u32,
        /// How many.
        len: u16,
    },
    /// `...(0)`: any sequence number, so many bytes.
    Any {
        /// How many.
        len: u16,
    },
}

/// An option of TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// `mss 1460`
    Mss(u16),
    /// `nop`
    Nop,
    /// `eol`
    Eol,
    /// `wscale 7`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `sack 1:2 3:4`
    Sack(Vec<(u32, u32)>),
    /// `TS val 1 ecr 2`; `None` where the script writes `...`.
    Timestamps {
        /// TSval.
        val: Option<u32>,
        /// TSecr.
        ecr: Option<u32>,
    },
    /// `FO abcd` or `FOEXP abcd`.
    FastOpen {
        /// Whether it is the experimental option 254.
        experimental: bool,
        /// The cookie, empty for a request.
        cookie: Vec<u8>,
    },
    /// `md5 valid`, or `md5` with a digest in hex: parsed only.
    Md5(String),
    /// `gen-172 0102`, `exp-acc0 01`, `ECN …`, `AccECN0 …`: a kind and its bytes.
    Other {
        /// The kind.
        kind: u8,
        /// What follows kind and length.
        data: Vec<u8>,
    },
    /// `<0204ffff>`: all the options as bytes.
    Raw(Vec<u8>),
}

/// An ICMP message about a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// `unreachable`, `packet_too_big`, `time_exceeded`, …, or `type_N`.
    pub kind: String,
    /// `host_unreachable`, `frag_needed`, …, or `code_N`.
    pub code: Option<String>,
    /// `mtu 1200`
    pub mtu: Option<u32>,
    /// `[1:1001(1000)]`: the sequence numbers it quotes.
    pub quoted: Option<(u32, u16)>,
    /// `[udp (1000)]`: quotes UDP instead; `quoted` has its length.
    pub quotes_udp: bool,
    /// `[raw (8)]`: quotes nothing, and has so many bytes of its own.
    pub raw: Option<u16>,
    /// `id 1` of an echo.
    pub id: Option<u16>,
}

/// A system call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `...0.2`: it blocks until then, counted as its start is.
    pub until: Option<Duration>,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Expression>,
    /// What it answers.
    pub result: Expression,
    /// `ECONNRESET`
    pub errno: Option<String>,
    /// `(Connection reset by peer)`, or `(flags O_RDWR)`.
    pub note: Option<String>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// `...`
    Ellipsis,
    /// `3`, `0x10`.
    Integer(i64),
    /// `"abc"`, its escapes resolved.
    String(Vec<u8>),
    /// `O_RDWR`.
    Word(String),
    /// `O_RDWR | O_NONBLOCK`.
    Or(Box<Expression>, Box<Expression>),
    /// `~O_NONBLOCK`.
    Not(Box<Expression>),
    /// `TCP_NLA_BUSY=1`, where it is not a field of a record.
    Assign(String, Box<Expression>),
    /// `[1, 2]`.
    List(Vec<Expression>),
    /// `{a, b}` or `{fd=3, events=POLLIN}`: fields with or without a name.
    Record(Vec<Field>),
    /// `htons(8080)`.
    Port(u16),
    /// `inet_addr("192.0.2.1")`, `inet6_addr("::")`, `inet_pton(…)`.
    Address(IpAddr),
    /// A float, where one is allowed.
    Float(f64),
}

/// A field of a record: `name(argument)=value`, `name=value` or `value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Option<String>,
    /// What stands in brackets behind the name.
    pub argument: Option<Expression>,
    /// Its value.
    pub value: Expression,
}
