//! A plot with what a stack did, as a script.

use std::time::Duration;

use super::play::{Answer, Heard, Moment, Number, options};
use super::plot::{Deed, Inbound, Plot, Step};
use crate::script::ast::{
    Action, Body, Call, Direction, Event, Expression, Field, IpFields, Packet, Script,
    ScriptOption, Sequence, Tcp, TcpOption, When,
};
use crate::sockets::Errno;

/// Descriptors as packetdrill counts them.
const LISTENER: i64 = 3;
const ACCEPTED: i64 = 4;

/// How far apart events are: far enough that what an earlier one causes has happened.
const APART: Duration = Duration::from_millis(10);

/// The script that says what `moments`, a performance of the plot, were.
#[must_use]
pub fn script(plot: &Plot, moments: &[Moment]) -> Script {
    let mut teller = Teller {
        plot,
        events: Vec::new(),
        socket: LISTENER,
        stamps: 0,
        line: 0,
    };
    let mut moments = moments.iter();
    if let Some(first) = moments.next() {
        teller.begin(first);
    }
    for (index, moment) in moments.enumerate() {
        if let Some(step) = plot.steps.get(index) {
            teller.step(index, step, moment);
        }
        teller.tell(moment);
    }
    let family = if plot.is_v6 { "ipv6" } else { "ipv4" };
    Script {
        options: vec![ScriptOption {
            name: "ip_version".to_owned(),
            value: Some(family.to_owned()),
            line: 0,
        }],
        events: teller.events,
        ..Script::default()
    }
}

struct Teller<'a> {
    plot: &'a Plot,
    events: Vec<Event>,
    /// The connection's descriptor.
    socket: i64,
    /// TSvals of the stack's that were told.
    stamps: u32,
    line: usize,
}

fn word(text: &str) -> Expression {
    Expression::Word(text.to_owned())
}

fn or(left: &str, right: &str) -> Expression {
    Expression::Or(Box::new(word(left)), Box::new(word(right)))
}

