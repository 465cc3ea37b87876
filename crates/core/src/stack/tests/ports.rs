//! Ephemeral ports that run short: what is found, what it costs, and what is said when there is none (RFC 6056).

use super::*;
use crate::error::{ConnectError, Exhausted, ListenError};

const COUNT: u16 = 1000;

/// A stack with a thousand ephemeral ports.
fn thousand(change: impl FnOnce(&mut Config)) -> Harness {
    Harness::with(V4, |config| {
        config.ephemeral_ports = 40_000..=40_000 + (COUNT - 1);
        change(config);
    })
}

fn connect(harness: &mut Harness) -> Result<(Peer, SocketId), Exhausted> {
    let remote = SocketAddr::new(V4.theirs(), 7);
    let options = ConnectOptions::default();
    harness.drain();
    match harness.stack.connect(harness.now, remote, options) {
        Ok(id) => {
            let syn = harness.next().expect("a SYN");
            let peer = Peer {
                tuple: syn.tuple,
                us: syn.seq + 1,
                them: SeqNumber(7001),
                ts: syn.options.timestamps.map(|ours| Timestamps {
                    value: 1_000 + (harness.now.as_millis() as u32),
                    echo: ours.value,
                }),
            };
            Ok((peer, id))
        }
        Err(ConnectError::PortsExhausted(exhausted)) => Err(exhausted),
        Err(error) => panic!("{error}"),
    }
}

fn exhaust(harness: &mut Harness) -> Vec<(Peer, SocketId)> {
    (0..COUNT).map(|_| connect(harness).unwrap()).collect()
}

/// The peer finishes a connection that we close first: it goes to TIME-WAIT.
fn to_time_wait(harness: &mut Harness, (peer, id): (Peer, SocketId), timestamps: bool) {
    let ts = peer.ts.filter(|_| timestamps);
    let peer = Peer { ts, ..peer };
    let numbers = (peer.them - 1, peer.us);
    harness.send(&peer, SA, numbers.0, numbers.1, b"");
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    harness.drain();
}

fn port(peer: &Peer) -> u16 {
    peer.tuple.local().port()
}

#[test]
fn every_port_is_found_and_none_twice() {
    let mut harness = thousand(|_| ());
    let ports: std::collections::BTreeSet<_> = exhaust(&mut harness)
        .iter()
        .map(|(peer, _)| port(peer))
        .collect();
    assert_eq!(ports.len(), usize::from(COUNT));
    let exhausted = Exhausted {
        held: u32::from(COUNT),
        time_wait: 0,
        next_free: None,
    };
    assert_eq!(connect(&mut harness).unwrap_err(), exhausted);
    assert_eq!(harness.refused(RefusalReason::PortsExhausted), 1);
}

#[test]
fn ports_that_come_free_are_found_again_the_longest_free_first() {
    let mut harness = thousand(|_| ());
    let open = exhaust(&mut harness);
    connect(&mut harness).unwrap_err();
    for (_, id) in &open[100..103] {
        harness.abort(*id);
    }
    for (peer, _) in &open[100..103] {
        let (next, _) = connect(&mut harness).unwrap();
        assert_eq!(port(&next), port(peer));
    }
    connect(&mut harness).unwrap_err();
}

#[test]
fn plenty_of_ports_are_found_by_chance_again() {
    let mut harness = thousand(|_| ());
    let open = exhaust(&mut harness);
    connect(&mut harness).unwrap_err();
    for (_, id) in &open[..500] {
        harness.abort(*id);
    }
    for _ in 0..500 {
        connect(&mut harness).unwrap();
    }
    connect(&mut harness).unwrap_err();
}

/// Half of the range is free, but all of it in one place.
#[test]
fn a_long_row_of_held_ports_is_passed_once() {
    let mut harness = thousand(|_| ());
    let open = exhaust(&mut harness);
    for (_, id) in &open[500..] {
        harness.abort(*id);
    }
    for _ in 0..500 {
        connect(&mut harness).unwrap();
    }
    connect(&mut harness).unwrap_err();
}

/// The answer to a call that finds no port tells who holds them and until when.
#[test]
fn exhaustion_tells_of_time_wait_and_of_its_next_end() {
    let mut harness = thousand(|config| config.time_wait_reuse = false);
    let open = exhaust(&mut harness);
    for (index, one) in open.into_iter().take(3).enumerate() {
        to_time_wait(&mut harness, one, true);
        if index == 1 {
            // What enters while nothing is free is counted as well as what was found.
            assert_eq!(connect(&mut harness).unwrap_err().time_wait, 2);
        }
        harness.advance(secs(10));
    }
    // One from a port that is never chosen does not count.
    let options = ConnectOptions {
        local: Some(SocketAddr::new(V4.ours(), 30_000)),
        ..ConnectOptions::default()
    };
    let remote = SocketAddr::new(V4.theirs(), 7);
    let id = harness.stack.connect(harness.now, remote, options).unwrap();
    harness.transmit();
    let syn = harness.sent.pop_back().expect("a SYN");
    let (us, them, tuple) = (syn.seq + 1, SeqNumber(7001), syn.tuple);
    let outside = Peer {
        tuple,
        us,
        them,
        ts: None,
    };
    to_time_wait(&mut harness, (outside, id), false);
    let exhausted = connect(&mut harness).unwrap_err();
    assert_eq!((exhausted.held, exhausted.time_wait), (1000, 3));
    let wait = exhausted.next_free.expect("an end");
    assert!(wait > ms(29_900) && wait <= ms(30_050), "{wait:?}");
    harness.advance(wait + ms(1));
    connect(&mut harness).unwrap();
    assert_eq!(connect(&mut harness).unwrap_err().time_wait, 2);
}

