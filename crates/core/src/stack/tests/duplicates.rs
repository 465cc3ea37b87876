//! What the receiver reports of data that comes twice (RFC 2883), before the blocks of RFC 2018.

use super::*;

type Blocks = &'static [(u32, u32)];

/// A connection with SACK; bytes are counted from zero.
fn with_sack(family: Family, timestamps: bool) -> (Harness, Peer, SocketId) {
    let mut harness = Harness::new(family);
    let (peer, id) = harness.accepted_with(
        |_| (),
        |segment| {
            segment.options.sack_permitted = true;
            segment.options.timestamps = timestamps.then_some(Timestamps { value: 9, echo: 0 });
        },
    );
    (harness, peer, id)
}

/// The peer sends these bytes; answers what is acknowledged and reported.
fn send(harness: &mut Harness, peer: &Peer, (from, to): (u32, u32)) -> (u32, Vec<(u32, u32)>) {
    let data = bytes(to as usize)[from as usize..].to_vec();
    harness.send(peer, A, peer.them + from, peer.us, data);
    let got = harness.next().expect("an ACK at once");
    harness.expect_silence();
    let from_start = |seq: SeqNumber| seq - peer.them;
    let blocks = got.options.sack.iter();
    let blocks = blocks.map(|block| (from_start(block.left), from_start(block.right)));
    (from_start(got.ack), blocks.collect())
}

/// RFC 2883 §4.1 and §4.2, Examples 1 to 6, with segments of a hundred bytes: 0 to 100 has arrived, and three islands.
#[test]
fn what_comes_twice_is_reported_first_and_then_the_block_that_holds_it() {
    let islands = [(200, 300), (400, 500), (600, 700)];
    let cases: [((u32, u32), u32, Blocks); 14] = [
        // All of it is below the acknowledgment.
        ((0, 50), 100, &[(0, 50), (600, 700), (400, 500), (200, 300)]),
        (
            (50, 100),
            100,
            &[(50, 100), (600, 700), (400, 500), (200, 300)],
        ),
        // Part of it is; the rest is in order.
        (
            (50, 150),
            150,
            &[(50, 100), (600, 700), (400, 500), (200, 300)],
        ),
        ((50, 250), 300, &[(50, 100), (600, 700), (400, 500)]),
        ((0, 700), 700, &[(0, 100)]),
        // In order, and then into an island.
        ((100, 200), 300, &[(600, 700), (400, 500)]),
        ((100, 250), 300, &[(200, 250), (600, 700), (400, 500)]),
        ((100, 450), 500, &[(200, 300), (600, 700)]),
        // An island again, whole or in part: its block comes second.
        (
            (400, 500),
            100,
            &[(400, 500), (400, 500), (600, 700), (200, 300)],
        ),
        (
            (420, 480),
            100,
            &[(420, 480), (400, 500), (600, 700), (200, 300)],
        ),
        (
            (450, 550),
            100,
            &[(450, 500), (400, 550), (600, 700), (200, 300)],
        ),
        // Over two islands: only the first duplicate is reported.
        ((250, 450), 100, &[(250, 300), (200, 500), (600, 700)]),
        ((150, 800), 100, &[(200, 300), (150, 800)]),
        // Nothing twice.
        ((300, 400), 100, &[(200, 500), (600, 700)]),
    ];
    both(|family| {
        for (segment, ack, blocks) in cases {
            let (mut harness, peer, id) = with_sack(family, false);
            assert_eq!(send(&mut harness, &peer, (0, 100)), (100, Vec::new()));
            for island in islands {
                send(&mut harness, &peer, island);
            }
            let got = send(&mut harness, &peer, segment);
            assert_eq!(got, (ack, blocks.to_vec()), "{segment:?}");
            assert_eq!(harness.status(id).unread, ack as usize);
            // RFC 2883 §4, (2): each is reported once.
            let (_, again) = send(&mut harness, &peer, (900, 910));
            assert_eq!(again[0], (900, 910), "{segment:?}");
            send(&mut harness, &peer, (0, 1000));
            assert_eq!(harness.read(id), bytes(1000));
        }
    });
}

/// Three blocks fit beside timestamps (RFC 2018 §3): the duplicate takes the place of the oldest.
#[test]
fn beside_timestamps_the_duplicate_leaves_room_for_two_blocks() {
    let (mut harness, mut peer, _) = with_sack(V4, true);
    if let Some(ts) = &mut peer.ts {
        ts.value += 1;
    }
    for island in [(200, 300), (400, 500), (600, 700)] {
        send(&mut harness, &peer, island);
    }
    let (_, blocks) = send(&mut harness, &peer, (400, 500));
    assert_eq!(blocks, [(400, 500), (400, 500), (600, 700)]);
}

/// RFC 2883 §4, (1): "only used to report a duplicate [...] received by the receiver in the most recent packet".
#[test]
fn a_duplicate_is_reported_with_nothing_else_held_and_draws_an_ack_at_once() {
    let mut harness = Harness::with(V4, |config| config.quick_acks = 0);
    let permit = |segment: &mut Segment<'_>| segment.options.sack_permitted = true;
    let (peer, id) = harness.accepted_with(|_| (), permit);
    harness.send(&peer, A, peer.them, peer.us, bytes(100));
    harness.expect_silence();
    // New data rides on it: it would be delayed, were it not for the old.
    assert_eq!(
        send(&mut harness, &peer, (50, 150)),
        (150, [(50, 100)].to_vec())
    );
    assert_eq!(
        send(&mut harness, &peer, (0, 150)),
        (150, [(0, 150)].to_vec())
    );
    harness.write(id, b"x");
    assert!(harness.next().expect("data").options.sack.is_empty());
}

#[test]
fn without_sack_or_with_an_ack_that_is_refused_no_duplicate_is_reported() {
    let mut harness = Harness::new(V4);
    let (peer, _) = harness.accepted();
    harness.send(&peer, A, peer.them, peer.us, bytes(100));
    harness.drain();
    assert_eq!(send(&mut harness, &peer, (50, 150)), (150, Vec::new()));
    let (mut harness, peer, _) = with_sack(V4, false);
    send(&mut harness, &peer, (0, 100));
    // A blind attacker's segment is answered, but not reported on.
    harness.send(&peer, A, peer.them + 50, peer.us + 9, bytes(100));
    let got = harness.expect_ack(&peer, peer.them + 100);
    assert!(got.options.sack.is_empty());
}

/// RFC 2883 §5: the sender does not take the report for news of a loss.
#[test]
fn a_reported_duplicate_is_no_duplicate_acknowledgment() {
    let (mut harness, peer, id) = with_sack(V4, false);
    harness.write(id, bytes(10_000));
    assert_eq!(harness.drain().len(), 10);
    harness.ack(&peer, peer.us + 5000);
    for _ in 0..5 {
        harness.send_with(&peer, A, (peer.them, peer.us + 5000), b"", |segment| {
            let (left, right) = (peer.us + 1000, peer.us + 2000);
            segment.options.sack.push(crate::SackBlock { left, right });
        });
    }
    harness.expect_silence();
    assert_eq!(harness.status(id).congestion, CongestionState::Open);
}
