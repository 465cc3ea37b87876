//! A script: its options, its events, and the commands around them.

use winnow::combinator::opt;
use winnow::prelude::*;

use crate::script::ast::{
    Action, Body, Code, Command, Direction, Event, Script, ScriptOption, Tcp, When,
};

use super::error::Failure;
use super::tokens::{Input, Kind, Parsed, Token, here, kind, punct, take};
use super::{call, packet, time};

/// The whole script.
pub(super) fn script(input: &mut Input<'_>, text: &str) -> Parsed<Script> {
    let mut script = Script::default();
    while here(input).kind == Kind::Option {
        script.options.push(option(input)?);
    }
    script.init = opt(command).parse_next(input)?;
    let mut follows = "an event";
    while here(input).kind != Kind::End {
        if here(input).kind == Kind::Command {
            script.cleanup = Some(cleanup(input, &script)?);
            break;
        }
        let event = event(input, text, follows)?;
        follows = could_follow(&event.action);
        script.events.push(event);
    }
    if script.events.is_empty() {
        return Err(Failure::expected(input, "an event")
            .hint("it begins with its time: `+0.1`, `0.1` or `*`"));
    }
    Ok(script)
}

/// `--name=value` or `--name`.
pub(super) fn option(input: &mut Input<'_>) -> Parsed<ScriptOption> {
    let name = take(input, Kind::Option, "an option")?;
    let value = if opt(punct('=')).parse_next(input)?.is_some() {
        Some(option_value(input)?)
    } else {
        None
    };
    Ok(ScriptOption {
        name: name.text.to_owned(),
        value,
        line: name.line,
    })
}

/// A number, a word, a string, an address, or `NAME=VALUE`.
fn option_value(input: &mut Input<'_>) -> Parsed<String> {
    let token = value_token(input)?;
    if token.kind != Kind::Word || opt(punct('=')).parse_next(input)?.is_none() {
        return Ok(token.text.to_owned());
    }
    let value = match here(input).kind {
        Kind::Command => take(input, Kind::Command, "a command")?,
        _ => value_token(input)?,
    };
    let (name, text) = (token.text, value.text);
    Ok(match value.kind {
        Kind::String => format!("{name}=\"{text}\""),
        Kind::Command => format!("{name}=`{text}`"),
        _ => format!("{name}={text}"),
    })
}

fn value_token<'t>(input: &mut Input<'t>) -> Parsed<Token<'t>> {
    let wanted = here(input).kind;
    match wanted {
        Kind::Integer | Kind::Hex | Kind::Float | Kind::Word | Kind::String | Kind::Address => {
            take(input, wanted, "a value")
        }
        _ => Err(Failure::expected(input, "the option's value")
            .hint("it is a number, a word, a string in double quotes or an address")),
    }
}

/// `` `command` ``
fn command(input: &mut Input<'_>) -> Parsed<Command> {
    kind(Kind::Command)
        .map(|token: Token<'_>| Command {
            text: token.text.to_owned(),
            line: token.line,
        })
        .parse_next(input)
}

/// A command without a time, which is the last thing in a script.
fn cleanup(input: &mut Input<'_>, script: &Script) -> Parsed<Command> {
    let start = here(input).start;
    let command = command(input)?;
    if here(input).kind == Kind::End && !script.events.is_empty() {
        return Ok(command);
    }
    Err(Failure::wrong(start, "a command without a time")
        .hint("only one before the first event and one after the last go without; elsewhere write `+0` before it"))
}

