//! The counters of every origin as OpenMetrics: which line of the program leaks connections, and how fast.

use std::fmt::Write;

use estab_core::OriginStatus;

/// The type to serve [`Host::metrics`](crate::Host::metrics) as.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric: its name, its type, its help, and its value for an origin.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&OriginStatus) -> u64,
);

const METRICS: [Metric; 5] = [
    (
        "estab_connections_opened",
        "counter",
        "Connections that were accepted or connected here.",
        |origin| origin.opened,
    ),
    (
        "estab_connections_open",
        "gauge",
        "Connections that the application holds and that have not ended.",
        |origin| origin.open.into(),
    ),
    (
        "estab_connections_close_wait",
        "gauge",
        "Connections whose peer has closed and whose application has not.",
        |origin| origin.close_wait.into(),
    ),
    (
        "estab_connections_leaked",
        "gauge",
        "Connections that the application has forgotten in CLOSE-WAIT.",
        |origin| origin.leaked.into(),
    ),
    (
        "estab_connections_reaped",
        "counter",
        "Connections that were reset because the application had forgotten them in CLOSE-WAIT.",
        |origin| origin.reaped,
    ),
];

/// All metrics of all origins, with the closing `# EOF`.
pub(crate) fn text(origins: &[OriginStatus]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        let total = if kind == "counter" { "_total" } else { "" };
        let _ = writeln!(text, "# TYPE {name} {kind}\n# HELP {name} {help}");
        for origin in origins {
            let (labels, value) = (labels(origin), value(origin));
            let _ = writeln!(text, "{name}{total}{{{labels}}} {value}");
        }
    }
    text.push_str("# EOF\n");
    text
}

/// The labels of an origin; nothing is known of one that has none.
fn labels(origin: &OriginStatus) -> String {
    let site = match origin.site {
        None if origin.is_rest => Some("others".to_owned()),
        site => site.map(ToString::to_string),
    };
    let label = |name: &str, value: &str| format!("{name}=\"{}\"", escaped(value));
    let site = site.map(|site| label("site", &site));
    let own = origin.label.as_deref().map(|own| label("label", own));
    site.into_iter().chain(own).collect::<Vec<_>>().join(",")
}

/// OpenMetrics 1.0, "Escaping": a line feed, a double quote and a backslash.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    fn origin(label: Option<&str>) -> OriginStatus {
        OriginStatus {
            site: None,
            label: label.map(Into::into),
            is_rest: false,
            opened: 9,
            open: 5,
            close_wait: 4,
            leaked: 3,
            reaped: 2,
            before: None,
        }
    }

    #[test]
    fn every_origin_has_every_metric() {
        let site = Location::caller();
        let api = OriginStatus {
            site: Some(site),
            ..origin(Some("api"))
        };
        let rest = OriginStatus {
            is_rest: true,
            ..origin(None)
        };
        let text = text(&[api, rest, origin(None)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 5 * (2 + 3) + 1);
        assert_eq!(lines[0], "# TYPE estab_connections_opened counter");
        let expected = format!("estab_connections_opened_total{{site=\"{site}\",label=\"api\"}} 9");
        assert_eq!(lines[2], expected);
        assert_eq!(
            lines[3],
            "estab_connections_opened_total{site=\"others\"} 9"
        );
        assert_eq!(lines[4], "estab_connections_opened_total{} 9");
        assert!(lines.contains(&"estab_connections_leaked{site=\"others\"} 3"));
        assert_eq!(lines.last(), Some(&"# EOF"));
    }

    #[test]
    fn what_ends_a_label_value_is_escaped() {
        let odd = labels(&origin(Some("a \"quoted\" \\ path\nand a line")));
        assert_eq!(odd, r#"label="a \"quoted\" \\ path\nand a line""#);
    }
}
