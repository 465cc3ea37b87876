use std::collections::BTreeSet;

use super::*;
use crate::{Memory, pair};

const PACKETS: u16 = 10_000;

/// A bad link to send into, and the far end it leads to.
fn link(seed: u64, sent: Impairment) -> (Impair<Memory>, Memory) {
    let (near, far) = pair(1500, usize::MAX);
    let near = Impair::per_direction(near, seed, Impairment::default(), sent).unwrap();
    (near, far)
}

fn numbered(number: u16) -> Vec<u8> {
    let mut packet = vec![0; 100];
    packet[..2].copy_from_slice(&number.to_be_bytes());
    packet
}

/// Everything there is to receive.
fn drain(device: &mut impl Device, now: Instant) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    while device.receive(now, &mut packet).is_ok() {
        packets.push(packet.clone());
    }
    packets
}

/// Sends numbered packets, one in a millisecond, then waits for the last, and gives what came out with its time.
fn run(near: &mut Impair<Memory>, far: &mut Memory, packets: u16) -> Vec<(Instant, u16, Vec<u8>)> {
    let mut arrived = Vec::new();
    let mut take = |now, far: &mut Memory| {
        for packet in drain(far, now) {
            let number = u16::from_be_bytes([packet[0], packet[1]]);
            arrived.push((now, number, packet));
        }
    };
    for number in 0..packets {
        let now = Instant::from_millis(u64::from(number));
        while let Some(due) = near.next_deadline().filter(|&due| due < now) {
            near.advance(due).unwrap();
            take(due, far);
        }
        near.transmit(now, &numbered(number)).unwrap();
        take(now, far);
    }
    while let Some(due) = near.next_deadline() {
        near.advance(due).unwrap();
        take(due, far);
    }
    arrived
}

fn numbers(arrived: &[(Instant, u16, Vec<u8>)]) -> Vec<u16> {
    arrived.iter().map(|(_, number, _)| *number).collect()
}

fn assert_about(count: u64, probability: f64) {
    let expected = f64::from(PACKETS) * probability;
    // Four standard deviations of a binomial distribution.
    let tolerance = 4.0 * (expected * (1.0 - probability)).sqrt();
    let off = (count as f64 - expected).abs();
    assert!(off <= tolerance, "{count} instead of {expected}");
}

#[test]
fn the_default_does_nothing() {
    let (mut near, mut far) = link(1, Impairment::default());
    near.transmit(Instant::ZERO, &numbered(7)).unwrap();
    assert_eq!(drain(&mut far, Instant::ZERO), [numbered(7)]);
    far.transmit(Instant::ZERO, &numbered(8)).unwrap();
    assert_eq!(drain(&mut near, Instant::ZERO), [numbered(8)]);
    assert_eq!(near.next_deadline(), None);
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    let bad = Impairment {
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        corrupt: 0.1,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
        ..Impairment::default()
    };
    let go = |seed| {
        let (mut near, mut far) = link(seed, bad);
        run(&mut near, &mut far, 500)
    };
    assert_eq!(go(1), go(1));
    assert_ne!(numbers(&go(1)), numbers(&go(2)));
}

#[test]
fn the_directions_have_different_luck() {
    let half = Impairment {
        loss: 0.5,
        ..Impairment::default()
    };
    let (near, mut far) = pair(1500, usize::MAX);
    let mut near = Impair::new(near, 3, half).unwrap();
    for number in 0..64 {
        near.transmit(Instant::ZERO, &numbered(number)).unwrap();
        far.transmit(Instant::ZERO, &numbered(number)).unwrap();
    }
    let received = drain(&mut near, Instant::ZERO);
    assert_ne!(drain(&mut far, Instant::ZERO), received);
}

#[test]
fn chances_come_as_often_as_asked() {
    let probability = 0.05;
    let (mut near, mut far) = link(
        42,
        Impairment {
            loss: probability,
            duplicate: probability,
            corrupt: probability,
            ..Impairment::default()
        },
    );
    let arrived = run(&mut near, &mut far, PACKETS);
    let counters = near.counters(Direction::Sent);
    assert_about(counters.lost, probability);
    // What is lost is neither doubled nor corrupted.
    assert_about(counters.duplicated, probability * (1.0 - probability));
    assert_about(counters.corrupted, probability * (1.0 - probability));
    assert_eq!(counters.entered, u64::from(PACKETS));
    assert_eq!(
        counters.left,
        counters.entered - counters.lost + counters.duplicated
    );
    assert_eq!(arrived.len() as u64, counters.left);
}

#[test]
fn corruption_inverts_exactly_one_bit() {
    let (mut near, mut far) = link(
        5,
        Impairment {
            corrupt: 1.0,
            ..Impairment::default()
        },
    );
    for number in 0..100 {
        near.transmit(Instant::ZERO, &numbered(number)).unwrap();
        let arrived = drain(&mut far, Instant::ZERO).remove(0);
        let bits: u32 = std::iter::zip(&arrived, &numbered(number))
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!(bits, 1);
    }
}

#[test]
fn reordering_lets_one_to_three_pass_and_loses_nothing() {
    let probability = 0.1;
    let (mut near, mut far) = link(
        42,
        Impairment {
            reorder: probability,
            ..Impairment::default()
        },
    );
    let arrived = numbers(&run(&mut near, &mut far, PACKETS));
    assert_eq!(arrived.len(), usize::from(PACKETS));
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), arrived.len());
    assert_about(near.counters(Direction::Sent).reordered, probability);
    let overtaken = arrived.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 500, "{overtaken}");
    for (place, &number) in arrived.iter().enumerate() {
        let passed = arrived[..place].iter().filter(|&&n| n > number).count();
        // Three of its own, and those that were held back with it.
        assert!(passed <= 5, "{passed} passed {number}");
    }
}

