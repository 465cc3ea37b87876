//! Lives as people read them.

use std::fmt::Write;

use estab_core::observe::{Cause, DiscardReason, StateName, Transition};

use super::snapshot::{
    Close, CloseKind, CloseSegment, CloseSign, End, FirstCloser, Holder, LifeSnapshot, Outside,
    Report, Retransmissions, Role, TimeWait, Traffic, Until,
};
use super::units::{count, duration, offset, offset_text, times};
use estab_core::Instant;
use estab_core::observe::Direction;

/// How a report looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With the colours of a terminal.
    Colour,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn state(self, state: StateName, width: usize) -> String {
        let code = match state {
            StateName::Established => "32",
            StateName::CloseWait | StateName::Closing => "33",
            StateName::TimeWait => "35",
            StateName::Closed | StateName::Listen => "2",
            _ => "36",
        };
        self.paint(code, &format!("{:<width$}", state.rfc()))
    }
}

const INDENT: &str = "      ";

/// The whole report; every line ends with a line feed.
pub(super) fn report(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for (place, life) in report.lives.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        write_life(&mut text, life, report.now, style);
    }
    if report.lives.is_empty() {
        text.push_str("no connection was opened\n");
    }
    if report.forgotten > 0 {
        let lives = count(report.forgotten, "older connection");
        let _ = writeln!(text, "not told: {lives}, ended and forgotten");
    }
    let mut outside = String::new();
    write_outside(&mut outside, &report.outside, style);
    if !outside.is_empty() {
        text.push('\n');
        text.push_str(&outside);
    }
    text
}

fn write_life(text: &mut String, life: &LifeSnapshot, now: Instant, style: Style) {
    let number = style.bold(&format!("{:<3}", life.id.to_string()));
    let _ = writeln!(
        text,
        "{number} {}   {}",
        style.bold(&ends(life)),
        headline(life, now)
    );
    write_transitions(text, life, style);
    for line in [
        Some(close_line(life)),
        time_wait_line(&life.time_wait, life.started, now),
        Some(traffic_line(&life.traffic)),
        retransmission_line(life.traffic.retransmissions),
    ]
    .into_iter()
    .flatten()
    {
        let _ = writeln!(text, "{INDENT}{line}");
    }
    for (reason, number) in &life.traffic.resets_sent {
        let line = format!("RST sent {}: {}", times(*number), reason.text());
        write_reason(text, INDENT, &line, reason.rule(), style);
    }
    for (reason, number) in &life.traffic.discards {
        let line = format!("not used, {}: {}", times(*number), reason.text());
        write_reason(text, INDENT, &line, reason.rule(), style);
    }
}

/// From the one who opened to the other.
fn ends(life: &LifeSnapshot) -> String {
    let (local, remote) = (life.tuple.local(), life.tuple.remote());
    match life.role {
        Role::Active => format!("{local} → {remote}"),
        Role::Passive => format!("{remote} → {local}"),
        Role::Simultaneous => format!("{local} ↔ {remote}"),
    }
}

fn headline(life: &LifeSnapshot, now: Instant) -> String {
    let role = life.role.name();
    // TIME-WAIT is told apart: it says nothing about how long the connection was of use.
    match life.time_wait.since.or(life.ended) {
        Some(end) => format!("{role} open, {}", duration(end - life.started)),
        None => {
            let age = duration(now - life.started);
            format!("{role} open, {age} so far, {}", life.state.rfc())
        }
    }
}

fn write_transitions(text: &mut String, life: &LifeSnapshot, style: Style) {
    let steps = &life.transitions;
    let widest = |measure: fn(&Transition) -> usize| steps.iter().map(measure).max().unwrap_or(0);
    let from = widest(|step| step.from.rfc().len());
    let to = widest(|step| step.to.rfc().len());
    let cause = widest(|step| step.cause.text().chars().count());
    let since = |step: &Transition| offset(step.at - life.started);
    let number = steps
        .iter()
        .map(|step| since(step).0.len())
        .max()
        .unwrap_or(0);
    for step in steps {
        let (when, unit) = since(step);
        let _ = writeln!(
            text,
            "{INDENT}{when:>number$} {unit:<2}  {} → {}  {:<cause$}  {}",
            style.state(step.from, from),
            style.state(step.to, to),
            step.cause.text(),
            style.dim(step.cause.rule()),
        );
    }
}

