//! Runs a script on a [`Subject`]: events happen at their times, what the stack does is held against them.
//!
//! The rules are packetdrill's (its `run.c`, `run_packet.c` and `run_system_call.c` are their only full text), so that
//! scripts others wrote mean here what they mean there. Three things are stricter: every checksum is verified,
//! every byte of a stream is known by its place, and a packet that the script does not expect fails it. Behind the last
//! packet that it does expect, this is so for SYN, RST and ICMP errors only: a connection may go on as it likes, and the
//! report counts what it sent. With `--strict` this fails the script, too. One is wider: an inbound segment with more
//! bytes than a packet holds goes in several.

#![allow(
    clippy::result_large_err,
    reason = "a failure ends its script: nothing is gained by a box"
)]

mod calls;
mod code;
mod command_line;
mod commands;
mod config;
mod connections;
mod icmp;
mod inbound;
mod ladder;
mod mapping;
mod options;
mod outbound;
mod report;
mod schedule;
mod stamps;
mod text;
mod verify;
pub(crate) mod wire;

use std::time::Duration;

pub use config::{Config, ConfigError, IpVersion};
pub use ladder::{Ladder, Rung, RungKind};
pub use report::{Failure, Report, Verdict};

use self::calls::Blocking;
use self::code::Names;
use self::mapping::Connection;
use self::schedule::{Due, Schedule};
use super::ast::{Action, Body, Direction, Event, Packet, Script, ScriptOption};
use super::parse::{ParseError, Settings, parse};
use super::subject::{Sent, Subject};

/// How long a call that should not block may take before the script is given up.
const LONGEST_CALL: Duration = Duration::from_secs(20);

/// How long before an event a packet must have left to be one the script had to expect before it. In real time a
/// packet that an event causes and the next event, which is due at once, are apart by less.
const SAME_MOMENT: Duration = Duration::from_millis(1);

/// Reads a script and runs it on a stack, which is made as the script's options have it.
///
/// `overrides` are the options of the command line, which have the last word.
pub fn run_text<S: Subject>(
    text: &str,
    settings: &Settings,
    base: &Config,
    overrides: &[ScriptOption],
    make: impl FnOnce(&Config) -> S,
) -> Report {
    match read(text, settings, base, overrides) {
        Ok((script, config)) => run(&script, &config, &mut make(&config)),
        Err(report) => report,
    }
}

/// Reads a script, and what its run depends on: all that comes before a stack is made.
///
/// # Errors
/// The report of a script that cannot be begun, since it cannot be read, has options that are none, or asks by one
/// for what there is not.
pub fn read(
    text: &str,
    settings: &Settings,
    base: &Config,
    overrides: &[ScriptOption],
) -> Result<(Script, Config), Report> {
    let script = parse(text, settings).map_err(unreadable)?;
    let base = Config {
        dialect: settings.dialect,
        ..base.clone()
    };
    let config = base.for_script(&script, overrides).map_err(impossible)?;
    Ok((script, config))
}

fn unreadable(error: ParseError) -> Report {
    let ParseError {
        line,
        message,
        hint,
        text,
        ..
    } = error;
    let mut failure = Failure::new(message).at(line, text.trim());
    failure.differences.extend(hint);
    Report::error(failure)
}

fn impossible(error: ConfigError) -> Report {
    // What the command line asks for is no fault of the script.
    let is_unsupported = error.line.is_some() && error.is_unsupported();
    let mut failure = Failure::new(error.message);
    failure.line = error.line;
    failure.is_unsupported = is_unsupported;
    let mut report = Report::error(failure);
    if is_unsupported {
        report.verdict = Verdict::Fail;
    }
    report
}

/// Runs a script on a stack.
///
/// `config` is what [`Config::for_script`] made of the script's options; the subject has its addresses and its MTU.
pub fn run(script: &Script, config: &Config, subject: &mut dyn Subject) -> Report {
    let mut runner = Runner::new(config, subject);
    let mut outcome = runner.play(script);
    if let Some(command) = &script.cleanup {
        let cleaned = runner
            .command(&command.text)
            .map_err(|failure| failure.at(command.line, &command.text));
        outcome = outcome.and(cleaned);
    }
    runner.listen_to_story();
    let Runner {
        mut ladder,
        notes,
        unexpected,
        ..
    } = runner;
    ladder.rungs.sort_by_key(|rung| rung.at);
    let failure = outcome.err();
    let verdict = if failure.is_some() {
        Verdict::Fail
    } else {
        Verdict::Pass
    };
    Report {
        verdict,
        failure,
        ladder,
        notes,
        unexpected,
    }
}

