//! Performs a plot on a stack, and notes what came of each step in a script's numbers.

use std::net::SocketAddr;
use std::time::Duration;

use super::plot::{Deed, Inbound, Plot, Stamp, Step, byte_at};
use crate::script::Subject;
use crate::script::ast::{TcpFlags, TcpOption};
use crate::script::run::wire::{Carried, Datagram, Segment};
use crate::sockets::{Call, Fd, OptionValue, Output, Returned};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const SOCK_STREAM: i32 = 1;
const SOCK_NONBLOCK: i32 = 0o4000;
const SOL_SOCKET: i32 = 1;
const SO_LINGER: i32 = 13;
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;

/// The first TSval of the peer's; that of [`Stamp::Old`] is 1.
pub(super) const FIRST_STAMP: u32 = 1000;

/// How long a performance waits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For answers to a step.
    pub answer: Duration,
    /// For what is still owed at the end: delayed ACKs.
    pub end: Duration,
}

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Of a call: what it answered.
    pub answer: Option<Answer>,
    /// What left.
    pub heard: Vec<Heard>,
    /// The state of the application's socket then, in Linux's numbers.
    pub state: Option<i64>,
}

/// What a call answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The value; 0 for any descriptor.
    pub value: i64,
    /// `errno`, or 0.
    pub errno: i32,
    /// What was read.
    pub bytes: Vec<u8>,
}

/// A segment that left, with what of it can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Control bits.
    pub flags: TcpFlags,
    /// SEG.SEQ
    pub seq: Number,
    /// SEG.ACK
    pub ack: u32,
    /// The data.
    pub payload: Vec<u8>,
    /// The options, without the stack's own clock.
    pub options: Vec<TcpOption>,
    /// Whether it acknowledges more than any before, and does nothing else.
    pub is_owed_ack: bool,
}

/// A sequence number of the stack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Counted from its ISN.
    Relative(i32),
    /// One that a segment of the peer's had, before there was an ISN.
    Plain(u32),
    /// Of no connection.
    Foreign,
}

/// Performs a plot. The subject must be fresh.
pub fn play(plot: &Plot, subject: &mut dyn Subject, pace: Pace) -> Vec<Moment> {
    let mut player = Player {
        plot,
        subject,
        pace,
        listener: None,
        socket: None,
        local: SocketAddr::new(plot.local(), Plot::LISTENING),
        remote: SocketAddr::new(plot.remote(), Plot::REMOTE),
        isns: Vec::new(),
        echo: 0,
        written: 0,
        acked: None,
        arrived: 0,
    };
    let mut moments = vec![player.begin()];
    for (index, step) in plot.steps.iter().enumerate() {
        moments.push(player.step(index, step));
    }
    // Whatever may still be owed is waited for, and only then.
    let owes = player.acked.is_some_and(|acked| acked != player.arrived);
    let last = player.moment(None, if owes { pace.end } else { Duration::ZERO });
    moments.push(last);
    moments
}

struct Player<'a> {
    plot: &'a Plot,
    subject: &'a mut dyn Subject,
    pace: Pace,
    listener: Option<Fd>,
    /// The connection's, once the application has it.
    socket: Option<Fd>,
    local: SocketAddr,
    remote: SocketAddr,
    /// Those of the stack, the newest last.
    isns: Vec<u32>,
    /// The newest TSval of the stack's.
    echo: u32,
    /// Bytes the application wrote.
    written: u32,
    /// The highest ACK number yet, and what the peer has sent up to.
    acked: Option<u32>,
    arrived: u32,
}

