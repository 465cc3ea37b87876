//! What BSD's sockets need beyond std's: ports held by `bind` alone, listeners that change, SYNs that give up
//! early, connections that are dropped, and where each connection ended.

use super::*;
use crate::error::{ConnectError, ListenError};

/// A stack with two ephemeral ports.
fn two_ports() -> Harness {
    Harness::with(V4, |config| config.ephemeral_ports = 40_000..=40_001)
}

fn connect(harness: &mut Harness) -> Result<u16, ConnectError> {
    let remote = SocketAddr::new(V4.theirs(), 9);
    let id = harness
        .stack
        .connect(harness.now, remote, ConnectOptions::default())?;
    Ok(harness.stack.tuple(id).unwrap().local().port())
}

#[test]
fn a_held_port_is_chosen_for_nobody() {
    let mut harness = two_ports();
    let held = SocketAddr::new(V4.ours(), 40_000);
    harness.stack.hold_port(held);
    assert_eq!(connect(&mut harness), Ok(40_001));
    assert!(matches!(
        connect(&mut harness),
        Err(ConnectError::PortsExhausted(_))
    ));
    let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let options = SocketOptions::default();
    let refused = harness.stack.check_bind(anywhere, &options);
    assert_eq!(refused, Err(ListenError::PortsExhausted { held: 2 }));
    harness.stack.release_port(held);
    assert_eq!(connect(&mut harness), Ok(40_000));
}

#[test]
fn a_port_held_twice_is_free_when_both_have_released_it() {
    let mut harness = two_ports();
    connect(&mut harness).unwrap();
    let left = 80_001 - u32::from(harness.stack.statuses()[0].tuple.local().port());
    let held = SocketAddr::from(([0, 0, 0, 0], left as u16));
    harness.stack.hold_port(held);
    harness.stack.hold_port(held);
    harness.stack.release_port(held);
    assert!(matches!(
        connect(&mut harness),
        Err(ConnectError::PortsExhausted(_))
    ));
    harness.stack.release_port(held);
    assert!(connect(&mut harness).is_ok());
}

#[test]
fn a_larger_backlog_takes_the_held_children_at_once() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen_with(|options| options.backlog = 1);
    let peers: Vec<_> = (0..3)
        .map(|_| {
            let mut peer = harness.syn(1000);
            peer.us = harness.next().unwrap().seq + 1;
            peer
        })
        .collect();
    for peer in &peers {
        harness.ack(peer, peer.us);
    }
    assert_eq!(harness.state(&peers[2]), StateName::SynReceived);
    assert_eq!(harness.stack.set_backlog(harness.now, listener, 3), Ok(()));
    for peer in &peers {
        assert_eq!(harness.state(peer), StateName::Established);
    }
    let status = harness.stack.listener_status(listener).unwrap();
    assert_eq!((status.accept_queue, status.backlog), (3, 3));
    assert!(harness.stack.has_acceptable(listener));
}

#[test]
fn children_to_come_have_the_listeners_new_options() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let options = SocketOptions {
        receive_buffer: 3_000,
        ..SocketOptions::default()
    };
    let changed = harness.stack.set_listener_options(listener, options);
    assert_eq!(changed, Ok(()));
    harness.syn(1000);
    assert_eq!(harness.next().unwrap().wnd, 3_000);
}

#[test]
fn a_socket_may_give_up_its_syn_earlier_than_the_stack() {
    let mut harness = Harness::new(V4);
    let (peer, id, _) = harness.connect_with(SocketOptions {
        syn_retries: Some(1),
        ..SocketOptions::default()
    });
    harness.advance(secs(2));
    assert_eq!(harness.state(&peer), StateName::SynSent);
    harness.advance(secs(1));
    harness.assert_entered(&peer, StateName::Closed, Cause::SynRetries);
    let status = harness.status(id);
    assert_eq!(status.ended_in, Some(StateName::SynSent));
}

#[test]
fn the_state_a_connection_ended_in_is_told() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    assert_eq!(harness.status(id).ended_in, None);
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.send(&peer, R, peer.them + 1, SeqNumber(0), b"");
    let status = harness.status(id);
    assert_eq!(status.ended, Some(Cause::Reset));
    assert_eq!(status.ended_in, Some(StateName::CloseWait));
}

#[test]
fn a_connection_in_any_state_can_be_forgotten_without_a_word() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let (open, _) = harness.accepted_by(listener, |_| ());
    let half_open = harness.syn(1000);
    harness.drain();
    for peer in [open, half_open] {
        assert!(harness.stack.forget(harness.now, &peer.tuple));
        assert_eq!(harness.state(&peer), StateName::Closed);
        assert!(!harness.stack.forget(harness.now, &peer.tuple));
    }
    harness.expect_silence();
    assert!(harness.stack.is_empty());
}

#[test]
fn settings_that_change_hold_for_what_comes_after() {
    let mut harness = Harness::new(V4);
    harness.stack.config_mut().timestamps = false;
    let (_, _, syn) = harness.connect();
    assert_eq!(syn.options.timestamps, None);
    harness.stack.config_mut().timestamps = true;
    let (_, _, syn) = harness.connect();
    assert!(syn.options.timestamps.is_some());
}

#[test]
fn a_fin_is_acknowledged_at_once_where_that_is_asked_for() {
    for (quick_fin_acks, delay) in [(false, 40), (true, 0)] {
        let mut harness = Harness::with(V4, |config| {
            config.quick_acks = 0;
            config.quick_fin_acks = quick_fin_acks;
        });
        let (peer, _) = harness.accepted();
        let start = harness.now;
        harness.send(&peer, FA, peer.them, peer.us, b"");
        harness.advance(secs(1));
        assert_eq!(harness.times_of(A, start), [delay]);
    }
}
