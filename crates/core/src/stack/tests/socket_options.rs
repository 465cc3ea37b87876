//! What a socket may ask for: segment size, cork, quick acknowledgments, TTL and traffic class.

use super::*;

fn set(harness: &mut Harness, id: SocketId, change: impl FnOnce(&mut SocketOptions)) {
    let mut options = harness.stack.options(id).expect("a socket");
    change(&mut options);
    let now = harness.now;
    harness.stack.set_options(now, id, options).expect("it");
    harness.transmit();
}

fn lengths(harness: &mut Harness) -> Vec<usize> {
    harness.drain().iter().map(|got| got.data.len()).collect()
}

/// RFC 9293 §3.7.1: both the MSS we offer and the one we send follow.
#[test]
fn the_largest_segment_wanted_is_offered_and_kept_to() {
    both(|family| {
        let mut harness = Harness::new(family);
        let small = SocketOptions {
            max_segment: Some(500),
            ..SocketOptions::default()
        };
        let (peer, id, syn) = harness.connect_with(small);
        assert_eq!(syn.options.mss, Some(500));
        harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
            segment.options.mss = Some(MSS);
        });
        harness.drain();
        harness.write(id, bytes(1200));
        assert_eq!(lengths(&mut harness), [500, 500, 200]);
        let status = harness.status(id);
        assert_eq!((status.mss, status.advertised_mss), (500, 500));
        assert_eq!(status.peer_mss, MSS);
    });
}

#[test]
fn a_listener_offers_its_segment_size_and_children_inherit_it() {
    let mut harness = Harness::new(V4);
    // Below what Linux allows: 88.
    let listener = harness.listen_with(|options| options.socket.max_segment = Some(20));
    let mut peer = harness.syn(1000);
    let answer = harness.next().expect("a SYN,ACK");
    assert_eq!(answer.options.mss, Some(88));
    peer.us = answer.seq + 1;
    harness.ack(&peer, peer.us);
    let id = harness.accept(listener).expect("a child");
    harness.write(id, bytes(100));
    assert_eq!(lengths(&mut harness), [88, 12]);
    set(&mut harness, id, |options| options.max_segment = None);
    harness.ack(&peer, peer.us + 100);
    harness.write(id, bytes(1500));
    assert_eq!(lengths(&mut harness), [1000, 500]);
}

#[test]
fn a_corked_socket_sends_only_full_segments() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.connected();
        set(&mut harness, id, |options| {
            options.cork = true;
            options.nodelay = true;
        });
        harness.write(id, bytes(400));
        harness.expect_silence();
        harness.write(id, bytes(1700));
        assert_eq!(lengths(&mut harness), [1000, 1000]);
        harness.ack(&peer, peer.us + 2000);
        harness.expect_silence();
        set(&mut harness, id, |options| options.cork = false);
        assert_eq!(lengths(&mut harness), [100]);
    });
}

#[test]
fn a_cork_holds_for_200_ms_and_nobody_takes_it_for_a_loss() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.connected();
        set(&mut harness, id, |options| {
            options.cork = true;
            // It does not count while nothing was sent.
            options.user_timeout = Some(ms(100));
        });
        for round in 0..3 {
            let at = peer.us + round * 10;
            harness.write(id, bytes(10));
            harness.advance(ms(199));
            harness.expect_silence();
            harness.advance(ms(1));
            harness.expect_data(at, &bytes(10));
            let status = harness.status(id);
            assert_eq!((status.backoff, status.timeouts), (0, 0));
            harness.ack(&peer, at + 10);
        }
        harness.write(id, bytes(10));
        harness.close(id);
        let got = harness.next().expect("all that was written");
        assert!(got.flags.contains(F) && got.data.len() == 10);
    });
}

/// Linux, tcp(7): setting TCP_NODELAY flushes, even a corked socket.
#[test]
fn asking_for_no_delay_lets_corked_data_go_once() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.connected();
    set(&mut harness, id, |options| options.cork = true);
    harness.write(id, bytes(10));
    set(&mut harness, id, |options| options.nodelay = true);
    assert_eq!(lengths(&mut harness), [10]);
    harness.ack(&peer, peer.us + 10);
    harness.write(id, bytes(10));
    harness.expect_silence();
}

#[test]
fn quick_acknowledgments_last_as_long_as_they_are_wanted() {
    let mut harness = Harness::with(V4, |config| config.quick_acks = 0);
    let (mut peer, id) = harness.connected();
    let one = |harness: &mut Harness, peer: &mut Peer| {
        harness.send(peer, PA, peer.them, peer.us, b"x");
        peer.them += 1;
        harness.drain().len()
    };
    assert_eq!(one(&mut harness, &mut peer), 0);
    // What is owed goes with the option.
    set(&mut harness, id, |options| options.quick_ack = true);
    harness.expect_ack(&peer, peer.them);
    for _ in 0..300 {
        assert_eq!(one(&mut harness, &mut peer), 1);
    }
    set(&mut harness, id, |options| options.quick_ack = false);
    assert_eq!(one(&mut harness, &mut peer), 0);
}