#[test]
fn certain_reordering_still_reorders() {
    let (mut near, mut far) = link(
        1,
        Impairment {
            reorder: 1.0,
            ..Impairment::default()
        },
    );
    let arrived = numbers(&run(&mut near, &mut far, 100));
    assert_eq!(arrived.len(), 100);
    assert!(!arrived.is_sorted());
}

#[test]
fn a_packet_that_nothing_passes_is_held_back_for_ten_milliseconds() {
    let (mut near, mut far) = link(
        1,
        Impairment {
            reorder: 1.0,
            ..Impairment::default()
        },
    );
    near.transmit(Instant::ZERO, &numbered(1)).unwrap();
    let due = Instant::from_millis(10);
    assert_eq!(near.next_deadline(), Some(due));
    near.advance(Instant::from_millis(9)).unwrap();
    assert!(drain(&mut far, due).is_empty());
    near.advance(due).unwrap();
    assert_eq!(drain(&mut far, due).len(), 1);
    assert_eq!(near.next_deadline(), None);
}

#[test]
fn delay_without_jitter_keeps_the_order() {
    let delay = Duration::from_millis(25);
    let (mut near, mut far) = link(
        9,
        Impairment {
            delay,
            ..Impairment::default()
        },
    );
    let arrived = run(&mut near, &mut far, 200);
    assert_eq!(numbers(&arrived), (0..200).collect::<Vec<_>>());
    for (at, number, _) in arrived {
        assert_eq!(at, Instant::from_millis(u64::from(number)) + delay);
    }
}

#[test]
fn jitter_stays_within_its_bounds() {
    let (mut near, mut far) = link(
        9,
        Impairment {
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(30),
            ..Impairment::default()
        },
    );
    let arrived = run(&mut near, &mut far, 500);
    assert_eq!(arrived.len(), 500);
    assert!(!numbers(&arrived).is_sorted());
    for (at, number, _) in arrived {
        let took = at - Instant::from_millis(u64::from(number));
        assert!((10..=40).contains(&took.as_millis()), "{took:?}");
    }
}

#[test]
fn a_rate_spaces_packets_and_drops_what_its_queue_cannot_hold() {
    let (mut near, mut far) = link(
        9,
        Impairment {
            rate: Some(800_000), // a packet of 100 bytes in a millisecond
            delay: Duration::from_millis(50),
            queue: 5,
            ..Impairment::default()
        },
    );
    for number in 0..8 {
        near.transmit(Instant::ZERO, &numbered(number)).unwrap();
    }
    assert_eq!(near.counters(Direction::Sent).overflowed, 3);
    for number in 0..5 {
        let due = Instant::from_millis(51 + u64::from(number));
        assert_eq!(near.next_deadline(), Some(due));
        near.advance(due).unwrap();
        assert_eq!(drain(&mut far, due), [numbered(number)]);
    }
    // Travelling packets take no place in the queue.
    let later = Instant::from_millis(100);
    for number in 0..5 {
        near.transmit(later, &numbered(number)).unwrap();
    }
    assert_eq!(near.counters(Direction::Sent).overflowed, 3);
}

#[test]
fn received_packets_are_held_back_and_come_out_with_time() {
    let (near, mut far) = pair(1500, 16);
    let slow = Impairment {
        delay: Duration::from_millis(5),
        ..Impairment::default()
    };
    let mut near = Impair::per_direction(near, 1, slow, Impairment::default()).unwrap();
    far.transmit(Instant::ZERO, &numbered(1)).unwrap();
    assert!(drain(&mut near, Instant::ZERO).is_empty());
    let due = Instant::from_millis(5);
    assert_eq!(near.next_deadline(), Some(due));
    assert_eq!(drain(&mut near, due), [numbered(1)]);
}

#[test]
fn a_filter_loses_exactly_the_chosen_packet() {
    let (near, mut far) = pair(1500, 16);
    let mut matches = 0;
    let mut near = Impair::new(near, 1, Impairment::default())
        .unwrap()
        .with_filter(move |direction, packet| {
            matches += usize::from(direction == Direction::Sent && packet[1] % 2 == 0);
            if matches == 2 && packet[1] % 2 == 0 {
                Verdict::Drop
            } else {
                Verdict::Pass
            }
        });
    for number in 0..6 {
        near.transmit(Instant::ZERO, &numbered(number)).unwrap();
    }
    let arrived = drain(&mut far, Instant::ZERO);
    assert_eq!(arrived, [0, 1, 3, 4, 5].map(numbered));
    assert_eq!(near.counters(Direction::Sent).filtered, 1);
}

#[test]
fn a_full_device_pushes_back_and_loses_nothing() {
    let (near, mut far) = pair(1500, 2);
    let mut near = Impair::new(near, 1, Impairment::default()).unwrap();
    let mut taken = 0;
    let refused = loop {
        match near.transmit(Instant::ZERO, &numbered(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    let retry = near.next_deadline().unwrap();
    let mut arrived = drain(&mut far, retry);
    near.advance(retry).unwrap();
    arrived.extend(drain(&mut far, retry));
    assert_eq!(arrived, (0..taken).map(numbered).collect::<Vec<_>>());
    near.transmit(retry, &numbered(taken)).unwrap();
}

#[test]
fn senseless_settings_are_refused() {
    let check = |impairment: Impairment| impairment.validate();
    let none = Impairment::default();
    assert_eq!(check(none), Ok(()));
    for value in [-0.1, 1.1, f64::NAN] {
        assert!(
            check(Impairment {
                loss: value,
                ..none
            })
            .is_err()
        );
    }
    let rate = Some(0);
    assert_eq!(
        check(Impairment { rate, ..none }),
        Err(ImpairmentError::ZeroRate)
    );
}
