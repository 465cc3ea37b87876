//! The page of the connections of this very moment: readable in a browser and as plain text.

use std::fmt::Write as _;
use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{Instant, ListenerStatus, Status};

const HEAD: &str = "\
<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"refresh\" content=\"2\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>estab: connections</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2em auto; max-width: 75em; padding: 0 1em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .9em .2em 0; text-align: left; border-bottom: 1px solid #8884; }
td.number, th.number { text-align: right; }
</style>
</head>
<body>
<h1>estab: the connections of this moment</h1>
";

const TABLE: &str = "\
<table>
<tr><th>State</th><th>Since</th><th>Local</th><th>Peer</th><th>Age</th>\
<th class=\"number\">Recv-Q</th><th class=\"number\">Send-Q</th><th>RTT</th><th>Timer</th></tr>
";

const FOOT: &str = "\
<p><code>PUT /sha256</code> answers the SHA-256 of the body; <code>GET /bytes/N?seed=S</code> sends N bytes, the same
for the same seed. Echo is on port 7, discard on 9, chargen on 19.</p>
</body>
</html>
";

/// Everything, oldest connection first.
pub(super) fn render(
    mut connections: Vec<Status>,
    mut listeners: Vec<ListenerStatus>,
    now: Instant,
) -> String {
    connections.retain(|status| status.state != StateName::Closed);
    connections.sort_by_key(|status| status.life);
    listeners.sort_by_key(|listener| listener.address.port());
    let mut page = HEAD.to_owned();
    page.push_str(TABLE);
    for status in &connections {
        push_row(&mut page, status, now);
    }
    page.push_str("</table>\n");
    let count = connections.len();
    let plural = if count == 1 { "" } else { "s" };
    let _infallible = writeln!(
        page,
        "<p>{count} connection{plural}. Listening on:</p>\n<ul>"
    );
    for listener in &listeners {
        let ListenerStatus {
            address,
            accepted,
            accept_queue,
            backlog,
            ..
        } = listener;
        let _infallible = writeln!(
            page,
            "<li>{address}: {accepted} accepted, {accept_queue} of at most {backlog} waiting</li>"
        );
    }
    page.push_str("</ul>\n");
    page.push_str(FOOT);
    page
}

// Everything here is addresses, numbers and words of our own: nothing to escape.
fn push_row(page: &mut String, status: &Status, now: Instant) {
    let rtt = status.rtt.map_or_else(String::new, |rtt| {
        format!("{:.3} ms", rtt.as_secs_f64() * 1e3)
    });
    let timer = status.timer.map_or_else(String::new, |timer| {
        format!("in {} {}", short(timer.at - now), timer.kind.action())
    });
    let _infallible = writeln!(
        page,
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td>\
         <td class=\"number\">{}</td><td>{rtt}</td><td>{timer}</td></tr>",
        status.state.rfc(),
        short(now - status.entered_at),
        status.tuple.local(),
        status.tuple.remote(),
        short(now - status.opened_at),
        status.unread,
        status.unacknowledged,
    );
}

/// A time to about three digits.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        1..=59 => format!("{:.1} s", time.as_secs_f64()),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(short(Duration::from_micros(1500)), "1.5 ms");
        assert_eq!(short(Duration::from_millis(59_900)), "59.9 s");
        assert_eq!(short(Duration::from_secs(61)), "1 min 01 s");
        assert_eq!(short(Duration::from_secs(7260)), "2 h 01 min");
    }

    #[test]
    fn a_host_without_connections_has_a_page_too() {
        let listener = ListenerStatus {
            life: estab_core::observe::LifeId(1),
            address: "[::]:80".parse().unwrap(),
            accept_queue: 2,
            backlog: 128,
            policy: estab::AcceptPolicy::Hold,
            oldest_opened_at: None,
            half_open: 0,
            syn_backlog: 128,
            held: 0,
            accepted: 5,
            cookies_sent: 0,
            cookies_accepted: 0,
            cookies_failed: 0,
            refused: 0,
            refusals: [0; estab_core::observe::RefusalReason::ALL.len()],
        };
        let page = render(Vec::new(), vec![listener], Instant::ZERO);
        assert!(page.contains("0 connections."));
        assert!(page.contains("[::]:80: 5 accepted, 2 of at most 128 waiting"));
        assert!(page.ends_with("</html>\n"));
    }
}