/// A time, and what happens then.
fn event(input: &mut Input<'_>, text: &str, expected: &'static str) -> Parsed<Event> {
    let before = *input;
    let first = here(input);
    let begins = matches!(
        first.kind,
        Kind::Integer | Kind::Float | Kind::Punct('+' | '*')
    );
    if !begins {
        return Err(stray(input, expected));
    }
    let when = time::when(input)?;
    let action = action(input)?;
    if let Action::Call(call) = &action {
        let begin = match when {
            When::Relative(begin) | When::Absolute(begin) => Some(begin),
            _ => None,
        };
        if call
            .until
            .zip(begin)
            .is_some_and(|(until, begin)| until < begin)
        {
            return Err(
                Failure::wrong(first.start, "this call ends before it begins")
                    .hint("both times count from the same moment: `+0.1...0.3`"),
            );
        }
    }
    let outbound =
        matches!(&action, Action::Packet(packet) if packet.direction == Direction::Outbound);
    if !outbound && !matches!(when, When::Relative(_) | When::Absolute(_)) {
        let time = if when == When::Any { "`*`" } else { "a range" };
        return Err(Failure::wrong(
            first.start,
            format!("{time} as the time of something that is not an outbound packet"),
        )
        .hint("only what the stack under test does may be expected at a time that is not exact"));
    }
    let taken = before.len() - input.len();
    Ok(Event {
        line: first.line,
        text: one_line(before.get(..taken).unwrap_or_default(), text),
        when,
        action,
    })
}

/// Why no event begins here.
fn stray(input: &Input<'_>, expected: &'static str) -> Failure {
    let failure = Failure::instead(input, expected);
    match here(input) {
        token if token.kind == Kind::Option => failure.hint("options stand before everything else"),
        token if ["ack", "win", "urg"].contains(&token.text) => {
            failure.hint("the order is: sequence numbers, ack, win, urg, options")
        }
        _ => failure.hint("an event begins with its time: `+0.1`, `0.1` or `*`"),
    }
}

/// What could have stood behind an action, for the error if something else does.
fn could_follow(action: &Action) -> &'static str {
    match action {
        Action::Packet(packet) => match &packet.body {
            Body::Tcp(tcp) => more_of_segment(tcp),
            Body::Icmp(_) => "`mtu`, `id`, what is quoted in `[…]` or the next event",
            Body::Udp(_) => "the next event",
        },
        Action::Call(_) => "an error's name, a note in `(…)` or the next event",
        Action::Command(_) | Action::Code(_) => "the next event",
    }
}

fn more_of_segment(tcp: &Tcp) -> &'static str {
    if tcp
        .options
        .as_ref()
        .is_none_or(|options| !options.is_empty())
    {
        "the next event"
    } else if tcp.urg.is_some() {
        "options in `<…>` or the next event"
    } else if tcp.win.is_some() {
        "`urg`, options in `<…>` or the next event"
    } else if tcp.ack.is_some() || tcp.any_ack {
        "`win`, `urg`, options in `<…>` or the next event"
    } else {
        "`ack`, `win`, `urg`, options in `<…>` or the next event"
    }
}

fn action(input: &mut Input<'_>) -> Parsed<Action> {
    match here(input).kind {
        Kind::Punct('<' | '>') => packet::packet(input).map(Action::Packet),
        Kind::Word | Kind::Ellipsis => call::call(input).map(Action::Call),
        Kind::Command => command(input).map(Action::Command),
        Kind::Code => take(input, Kind::Code, "code").map(|token| {
            Action::Code(Code {
                text: token.text.to_owned(),
                line: token.line,
            })
        }),
        _ => Err(
            Failure::expected(input, "a packet, a call, a command or code").hint(
                "a packet begins with `<` or `>`, a command is in back quotes, code in `%{ }%`",
            ),
        ),
    }
}

/// The statement as it was written, without comments and new lines.
fn one_line(tokens: &[Token<'_>], text: &str) -> String {
    let mut line = String::new();
    let mut end = None;
    for token in tokens {
        if end.is_some_and(|end| end != token.start) {
            line.push(' ');
        }
        end = Some(token.end);
        let raw = text.get(token.start..token.end).unwrap_or_default();
        for (index, part) in raw.lines().enumerate() {
            if index == 0 {
                line.push_str(part.trim_end());
            } else if !part.trim().is_empty() {
                line.push(' ');
                line.push_str(part.trim());
            }
        }
    }
    line
}