fn close_line(life: &LifeSnapshot) -> String {
    let why = life.close.why();
    match life.first_closer {
        Some(closer) => format!("closed first by {}; {why}", closer.text()).replace(
            "closed first by both ends at once",
            "closed by both ends at once",
        ),
        None => why,
    }
}

fn time_wait_line(wait: &TimeWait, started: Instant, now: Instant) -> Option<String> {
    let holder = match wait.holder {
        Holder::Undecided => return None,
        Holder::Peer => {
            return Some("TIME-WAIT is held by the peer, which closed first".to_owned());
        }
        Holder::Nobody => return Some("TIME-WAIT is held by nobody".to_owned()),
        Holder::Us => "us",
        Holder::Both => "both ends",
    };
    let since = wait.since.unwrap_or(started);
    Some(match wait.until {
        None => format!(
            "TIME-WAIT is held by {holder}, for {} so far",
            duration(now - since)
        ),
        Some(Until::Expected(end)) => format!(
            "TIME-WAIT is held by {holder} for {}, until {} ({} left)",
            duration(end - since),
            offset_text(end - started),
            duration(end - now)
        ),
        Some(Until::Over(end, Cause::TimeWaitExpired)) => {
            format!(
                "TIME-WAIT was held by {holder} for {}",
                duration(end - since)
            )
        }
        Some(Until::Over(end, cause)) => format!(
            "TIME-WAIT was held by {holder} for {}, cut short: {cause}",
            duration(end - since)
        ),
    })
}

fn traffic_line(traffic: &Traffic) -> String {
    format!(
        "in {}, {} B; out {}, {} B; {}",
        count(traffic.segments_in, "segment"),
        super::units::thousands(traffic.bytes_in),
        count(traffic.segments_out, "segment"),
        super::units::thousands(traffic.bytes_out),
        count(traffic.retransmissions.total(), "retransmission"),
    )
}

fn retransmission_line(again: Retransmissions) -> Option<String> {
    let Retransmissions {
        syn,
        syn_ack,
        data,
        fin,
    } = again;
    let kinds = [
        ("SYN", syn),
        ("SYN,ACK", syn_ack),
        ("data", data),
        ("FIN", fin),
    ];
    let told: Vec<_> = kinds
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{name} {}", times(number)))
        .collect();
    (!told.is_empty()).then(|| format!("sent again: {}", told.join(", ")))
}

fn write_outside(text: &mut String, outside: &Outside, style: Style) {
    let Outside {
        discards,
        refusals,
        resets,
    } = outside;
    for (reason, number) in refusals {
        let line = format!("refused {}: {}", times(*number), reason.text());
        write_reason(text, "", &line, reason.rule(), style);
    }
    // What the kernel says to every network it sees (router solicitations, multicast reports) is no news.
    let news = discards
        .iter()
        .filter(|(reason, _)| **reason != DiscardReason::IcmpUnhandled);
    for (reason, number) in news {
        let packets = count(*number, "packet");
        let line = format!("{packets} of no connection not used: {}", reason.text());
        write_reason(text, "", &line, reason.rule(), style);
    }
    for (reason, number) in resets {
        let line = format!("RST to nobody sent {}: {}", times(*number), reason.text());
        write_reason(text, "", &line, reason.rule(), style);
    }
}

fn write_reason(text: &mut String, indent: &str, line: &str, rule: &str, style: Style) {
    let _ = writeln!(text, "{indent}{line}  {}", style.dim(rule));
}