impl Player<'_> {
    /// The socket, and what it is for.
    fn begin(&mut self) -> Moment {
        let domain = if self.plot.is_v6 { AF_INET6 } else { AF_INET };
        let made = self.call(Call::Socket {
            domain,
            kind: SOCK_STREAM | SOCK_NONBLOCK,
            protocol: 0,
        });
        let Ok(fd) = Fd::try_from(made.value) else {
            return self.moment(Some(answer(made)), Duration::ZERO);
        };
        // How long small segments wait is another question (Nagle's algorithm, and Minshall's variant in Linux).
        self.call(Call::SetOption {
            fd,
            level: IPPROTO_TCP,
            name: TCP_NODELAY,
            value: OptionValue::Int(1),
        });
        let answered = if self.plot.is_active {
            self.socket = Some(fd);
            let address = Some(self.remote);
            self.call(Call::Connect { fd, address })
        } else {
            self.listener = Some(fd);
            let address = self.local;
            self.call(Call::Bind { fd, address });
            self.call(Call::Listen { fd, backlog: 5 })
        };
        self.moment(Some(answer(answered)), self.pace.answer)
    }

    fn step(&mut self, index: usize, step: &Step) -> Moment {
        match step {
            Step::Arrive(inbound) => {
                let packet = self.packet(index, inbound);
                self.subject.inject(&packet);
                let control = inbound.control;
                let len = u32::from(inbound.len) + u32::from(control.syn) + u32::from(control.fin);
                let end = inbound.seq.wrapping_add(len);
                if end.wrapping_sub(self.arrived).cast_signed() > 0 {
                    self.arrived = end;
                }
                self.moment(None, self.pace.answer)
            }
            Step::Do(deed) => {
                let answered = self.perform(*deed);
                self.moment(answered, self.pace.answer)
            }
        }
    }

    /// What the application is answered; nothing where it has no socket for it.
    fn perform(&mut self, deed: Deed) -> Option<Answer> {
        if deed == Deed::Accept {
            return self.accept();
        }
        let fd = self.socket?;
        let returned = match deed {
            Deed::Accept => return None,
            Deed::Read(len) => self.call(Call::Receive {
                fd,
                len: len.into(),
                flags: 0,
            }),
            Deed::Write(len) => {
                let data = (0..u32::from(len)).map(|place| byte_at(self.written + place));
                let data = data.collect();
                let address = None;
                let returned = self.call(Call::Send {
                    fd,
                    data,
                    flags: 0,
                    address,
                });
                self.written += u32::try_from(returned.value).unwrap_or(0);
                returned
            }
            Deed::Shutdown(how) => self.call(Call::Shutdown { fd, how }),
            Deed::Close => self.close(fd),
            Deed::Abort => {
                self.call(Call::SetOption {
                    fd,
                    level: SOL_SOCKET,
                    name: SO_LINGER,
                    value: OptionValue::Linger(1, 0),
                });
                self.close(fd)
            }
        };
        Some(answer(returned))
    }

    fn accept(&mut self) -> Option<Answer> {
        let fd = self.listener?;
        let returned = self.call(Call::Accept {
            fd,
            flags: SOCK_NONBLOCK,
        });
        let Ok(accepted) = Fd::try_from(returned.value) else {
            return Some(answer(returned));
        };
        if accepted < 0 {
            return Some(answer(returned));
        }
        if let Some(before) = self.socket.replace(accepted) {
            self.call(Call::Close { fd: before });
        }
        Some(Answer::default())
    }

    fn close(&mut self, fd: Fd) -> Returned {
        self.socket = None;
        self.call(Call::Close { fd })
    }

    fn call(&mut self, call: Call) -> Returned {
        let id = self.subject.call(call);
        let outcome = self.subject.outcome(id);
        // Nothing here blocks; a subject that has no answer is told as one that answers nonsense.
        outcome.map_or(Returned::ok(i64::MIN), |outcome| outcome.returned)
    }

    fn moment(&mut self, answer: Option<Answer>, wait: Duration) -> Moment {
        let mut moment = Moment {
            answer,
            ..Moment::default()
        };
        self.listen(&mut moment, wait);
        let info = self.socket.and_then(|fd| self.subject.tcp_info(fd));
        moment.state = info.map(|info| info.state);
        moment
    }

    /// Notes what leaves until then.
    fn listen(&mut self, moment: &mut Moment, wait: Duration) {
        let until = self.subject.now() + wait;
        while let Some(sent) = self.subject.next_packet(until) {
            let Ok(datagram) = Datagram::parse(&sent.packet) else {
                continue;
            };
            if let Carried::Tcp(segment) = datagram.carried {
                moment.heard.push(self.heard(segment));
            }
        }
    }

    fn heard(&mut self, segment: Segment) -> Heard {
        if segment.flags.syn && self.isns.last() != Some(&segment.seq) {
            self.isns.push(segment.seq);
            self.local.set_port(segment.source_port);
        }
        let mut options = segment.options;
        for option in &mut options {
            if let TcpOption::Timestamps { val, .. } = option {
                self.echo = val.take().unwrap_or_default();
            }
        }
        let is_pure = segment.payload.is_empty() && segment.flags.is_only_ack();
        let is_new = segment.flags.ack
            && self
                .acked
                .is_none_or(|acked| segment.ack.wrapping_sub(acked).cast_signed() > 0);
        if segment.flags.ack && (is_new || segment.flags.syn) {
            self.acked = Some(segment.ack);
        }
        Heard {
            is_owed_ack: is_pure && is_new,
            flags: segment.flags,
            seq: self.number(segment.seq),
            ack: segment.ack,
            payload: segment.payload,
            options,
        }
    }

    fn number(&self, seq: u32) -> Number {
        const NEAR: u32 = 1 << 20;
        let near = |isn: &u32| {
            let distance = seq.wrapping_sub(*isn).cast_signed();
            (distance.unsigned_abs() < NEAR).then_some(distance)
        };
        // A RST that answers a segment without ACK has 0, wherever the ISN may be.
        if seq == 0 || self.isns.is_empty() {
            return Number::Plain(seq);
        }
        let distance = self.isns.iter().rev().find_map(near);
        distance.map_or(Number::Foreign, Number::Relative)
    }

    fn packet(&self, index: usize, inbound: &Inbound) -> Vec<u8> {
        let isn = self.isns.last().copied().unwrap_or_default();
        let first = inbound.seq.wrapping_sub(1);
        let payload = (0..u32::from(inbound.len)).map(|place| byte_at(first.wrapping_add(place)));
        let ack = inbound.ack.wrapping_add(isn);
        let segment = Segment {
            source_port: self.remote.port(),
            destination_port: self.local.port(),
            seq: inbound.seq,
            ack: if inbound.control.ack { ack } else { 0 },
            flags: inbound.control.flags(),
            window: inbound.window,
            options: options(self.plot, index, inbound, self.echo),
            payload: payload.collect(),
            ..Segment::default()
        };
        let datagram = Datagram {
            source: self.remote.ip(),
            destination: self.local.ip(),
            tos: 0,
            ttl: 64,
            flow_label: 0,
            carried: Carried::Tcp(segment),
        };
        datagram
            .to_bytes()
            .expect("no plot makes a segment too long for its packet")
    }
}

