//! Reports of made-up answers.

use std::panic::Location;
use std::time::Duration;

use estab::control::client::Answer;
use estab::control::record::{Limits, Origin, Socket};
use estab_core::observe::StateName;
use estab_core::{
    Before, Call, CallResult, CloseWaitPolicy, Config, LastCall, OriginStatus, Status,
};

use super::args::By;
use super::group::Report;
use super::render;
use crate::ss::tests::{NOW, ago, status};

const PATIENCE: Duration = Duration::from_secs(10);

fn site() -> &'static Location<'static> {
    Location::caller()
}

/// A connection in CLOSE-WAIT whose application read the end of file, if anything, so long ago.
fn left(life: u32, peer: &str, millis: u64) -> Status {
    let mut status = status(life, StateName::CloseWait, peer);
    status.entered_at = ago(millis);
    status.idle_since = ago(millis);
    status.end_of_file_delivered = true;
    status.last_call = Some(LastCall {
        call: Call::Read,
        at: ago(millis),
        result: CallResult::Done(0),
    });
    status.site = Some(site());
    status
}

/// Three leaks and an overload of the server's, a connection that was never read, and one all is well with.
fn statuses() -> Vec<Status> {
    let mut overload = left(4, "198.18.0.3:4", 30_000);
    overload.unacknowledged = 70_000;
    overload.idle_since = ago(5);
    overload.last_call = Some(LastCall {
        call: Call::Write,
        at: ago(5),
        result: CallResult::WouldBlock,
    });
    let mut never_read = left(5, "198.18.0.2:5", 40_000);
    never_read.state = StateName::Established;
    never_read.end_of_file_delivered = false;
    never_read.has_read = false;
    never_read.unread = 1_204;
    never_read.site = None;
    never_read.label = Some("api".into());
    let mut accepted = never_read.last_call.expect("it has one");
    accepted.call = Call::Accept;
    never_read.last_call = Some(accepted);
    vec![
        left(1, "198.18.0.2:1", 11_000),
        left(2, "198.18.0.2:2", 65_000),
        left(3, "198.18.0.3:3", 20_000),
        overload,
        never_read,
        left(6, "198.18.0.2:6", 9_000),
    ]
}

fn answer(policy: CloseWaitPolicy) -> Answer {
    let socket = |status: &Status| Socket::new(status, NOW, PATIENCE);
    let before = Before {
        ago: Duration::from_secs(30),
        leaked: 1,
    };
    let origin = OriginStatus {
        site: Some(site()),
        label: None,
        is_rest: false,
        opened: 70,
        open: 5,
        close_wait: 5,
        leaked: 3,
        reaped: 0,
        before: Some(before),
    };
    let config = Config {
        max_connections: 26,
        close_wait: policy,
        ..Config::default()
    };
    Answer {
        sockets: statuses().iter().map(socket).collect(),
        origins: vec![Origin::new(&origin)],
        limits: Limits::new(&config, 6),
        ..Answer::default()
    }
}

fn report(by: By) -> Report {
    Report::new(&answer(CloseWaitPolicy::Report), PATIENCE, by)
}

#[test]
fn leaks_are_told_by_line_with_their_growth_and_what_it_leads_to() {
    let expected = format!(
        "\
{site}: 4 connections, leaks +4.0 a minute
      3 leak, for up to 65 s
        the application has read the end of file and does not close (RFC 9293 §3.10.4)
        such as 198.18.0.1:80 - 198.18.0.2:2; last call read 65s ago: end of file
      1 overload, for up to 30 s
        what the application wrote is still being sent (RFC 9293 §3.6)
        such as 198.18.0.1:80 - 198.18.0.3:4; 70,000 B not acknowledged; last call write 5ms ago: would have blocked

\"api\": 1 connection
      1 never read, for up to 40 s
        data waits, and the application has never called read (RFC 9293 §3.10.3)
        such as 198.18.0.1:80 - 198.18.0.2:5 in ESTABLISHED; 1,204 B unread; last call accept 40s ago

3 leaks now, 1 30 s ago: +4.0 a minute; 20 of 26 places for connections are free, and will be used up in 5 min
",
        site = render::short(&site().to_string())
    );
    assert_eq!(render::text(&report(By::Site)), expected);
}

#[test]
fn groups_may_be_of_peers_or_labels() {
    let names = |by| {
        let text = render::text(&report(by));
        let names = text
            .lines()
            .filter(|line| !line.starts_with(' ') && line.contains(": "));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let peers = names(By::Peer);
    assert_eq!(
        peers[..2],
        ["198.18.0.2: 3 connections", "198.18.0.3: 2 connections"]
    );
    let labels = names(By::Label);
    let unnamed = "no label: 4 connections, leaks +4.0 a minute";
    assert_eq!(labels[..2], [unnamed, "\"api\": 1 connection"]);
}

#[test]
fn a_policy_that_ends_leaks_is_told_instead_of_the_limit() {
    let last = |policy| {
        let report = Report::new(&answer(policy), PATIENCE, By::Site);
        let text = render::text(&report);
        text.lines().last().map(str::to_owned).unwrap_or_default()
    };
    let reap = last(CloseWaitPolicy::Reap(Duration::from_secs(600)));
    assert!(
        reap.ends_with("are free, and a leak ends after 10 min"),
        "{reap}"
    );
    let cap = last(CloseWaitPolicy::Cap(100));
    assert!(
        cap.ends_with("are free, and more than 100 leaks are not kept"),
        "{cap}"
    );
}

#[test]
fn where_nothing_leaks_that_is_said() {
    let mut answer = answer(CloseWaitPolicy::Report);
    answer.sockets.retain(|socket| socket.life == 6);
    let report = Report::new(&answer, PATIENCE, By::Site);
    assert_eq!(
        render::text(&report),
        "nothing leaks: 1 connection, 1 in CLOSE-WAIT, none of them forgotten or at work for 10 s; --older 0 shows all\n"
    );
}

#[test]
fn json_is_an_object_a_diagnosis_and_one_of_totals() {
    let text = render::json(&report(By::Site));
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["trouble"], "leak");
    assert_eq!(lines[0]["diagnosis"], "NotClosed");
    assert_eq!(lines[0]["count"], 3);
    assert_eq!(lines[0]["oldest_ns"], 65_000_000_000_u64);
    assert_eq!(lines[0]["site"], site().to_string());
    assert_eq!(lines[0]["growth"]["per_minute"], 4.0);
    assert_eq!(lines[0]["example"]["remote"], "198.18.0.2:2");
    assert_eq!(lines[3]["kind"], "total");
    assert_eq!(lines[3]["until_limit_ns"], 300_000_000_000_u64);
}

#[test]
fn a_site_far_away_is_told_from_its_crate_on() {
    let registry = "/cargo/registry/src/index.crates.io-1949/hyper-1.2.0/src/server/mod.rs:7:1";
    assert_eq!(render::short(registry), "hyper-1.2.0/src/server/mod.rs:7:1");
    assert_eq!(render::short(SITE), SITE);
    assert_eq!(render::short("/tmp/odd.rs:1:2"), "/tmp/odd.rs:1:2");
}

const SITE: &str = "crates/server/src/main.rs:40:31";
