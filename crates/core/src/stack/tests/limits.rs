//! Every table is bounded, and a refusal has its counted reason. What an application may ask for.

use super::*;
use crate::error::{
    ConnectError, ListenError, ReadError, ShutdownError, UnknownSocket, WriteError,
};

fn remote(harness: &Harness, port: u16) -> SocketAddr {
    SocketAddr::new(harness.family.theirs(), port)
}

fn connect(harness: &mut Harness, port: u16) -> Result<SocketId, ConnectError> {
    let remote = remote(harness, port);
    harness
        .stack
        .connect(harness.now, remote, ConnectOptions::default())
}

/// RFC 6056 §3.3.4: every port of the range towards one peer, then none.
#[test]
fn ephemeral_ports_are_used_up_towards_one_peer_only() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.ephemeral_ports = 50_000..=50_099);
        let mut ports = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let id = connect(&mut harness, 7).unwrap();
            ports.insert(harness.stack.tuple(id).unwrap().local_port());
        }
        assert_eq!(ports.len(), 100);
        assert!(ports.iter().all(|port| (50_000..=50_099).contains(port)));
        assert!(matches!(
            connect(&mut harness, 7),
            Err(ConnectError::PortsExhausted(_))
        ));
        assert_eq!(harness.refused(RefusalReason::PortsExhausted), 1);
        assert!(connect(&mut harness, 8).is_ok());
    });
}

#[test]
fn a_port_in_time_wait_is_not_chosen_for_the_same_peer() {
    let mut harness = Harness::with(V4, |config| config.ephemeral_ports = 50_000..=50_000);
    let (peer, id) = harness.connected();
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    assert!(matches!(
        connect(&mut harness, 7),
        Err(ConnectError::PortsExhausted(_))
    ));
    harness.advance(secs(61));
    assert!(connect(&mut harness, 7).is_ok());
}

/// RFC 6056 §3.3.4: the numbers do not simply count up over all peers.
#[test]
fn ports_towards_different_peers_are_unrelated() {
    let mut harness = Harness::new(V4);
    let mut port = |remote| {
        let id = connect(&mut harness, remote).unwrap();
        harness.stack.tuple(id).unwrap().local_port()
    };
    let ports: Vec<_> = (1..20).map(&mut port).collect();
    let neighbours = ports
        .windows(2)
        .filter(|pair| pair[1] == pair[0] + 1)
        .count();
    assert!(neighbours < 3, "{ports:?}");
}

#[test]
fn a_listeners_port_is_not_chosen() {
    let mut harness = Harness::with(V4, |config| config.ephemeral_ports = 80..=80);
    harness.listen();
    assert!(matches!(
        connect(&mut harness, 7),
        Err(ConnectError::PortsExhausted(_))
    ));
}

#[test]
fn connections_are_bounded() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.max_connections = 3);
        for _ in 0..3 {
            connect(&mut harness, 7).unwrap();
        }
        assert_eq!(connect(&mut harness, 7), Err(ConnectError::LimitReached));
        assert_eq!(harness.refused(RefusalReason::ConnectionLimit), 1);
    });
}

#[test]
fn listeners_are_bounded() {
    let mut harness = Harness::with(V4, |config| config.max_listeners = 1);
    harness.listen();
    let options = ListenOptions::new(SocketAddr::new(V4.ours(), 81));
    assert_eq!(
        harness.stack.listen(harness.now, options),
        Err(ListenError::LimitReached)
    );
    assert_eq!(harness.refused(RefusalReason::ListenerLimit), 1);
}

#[test]
fn answers_that_wait_are_bounded() {
    let mut harness = Harness::with(V4, |config| config.max_replies = 5);
    let peer = harness.new_peer(9999, 0);
    let segment = crate::context::bare_segment(peer.tuple.reversed(), peer.them, peer.us, S);
    let mut packet = Vec::new();
    wire::write_segment(&mut packet, &segment, [], 1, wire::TREATMENT);
    for _ in 0..12 {
        harness
            .stack
            .receive(harness.now, &packet, Checksum::Unknown);
    }
    assert_eq!(harness.discarded(DiscardReason::ReplyQueueFull), 7);
    assert_eq!(harness.drain().len(), 5);
}

#[test]
fn only_our_addresses_can_be_listened_on_and_connected_from() {
    let mut harness = Harness::new(V4);
    let stranger = SocketAddr::new(V4.host(77), 81);
    let listen = harness
        .stack
        .listen(harness.now, ListenOptions::new(stranger));
    assert_eq!(listen, Err(ListenError::AddressNotOurs));
    let to = remote(&harness, 7);
    for local in [stranger, SocketAddr::new(V6.ours(), 0)] {
        let options = ConnectOptions {
            local: Some(local),
            ..ConnectOptions::default()
        };
        let connect = harness.stack.connect(harness.now, to, options);
        assert_eq!(connect, Err(ConnectError::AddressNotOurs));
    }
    assert_eq!(harness.refused(RefusalReason::AddressNotOurs), 3);
}