/// RFC 9293 §3.9.2.1, MUST-49.
#[test]
fn ttl_and_traffic_class_are_as_configured_on_every_segment() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.ttl = 33);
        let nobody = harness.new_peer(81, 1000);
        harness.send(&nobody, A, nobody.them, nobody.us, b"");
        assert_eq!(
            harness.next().map(|got| (got.hops, got.class)),
            Some((33, 0))
        );
        let listener = harness.listen_with(|options| {
            options.socket.ttl = Some(7);
            // The ECN bits are not the application's.
            options.socket.traffic_class = 0x2b;
        });
        let stray = harness.new_peer(PORT, 1000);
        harness.send(&stray, A, stray.them, stray.us, b"");
        let (_, id) = {
            let mut peer = harness.syn(1000);
            let answers = harness.drain();
            assert_eq!((answers[0].flags, answers[1].flags), (R, SA));
            assert!(answers.iter().all(|got| (got.hops, got.class) == (7, 0x28)));
            peer.us = answers[1].seq + 1;
            harness.ack(&peer, peer.us);
            (peer, harness.accept(listener).expect("a child"))
        };
        harness.write(id, b"data");
        let got = harness.next().expect("data");
        assert_eq!((got.hops, got.class), (7, 0x28));
        set(&mut harness, id, |options| {
            options.ttl = Some(0);
            options.traffic_class = 0xff;
        });
        harness.abort(id);
        let got = harness.next().expect("a RST");
        assert_eq!((got.flags, got.hops, got.class), (RA, 1, 0xfc));
        let (_, id, syn) = harness.connect();
        assert_eq!((syn.hops, syn.class), (33, 0));
        harness.abort(id);
    });
}

/// RFC 9293 §3.8.6.2.2: where a full segment fits, the window is the room there is, to the byte.
#[test]
fn without_scaling_the_window_is_the_free_buffer_as_far_as_the_field_goes() {
    both(|family| {
        let mut harness = Harness::new(family);
        let options = SocketOptions {
            receive_buffer: 65_700,
            ..SocketOptions::default()
        };
        let (peer, id, syn) = harness.connect_with(options);
        assert_eq!(syn.wnd, 65_535);
        harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
            segment.options.mss = Some(MSS);
        });
        assert_eq!(harness.expect_ack(&peer, peer.them).wnd, 65_535);
        harness.send(&peer, PA, peer.them, peer.us, bytes(799));
        assert_eq!(harness.expect_ack(&peer, peer.them + 799).wnd, 64_901);
        harness.send(&peer, PA, peer.them + 799, peer.us, bytes(1));
        assert_eq!(harness.expect_ack(&peer, peer.them + 800).wnd, 64_900);
        harness.read_some(id, 300);
        harness.write(id, b"x");
        assert_eq!(harness.next().map(|got| got.wnd), Some(65_200));
        harness.read(id);
        harness.send(&peer, PA, peer.them + 800, peer.us, bytes(1));
        let got = harness.expect(A, peer.us + 1, peer.them + 801);
        assert_eq!(got.wnd, 65_535);
    });
}

/// The window that a scaled handshake could not tell is told with the first segment that has something to say: a
/// change of other options is none.
#[test]
fn only_a_larger_receive_buffer_is_worth_a_window_update() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (_, id) = harness.accepted_with(
            |options| options.socket.receive_buffer = 540_000,
            |syn| syn.options.window_scale = Some(7),
        );
        set(&mut harness, id, |options| options.nodelay = true);
        set(&mut harness, id, |options| options.send_buffer = 100_000);
        assert_eq!(lengths(&mut harness), []);
        set(&mut harness, id, |options| options.receive_buffer = 800_000);
        assert_eq!(lengths(&mut harness), [0]);
    });
}

/// FreeBSD's TCP_NOOPT, by either open.
#[test]
fn a_socket_without_options_offers_none_and_uses_none() {
    let every = |segment: &mut Segment<'_>| {
        segment.options = Options {
            mss: Some(MSS),
            window_scale: Some(3),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 9, echo: 0 }),
            ..Options::default()
        };
    };
    let check = |harness: &mut Harness, peer: &Peer, id| {
        let status = harness.status(id);
        assert!(!status.sack && !status.timestamps);
        assert_eq!(status.window_shifts, (0, 0));
        // The peer's MSS counts: MUST-16.
        harness.write(id, bytes(1_500));
        assert_eq!(lengths(harness), [1000, 500]);
        // Nothing to be selective about: a hole is answered without blocks.
        harness.send(peer, A, peer.them + 10, peer.us, b"x");
        assert_eq!(harness.next().unwrap().options, Options::default());
    };
    both(|family| {
        let mut harness = Harness::new(family);
        let plain = SocketOptions {
            no_options: true,
            ..SocketOptions::default()
        };
        let (peer, id, syn) = harness.connect_with(plain);
        assert_eq!(syn.options, Options::default());
        harness.send_with(&peer, SA, (peer.them - 1, peer.us), b"", every);
        harness.expect_ack(&peer, peer.them);
        check(&mut harness, &peer, id);

        let mut harness = Harness::new(family);
        let listener = harness.listen_with(|options| options.socket = plain);
        let mut peer = harness.syn_with(1000, every);
        let answer = harness.next().expect("a SYN,ACK");
        assert_eq!((answer.flags, answer.options), (SA, Options::default()));
        peer.us = answer.seq + 1;
        harness.ack(&peer, peer.us);
        let id = harness.accept(listener).expect("a child");
        check(&mut harness, &peer, id);

        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect_with(plain);
        harness.send_with(&peer, S, (peer.them - 1, SeqNumber(0)), b"", every);
        let answer = harness.next().expect("a SYN,ACK");
        assert_eq!((answer.flags, answer.options), (SA, Options::default()));
        harness.ack(&peer, peer.us);
        check(&mut harness, &peer, id);
    });
}
