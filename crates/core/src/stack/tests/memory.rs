//! The memory budget: pressure, shares, refusals, and that everybody goes on.

use super::super::Event;
use super::*;
use crate::error::{ConnectError, WriteError};
use crate::memory::MemoryLevel;

/// Two segments of what the link carries.
const GUARANTEED: usize = 2 * 1460;

fn harness(budget: usize) -> Harness {
    Harness::with(V4, |config| config.memory = budget)
}

/// A connection whose application reads nothing, and that holds `length` bytes from its peer.
fn full(harness: &mut Harness, length: usize) -> (Peer, SocketId) {
    let (mut peer, id) = harness.accepted();
    fill(harness, &mut peer, length);
    (peer, id)
}

/// The peer sends so much, and is acknowledged.
fn fill(harness: &mut Harness, peer: &mut Peer, length: usize) {
    for piece in bytes(length).chunks(1000) {
        harness.send(peer, A, peer.them, peer.us, piece);
        peer.them += piece.len() as u32;
    }
    harness.advance(ms(100));
    harness.drain();
}

fn level(harness: &Harness) -> MemoryLevel {
    harness.stack.memory().level
}

#[test]
fn an_idle_stack_uses_nothing_and_a_closed_connection_gives_all_back() {
    let mut harness = harness(100_000);
    assert_eq!(harness.stack.memory().used, 0);
    let (peer, id) = full(&mut harness, 10_000);
    let memory = harness.stack.memory();
    assert!((10_000..30_000).contains(&memory.used), "{memory:?}");
    assert_eq!((memory.level, memory.holders), (MemoryLevel::Low, 1));
    assert_eq!(memory.guaranteed_share, GUARANTEED);
    assert_eq!(harness.read(id).len(), 10_000);
    assert!(harness.stack.memory().used < 600);
    harness.send(&peer, R, peer.them, peer.us, b"");
    harness.close(id);
    assert_eq!(harness.stack.memory().used, 0);
}

#[test]
fn under_pressure_the_window_stops_at_a_fair_share_and_its_edge_stays() {
    let mut harness = harness(86_000);
    let (mut peer, id) = full(&mut harness, 32_000);
    assert_eq!(level(&harness), MemoryLevel::Low);
    let (_other, _) = full(&mut harness, 32_000);
    assert_eq!(level(&harness), MemoryLevel::Pressure);
    assert_eq!(harness.stack.counters().tcp_memory_pressures, 1);
    // Half of what is left for the two of them, for one direction.
    let share = harness.stack.memory().fair_share / 2;
    assert!((20_000..25_000).contains(&share), "{share}");
    let edge = peer.them + u32::from(window(&mut harness, &peer));
    // What is read is given back at once: so little of it that pressure stays.
    for _ in 0..15 {
        assert_eq!(harness.read_some(id, 1000).len(), 1000);
        let now = peer.them + u32::from(window(&mut harness, &peer));
        assert_eq!(edge, now, "what was offered stays, and no more is");
    }
    // As the peer uses it up, what waits and what is offered come down to the share, and stay there.
    for _ in 0..100 {
        fill(&mut harness, &mut peer, 1000);
        assert_eq!(harness.read_some(id, 1000).len(), 1000);
    }
    let held = harness.status(id).unread + usize::from(window(&mut harness, &peer));
    let share = harness.stack.memory().fair_share / 2;
    assert!((share - 4000..=share).contains(&held), "{held}");
    assert_eq!(level(&harness), MemoryLevel::Pressure);
}

/// The window that the next ACK offers: it is asked for by a keep-alive.
fn window(harness: &mut Harness, peer: &Peer) -> u16 {
    harness.drain();
    harness.advance(secs(1));
    harness.send(peer, A, peer.them - 1, peer.us, b"x");
    harness.next().expect("an ACK").wnd
}

#[test]
fn where_memory_is_spent_nobody_new_comes_in_and_each_is_told_why() {
    let mut harness = harness(100_000);
    let listener = harness.listen_with(|options| options.socket.reuse_address = true);
    let (mut peer, _) = harness.accepted_by(listener, |_| ());
    fill(&mut harness, &mut peer, 32_000);
    let (mut peer, _) = harness.accepted_by(listener, |_| ());
    fill(&mut harness, &mut peer, 32_000);
    let (mut peer, id) = harness.accepted_by(listener, |_| ());
    fill(&mut harness, &mut peer, 17_000);
    assert_eq!(level(&harness), MemoryLevel::High);
    harness.syn(1);
    harness.expect_silence();
    assert_eq!(harness.discarded(DiscardReason::NoMemory), 1);
    assert_eq!(harness.refused(RefusalReason::NoMemory), 1);
    let remote = SocketAddr::new(V4.theirs(), 7);
    let connecting = harness
        .stack
        .connect(harness.now, remote, ConnectOptions::default());
    assert_eq!(connecting, Err(ConnectError::NoMemory));
    assert_eq!(harness.refused(RefusalReason::NoMemory), 2);
    harness.read(id);
    assert_eq!(level(&harness), MemoryLevel::Pressure);
    harness.syn(2);
    assert_eq!(harness.next().expect("an answer").flags, SA);
}