impl Role {
    /// `active`, `passive` or `simultaneous`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Simultaneous => "simultaneous",
        }
    }
}

impl FirstCloser {
    /// As a report words it after "by".
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Application => "the application here",
            Self::Peer => "the peer",
            Self::Stack => "the stack",
            Self::Both => "both ends at once",
        }
    }
}

impl Close {
    /// How it closed and why so, in one line.
    pub(crate) fn why(&self) -> String {
        let cause = self.cause.map_or("", Cause::text);
        let mut text = match self.kind {
            CloseKind::FourSegments => self.why_four(),
            CloseKind::ThreeSegments => self.why_three(),
            CloseKind::Simultaneous => {
                format!("simultaneous close, the FINs crossed: {}", self.sequence())
            }
            CloseKind::Reset if self.segments.len() == 1 => format!("one segment, a RST: {cause}"),
            CloseKind::Reset => format!("reset after {}: {cause}", self.sequence()),
            CloseKind::Dropped if self.segments.is_empty() => format!("no segment: {cause}"),
            CloseKind::Dropped => format!("given up after {}: {cause}", self.sequence()),
            CloseKind::Unfinished => self.why_unfinished(),
        };
        if self.fin_sent_again > 0 {
            let _ = write!(
                text,
                "; our FIN was sent again {}",
                times(self.fin_sent_again)
            );
        }
        if self.fin_received_again > 0 {
            let again = times(self.fin_received_again);
            let _ = write!(text, "; the peer's FIN came again {again}");
        }
        text
    }

    /// The second FIN came later than the ACK of the first: somebody still had something to do.
    fn why_four(&self) -> String {
        let mut text = format!("four segments: {}", self.sequence());
        let Some((end, fin)) = self.second_fin() else {
            return text;
        };
        let is_its_ack = |one: &&CloseSegment| {
            one.sign == CloseSign::Ack && one.direction == fin.direction && one.at <= fin.at
        };
        if let Some(ack) = self.segments.iter().find(is_its_ack) {
            let whose = match end {
                End::Ours => "our FIN left",
                End::Peers => "the peer's FIN came",
            };
            let _ = write!(
                text,
                "; {whose} {} after the ACK",
                duration(fin.at - ack.at)
            );
        }
        if self.data_after_first_fin > 0 {
            let bytes = super::units::thousands(self.data_after_first_fin);
            let _ = write!(text, ", and {bytes} B passed after the first FIN");
        }
        text
    }

    fn why_three(&self) -> String {
        let (end, fin) = match self.second_fin() {
            Some(second) => second,
            None => return "three segments".to_owned(),
        };
        let (rider, first) = match end {
            End::Ours => ("our FIN", "the peer's FIN"),
            End::Peers => ("the peer's FIN", "our FIN"),
        };
        let with = match fin.data {
            0 => "nothing was left to send".to_owned(),
            data => format!("with the last {} B", super::units::thousands(data.into())),
        };
        format!("three segments: {rider} rode on the ACK of {first}, {with}")
    }

    fn why_unfinished(&self) -> String {
        let waits_for = self.waits_for.unwrap_or_default();
        if self.segments.is_empty() {
            return format!("not closed: {waits_for}");
        }
        format!("not closed yet after {}: {waits_for}", self.sequence())
    }

    /// `FIN in, ACK out, FIN out, ACK in`.
    fn sequence(&self) -> String {
        let words: Vec<_> = self.segments.iter().map(CloseSegment::text).collect();
        words.join(", ")
    }
}

impl CloseSegment {
    fn text(&self) -> String {
        let way = match self.direction {
            Direction::Received => "in",
            Direction::Sent => "out",
        };
        format!("{} {way}", self.sign.name())
    }
}

impl CloseSign {
    /// The control bits that matter: `FIN`, `ACK`, `FIN+ACK` or `RST`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fin => "FIN",
            Self::Ack => "ACK",
            Self::FinAck => "FIN+ACK",
            Self::Rst => "RST",
        }
    }
}
