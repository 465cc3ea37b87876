//! Whatever the bytes are, nothing panics, and no other connection changes.

use proptest::prelude::*;

use super::*;

/// A connection that is to stay as it is, and what is known of it.
struct Witness {
    peer: Peer,
    id: SocketId,
    before: std::string::String,
}

/// A stack with a listener and connections in several states, one of them the witness.
fn busy(family: Family) -> (Harness, Witness, Vec<Peer>) {
    let mut harness = Harness::new(family);
    let listener = harness.listen();
    let (peer, id) = harness.accepted_by(listener, |_| ());
    let mut others = Vec::new();
    let (established, other) = harness.accepted_by(listener, |segment| {
        segment.options.sack_permitted = true;
        segment.options.window_scale = Some(3);
    });
    harness.write(other, bytes(20_000));
    harness.drain();
    others.push(established);
    let (closing, other) = harness.accepted_by(listener, |_| ());
    harness.shutdown(other, crate::Shutdown::Write);
    harness.drain();
    others.push(closing);
    let (mut waiting, other) = harness.accepted_by(listener, |_| ());
    harness.close(other);
    waiting.us += 1;
    harness.send(&waiting, FA, waiting.them, waiting.us, b"");
    others.push(waiting);
    let mut half_open = harness.syn(1000);
    half_open.us = harness.drain().pop().unwrap().seq + 1;
    others.push(half_open);
    let (connecting, ..) = harness.connect();
    others.push(connecting);
    harness.drain();
    let before = std::format!("{:?}", harness.status(id));
    (harness, Witness { peer, id, before }, others)
}

impl Witness {
    fn check(&self, harness: &mut Harness) {
        assert_eq!(std::format!("{:?}", harness.status(self.id)), self.before);
        harness.drain();
        harness.send(&self.peer, PA, self.peer.them, self.peer.us, b"unharmed");
        assert_eq!(harness.read(self.id), b"unharmed");
    }
}

/// A segment that is nearly right for one of the connections.
#[derive(Clone, Debug)]
struct Near {
    which: usize,
    flags: u8,
    seq: i32,
    ack: i32,
    wnd: u16,
    data: usize,
    option_bits: u8,
    wait: u64,
}

fn near() -> impl Strategy<Value = Near> {
    let distance = || {
        prop_oneof![
            4 => -3..4_i32,
            2 => -2000..2000_i32,
            1 => -70_000..70_000_i32,
            1 => any::<i32>(),
        ]
    };
    let flags = prop_oneof![3 => Just(A.bits()), 1 => any::<u8>()];
    let data = prop_oneof![2 => Just(0_usize), 1 => 1..1400_usize];
    let wait = prop_oneof![8 => 0..50_u64, 1 => 0..100_000_u64];
    let rest = (any::<u16>(), data, any::<u8>(), wait);
    (0..6_usize, flags, distance(), distance(), rest).prop_map(
        |(which, flags, seq, ack, (wnd, data, option_bits, wait))| Near {
            which,
            flags,
            seq,
            ack,
            wnd,
            data,
            option_bits,
            wait,
        },
    )
}

