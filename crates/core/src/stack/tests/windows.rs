//! The window we offer (RFC 9293 §3.8.6, RFC 7323 §2) and the silly window it avoids (§3.8.6.2.2).

use super::*;

fn offered(got: &Got, shift: u8) -> u32 {
    u32::from(got.wnd) << shift
}

fn with_buffer(harness: &mut Harness, size: usize) -> (Peer, SocketId) {
    harness.accepted_with(|options| options.socket.receive_buffer = size, |_| ())
}

#[test]
fn the_window_is_the_room_that_is_left() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = with_buffer(&mut harness, 10_000);
        harness.send(&peer, PA, peer.them, peer.us, bytes(1000));
        assert_eq!(harness.next().unwrap().wnd, 9000);
        harness.send(&peer, PA, peer.them + 1000, peer.us, bytes(1000));
        assert_eq!(harness.next().unwrap().wnd, 8000);
        harness.read(id);
        harness.send(&peer, PA, peer.them + 2000, peer.us, bytes(1));
        assert_eq!(harness.next().unwrap().wnd, 9999);
    });
}

/// RFC 9293 §3.8.6: "a TCP receiver SHOULD NOT shrink the window", whatever the rounding of the scale.
#[test]
fn the_right_edge_of_the_window_never_moves_back() {
    both(|family| {
        for size in [65_536, 100_001, 1_000_000, 5_000_003] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted_with(
                |options| options.socket.receive_buffer = size,
                |segment| segment.options.window_scale = Some(2),
            );
            let (shift, _) = harness.status(id).window_shifts;
            assert!(shift > 0);
            let mut edge = peer.them + 65_535;
            let mut seq = peer.them;
            for step in 1..400_u32 {
                let data = bytes((step as usize * 37) % 1000 + 1);
                harness.send(&peer, PA, seq, peer.us, &data);
                seq += data.len() as u32;
                if step % 7 == 0 {
                    harness.read_some(id, 1200);
                }
                for got in harness.drain() {
                    let now = got.ack + offered(&got, shift);
                    assert!(edge.precedes_or_is(now), "{size}: {edge} {now}");
                    edge = now;
                }
                if step == 200 {
                    let mut options = harness.stack.options(id).unwrap();
                    options.receive_buffer = 4096;
                    harness.stack.set_options(harness.now, id, options).unwrap();
                }
            }
        }
    });
}

#[test]
fn the_window_of_a_syn_ack_is_not_scaled() {
    let mut harness = Harness::new(V4);
    harness.listen_with(|options| options.socket.receive_buffer = 1 << 20);
    harness.syn_with(1000, |segment| segment.options.window_scale = Some(7));
    let answer = harness.next().unwrap();
    assert_eq!(
        (answer.wnd, answer.options.window_scale),
        (u16::MAX, Some(5))
    );
}

#[test]
fn the_scale_lets_the_whole_buffer_be_offered() {
    let sizes = [
        (2048, 0),
        (65_535, 0),
        (65_536, 1),
        (1 << 20, 5),
        (1 << 29, 14),
    ];
    for (size, shift) in sizes {
        let mut harness = Harness::new(V4);
        let socket = SocketOptions {
            receive_buffer: size,
            ..SocketOptions::default()
        };
        let (_, _, syn) = harness.connect_with(socket);
        let scaled = u64::from(u16::MAX) << syn.options.window_scale.unwrap();
        assert_eq!(syn.options.window_scale, Some(shift));
        assert!(scaled >= size as u64 || shift == 14);
    }
}

#[test]
fn without_scaling_no_more_than_64_kib_is_offered() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_buffer(&mut harness, 1 << 20);
    harness.send(&peer, PA, peer.them, peer.us, b"x");
    assert_eq!(harness.next().unwrap().wnd, u16::MAX);
    assert_eq!(harness.status(id).rcv_wnd, 65_535);
    // There is nothing to announce, however much room is left.
    harness.read(id);
    harness.expect_silence();
}

/// The peer's window is scaled by its own shift, except on its SYN.
#[test]
fn the_peers_window_is_scaled_after_the_handshake() {
    both(|family| {
        let mut harness = Harness::new(family);
        let listener = harness.listen();
        let mut peer = harness.syn_with(1000, |segment| {
            segment.wnd = 1000;
            segment.options.window_scale = Some(14);
        });
        peer.us = harness.next().unwrap().seq + 1;
        harness.ack_window(&peer, peer.us, 3);
        let id = harness.accept(listener).unwrap();
        assert_eq!(harness.status(id).snd_wnd, 3 << 14);
    });
}

/// RFC 9293 §3.8.6.2.2: the window opens by a full segment or half the buffer, not by what was just read.
#[test]
fn a_shut_window_does_not_open_by_a_few_bytes() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = with_buffer(&mut harness, 4000);
        harness.send(&peer, PA, peer.them, peer.us, bytes(4000));
        assert_eq!(harness.next().unwrap().wnd, 0);
        harness.read_some(id, 100);
        harness.expect_silence();
        // Even when it has something to say the window stays shut.
        harness.send(&peer, A, peer.them + 4000, peer.us, b"?");
        assert_eq!(harness.next().unwrap().wnd, 0);
        harness.read_some(id, 1300);
        harness.expect_silence();
        harness.read_some(id, 100);
        let update = harness.expect_ack(&peer, peer.them + 4000);
        assert_eq!(update.wnd, 1500);
    });
}

#[test]
fn an_application_that_reads_everything_opens_the_window_at_once() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_buffer(&mut harness, 4000);
    harness.send(&peer, PA, peer.them, peer.us, bytes(4000));
    harness.drain();
    harness.read(id);
    assert_eq!(harness.expect_ack(&peer, peer.them + 4000).wnd, 4000);
    harness.expect_silence();
}

/// The update was lost: the peer's probe finds the window open.
#[test]
fn a_lost_window_update_is_repaired_by_the_peers_probe() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = with_buffer(&mut harness, 4000);
        harness.send(&peer, PA, peer.them, peer.us, bytes(4000));
        harness.read(id);
        harness.drain();
        harness.send(&peer, PA, peer.them + 4000, peer.us, b"?");
        let got = harness.next().unwrap();
        assert_eq!((got.ack, got.wnd), (peer.them + 4001, 3999));
        // Linux probes with an old number and no data.
        harness.send(&peer, A, peer.them + 4000, peer.us, b"");
        assert_eq!(harness.next().unwrap().ack, peer.them + 4001);
    });
}

/// No update is sent for reads that change little: the next ACK tells.
#[test]
fn small_reads_from_an_open_window_are_not_announced() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_buffer(&mut harness, 60_000);
    harness.send(&peer, PA, peer.them, peer.us, bytes(1000));
    harness.drain();
    for _ in 0..10 {
        harness.read_some(id, 100);
    }
    harness.expect_silence();
}

#[test]
fn after_the_peers_fin_no_window_is_announced() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_buffer(&mut harness, 4000);
    harness.send(&peer, FPA, peer.them, peer.us, bytes(4000));
    harness.drain();
    harness.read(id);
    harness.expect_silence();
}
