//! Leaks for people, and as JSON.

use std::fmt::Write;
use std::time::Duration;

use estab_core::observe::StateName;
use serde::Serialize;

use super::args::By;
use super::group::{Group, Key, Kind, Report, age_ns};
use super::growth::Growth;
use crate::lives::units;
use crate::ss::render::last_call;

/// Under the words, past the number.
const INDENT: &str = "        ";

/// For people: a group, and below it what is the matter with how many.
pub(super) fn text(report: &Report) -> String {
    if report.groups.is_empty() {
        return nothing(report);
    }
    let mut text = String::new();
    for group in &report.groups {
        write_group(&mut text, group, report.by);
    }
    text.push_str(&forecast(report));
    text
}

fn nothing(report: &Report) -> String {
    let Report {
        connections,
        close_waits,
        older,
        ..
    } = report;
    let connections = units::count(*connections as u64, "connection");
    let older = duration(*older);
    format!(
        "nothing leaks: {connections}, {close_waits} in CLOSE-WAIT, none of them forgotten or at work for {older}; \
         --older 0 shows all\n"
    )
}

fn write_group(text: &mut String, group: &Group, by: By) {
    let count = units::count(group.count() as u64, "connection");
    let growth = group.growth.filter(|growth| growth.over_ns > 0);
    let growth = growth.filter(|growth| growth.leaked > 0);
    let growth = growth.map(|growth| format!(", leaks {} a minute", signed(growth.per_minute)));
    let _ = writeln!(
        text,
        "{}: {count}{}",
        name(&group.key, by),
        growth.unwrap_or_default()
    );
    for kind in &group.kinds {
        write_kind(text, kind);
    }
    text.push('\n');
}

fn write_kind(text: &mut String, kind: &Kind) {
    let Kind { oldest, count } = kind;
    let Some(diagnosis) = &oldest.diagnosis else {
        return;
    };
    let age = duration(Duration::from_nanos(age_ns(oldest)));
    let count = units::thousands(*count as u64);
    let _ = writeln!(text, "  {count:>5} {}, for up to {age}", diagnosis.trouble);
    let _ = writeln!(text, "{INDENT}{} ({})", diagnosis.text, diagnosis.rule);
    let state = match oldest.state {
        StateName::CloseWait => String::new(),
        other => format!(" in {}", other.rfc()),
    };
    let queued = [
        (oldest.recv_q, "unread"),
        (oldest.send_q, "not acknowledged"),
    ];
    let queued = queued.into_iter().filter(|(bytes, _)| *bytes > 0);
    let queued: String = queued
        .map(|(bytes, what)| format!("; {} B {what}", units::thousands(bytes)))
        .collect();
    let call = oldest.last_call.as_ref().map(last_call);
    let call = call.unwrap_or_else(|| "no call yet".to_owned());
    let (local, remote) = (oldest.local, oldest.remote);
    let _ = writeln!(
        text,
        "{INDENT}such as {local} - {remote}{state}{queued}; {call}"
    );
}

/// Where leaks lead to, in one line.
fn forecast(report: &Report) -> String {
    let Report { growth, limits, .. } = report;
    let leaked = units::count(growth.leaked, "leak");
    let grown = if growth.over_ns == 0 {
        String::new()
    } else {
        let ago = duration(Duration::from_nanos(growth.over_ns));
        let rate = signed(growth.per_minute);
        format!(
            ", {} {ago} ago: {rate} a minute",
            units::thousands(growth.before)
        )
    };
    let free = limits.max_connections.saturating_sub(limits.connections);
    let places = format!(
        "{} of {} places for connections are free",
        units::thousands(free),
        units::thousands(limits.max_connections)
    );
    let end = match (limits.cap, limits.reap_ns, growth.until_limit(limits)) {
        (Some(most), ..) => format!(", and more than {most} leaks are not kept"),
        (_, Some(after), _) => {
            let after = duration(Duration::from_nanos(after));
            format!(", and a leak ends after {after}")
        }
        (.., Some(time)) => format!(", and will be used up in {}", long(time)),
        _ => String::new(),
    };
    format!("{leaked} now{grown}; {places}{end}\n")
}

/// A group's name.
fn name(key: &Key, by: By) -> String {
    let Key { site, label, peer } = key;
    if let Some(peer) = peer {
        return peer.clone();
    }
    match (site, label) {
        (Some(site), Some(label)) => format!("{} \"{label}\"", short(site)),
        (Some(site), None) => short(site).to_owned(),
        (None, Some(label)) => format!("\"{label}\""),
        (None, None) if by == By::Label => "no label".to_owned(),
        (None, None) => "no line or label known".to_owned(),
    }
}

/// A site without what is the same for every file of a machine: of an absolute path, the crate and what follows.
pub(crate) fn short(site: &str) -> &str {
    if !site.starts_with('/') {
        return site;
    }
    let places = ["/src/", "/examples/", "/tests/", "/benches/"];
    let folder = places.iter().filter_map(|place| site.rfind(place)).max();
    let start = folder.and_then(|folder| site[..folder].rfind('/'));
    start.map_or(site, |slash| &site[slash + 1..])
}

fn duration(time: Duration) -> String {
    units::duration(time)
}

/// Days, where hours are too many.
fn long(time: Duration) -> String {
    let days = time.as_secs() / 86_400;
    match days {
        0..3 => duration(time),
        _ => units::count(days, "day"),
    }
}

fn signed(rate: f64) -> String {
    format!("{rate:+.1}")
}

/// One object a group and diagnosis, and one of totals.
pub(super) fn json(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |value: String| {
        text.push_str(&value);
        text.push('\n');
    };
    for group in &report.groups {
        for kind in &group.kinds {
            line(serde_json::to_string(&leak(group, kind)).expect("all keys are strings"));
        }
    }
    let Report { growth, limits, .. } = report;
    let total = Total {
        kind: "total",
        connections: limits.connections,
        max_connections: limits.max_connections,
        close_waits: report.close_waits,
        policy: &limits.policy,
        growth: *growth,
        until_limit_ns: growth
            .until_limit(limits)
            .map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
    };
    line(serde_json::to_string(&total).expect("all keys are strings"));
    text
}

#[derive(Serialize)]
struct Leak<'a> {
    kind: &'static str,
    site: &'a Option<String>,
    label: &'a Option<String>,
    peer: &'a Option<String>,
    trouble: &'a str,
    diagnosis: &'a str,
    text: &'a str,
    rule: &'a str,
    count: usize,
    oldest_ns: u64,
    /// The oldest connection, as `estab ss --json` shows it.
    example: &'a estab::control::record::Socket,
    /// Of the whole group.
    growth: Option<Growth>,
}

fn leak<'a>(group: &'a Group, kind: &'a Kind) -> Leak<'a> {
    let Key { site, label, peer } = &group.key;
    let diagnosis = kind.oldest.diagnosis.as_ref();
    let word =
        |of: fn(&'a estab::control::record::DiagnosisRecord) -> &'a str| diagnosis.map_or("", of);
    Leak {
        kind: "leak",
        site,
        label,
        peer,
        trouble: word(|one| &one.trouble),
        diagnosis: word(|one| &one.diagnosis),
        text: word(|one| &one.text),
        rule: word(|one| &one.rule),
        count: kind.count,
        oldest_ns: age_ns(&kind.oldest),
        example: &kind.oldest,
        growth: group.growth,
    }
}

#[derive(Serialize)]
struct Total<'a> {
    kind: &'static str,
    connections: u64,
    max_connections: u64,
    close_waits: usize,
    policy: &'a str,
    growth: Growth,
    until_limit_ns: Option<u64>,
}