fn send_near(harness: &mut Harness, peers: &[Peer], near: &Near) {
    let Some(peer) = peers.get(near.which) else {
        let peer = harness.new_peer(PORT, near.seq as u32);
        let flags = Flags::from_bits_retain(near.flags);
        return harness.send(
            &peer,
            flags,
            peer.them,
            SeqNumber(near.ack as u32),
            bytes(near.data),
        );
    };
    // Near to where the connection is now, or to where it was.
    let all = harness.stack.statuses();
    let now = all
        .iter()
        .rfind(|status| status.tuple == peer.tuple && near.option_bits & 32 != 0);
    let (them, us) = now.map_or((peer.them, peer.us), |status| {
        (status.rcv_nxt, status.snd_nxt)
    });
    let (seq, ack) = (them + near.seq as u32, us + near.ack as u32);
    let flags = Flags::from_bits_retain(near.flags);
    harness.send_with(peer, flags, (seq, ack), &bytes(near.data), |segment| {
        segment.wnd = near.wnd;
        let bits = near.option_bits;
        let options = &mut segment.options;
        options.mss = (bits & 1 != 0).then_some(near.wnd);
        options.window_scale = (bits & 2 != 0).then_some(bits);
        options.sack_permitted = bits & 4 != 0;
        let times = Timestamps {
            value: near.seq as u32,
            echo: near.ack as u32,
        };
        options.timestamps = (bits & 8 != 0).then_some(times);
        if bits & 16 != 0 {
            let right = ack + u32::from(near.wnd);
            options.sack.push(crate::SackBlock { left: ack, right });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Arbitrary bytes.
    #[test]
    fn garbage_changes_nothing(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
        version in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()],
    ) {
        let (mut harness, witness, peers) = busy(V4);
        let states: Vec<_> = peers.iter().map(|peer| harness.state(peer)).collect();
        for mut packet in packets {
            if let Some(first) = packet.first_mut() {
                *first = version;
            }
            let counted = |harness: &Harness| harness.stack.counters().discards.iter().sum::<u64>();
            let before = counted(&harness);
            harness.receive(&packet);
            prop_assert_eq!(counted(&harness), before + 1);
        }
        let after: Vec<_> = peers.iter().map(|peer| harness.state(peer)).collect();
        prop_assert_eq!(states, after);
        witness.check(&mut harness);
    }

    /// A valid segment with some of its bytes changed, its checksum vouched for: the parser's worst day.
    #[test]
    fn a_mutated_segment_never_panics(
        segments in prop::collection::vec(near(), 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        v6 in any::<bool>(),
    ) {
        let family = if v6 { V6 } else { V4 };
        let (mut harness, _, peers) = busy(family);
        for near in segments {
            let peer = peers[near.which % peers.len()];
            let numbers = (peer.them + near.seq as u32, peer.us + near.ack as u32);
            let flags = Flags::from_bits_retain(near.flags);
            let mut segment =
                crate::context::bare_segment(peer.tuple.reversed(), numbers.0, numbers.1, flags);
            segment.options.timestamps = Some(Timestamps { value: 1, echo: 2 });
            segment.options.sack.push(crate::SackBlock { left: peer.us, right: peer.us + 9 });
            let mut packet = Vec::new();
            wire::write_segment(&mut packet, &segment, [&bytes(near.data)[..]], 1, wire::TREATMENT);
            for (place, value) in &changes {
                let place = place.index(packet.len());
                packet[place] = *value;
            }
            if near.option_bits & 32 != 0 {
                packet.truncate(cut.index(packet.len()));
            }
            harness.stack.receive(harness.now, &packet, Checksum::Verified);
            harness.transmit();
            harness.advance(ms(near.wait));
        }
        harness.advance(secs(1000));
    }

    /// Whole conversations of nearly right segments, with time passing and an application that reads, writes
    /// and closes: no panic, no forbidden arrow, no timer that is always due, and the witness is unharmed.
    #[test]
    fn nearly_right_segments_never_panic_and_never_change_another_connection(
        segments in prop::collection::vec(near(), 1..40),
        v6 in any::<bool>(),
    ) {
        let family = if v6 { V6 } else { V4 };
        let (mut harness, witness, peers) = busy(family);
        for near in &segments {
            send_near(&mut harness, &peers, near);
        }
        witness.check(&mut harness);
        for near in &segments {
            harness.busy = near.option_bits % 3 == 0;
            send_near(&mut harness, &peers, near);
            harness.advance(ms(near.wait));
            harness.drain();
            for _ in 0..10 {
                let Some(super::super::Event::Ready(id, _)) = harness.stack.next_event() else {
                    continue;
                };
                let _ = harness.stack.read(harness.now, id, &mut [0; 700]);
                let _ = harness.stack.write(harness.now, id, &bytes(near.data));
                if near.option_bits & 64 != 0 {
                    let _ = harness.stack.shutdown(harness.now, id, crate::Shutdown::Write);
                }
                if near.option_bits & 128 != 0 {
                    let _ = harness.stack.close(harness.now, id);
                }
            }
        }
        harness.busy = false;
        let _ = harness.stack.close(harness.now, witness.id);
        harness.advance(secs(4000));
        harness.stack.shut_down(harness.now);
        harness.advance(secs(100));
        prop_assert!(harness.stack.is_empty());
    }
}
