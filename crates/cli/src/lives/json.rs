//! Lives as programs read them: one JSON object a line. Field names are stable; times are integer
//! nanoseconds, and their names say so.

use estab_core::Instant;
use estab_core::observe::{Direction, Initiator, Transition};
use serde::Serialize;

use super::snapshot::{
    Close, CloseKind, CloseSegment, FirstCloser, Holder, LifeSnapshot, Outside, Report,
    Retransmissions, TimeWait, Traffic, Until,
};

/// The whole report.
pub(super) fn report(report: &Report) -> String {
    let mut lines = String::new();
    for life in &report.lives {
        push(
            &mut lines,
            &Line::Life(Box::new(life_line(life, report.now))),
        );
    }
    let rest = OutsideLine::of(report);
    if rest != OutsideLine::default() {
        push(&mut lines, &Line::Outside(rest));
    }
    lines
}

fn push(lines: &mut String, line: &Line) {
    let json = serde_json::to_string(line).expect("only strings are keys");
    lines.push_str(&json);
    lines.push('\n');
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Life(Box<LifeLine>),
    Outside(OutsideLine),
}

#[derive(Serialize)]
struct LifeLine {
    life: u32,
    local: String,
    remote: String,
    role: &'static str,
    state: &'static str,
    ended: bool,
    /// On the stack's clock, to order lives.
    started_ns: u64,
    /// To the end, or to now. TIME-WAIT included.
    duration_ns: u64,
    transitions: Vec<TransitionLine>,
    segments_in: u64,
    segments_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    retransmissions: RetransmissionsLine,
    resets_received: u64,
    resets_sent: Vec<ReasonLine>,
    discards: Vec<ReasonLine>,
    first_closer: Option<&'static str>,
    close: CloseLine,
    time_wait: TimeWaitLine,
}

#[derive(Serialize)]
struct TransitionLine {
    at_ns: u64,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    text: &'static str,
    rule: &'static str,
    initiator: &'static str,
}

#[derive(Serialize)]
struct RetransmissionsLine {
    total: u64,
    syn: u64,
    syn_ack: u64,
    data: u64,
    fin: u64,
}

