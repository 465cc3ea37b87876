//! Sockets as ss shows them, and as JSON.

use std::net::SocketAddr;
use std::time::Duration;

use estab_core::observe::StateName;

use super::client::Answer;
use super::protocol::Line;
use super::record::{CallRecord, Cookies, Listener, Socket, TimerRecord};
use crate::lives::units;

const HEADER: [&str; 8] = [
    "State",
    "Recv-Q",
    "Send-Q",
    "Local Address:Port",
    "Peer Address:Port",
    "Age",
    "First-Closer",
    "Timer",
];

/// A line of the table, and a line about it that hangs below.
struct Row {
    cells: [String; HEADER.len()],
    below: Option<String>,
}

/// One JSON object a line.
pub(super) fn json(answer: &Answer) -> String {
    let listeners = answer.listeners.iter().cloned().map(Line::Listener);
    let sockets = answer.sockets.iter().cloned();
    let sockets = sockets.map(|socket| Line::Socket(Box::new(socket)));
    listeners.chain(sockets).map(|line| line.encode()).collect()
}

/// The columns of ss, and some more.
pub(super) fn table(answer: &Answer, header: bool) -> String {
    let titles = header.then(|| Row {
        cells: HEADER.map(str::to_owned),
        below: None,
    });
    let rows: Vec<Row> = titles
        .into_iter()
        .chain(answer.listeners.iter().map(listener_row))
        .chain(answer.sockets.iter().map(socket_row))
        .collect();
    let mut widths = [0; HEADER.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &Row, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.cells.iter().zip(widths) {
        line.push_str(&format!("{cell:<width$}  "));
    }
    let mut line = line.trim_end().to_owned();
    line.push('\n');
    if let Some(below) = &row.below {
        line.push_str(&format!("          {below}\n"));
    }
    line
}

fn listener_row(listener: &Listener) -> Row {
    Row {
        cells: [
            listener.state.ss().to_owned(),
            listener.accept_queue.to_string(),
            listener.backlog.to_string(),
            listener.local.to_string(),
            address(listener.remote()),
            listener.oldest_ns.map_or("-".to_owned(), age),
            "-".to_owned(),
            String::new(),
        ],
        below: Some(queues(listener)),
    }
}

/// What the columns do not tell of a listener: its SYN queue, its cookies, and what it refused.
fn queues(listener: &Listener) -> String {
    let Listener {
        half_open,
        syn_backlog,
        held,
        policy,
        accepted,
        cookies,
        refused,
        ..
    } = listener;
    let count = |count: &u64| units::thousands(*count);
    let mut told = format!("half-open {} of {}", count(half_open), count(syn_backlog));
    if *held > 0 {
        told.push_str(&format!(", {} held", count(held)));
    }
    told.push_str(&format!("; {policy}; {} accepted", count(accepted)));
    if *cookies != Cookies::default() {
        let Cookies {
            sent,
            accepted,
            failed,
        } = cookies;
        let [sent, accepted, failed] = [sent, accepted, failed].map(count);
        told.push_str(&format!(
            "; cookies: {sent} sent, {accepted} accepted, {failed} failed"
        ));
    }
    if *refused > 0 {
        let reasons = listener.refusals.iter();
        let reasons = reasons.map(|reason| format!("{} {}", count(&reason.count), reason.reason));
        let reasons: Vec<_> = reasons.collect();
        told.push_str(&format!("; refused: {}", reasons.join(", ")));
    }
    told
}

fn socket_row(socket: &Socket) -> Row {
    let below = match socket.state {
        StateName::CloseWait => Some(close_wait(socket)),
        StateName::Closed => socket
            .ended
            .as_ref()
            .map(|ended| format!("ended: {}  {}", ended.text, ended.rule)),
        _ => None,
    };
    Row {
        cells: [
            socket.state.ss().to_owned(),
            socket.recv_q.to_string(),
            socket.send_q.to_string(),
            socket.local.to_string(),
            address(socket.remote),
            age(socket.age_ns),
            socket.first_closer.clone().unwrap_or("-".to_owned()),
            socket.timer.as_ref().map(timer).unwrap_or_default(),
        ],
        below,
    }
}

/// Port 0 is any.
fn address(socket: SocketAddr) -> String {
    match (socket.port(), socket) {
        (0, SocketAddr::V4(v4)) => format!("{}:*", v4.ip()),
        (0, SocketAddr::V6(v6)) => format!("[{}]:*", v6.ip()),
        _ => socket.to_string(),
    }
}

/// In one word, so that columns can be counted.
fn age(nanos: u64) -> String {
    units::duration(Duration::from_nanos(nanos)).replace(' ', "")
}

/// What keeps a CLOSE-WAIT: the peer has closed, the application has not.
fn close_wait(socket: &Socket) -> String {
    let unread = match socket.recv_q {
        0 => "nothing unread".to_owned(),
        bytes => format!("{} B unread", units::thousands(bytes)),
    };
    let end_of_file = match socket.end_of_file_delivered {
        true => "end of file delivered",
        false => "end of file not delivered",
    };
    let call = match &socket.last_call {
        _ if socket.awaits_accept => "waits to be accepted".to_owned(),
        None => "no call yet".to_owned(),
        Some(call) => last_call(call),
    };
    format!("{unread}; {end_of_file}; {call}")
}

fn last_call(call: &CallRecord) -> String {
    let CallRecord {
        call,
        ago_ns,
        bytes,
        result,
    } = call;
    let moves = matches!(call.as_str(), "read" | "write");
    let outcome = match bytes {
        Some(0) if call == "read" => ": end of file".to_owned(),
        Some(bytes) if moves => format!(": {} B", units::thousands(*bytes)),
        Some(_) => String::new(),
        None if result == "would_block" => ": would have blocked".to_owned(),
        None => ": failed".to_owned(),
    };
    format!("last call {call} {} ago{outcome}", age(*ago_ns))
}

/// `timer:(on,1.2sec,0)` as in ss, and what it will do.
fn timer(timer: &TimerRecord) -> String {
    let TimerRecord {
        name,
        in_ns,
        fired,
        action,
    } = timer;
    format!("timer:({name},{},{fired}) {action}", expires(*in_ns))
}

/// As ss: `200ms`, `1.2sec`, `59sec`, `1min20sec`, `119min`.
fn expires(nanos: u64) -> String {
    let millis = nanos / 1_000_000;
    let (minutes, seconds) = (millis / 60_000, millis / 1000 % 60);
    let tenths = millis / 100 % 10;
    match (minutes, seconds) {
        (0, 0) => format!("{millis}ms"),
        (0, 1..10) if tenths > 0 => format!("{seconds}.{tenths}sec"),
        (0, _) => format!("{seconds}sec"),
        (1..10, 1..) => format!("{minutes}min{seconds}sec"),
        _ => format!("{minutes}min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_written_as_in_ss() {
        let text = |millis: u64| expires(millis * 1_000_000);
        for (millis, expected) in [
            (0, "0ms"),
            (200, "200ms"),
            (1_200, "1.2sec"),
            (2_000, "2sec"),
            (59_900, "59sec"),
            (80_000, "1min20sec"),
            (120_000, "2min"),
            (7_199_000, "119min"),
        ] {
            assert_eq!(text(millis), expected);
        }
    }

    #[test]
    fn a_call_says_what_came_of_it() {
        let told = |call: &str, bytes| {
            last_call(&CallRecord {
                call: call.to_owned(),
                ago_ns: 12_300_000_000,
                bytes,
                result: "would_block".to_owned(),
            })
        };
        assert_eq!(
            told("read", Some(0)),
            "last call read 12.3s ago: end of file"
        );
        assert_eq!(
            told("write", Some(1204)),
            "last call write 12.3s ago: 1,204 B"
        );
        assert_eq!(
            told("read", None),
            "last call read 12.3s ago: would have blocked"
        );
        assert_eq!(told("accept", Some(0)), "last call accept 12.3s ago");
    }
}
