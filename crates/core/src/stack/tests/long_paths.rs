//! Paths longer than the first timeout: what is sent again was never lost (RFC 3522, the Eifel detection).

use super::*;

/// The handshake's last ACK comes after the SYN,ACK was sent again; it echoes the clock of the one sent `echoed` after
/// the SYN.
fn accepted_late(family: Family, echoed: Duration, timestamps: bool) -> (Harness, SocketId) {
    let mut harness = Harness::new(family);
    let listener = harness.listen();
    let mut peer = harness.syn_with(1000, |segment| {
        segment.options.timestamps = timestamps.then_some(Timestamps { value: 9, echo: 0 });
    });
    harness.advance(ms(1500));
    let answers = harness.drain();
    assert_eq!(answers.len(), 2);
    peer.us = answers[0].seq + 1;
    let first = answers[0].options.timestamps;
    peer.ts = first.map(|first| Timestamps {
        value: 10,
        echo: first.value + echoed.as_millis() as u32,
    });
    harness.ack(&peer, peer.us);
    let id = harness.accept(listener).expect("a child");
    (harness, id)
}

/// RFC 6928 §2 takes the initial window only from a SYN,ACK that was lost.
#[test]
fn a_syn_ack_sent_again_needlessly_costs_no_initial_window() {
    both(|family| {
        let (mut harness, id) = accepted_late(family, ms(0), true);
        let status = harness.status(id);
        assert_eq!(status.rtt, Some(ms(1500)));
        // RFC 6298 §2.2: at least the 3 s that §5.7 asks for.
        assert_eq!(status.rto, ms(4500));
        harness.write(id, bytes(40_000));
        assert_eq!(harness.drain().len(), 10);
    });
}

#[test]
fn a_syn_ack_that_was_lost_or_may_have_been_costs_the_initial_window() {
    both(|family| {
        for (echoed, timestamps) in [(ms(1000), true), (ms(500), true), (ms(0), false)] {
            let (mut harness, id) = accepted_late(family, echoed, timestamps);
            assert_eq!(harness.status(id).rto, secs(3));
            harness.write(id, bytes(40_000));
            assert_eq!(harness.drain().len(), 1);
        }
    });
}

#[test]
fn a_syn_sent_again_needlessly_costs_no_initial_window() {
    both(|family| {
        for (echoed, segments) in [(0, 10), (1000, 1)] {
            let mut harness = Harness::new(family);
            let (peer, id, syn) = harness.connect();
            harness.advance(ms(1500));
            assert_eq!(harness.drain().len(), 1);
            let echo = syn.options.timestamps.expect("an offer").value + echoed;
            harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
                segment.options.mss = Some(MSS);
                segment.options.timestamps = Some(Timestamps { value: 10, echo });
            });
            harness.expect_ack(&peer, peer.them);
            let rto = if echoed == 0 { ms(4500) } else { secs(3) };
            assert_eq!(harness.status(id).rto, rto, "{echoed}");
            harness.write(id, bytes(40_000));
            assert_eq!(harness.drain().len(), segments);
        }
    });
}
