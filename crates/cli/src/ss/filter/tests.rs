use super::*;

const V4: [&str; 2] = ["198.18.0.1:80", "198.18.0.2:41234"];
const V6: [&str; 2] = ["[fd00::1]:7", "[fd00::2]:50000"];

fn subject(state: StateName, [local, remote]: [&str; 2]) -> Subject {
    Subject {
        state,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn filter(text: &str) -> Filter {
    Filter::parse(text, States::DEFAULT).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn matches(text: &str, ends: [&str; 2]) -> bool {
    filter(text).matches(&subject(StateName::Established, ends))
}

fn states(text: &str) -> Vec<&'static str> {
    let filter = filter(text);
    let shown = |state: &StateName| filter.matches(&subject(*state, V4));
    let states = StateName::ALL.into_iter().filter(shown);
    states.map(StateName::rfc).collect()
}

fn error(text: &str) -> String {
    Filter::parse(text, States::DEFAULT)
        .unwrap_err()
        .to_string()
}

#[test]
fn states_are_named_as_in_ss() {
    assert_eq!(states("state close-wait"), ["CLOSE-WAIT"]);
    assert_eq!(states("state listen"), ["LISTEN"]);
    assert_eq!(states("state listening"), ["LISTEN"]);
    assert_eq!(
        states("state syn-recv state SYN-RECEIVED"),
        ["SYN-RECEIVED"]
    );
    assert_eq!(states("state closed"), ["CLOSED"]);
    assert_eq!(states("state bucket"), ["SYN-RECEIVED", "TIME-WAIT"]);
    assert_eq!(
        states("state time-wait state established"),
        ["ESTABLISHED", "TIME-WAIT"]
    );
    let every = [
        "established",
        "syn-sent",
        "syn-recv",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "closed",
        "close-wait",
        "last-ack",
        "listening",
        "closing",
    ];
    for name in every {
        assert_eq!(states(&format!("state {name}")).len(), 1, "{name}");
    }
}

#[test]
fn groups_are_those_of_ss() {
    assert_eq!(states("state all").len(), 11);
    assert_eq!(states("state connected").len(), 9);
    assert_eq!(states("state synchronized").len(), 8);
    assert!(!states("state synchronized").contains(&"SYN-SENT"));
    assert_eq!(states("state big").len(), 9);
    assert_eq!(states("exclude time-wait").len(), 10);
    assert_eq!(states("state connected exclude bucket"), states(""));
}

#[test]
fn ports_compare() {
    for (text, expected) in [
        ("sport = :80", true),
        ("sport = 80", true),
        ("sport eq :http", true),
        ("sport :80", true),
        ("sport != :80", false),
        ("sport ne 81", true),
        ("dport > :41233", true),
        ("dport gt 41234", false),
        ("dport >= :41234", true),
        ("dport ge 41235", false),
        ("dport < 41235", true),
        ("dport lt 41234", false),
        ("dport<=:41234", true),
        ("dport le 41233", false),
    ] {
        assert_eq!(matches(text, V4), expected, "{text}");
    }
}

#[test]
fn addresses_prefixes_and_ports_match() {
    for (text, ends, expected) in [
        ("src 198.18.0.1", V4, true),
        ("src 198.18.0.2", V4, false),
        ("dst = 198.18.0.0/15", V4, true),
        ("dst != 198.18.0.0/15", V4, false),
        ("dst 198.20.0.0/15", V4, false),
        ("dst 0.0.0.0/0", V4, true),
        ("dst 0.0.0.0/0", V6, false),
        ("src 198.18.0.0/15:80", V4, true),
        ("src 198.18.0.1:81", V4, false),
        ("src :80", V4, true),
        ("src *:80", V4, true),
        ("src *", V6, true),
        ("src [fd00::1]:echo", V6, true),
        ("src [fd00::1]:8", V6, false),
        ("src [fd00::1]", V6, true),
        ("dst fd00::/64", V6, true),
        ("dst [fd00::]/64:50000", V6, true),
        ("dst ::/0", V6, true),
        ("dst fd00::3", V6, false),
    ] {
        assert_eq!(matches(text, ends), expected, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_side_by_side_means_and() {
    for (text, expected) in [
        ("sport = :80 and dport = :1", false),
        ("sport = :80 dport = :1", false),
        ("sport = :80 dport = :41234", true),
        ("sport = :1 or sport = :80", true),
        ("sport = :80 or sport = :80 and dport = :1", true),
        ("( sport = :80 or sport = :80 ) and dport = :1", false),
        ("not sport = :80 or dport = :41234", true),
        ("not ( sport = :80 or dport = :41234 )", false),
        ("!sport=:1&&!(dport=:1||dport=:2)", true),
    ] {
        assert_eq!(matches(text, V4), expected, "{text}");
    }
}

#[test]
fn states_and_an_expression_go_together() {
    let filter = filter("state close-wait sport = :80");
    assert!(filter.matches(&subject(StateName::CloseWait, V4)));
    assert!(!filter.matches(&subject(StateName::Established, V4)));
    assert!(!filter.matches(&subject(StateName::CloseWait, V6)));
}

#[test]
fn errors_say_where_and_what_is_expected() {
    assert!(error("state clos-wait").starts_with(
        "filter, column 7: found \"clos-wait\", expected established, syn-sent, syn-recv"
    ));
    assert!(error("state").starts_with("filter ends at column 6: expected established"));
    assert_eq!(
        error("sport = :99999"),
        "filter, column 9: found \":99999\", expected a port: :80, 80 or :http"
    );
    assert_eq!(
        error("sport ="),
        "filter ends at column 8: expected a port: :80, 80 or :http"
    );
    assert_eq!(
        error("src > 198.18.0.1"),
        "filter, column 5: found \">\", expected = or !=: only ports have an order"
    );
    assert_eq!(
        error("( sport = :80"),
        "filter ends at column 14: expected and, or, or a closing parenthesis"
    );
    assert_eq!(
        error("sport = :80 )"),
        "filter, column 13: found \")\", expected and, or, or the end of the filter"
    );
    assert_eq!(
        error("sport = :80 and"),
        "filter ends at column 16: expected sport, dport, src, dst, not or a parenthesis"
    );
    assert!(error("sport = :80 state close-wait").contains("column 13"));
    assert!(error("sport = :80 and state close-wait").contains("states go first"));
    for bad in [
        "dst 198.18.0.0/33",
        "dst fd00::1:2:3:4:5:6:7:8:9",
        "dst [fd00::1",
        "src 198.18.0.1:x",
    ] {
        assert!(error(bad).contains("column 5"), "{bad}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = "(".repeat(10_000);
    assert!(error(&deep).contains("nest too deep"));
    let deep = "not ".repeat(10_000);
    assert!(error(&deep).contains("nest too deep"));
}
