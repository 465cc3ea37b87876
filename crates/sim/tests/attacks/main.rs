//! Attackers against a server with honest clients, by seeds: memory stays within its budget at every moment, the honest
//! are served, and each attack is named by a counter.
//!
//! `cargo test -p estab-sim --test attacks -- --nocapture` prints the figures.

mod attacker;
mod packet;
mod world;

use std::time::Duration;

use attacker::Attack;
use estab_core::AcceptPolicy;
use world::{Outcome, World};

fn told(what: &str, outcome: &Outcome) {
    let Outcome {
        clients,
        served,
        failures,
        overflows,
        peak,
        counted,
    } = outcome;
    let middle = served.get(served.len() / 2);
    println!(
        "{what}: {} of {clients} served, median {middle:?}, longest {:?}, {} failed; at most {peak} B; {overflows} overflows {counted:?}",
        served.len(),
        served.last(),
        failures.len()
    );
}

/// Runs a world; answers what came of it, once what must hold in every one does.
fn play(what: &str, seed: u64, attacks: &[Attack]) -> Outcome {
    let outcome = World::new(seed, attacks).run();
    told(what, &outcome);
    for (attack, count) in &outcome.counted {
        assert!(*count > 0, "{attack:?} is not named");
    }
    outcome
}

#[test]
fn without_an_attack_everybody_is_served_at_once() {
    let outcome = play("no attack", 0, &[]);
    assert_eq!(outcome.served.len(), outcome.clients);
    assert!(outcome.served.last() < Some(&Duration::from_millis(100)));
}

#[test]
fn whatever_the_attack_the_honest_are_served() {
    for attack in Attack::ALL {
        let outcome = play(&format!("{attack:?}"), 1, &[attack]);
        assert_eq!(outcome.served.len(), outcome.clients, "{attack:?}");
        let most = match attack {
            // A forged SYN may take a client's place, for as long as it takes the client to repeat its own.
            Attack::Guesses => Duration::from_secs(4),
            // They take all the memory, until the application gives them up after 5 s.
            Attack::SlowReaders => Duration::from_secs(8),
            _ => Duration::from_millis(100),
        };
        assert!(outcome.served.last() < Some(&most), "{attack:?}");
    }
}

#[test]
fn attacks_at_once_by_seeds() {
    let (mut clients, mut served) = (0, Vec::new());
    for seed in 0..10 {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(2..=4);
        let attacks = random.choose_multiple(Attack::ALL, count);
        let outcome = play(&format!("seed {seed}"), seed, &attacks);
        clients += outcome.clients;
        served.extend(outcome.served);
    }
    served.sort_unstable();
    println!(
        "together: {} of {clients} served, median {:?}, longest {:?}",
        served.len(),
        served[served.len() / 2],
        served.last()
    );
    assert_eq!(served.len(), clients);
    assert!(served.last() < Some(&Duration::from_secs(8)));
}

/// The application accepts 100 a second, and 200 come that only take a place, beside 40 honest. No policy can tell them
/// apart; but each honest client learns what became of it.
#[test]
fn an_accept_queue_starved_by_finished_handshakes() {
    for policy in [
        AcceptPolicy::Hold,
        AcceptPolicy::Reset,
        AcceptPolicy::ShedOldest,
    ] {
        let outcome = World::starving(1, 10, policy).run();
        told(policy.name(), &outcome);
        assert!(outcome.overflows > 0);
        let (served, failed) = (outcome.served.len(), outcome.failures.len());
        assert_eq!(served + failed, outcome.clients, "{policy:?}");
        match policy {
            // Their SYNs are sent again, until there is a place.
            AcceptPolicy::Hold => assert_eq!(failed, 0),
            _ => assert!(served > 0 && failed > 0),
        }
    }
}