/// A reason and how often it was one.
#[derive(Serialize, PartialEq)]
struct ReasonLine {
    reason: &'static str,
    text: &'static str,
    rule: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct CloseLine {
    how: &'static str,
    segments: Vec<CloseSegmentLine>,
    why: String,
    data_after_first_fin: u64,
    fin_sent_again: u64,
    fin_received_again: u64,
    waits_for: Option<&'static str>,
}

#[derive(Serialize)]
struct CloseSegmentLine {
    at_ns: u64,
    direction: &'static str,
    sign: &'static str,
    data: u32,
}

#[derive(Serialize)]
struct TimeWaitLine {
    holder: Option<&'static str>,
    since_ns: Option<u64>,
    until_ns: Option<u64>,
    over: bool,
    ended_by: Option<&'static str>,
}

#[derive(Serialize, Default, PartialEq)]
struct OutsideLine {
    forgotten_lives: u64,
    refusals: Vec<ReasonLine>,
    discards: Vec<ReasonLine>,
    resets_sent: Vec<ReasonLine>,
}

impl OutsideLine {
    fn of(report: &Report) -> Self {
        let Outside {
            discards,
            refusals,
            resets,
        } = &report.outside;
        let refusal = |(reason, count): (&estab_core::observe::RefusalReason, &u64)| {
            ReasonLine::new((reason.name(), reason.text(), reason.rule()), *count)
        };
        Self {
            forgotten_lives: report.forgotten,
            refusals: refusals.iter().map(refusal).collect(),
            discards: discards.iter().map(discard_line).collect(),
            resets_sent: resets.iter().map(reset_line).collect(),
        }
    }
}

impl ReasonLine {
    fn new((reason, text, rule): (&'static str, &'static str, &'static str), count: u64) -> Self {
        Self {
            reason,
            text,
            rule,
            count,
        }
    }
}

fn discard_line((reason, count): (&estab_core::observe::DiscardReason, &u64)) -> ReasonLine {
    ReasonLine::new((reason.name(), reason.text(), reason.rule()), *count)
}

fn reset_line((reason, count): (&estab_core::observe::ResetReason, &u64)) -> ReasonLine {
    ReasonLine::new((reason.name(), reason.text(), reason.rule()), *count)
}

fn life_line(life: &LifeSnapshot, now: Instant) -> LifeLine {
    let Traffic {
        segments_in,
        segments_out,
        bytes_in,
        bytes_out,
        retransmissions,
        resets_received,
        resets_sent,
        discards,
    } = &life.traffic;
    let step = |step: &Transition| transition_line(step, life.started);
    LifeLine {
        life: life.id.0,
        local: life.tuple.local().to_string(),
        remote: life.tuple.remote().to_string(),
        role: life.role.name(),
        state: life.state.rfc(),
        ended: life.ended.is_some(),
        started_ns: life.started.as_nanos(),
        duration_ns: nanos(life.started, life.ended.unwrap_or(now)),
        transitions: life.transitions.iter().map(step).collect(),
        segments_in: *segments_in,
        segments_out: *segments_out,
        bytes_in: *bytes_in,
        bytes_out: *bytes_out,
        retransmissions: retransmissions_line(*retransmissions),
        resets_received: *resets_received,
        resets_sent: resets_sent.iter().map(reset_line).collect(),
        discards: discards.iter().map(discard_line).collect(),
        first_closer: life.first_closer.map(FirstCloser::name),
        close: close_line(&life.close, life.started),
        time_wait: time_wait_line(&life.time_wait, life.started),
    }
}

fn transition_line(step: &Transition, started: Instant) -> TransitionLine {
    TransitionLine {
        at_ns: nanos(started, step.at),
        from: step.from.rfc(),
        to: step.to.rfc(),
        cause: step.cause.name(),
        text: step.cause.text(),
        rule: step.cause.rule(),
        initiator: match step.cause.initiator() {
            Initiator::Local => "application",
            Initiator::Peer => "peer",
            Initiator::Stack => "stack",
        },
    }
}

fn retransmissions_line(again: Retransmissions) -> RetransmissionsLine {
    let Retransmissions {
        syn,
        syn_ack,
        data,
        fin,
    } = again;
    let total = again.total();
    RetransmissionsLine {
        total,
        syn,
        syn_ack,
        data,
        fin,
    }
}

fn close_line(close: &Close, started: Instant) -> CloseLine {
    let segment = |segment: &CloseSegment| CloseSegmentLine {
        at_ns: nanos(started, segment.at),
        direction: match segment.direction {
            Direction::Received => "in",
            Direction::Sent => "out",
        },
        sign: segment.sign.name(),
        data: segment.data,
    };
    CloseLine {
        how: close.kind.name(),
        segments: close.segments.iter().map(segment).collect(),
        why: close.why(),
        data_after_first_fin: close.data_after_first_fin,
        fin_sent_again: close.fin_sent_again,
        fin_received_again: close.fin_received_again,
        waits_for: close.waits_for,
    }
}

fn time_wait_line(wait: &TimeWait, started: Instant) -> TimeWaitLine {
    let (until, ended_by) = match wait.until {
        None => (None, None),
        Some(Until::Expected(at)) => (Some(at), None),
        Some(Until::Over(at, cause)) => (Some(at), Some(cause.name())),
    };
    TimeWaitLine {
        holder: wait.holder.name(),
        since_ns: wait.since.map(|at| nanos(started, at)),
        until_ns: until.map(|at| nanos(started, at)),
        over: ended_by.is_some(),
        ended_by,
    }
}

fn nanos(from: Instant, to: Instant) -> u64 {
    to.as_nanos().saturating_sub(from.as_nanos())
}

impl FirstCloser {
    /// As JSON spells it.
    const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Peer => "peer",
            Self::Stack => "stack",
            Self::Both => "both",
        }
    }
}

impl Holder {
    /// As JSON spells it; `null` while undecided.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Us => Some("us"),
            Self::Peer => Some("peer"),
            Self::Both => Some("both"),
            Self::Nobody => Some("nobody"),
            Self::Undecided => None,
        }
    }
}

impl CloseKind {
    /// As JSON spells it.
    const fn name(self) -> &'static str {
        match self {
            Self::FourSegments => "four_segments",
            Self::ThreeSegments => "three_segments",
            Self::Simultaneous => "simultaneous",
            Self::Reset => "reset",
            Self::Dropped => "dropped",
            Self::Unfinished => "unfinished",
        }
    }
}
