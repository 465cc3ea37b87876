//! Whether everything was acknowledged: what is told, and when (`Stack::delivery`, `Readiness::ACKNOWLEDGED`).

use super::*;
use crate::{Delivery, Event, Readiness, Shutdown};

/// Whether an event tells that all is acknowledged.
fn told(harness: &mut Harness, id: SocketId) -> bool {
    let mut told = false;
    while let Some(event) = harness.stack.next_event() {
        if let Event::Ready(socket, readiness) = event {
            assert_eq!(socket, id);
            told |= readiness.contains(Readiness::ACKNOWLEDGED);
        }
    }
    let now = harness.stack.readiness(id).expect("a socket");
    assert!(!told || now.contains(Readiness::ACKNOWLEDGED));
    told
}

fn delivery(harness: &Harness, id: SocketId) -> (usize, bool, Option<Cause>) {
    let Delivery {
        unacknowledged,
        fin_acknowledged,
        ended,
    } = harness.stack.delivery(id).expect("a socket");
    (unacknowledged, fin_acknowledged, ended)
}

#[test]
fn the_last_acknowledgment_is_told() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(1_500));
        told(&mut harness, id);
        assert_eq!(delivery(&harness, id), (1_500, false, None));
        harness.ack(&peer, peer.us + 1_000);
        assert!(!told(&mut harness, id));
        assert_eq!(delivery(&harness, id), (500, false, None));
        harness.ack(&peer, peer.us + 1_500);
        assert!(told(&mut harness, id));
        assert_eq!(delivery(&harness, id), (0, false, None));
    });
}

/// The bytes are there, but the peer might still wait for more.
#[test]
fn with_the_sending_side_closed_the_fin_must_be_acknowledged_too() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"all");
    harness.shutdown(id, Shutdown::Write);
    harness.ack(&peer, peer.us + 3);
    assert!(!told(&mut harness, id));
    assert_eq!(delivery(&harness, id), (0, false, None));
    harness.ack(&peer, peer.us + 4);
    assert!(told(&mut harness, id));
    assert_eq!(delivery(&harness, id), (0, true, None));
    // The peer's FIN, or its RST, changes nothing of that.
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    assert_eq!(delivery(&harness, id), (0, true, Some(Cause::Reset)));
}

#[test]
fn whichever_end_closes_first_the_acknowledged_fin_is_known() {
    for peer_first in [false, true] {
        let mut harness = Harness::new(V4);
        let (mut peer, id) = harness.accepted();
        if peer_first {
            harness.send(&peer, FA, peer.them, peer.us, b"");
            peer.them += 1;
        }
        harness.shutdown(id, Shutdown::Write);
        if !peer_first {
            // Crossing: CLOSING.
            harness.send(&peer, FA, peer.them, peer.us, b"");
            peer.them += 1;
        }
        assert_eq!(delivery(&harness, id), (0, false, None));
        harness.ack(&peer, peer.us + 1);
        assert!(told(&mut harness, id));
        assert_eq!(delivery(&harness, id), (0, true, Some(Cause::AckOfFin)));
    }
}

#[test]
fn what_a_reset_loses_is_counted() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(5_000));
    harness.shutdown(id, Shutdown::Write);
    harness.ack(&peer, peer.us + 2_000);
    assert!(!told(&mut harness, id));
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    assert!(told(&mut harness, id));
    assert_eq!(delivery(&harness, id), (3_000, false, Some(Cause::Reset)));
}