#[test]
fn nobody_connects_to_where_nobody_can_be() {
    let mut harness = Harness::new(V4);
    let hosts: [IpAddr; 7] = [
        [0, 0, 0, 0].into(),
        [255, 255, 255, 255].into(),
        [224, 0, 0, 1].into(),
        [198, 18, 0, 1].into(),
        [0_u16; 8].into(),
        [0xff02, 0, 0, 0, 0, 0, 0, 1].into(),
        [0, 0, 0, 0, 0, 0xffff, 0xc612, 2].into(),
    ];
    let sockets = hosts.into_iter().map(|host| SocketAddr::new(host, 7));
    let port_zero = SocketAddr::new(V4.theirs(), 0);
    for remote in sockets.chain([port_zero]) {
        let refused = harness
            .stack
            .connect(harness.now, remote, ConnectOptions::default());
        assert_eq!(refused, Err(ConnectError::Unreachable), "{remote}");
    }
    assert!(harness.stack.is_empty());
}

#[test]
fn a_chosen_local_port_is_used_once_for_each_peer() {
    both(|family| {
        let mut harness = Harness::new(family);
        let local = Some(SocketAddr::new(family.ours(), 5555));
        let options = ConnectOptions {
            local,
            ..ConnectOptions::default()
        };
        let (seven, eight) = (remote(&harness, 7), remote(&harness, 8));
        let id = harness.stack.connect(harness.now, seven, options).unwrap();
        assert_eq!(harness.stack.tuple(id).unwrap().local_port(), 5555);
        let again = harness.stack.connect(harness.now, seven, options);
        assert_eq!(again, Err(ConnectError::AddressInUse));
        assert!(harness.stack.connect(harness.now, eight, options).is_ok());
        harness.listen();
        let local = Some(SocketAddr::new(family.ours(), PORT));
        let options = ConnectOptions {
            local,
            ..ConnectOptions::default()
        };
        let listening = harness.stack.connect(harness.now, seven, options);
        assert_eq!(listening, Err(ConnectError::AddressInUse));
        assert_eq!(harness.refused(RefusalReason::AddressInUse), 2);
    });
}

#[test]
fn an_old_handle_finds_nothing() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let (_, id) = harness.accepted_by(listener, |_| ());
    harness.abort(id);
    harness.drain();
    let (_, next) = harness.accepted_by(listener, |_| ());
    assert_ne!(id, next);
    let now = harness.now;
    let stack = &mut harness.stack;
    assert_eq!(
        stack.read(now, id, &mut [0]),
        Err(ReadError::Unknown(UnknownSocket))
    );
    assert_eq!(
        stack.write(now, id, b"x"),
        Err(WriteError::Unknown(UnknownSocket))
    );
    let shutdown = stack.shutdown(now, id, crate::Shutdown::Both);
    assert_eq!(shutdown, Err(ShutdownError::Unknown(UnknownSocket)));
    assert_eq!(stack.close(now, id), Err(UnknownSocket));
    assert_eq!(stack.abort(now, id), Err(UnknownSocket));
    assert!(stack.status(id).is_none());
    stack.close_listener(now, listener).unwrap();
    assert_eq!(stack.close_listener(now, listener), Err(UnknownSocket));
    assert_eq!(stack.accept(now, listener), Err(UnknownSocket));
}

#[test]
fn shutting_down_what_has_ended_is_refused() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, R, peer.them, SeqNumber(0), b"");
    let refused = harness
        .stack
        .shutdown(harness.now, id, crate::Shutdown::Write);
    assert_eq!(refused, Err(ShutdownError::NotConnected));
}

#[test]
fn two_listeners_conflict_where_their_addresses_overlap() {
    let all_v4 = IpAddr::from([0_u8; 4]);
    let all = IpAddr::from([0_u16; 8]);
    let cases = [
        (V4.ours(), V4.ours(), true),
        (V4.ours(), V6.ours(), false),
        (V4.ours(), all_v4, true),
        (V6.ours(), all_v4, false),
        (V4.ours(), all, true),
        (V6.ours(), all, true),
        (all_v4, all, true),
    ];
    for (first, second, conflict) in cases {
        let mut harness = Harness::new(V4);
        let mut options = ListenOptions::new(SocketAddr::new(first, PORT));
        options.socket.reuse_address = true;
        harness.stack.listen(harness.now, options).unwrap();
        options.address = SocketAddr::new(second, PORT);
        let result = harness.stack.listen(harness.now, options);
        assert_eq!(
            result == Err(ListenError::AddressInUse),
            conflict,
            "{first} {second}"
        );
    }
}

