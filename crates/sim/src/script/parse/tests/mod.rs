//! What scripts mean, what is refused and how, and that printing and reading agree.

mod calls;
mod errors;
mod lexing;
mod packets;
mod properties;
mod scripts;
mod strategies;

use crate::script::ast::{Action, Body, Call, Event, Packet, Script, Tcp};

use super::{Dialect, Settings, parse};

/// Reads a script in Linux's dialect.
#[track_caller]
fn script(text: &str) -> Script {
    parse(text, &Settings::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads a script's only event.
#[track_caller]
fn event(text: &str) -> Event {
    let [event] = script(text).events.try_into().expect("one event");
    event
}

#[track_caller]
fn packet(text: &str) -> Packet {
    match event(text).action {
        Action::Packet(packet) => packet,
        other => panic!("{other:?} is no packet"),
    }
}

#[track_caller]
fn tcp(text: &str) -> Tcp {
    match packet(text).body {
        Body::Tcp(tcp) => tcp,
        other => panic!("{other:?} is no TCP segment"),
    }
}

#[track_caller]
fn call(text: &str) -> Call {
    match event(text).action {
        Action::Call(call) => call,
        other => panic!("{other:?} is no call"),
    }
}

/// The settings of a dialect with symbols defined as on the command line.
fn settings(dialect: Dialect, defines: &[(&str, &str)]) -> Settings {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings {
        dialect,
        defines: defines.iter().map(own).collect(),
    }
}

/// A script without what depends on how it was written.
fn meaning(mut script: Script) -> Script {
    for option in &mut script.options {
        option.line = 0;
    }
    for command in script.init.iter_mut().chain(&mut script.cleanup) {
        command.line = 0;
    }
    for event in &mut script.events {
        event.line = 0;
        event.text.clear();
        match &mut event.action {
            Action::Command(command) => command.line = 0,
            Action::Code(code) => code.line = 0,
            Action::Packet(_) | Action::Call(_) => {}
        }
    }
    script
}