/// The options of a segment of the peer's.
pub(super) fn options(plot: &Plot, index: usize, inbound: &Inbound, echo: u32) -> Vec<TcpOption> {
    let offer = plot.offer;
    let mut options = Vec::new();
    if inbound.control.syn {
        options.extend(offer.mss.map(TcpOption::Mss));
        if offer.sack {
            options.extend([TcpOption::SackPermitted, TcpOption::Nop, TcpOption::Nop]);
        }
        if let Some(shift) = offer.window_scale {
            options.extend([TcpOption::Nop, TcpOption::WindowScale(shift)]);
        }
    }
    let val = match inbound.stamp {
        Stamp::Fresh => FIRST_STAMP + u32::try_from(index).unwrap_or_default(),
        Stamp::Old => 1,
        Stamp::Missing => return options,
    };
    if offer.timestamps {
        let (val, ecr) = (Some(val), Some(if inbound.control.ack { echo } else { 0 }));
        let stamps = TcpOption::Timestamps { val, ecr };
        options.extend([TcpOption::Nop, TcpOption::Nop, stamps]);
    }
    options
}

fn answer(returned: Returned) -> Answer {
    let bytes = match returned.output {
        Output::Bytes(bytes, _) => bytes,
        _ => Vec::new(),
    };
    Answer {
        value: returned.value,
        errno: returned.errno.map_or(0, |errno| errno.0),
        bytes,
    }
}
