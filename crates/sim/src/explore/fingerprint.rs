//! Names a state by what decides what comes next: times counted from now, sequence numbers from their ISNs, lives by
//! the order in which they are mentioned. What only tells of the past is left out, by name.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use estab_core::{Instant, SeqNumber};

use super::endpoint::Endpoint;
use super::packet::Numbers;

/// What a connection remembers for those who ask, and does not act on: its history (keep-alive, which does, is off).
const LEFT_OUT: [&str; 1] = ["history: History {"];

/// The hash of what an end is in.
pub(super) fn end_hash<E: Endpoint>(end: &E, now: Instant, numbers: &Numbers) -> u64 {
    thread_local! {
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
    }
    TEXT.with_borrow_mut(|text| {
        text.clear();
        end.describe(text);
        let mut hasher = DefaultHasher::new();
        hash_relative(text, now, numbers, &mut hasher);
        hasher.finish()
    })
}

/// Hashes a text with its absolute numbers made relative.
fn hash_relative(text: &str, now: Instant, numbers: &Numbers, hasher: &mut impl Hasher) {
    let mut lives: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['(', '{']) {
        let (before, after) = rest.split_at(open + 1);
        if let Some(name) = LEFT_OUT.iter().find(|name| before.ends_with(*name)) {
            hasher.write(&before.as_bytes()[..before.len() - name.len()]);
            rest = behind_brace(after);
            continue;
        }
        hasher.write(before.as_bytes());
        let (number, behind) = digits(after);
        rest = behind;
        let word = before[..open].rsplit(|c: char| !c.is_alphanumeric()).next();
        match (word, number.parse::<u64>()) {
            (Some("Instant"), Ok(0 | u64::MAX)) => number.hash(hasher),
            (Some("Instant"), Ok(at)) => (at as i64 - now.as_nanos() as i64).hash(hasher),
            (Some("SeqNumber"), Ok(seq)) => numbers.place(SeqNumber(seq as u32)).hash(hasher),
            (Some("LifeId"), Ok(_)) => {
                let known = lives.iter().position(|life| *life == number);
                known.unwrap_or(lives.len()).hash(hasher);
                if known.is_none() {
                    lives.push(number);
                }
            }
            _ => hasher.write(number.as_bytes()),
        }
    }
    hasher.write(rest.as_bytes());
}

/// The digits that a text begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// What follows the brace that closes the one just passed.
fn behind_brace(text: &str) -> &str {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::Side;

    fn hash(text: &str, now: u64, isn: u32) -> u64 {
        let mut numbers = Numbers::default();
        numbers.learn(Side::Left, SeqNumber(isn));
        let mut hasher = DefaultHasher::new();
        hash_relative(text, Instant::from_nanos(now), &numbers, &mut hasher);
        hasher.finish()
    }

    #[test]
    fn only_what_is_relative_counts() {
        let text = |at: u64, seq: u32, life: u32| {
            format!("A {{ at: Instant({at}), seq: SeqNumber({seq}), LifeId({life}) }}")
        };
        let here = hash(&text(500, 7_000_001, 3), 400, 7_000_000);
        assert_eq!(here, hash(&text(600, 9_000_001, 4), 500, 9_000_000));
        assert_ne!(here, hash(&text(601, 9_000_001, 4), 500, 9_000_000));
        assert_ne!(here, hash(&text(600, 9_000_002, 4), 500, 9_000_000));
        assert_ne!(here, hash(&text(600, 1, 4), 500, 9_000_000));
    }

    #[test]
    fn history_is_left_out_and_nothing_else_is() {
        let text = |x, y, z| {
            format!("C {{ x: {x}, history: History {{ y: {y}, call: Some(L {{ }}) }}, z: {z} }}")
        };
        let here = hash(&text(1, 2, 3), 0, 0);
        assert_eq!(here, hash(&text(1, 9, 3), 0, 0));
        assert_ne!(here, hash(&text(1, 2, 9), 0, 0));
        assert_ne!(here, hash(&text(9, 2, 3), 0, 0));
    }
}