/// A script being run.
struct Runner<'a> {
    config: &'a Config,
    subject: &'a mut dyn Subject,
    connections: Vec<Connection>,
    /// The connection that packets of the script belong to: the one that was made last.
    under_test: Option<usize>,
    schedule: Schedule,
    /// The call that blocks while other events happen.
    blocking: Option<Blocking<'a>>,
    /// The same, once it has ended and until it is looked at.
    ended: Option<(Blocking<'a>, super::Outcome)>,
    /// Packets that have left and that no event has asked for yet.
    unread: std::collections::VecDeque<Sent>,
    ladder: Ladder,
    notes: Vec<String>,
    /// How many packets have left unexpected without failing the script.
    unexpected: usize,
    /// The variables of the script's code.
    names: Names,
    next_port: u16,
}

impl<'a> Runner<'a> {
    fn new(config: &'a Config, subject: &'a mut dyn Subject) -> Self {
        Self {
            config,
            subject,
            connections: Vec::new(),
            under_test: None,
            schedule: Schedule::default(),
            blocking: None,
            ended: None,
            unread: std::collections::VecDeque::new(),
            ladder: Ladder::default(),
            notes: Vec::new(),
            unexpected: 0,
            names: Names::default(),
            next_port: FIRST_REMOTE_PORT,
        }
    }

    fn play(&mut self, script: &'a Script) -> Result<(), Failure> {
        for command in &self.config.init_scripts {
            self.command(command)?;
        }
        if let Some(init) = &script.init {
            let done = self.command(&init.text);
            done.map_err(|failure| failure.at(init.line, &init.text))?;
        }
        let last_expected = script.events.iter().rposition(is_outbound);
        for (place, event) in script.events.iter().enumerate() {
            let none_expected = last_expected.is_none_or(|last| last < place);
            self.event(event, none_expected)
                .map_err(|failure| failure.at(event.line, &event.text))?;
            self.listen_to_story();
        }
        self.end_blocking()?;
        let last = script.events.last();
        self.check_nothing_left().map_err(|failure| match last {
            Some(event) => failure.at(event.line, &event.text),
            None => failure,
        })
    }

    fn event(&mut self, event: &'a Event, none_expected: bool) -> Result<(), Failure> {
        let is_inbound = matches!(&event.action, Action::Packet(packet) if packet.direction == Direction::Inbound);
        let now = self.subject.now();
        let due = self.schedule.next(event.when, is_inbound, now)?;
        match &event.action {
            Action::Packet(packet) if packet.direction == Direction::Outbound => {
                self.outbound(packet, &due)
            }
            Action::Packet(packet) => self.inbound(packet, &due, none_expected),
            Action::Call(call) => self.call(event, call, &due, none_expected),
            Action::Command(command) => {
                self.wait_until(&due, none_expected, "the command")?;
                self.ladder
                    .add(due.at, RungKind::Note, format!("`{}`", command.text));
                self.command(&command.text)
            }
            Action::Code(code) => {
                self.wait_until(&due, none_expected, "the code")?;
                self.code(code)
            }
        }
    }

    /// Lets time pass until an event is due.
    fn wait_until(&mut self, due: &Due, none_expected: bool, what: &str) -> Result<(), Failure> {
        if due.at > self.subject.now() {
            self.subject.wait(due.at);
        }
        self.listen_to_story();
        self.poll_blocking()?;
        if none_expected {
            self.check_none_left_before(due.at)?;
        }
        due.check(self.subject.now(), self.config, what)
    }

    /// Puts what the stack tells of its states into the ladder.
    fn listen_to_story(&mut self) {
        for (at, text) in self.subject.story() {
            self.ladder.add(at, RungKind::State, text);
        }
    }
}

/// The first port of the host that the script plays; each connection it opens has another.
const FIRST_REMOTE_PORT: u16 = 40_000;

fn is_outbound(event: &Event) -> bool {
    matches!(
        &event.action,
        Action::Packet(Packet {
            direction: Direction::Outbound,
            ..
        })
    )
}

/// Refuses what a script's packet may carry and is not supported.
fn hold_supported(packet: &Packet) -> Result<(), Failure> {
    let what = match &packet.body {
        Body::Udp(_) => "UDP",
        _ if packet.udp.is_some() => "TCP in UDP",
        Body::Icmp(icmp) if icmp.quotes_udp => "ICMP about UDP",
        Body::Tcp(_) | Body::Icmp(_) => return Ok(()),
    };
    Err(Failure::unsupported(what))
}