impl Teller<'_> {
    fn begin(&mut self, moment: &Moment) {
        self.call(
            "socket",
            vec![
                Expression::Ellipsis,
                word("SOCK_STREAM"),
                word("IPPROTO_TCP"),
            ],
            LISTENER,
        );
        self.do_not_block(LISTENER);
        let (address, len) = (Expression::Ellipsis, Expression::Ellipsis);
        let fd = Expression::Integer(LISTENER);
        let answer = moment.answer.clone().unwrap_or_default();
        if self.plot.is_active {
            self.answered("connect", vec![fd, address, len], &answer);
        } else {
            self.call("bind", vec![fd.clone(), address, len], 0);
            self.answered("listen", vec![fd, Expression::Integer(5)], &answer);
        }
        self.tell(moment);
    }

    fn do_not_block(&mut self, fd: i64) {
        let arguments = vec![
            Expression::Integer(fd),
            word("F_SETFL"),
            or("O_RDWR", "O_NONBLOCK"),
        ];
        self.call("fcntl", arguments, 0);
    }

    fn step(&mut self, index: usize, step: &Step, moment: &Moment) {
        match step {
            Step::Arrive(inbound) => self.arrive(index, inbound),
            Step::Do(deed) => {
                // Without a socket there was no call.
                if let Some(answer) = &moment.answer {
                    self.deed(*deed, answer);
                }
            }
        }
    }

    fn arrive(&mut self, index: usize, inbound: &Inbound) {
        let tcp = Tcp {
            flags: inbound.control.flags(),
            seq: Sequence::At {
                start: inbound.seq,
                len: inbound.len,
            },
            ack: inbound.control.ack.then_some(inbound.ack),
            any_ack: false,
            win: Some(inbound.window),
            urg: None,
            options: Some(options(self.plot, index, inbound, self.stamps)),
            unmapped_seq: false,
        };
        self.packet(Direction::Inbound, tcp, APART);
    }

    fn deed(&mut self, deed: Deed, answer: &Answer) {
        let fd = Expression::Integer(self.socket);
        let number = |number: u16| Expression::Integer(number.into());
        match deed {
            Deed::Accept => {
                let arguments = vec![
                    Expression::Integer(LISTENER),
                    Expression::Ellipsis,
                    Expression::Ellipsis,
                ];
                if answer.errno != 0 {
                    return self.answered("accept", arguments, answer);
                }
                self.socket = ACCEPTED.max(self.socket + 1);
                self.call("accept", arguments, self.socket);
                self.do_not_block(self.socket);
            }
            Deed::Read(len) => {
                self.answered("read", vec![fd, Expression::Ellipsis, number(len)], answer)
            }
            Deed::Write(len) => {
                self.answered("write", vec![fd, Expression::Ellipsis, number(len)], answer)
            }
            Deed::Shutdown(how) => {
                let how = word(
                    ["SHUT_RD", "SHUT_WR"]
                        .get(how.unsigned_abs() as usize)
                        .unwrap_or(&"SHUT_RDWR"),
                );
                self.answered("shutdown", vec![fd, how], answer);
            }
            Deed::Close => self.answered("close", vec![fd], answer),
            Deed::Abort => {
                let field = |name: &str, value| Field {
                    name: Some(name.to_owned()),
                    argument: None,
                    value: Expression::Integer(value),
                };
                let linger = Expression::Record(vec![field("onoff", 1), field("linger", 0)]);
                let option = vec![
                    fd.clone(),
                    word("SOL_SOCKET"),
                    word("SO_LINGER"),
                    linger,
                    Expression::Integer(8),
                ];
                self.call("setsockopt", option, 0);
                self.answered("close", vec![fd], answer);
            }
        }
    }

    /// What left.
    fn tell(&mut self, moment: &Moment) {
        for heard in &moment.heard {
            self.heard(heard);
        }
    }

    fn heard(&mut self, heard: &Heard) {
        let len = u16::try_from(heard.payload.len()).unwrap_or(u16::MAX);
        let (seq, unmapped_seq) = match heard.seq {
            Number::Relative(start) => {
                let start = start.cast_unsigned();
                (Sequence::At { start, len }, false)
            }
            Number::Plain(start) => (Sequence::At { start, len }, true),
            Number::Foreign => (Sequence::Any { len }, false),
        };
        let mut options = heard.options.clone();
        for option in &mut options {
            if let TcpOption::Timestamps { val, .. } = option {
                self.stamps += 1;
                *val = Some(self.stamps);
            }
        }
        let mut flags = heard.flags;
        flags.psh = false;
        let tcp = Tcp {
            flags,
            seq,
            ack: flags.ack.then_some(heard.ack),
            any_ack: false,
            win: None,
            urg: None,
            // The window scale is each stack's own.
            options: (!flags.syn).then_some(options),
            unmapped_seq,
        };
        self.packet(Direction::Outbound, tcp, Duration::ZERO);
    }

    fn packet(&mut self, direction: Direction, tcp: Tcp, after: Duration) {
        let packet = Packet {
            direction,
            ip: IpFields::default(),
            ports: None,
            udp: None,
            body: Body::Tcp(tcp),
        };
        self.event(Action::Packet(packet), after);
    }

    /// A call that ends well.
    fn call(&mut self, name: &str, arguments: Vec<Expression>, result: i64) {
        let answer = Answer {
            value: result,
            ..Answer::default()
        };
        self.answered(name, arguments, &answer);
    }

    fn answered(&mut self, name: &str, arguments: Vec<Expression>, answer: &Answer) {
        let errno = Errno(answer.errno).name().map(str::to_owned);
        let call = Call {
            until: None,
            name: name.to_owned(),
            arguments,
            result: Expression::Integer(answer.value),
            errno,
            note: None,
        };
        self.event(Action::Call(call), APART);
    }

    fn event(&mut self, action: Action, after: Duration) {
        self.line += 1;
        let when = if self.events.is_empty() {
            When::Absolute(Duration::ZERO)
        } else {
            When::Relative(after)
        };
        let text = action.to_string();
        self.events.push(Event {
            line: self.line,
            text,
            when,
            action,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;
    use crate::script::{Settings, parse};

    #[test]
    fn what_is_told_can_be_read() {
        for seed in 0..200 {
            let plot = generate(seed);
            let moments = vec![Moment::default(); plot.steps.len() + 2];
            let told = script(&plot, &moments).to_string();
            if let Err(error) = parse(&told, &Settings::default()) {
                panic!("{error:?} in\n{told}");
            }
        }
    }
}
