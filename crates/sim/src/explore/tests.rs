//! The real core through small bounds, and proof that the explorer finds what there is to find.

use super::*;
use crate::ladder::Side;

const NONE: Faults = Faults {
    losses: 0,
    duplicates: 0,
    early_timers: 0,
    old: 0,
    restarts: 0,
};
const LOSS: Faults = Faults { losses: 1, ..NONE };
const DUPLICATE: Faults = Faults {
    duplicates: 1,
    ..NONE
};
const DELAY: Faults = Faults {
    early_timers: 1,
    ..NONE
};
const OLD: Faults = Faults { old: 1, ..NONE };

const LIMIT: usize = 200_000;

/// The real core within these bounds: everything was seen, and nothing was wrong.
fn holds(name: &str, bounds: Faults) -> Report {
    let mut scenario = Scenario::named(name).expect("a scenario").within(bounds);
    let root = scenario.real(Mutation::None);
    let report = explore(&scenario, root.clone(), LIMIT);
    if let Some(found) = &report.counter_example {
        let ladder = tell(&scenario, &root, &found.actions);
        panic!("{name} within {bounds:?}: {}\n{ladder}", found.what);
    }
    assert!(!report.is_cut, "{name} within {bounds:?}");
    report
}

#[test]
fn openings_end_well_whatever_happens_once() {
    let report = holds("passive-open", NONE);
    assert!(report.states > 80 && report.transitions > report.states);
    for bounds in [LOSS, DUPLICATE, DELAY] {
        assert!(holds("passive-open", bounds).states > 500);
        holds("close-while-opening", bounds);
    }
    holds("simultaneous-open", NONE);
    holds("passive-open-timestamps", LOSS);
}

#[test]
fn closings_end_well_whatever_happens_once() {
    for bounds in [LOSS, DUPLICATE, DELAY, OLD] {
        holds("server-closes", bounds);
        holds("simultaneous-close", bounds);
    }
    holds("half-close", LOSS);
    holds("client-closes", LOSS);
    holds("client-closes-timestamps", NONE);
}

#[test]
fn closings_without_the_end_of_file_end_well_too() {
    holds("both-give-up", NONE);
}

#[test]
fn an_end_that_does_not_check_the_isn_is_found_out() {
    let [_, mut replay, _] = Scenario::handshakes();
    let root = replay.real(Mutation::AnyIsn);
    let report = explore(&replay, root.clone(), LIMIT);
    let found = report.counter_example.expect("old data comes through");
    assert_eq!(found.what, "data of an earlier incarnation is delivered");
    let ladder = tell(&replay, &root, &found.actions).to_string();
    assert!(ladder.contains("≈≈ old SYN seq old+0"), "{ladder}");
    assert!(ladder.contains("SYN-RECEIVED → ESTABLISHED"), "{ladder}");

    let [mut ghost, ..] = Scenario::handshakes();
    ghost.bounds = Faults { old: 2, ..NONE };
    let root = ghost.real(Mutation::AnyIsn);
    let report = explore(&ghost, root, LIMIT);
    let found = report.counter_example.expect("a ghost, or old data");
    assert!(!found.actions.is_empty());
}

#[test]
fn an_end_whose_timers_never_fire_is_found_out() {
    let mut scenario = Scenario::named("half-close").unwrap().within(LOSS);
    let root = scenario.real(Mutation::NoTimers);
    let found = explore(&scenario, root, LIMIT)
        .counter_example
        .expect("it hangs");
    assert!(
        found
            .actions
            .iter()
            .any(|action| matches!(action, Action::Lose(_)))
    );
    let mut scenario = Scenario::named("server-closes").unwrap();
    let root = scenario.real(Mutation::NoTimers);
    let found = explore(&scenario, root, LIMIT)
        .counter_example
        .expect("TIME-WAIT stays");
    assert!(found.what.contains("TIME-WAIT"), "{}", found.what);
}

/// What the thin handshake of so many messages fails at.
fn failures(messages: u8) -> Vec<(&'static str, usize)> {
    let each = Scenario::handshakes()
        .into_iter()
        .filter_map(|mut scenario| {
            let root = scenario.thin(messages);
            let found = explore(&scenario, root, LIMIT).counter_example?;
            Some((scenario.name, found.actions.len()))
        });
    each.collect()
}

#[test]
fn one_and_two_messages_fail_and_three_and_four_do_not() {
    // The counter-examples are the shortest there are, the run to the end included.
    assert_eq!(failures(1), [("ghost", 2), ("replay", 3), ("restart", 8)]);
    assert_eq!(failures(2), [("ghost", 3), ("replay", 3), ("restart", 6)]);
    assert_eq!(failures(3), []);
    assert_eq!(failures(4), []);
}

#[test]
fn an_exploration_is_the_same_each_time() {
    let figures = |report: Report| {
        (
            report.states,
            report.transitions,
            report.depth,
            report.endings,
        )
    };
    assert_eq!(
        figures(holds("passive-open", LOSS)),
        figures(holds("passive-open", LOSS))
    );
}

#[test]
fn a_limit_of_states_is_told() {
    let mut scenario = Scenario::named("passive-open").unwrap().within(LOSS);
    let root = scenario.real(Mutation::None);
    let report = explore(&scenario, root, 100);
    assert!(report.is_cut && report.states >= 100);
}

#[test]
fn the_earlier_incarnation_is_remembered_whole() {
    let mut scenario = Scenario::named("passive-open").unwrap();
    let net = scenario.real(Mutation::None);
    let said: Vec<_> = scenario
        .old
        .iter()
        .map(|(to, packet)| (*to, packet.describe(&net.numbers)))
        .collect();
    assert!(
        said.contains(&(Side::Right, "SYN seq old+0".to_owned())),
        "{said:?}"
    );
    assert!(
        said.contains(&(Side::Left, "SYN,ACK seq old+0 ack old+1".to_owned())),
        "{said:?}"
    );
    assert!(
        said.iter().any(|(_, text)| text.contains("1 byte")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|(_, text)| text.contains("FIN")),
        "{said:?}"
    );
}

/// Where everything that may happen next leads.
fn successors(net: &Net<CoreEnd>, scenario: &Scenario) -> Vec<u64> {
    let lead = |action| {
        let mut next = net.clone();
        next.apply(action, scenario);
        next.fingerprint(true)
    };
    let mut all: Vec<_> = net.actions(scenario).into_iter().map(lead).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// States of one fingerprint must go on alike, or the exploration would leave out what it has not seen.
#[test]
fn states_that_are_taken_for_the_same_go_on_alike() {
    for (name, bounds) in [
        ("passive-open", DUPLICATE),
        ("server-closes", LOSS),
        ("close-while-opening", DELAY),
    ] {
        let mut scenario = Scenario::named(name).unwrap().within(bounds);
        let mut root = scenario.real(Mutation::None);
        let mut seen = std::collections::HashMap::new();
        let mut met_again = 0;
        seen.insert(root.fingerprint(true), successors(&root, &scenario));
        let mut queue = vec![root];
        while let Some(net) = queue.pop() {
            for action in net.actions(&scenario) {
                let mut next = net.clone();
                next.apply(action, &scenario);
                next.clear_news();
                let then = successors(&next, &scenario);
                match seen.get(&next.fingerprint(true)) {
                    Some(known) => {
                        met_again += 1;
                        assert_eq!(*known, then, "{name}: {action:?}");
                    }
                    None => {
                        seen.insert(next.fingerprint(true), then);
                        queue.push(next);
                    }
                }
            }
        }
        assert!(met_again > 100, "{name}: {met_again}");
    }
}
