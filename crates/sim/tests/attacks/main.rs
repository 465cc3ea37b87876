//! Attackers against a server with honest clients, by seeds: memory stays within its budget at every moment, the honest
//! are served, and each attack is named by a counter.
//!
//! `cargo test -p estab-sim --test attacks -- --nocapture` prints the figures.

mod attacker;
mod packet;
mod world;

use std::time::Duration;

use attacker::Attack;
use world::{Outcome, World};

fn told(what: &str, outcome: &Outcome) {
    let Outcome {
        clients,
        served,
        failures,
        peak,
        counted,
    } = outcome;
    let middle = served.get(served.len() / 2);
    println!(
        "{what}: {} of {clients} served, median {middle:?}, longest {:?}; at most {peak} B; {counted:?} {failures:?}",
        served.len(),
        served.last()
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
fn each_attack_alone_takes_nothing_from_the_honest() {
    for attack in Attack::ALL {
        let outcome = play(&format!("{attack:?}"), 1, &[attack]);
        assert_eq!(outcome.served.len(), outcome.clients, "{attack:?}");
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
}