#[test]
fn where_memory_is_spent_two_segments_still_come_through_and_the_rest_later() {
    let mut harness = harness(100_000);
    let (_first, hog) = full(&mut harness, 32_000);
    let (_second, _) = full(&mut harness, 32_000);
    let (mut peer, id) = harness.accepted();
    let (_fourth, other) = full(&mut harness, 17_000);
    fill(&mut harness, &mut peer, 2000);
    assert_eq!(level(&harness), MemoryLevel::High);
    // Its share is 2,920 bytes: a third segment is taken, a fourth is not, though the window was offered.
    fill(&mut harness, &mut peer, 1000);
    harness.send(&peer, A, peer.them, peer.us, bytes(1000));
    harness.expect_ack(&peer, peer.them);
    assert_eq!(harness.stack.counters().tcp_rcv_q_drop, 1);
    assert_eq!(harness.discarded(DiscardReason::NoMemory), 1);
    assert_eq!(harness.status(id).unread, 3000);
    // Out of order it is not taken either.
    harness.send(&peer, A, peer.them + 1000, peer.us, bytes(1000));
    assert_eq!(harness.stack.counters().tcp_ofo_drop, 1);
    assert_eq!(harness.status(id).out_of_order, 0);
    // Who reads goes on, at any level.
    for _ in 0..10 {
        assert_eq!(harness.read(id).len(), 3000);
        fill(&mut harness, &mut peer, 3000);
        assert_eq!(level(&harness), MemoryLevel::High);
    }
    harness.read(hog);
    harness.read(other);
    assert_eq!(level(&harness), MemoryLevel::Low);
    fill(&mut harness, &mut peer, 20_000);
    assert_eq!(harness.status(id).unread, 23_000);
}

#[test]
fn a_writer_is_held_back_to_its_share_and_woken_by_the_next_acknowledgment() {
    let mut harness = harness(86_000);
    let (_first, hog) = full(&mut harness, 32_000);
    let (_second, _) = full(&mut harness, 32_000);
    assert_eq!(level(&harness), MemoryLevel::Pressure);
    let (peer, id) = harness.connected();
    let taken = harness.stack.write(harness.now, id, &bytes(100_000));
    let taken = taken.expect("two segments");
    assert!((2000..10_000).contains(&taken), "{taken}");
    let mut total = taken;
    while let Ok(more) = harness.stack.write(harness.now, id, &bytes(100_000)) {
        total += more;
    }
    assert!(total < 20_000, "{total}");
    while harness.stack.next_event().is_some() {}
    harness.drain();
    harness.ack(&peer, peer.us + 1000);
    let writable = Event::Ready(id, crate::Readiness::WRITABLE);
    let events = core::iter::from_fn(|| harness.stack.next_event());
    assert!(events.into_iter().any(|event| event == writable));
    // Whatever the level: an empty buffer takes two segments.
    let mut us = peer.us + 1000;
    for _ in 0..100 {
        harness.drain();
        us = us + (harness.status(id).snd_nxt - us);
        harness.ack(&peer, us);
        if harness.status(id).unacknowledged == 0 {
            break;
        }
    }
    let taken = harness.stack.write(harness.now, id, &bytes(100_000));
    assert!(
        taken.is_ok_and(|taken| taken >= 2 * usize::from(MSS)),
        "{taken:?}"
    );
    harness.read(hog);
    let taken = harness.stack.write(harness.now, id, &bytes(100_000));
    assert_ne!(taken, Err(WriteError::WouldBlock));
}

#[test]
fn tiny_segments_out_of_order_are_charged_for_what_they_take() {
    let mut harness = harness(60_000);
    let mut peers: Vec<_> = (0..20).map(|_| harness.accepted().0).collect();
    for round in 0..250_u32 {
        for peer in &mut peers {
            harness.send(peer, A, peer.them + 10 + 2 * round, peer.us, b"x");
        }
        let memory = harness.stack.memory();
        // Each connection's guaranteed share, beside the budget.
        assert!(memory.used <= 60_000 + 20 * GUARANTEED, "{memory:?}");
        harness.drain();
    }
    assert!(harness.stack.counters().tcp_ofo_drop > 0);
    // The holes are filled, and everybody goes on.
    for peer in &peers {
        harness.send(peer, A, peer.them, peer.us, bytes(10));
        let got = harness.drain();
        assert!(
            got.iter()
                .any(|got| got.tuple == peer.tuple && peer.them.precedes(got.ack))
        );
    }
}

#[test]
fn large_echo_requests_do_not_fill_the_memory() {
    let mut harness = Harness::with(V4, |config| {
        config.memory = 100_000;
        config.max_replies = 1000;
    });
    harness.busy = true;
    let request = bytes(1400);
    for _ in 0..200 {
        let mut packet = Vec::new();
        let (theirs, ours) = (V4.theirs(), V4.ours());
        wire::write_echo_reply(&mut packet, theirs, ours, &request, wire::TREATMENT);
        as_request(&mut packet);
        harness.receive(&packet);
        assert!(harness.stack.memory().used <= 100_000);
    }
    assert!(harness.discarded(DiscardReason::NoMemory) > 100);
    harness.busy = false;
    harness.drain();
    assert_eq!(harness.stack.memory().used, 0);
}

/// Makes the echo reply in an IPv4 packet a request.
fn as_request(packet: &mut [u8]) {
    packet[20] = 8;
    packet[22..24].fill(0);
    let sum = packet[20..].chunks(2).fold(0_u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))
    });
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[22..24].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
