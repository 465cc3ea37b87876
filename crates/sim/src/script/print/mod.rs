//! Script to text: what is printed reads back as the same.

mod call;
mod packet;

use std::fmt::{self, Display, Formatter, Write};
use std::time::Duration;

use super::ast::{Action, Code, Command, Event, Script, ScriptOption, When};
use super::parse;

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            options,
            init,
            events,
            cleanup,
        } = self;
        for option in options {
            writeln!(f, "{option}")?;
        }
        if let Some(init) = init {
            writeln!(f, "{init}")?;
        }
        for event in events {
            writeln!(f, "{event}")?;
        }
        if let Some(cleanup) = cleanup {
            writeln!(f, "{cleanup}")?;
        }
        Ok(())
    }
}

impl Display for ScriptOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            line: _,
        } = self;
        write!(f, "--{name}")?;
        let Some(value) = value else { return Ok(()) };
        if parse::is_bare_value(value) {
            write!(f, "={value}")
        } else {
            write!(f, "=\"{value}\"")
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            when,
            action,
            line: _,
            text: _,
        } = self;
        // A call that blocks begins with the time it ends at, which joins on.
        let joined = matches!(action, Action::Call(call) if call.until.is_some());
        let blank = if joined { "" } else { " " };
        write!(f, "{when}{blank}{action}")
    }
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(at) => write!(f, "+{}", Seconds(*at)),
            Self::Absolute(at) => write!(f, "{}", Seconds(*at)),
            Self::RelativeRange(from, to) => write!(f, "+{}~+{}", Seconds(*from), Seconds(*to)),
            Self::AbsoluteRange(from, to) => write!(f, "{}~{}", Seconds(*from), Seconds(*to)),
            Self::Any => f.write_char('*'),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet) => packet.fmt(f),
            Self::Call(call) => call.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Code(code) => code.fmt(f),
        }
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{{ {} }}%", self.text)
    }
}

/// A time as scripts write it: seconds, as many digits as it needs.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0.as_secs(), self.0.subsec_nanos());
        write!(f, "{whole}")?;
        if fraction > 0 {
            let digits = format!("{fraction:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}