/// RFC 7323, appendix B.2; Linux's `tcp_tw_reuse`.
#[test]
fn without_a_free_port_the_oldest_time_wait_gives_way_after_a_second() {
    let mut harness = thousand(|_| ());
    let mut open = exhaust(&mut harness);
    let (second, first) = (open.pop().unwrap(), open.pop().unwrap());
    to_time_wait(&mut harness, first, true);
    harness.advance(ms(500));
    to_time_wait(&mut harness, second, true);
    let exhausted = connect(&mut harness).unwrap_err();
    let wait = exhausted.next_free.expect("it may soon be taken over");
    assert!(wait > ms(450) && wait <= ms(520), "{wait:?}");
    harness.advance(wait);
    let (peer, id) = connect(&mut harness).unwrap();
    assert_eq!(port(&peer), port(&first.0));
    harness.assert_entered(&peer, StateName::SynSent, Cause::Connect);
    assert_eq!(harness.stack.counters().tw_recycled, 1);
    assert!(connect(&mut harness).is_err());
    // A free port goes first.
    harness.advance(secs(2));
    harness.abort(id);
    let (next, _) = connect(&mut harness).unwrap();
    assert_eq!(port(&next), port(&peer));
    assert_eq!(port(&connect(&mut harness).unwrap().0), port(&second.0));
}

/// Nothing could tell an old duplicate from a new segment.
#[test]
fn without_timestamps_no_time_wait_gives_way() {
    let mut harness = thousand(|_| ());
    let open = exhaust(&mut harness);
    to_time_wait(&mut harness, open[0], false);
    harness.advance(secs(30));
    let exhausted = connect(&mut harness).unwrap_err();
    assert_eq!(exhausted.time_wait, 1);
    assert!(exhausted.next_free.is_some_and(|wait| wait > ms(29_900)));
}

/// A retransmitted FIN restarts 2·MSL: the one that was to end first no longer does.
#[test]
fn a_restarted_time_wait_waits_its_turn() {
    let mut harness = thousand(|config| config.time_wait_reuse = false);
    let open = exhaust(&mut harness);
    to_time_wait(&mut harness, open[0], false);
    harness.advance(secs(5));
    to_time_wait(&mut harness, open[1], false);
    connect(&mut harness).unwrap_err();
    harness.advance(secs(5));
    let (peer, _) = open[0];
    let peer = Peer { ts: None, ..peer };
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    let exhausted = connect(&mut harness).unwrap_err();
    let wait = exhausted.next_free.expect("an end");
    assert!(wait > ms(54_900) && wait <= ms(55_050), "{wait:?}");
    assert_eq!(exhausted.time_wait, 2);
}

#[test]
fn a_listener_finds_the_port_that_came_free() {
    let mut harness = thousand(|config| config.max_listeners = 2_000);
    let options = ListenOptions::new(SocketAddr::new(V4.ours(), 0));
    let listeners: Vec<_> = (0..COUNT)
        .map(|_| harness.stack.listen(harness.now, options).unwrap())
        .collect();
    let none = Err(ListenError::PortsExhausted { held: 1000 });
    assert_eq!(harness.stack.listen(harness.now, options), none);
    connect(&mut harness).unwrap_err();
    let address = harness.stack.listener_address(listeners[70]).unwrap();
    harness
        .stack
        .close_listener(harness.now, listeners[70])
        .unwrap();
    // Whoever only looks takes nothing.
    for _ in 0..2 {
        let free = harness.stack.check_bind(options.address, &options.socket);
        assert_eq!(free, Ok(address));
    }
    let (peer, id) = connect(&mut harness).unwrap();
    assert_eq!(port(&peer), address.port());
    assert_eq!(harness.stack.listen(harness.now, options), none);
    harness.abort(id);
    assert!(harness.stack.listen(harness.now, options).is_ok());
}

/// What was remembered of the old range is forgotten.
#[test]
fn a_wider_range_has_free_ports_at_once() {
    let mut harness = thousand(|_| ());
    exhaust(&mut harness);
    connect(&mut harness).unwrap_err();
    harness.stack.config_mut().ephemeral_ports = 40_000..=41_000;
    assert_eq!(port(&connect(&mut harness).unwrap().0), 41_000);
    connect(&mut harness).unwrap_err();
}
