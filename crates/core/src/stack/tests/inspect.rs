//! Copies of a stack, what it says of itself, and the memory that connections take.

use super::*;

fn written(stack: &Stack<Recorder>) -> std::string::String {
    let mut text = std::string::String::new();
    stack
        .write_state(&mut text)
        .expect("a string takes everything");
    text
}

#[test]
fn a_copy_goes_its_own_way() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    let mut copy = harness.stack.clone();
    assert_eq!(written(&copy), written(&harness.stack));
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    let state = copy.status(id).map(|status| status.state);
    assert_eq!(state, Some(StateName::Established));
    assert_ne!(written(&copy), written(&harness.stack));
    assert_eq!(copy.write(harness.now, id, b"still here"), Ok(10));
}

#[test]
fn every_place_that_holds_a_connection_is_written() {
    let mut harness = Harness::new(V4);
    assert_eq!(written(&harness.stack), "");
    harness.listen();
    harness.syn(1000);
    assert!(written(&harness.stack).contains("irs: SeqNumber(1000)"));
    harness.drain();
    let (peer, id) = harness.connected();
    assert!(written(&harness.stack).contains("SendSide"));
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    assert!(written(&harness.stack).contains("TimeWait LifeId"));
}

#[test]
fn memory_is_held_by_state_and_comes_back() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    assert_eq!(harness.stack.bytes_held(), 0);
    harness.syn(1000);
    let half_open = harness.stack.bytes_held();
    assert!((96..=117).contains(&half_open), "{half_open}");
    harness.advance(secs(120));
    assert_eq!(harness.stack.bytes_held(), 0);

    harness.drain();
    let (peer, id) = harness.accepted_by(listener, |_| ());
    let open = harness.stack.bytes_held();
    assert!(open > 3 * half_open, "{open}");
    harness.write(id, bytes(10_000));
    assert!(harness.stack.bytes_held() >= open + 10_000);
    harness.drain();
    harness.ack(&peer, peer.us + 10_000);
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 10_001, b"");
    let time_wait = harness.stack.bytes_held();
    assert!((64..=85).contains(&time_wait), "{time_wait}");
    harness.advance(secs(61));
    assert_eq!(harness.stack.bytes_held(), 0);
}