/// RFC 9293 §3.9.1.1, MUST-42: "LISTEN on a port while a connection block with the same local port is in
/// SYN-SENT or SYN-RECEIVED state"; MUST-41: that connection goes on.
#[test]
fn a_port_that_connects_can_be_listened_on_and_the_connection_goes_on() {
    both(|family| {
        for crossing in [false, true] {
            let mut harness = Harness::new(family);
            let options = ConnectOptions {
                local: Some(SocketAddr::new(family.ours(), PORT)),
                ..ConnectOptions::default()
            };
            let to = remote(&harness, 7);
            let id = harness.stack.connect(harness.now, to, options).unwrap();
            let syn = harness.next().expect("a SYN");
            let (us, them) = (syn.seq + 1, SeqNumber(7001));
            let (tuple, ts) = (syn.tuple, None);
            let peer = Peer {
                tuple,
                us,
                them,
                ts,
            };
            if crossing {
                harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
                assert_eq!(harness.next().unwrap().flags, SA);
            }
            let mut listen = ListenOptions::new(SocketAddr::new(family.ours(), PORT));
            let refused = harness.stack.listen(harness.now, listen);
            assert!(matches!(refused, Err(ListenError::PortHeld { .. })));
            listen.socket.reuse_address = true;
            let listener = harness.stack.listen(harness.now, listen).unwrap();
            harness.send(&peer, SA, peer.them - 1, peer.us, b"");
            harness.expect_ack(&peer, peer.them);
            harness.write(id, b"hello");
            harness.expect_data(peer.us, b"hello");
            let (_, child) = harness.accepted_by(listener, |_| ());
            assert_ne!(id, child);
        }
    });
}

/// RFC 9293 §3.9.1.1, MUST-43 to MUST-45.
#[test]
fn every_segment_of_a_connection_comes_from_the_address_it_began_with() {
    both(|family| {
        let second = family.host(3);
        let mut harness = Harness::with(family, |config| config.addresses.push(second));
        let to = remote(&harness, 7);
        for (asked, used) in [(None, family.ours()), (Some(second), second)] {
            let options = ConnectOptions {
                local: asked.map(|ip| SocketAddr::new(ip, 0)),
                ..ConnectOptions::default()
            };
            let id = harness.stack.connect(harness.now, to, options).unwrap();
            let syn = harness.next().expect("a SYN");
            assert_eq!(syn.tuple.local().ip(), used);
            harness.advance(secs(1));
            assert_eq!(harness.next().expect("a SYN").tuple, syn.tuple);
            harness.abort(id);
        }
        let everywhere = match family {
            V4 => IpAddr::from([0_u8; 4]),
            V6 => IpAddr::from([0_u16; 8]),
        };
        let listener = harness.listen_with(|options| options.address.set_ip(everywhere));
        let mut peer = harness.new_peer(PORT, 1000);
        peer.tuple = FourTuple::new(SocketAddr::new(second, PORT), peer.tuple.remote());
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
        let answer = harness.next().expect("a SYN,ACK");
        peer.us = answer.seq + 1;
        harness.ack(&peer, peer.us);
        let id = harness.accept(listener).expect("a child");
        harness.write(id, b"data");
        let data = harness.expect_data(peer.us, b"data");
        assert_eq!([answer.tuple, data.tuple], [peer.tuple; 2]);
    });
}

#[test]
fn port_zero_chooses_a_free_port_to_listen_on() {
    let mut harness = Harness::with(V4, |config| config.ephemeral_ports = 50_000..=50_002);
    let options = ListenOptions::new(SocketAddr::new(V4.ours(), 0));
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let id = harness.stack.listen(harness.now, options).unwrap();
        ports.insert(harness.stack.listener_address(id).unwrap().port());
    }
    assert_eq!(ports.len(), 3);
    let none = harness.stack.listen(harness.now, options);
    assert_eq!(none, Err(ListenError::PortsExhausted { held: 3 }));
}

/// Buffers that no full segment or no window can fit are brought into range.
#[test]
fn absurd_buffer_sizes_are_brought_into_range() {
    for size in [0, 1, usize::MAX] {
        let mut harness = Harness::new(V4);
        let (_, id) = harness.accepted_with(
            |options| {
                options.socket.receive_buffer = size;
                options.socket.send_buffer = size;
            },
            |_| (),
        );
        let options = harness.stack.options(id).unwrap();
        assert!((2048..=1 << 29).contains(&options.receive_buffer));
        assert!((2048..=1 << 29).contains(&options.send_buffer));
    }
}
