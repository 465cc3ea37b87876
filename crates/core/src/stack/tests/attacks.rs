//! Attacks, one story each: what is held stays within its bounds, answers within their budget, the counters name what
//! came, and who is honest goes on.

use super::*;
use crate::Holdings;
use crate::error::{ConnectError, WriteError};

/// Somebody honest, whose connection must go on.
pub(super) struct Bystander {
    peer: Peer,
    id: SocketId,
}

impl Bystander {
    pub(super) fn new(harness: &mut Harness) -> Self {
        let (peer, id) = harness.accepted();
        Self { peer, id }
    }

    /// Says something and is answered.
    pub(super) fn talk(&mut self, harness: &mut Harness) {
        harness.drain();
        harness.send(&self.peer, PA, self.peer.them, self.peer.us, b"ping");
        self.peer.them += 4;
        assert_eq!(harness.read(self.id), b"ping");
        harness.write(self.id, b"pong");
        let sent = harness.drain();
        assert!(sent.iter().any(|got| got.data == b"pong"), "{sent:?}");
        self.peer.us += 4;
        harness.ack(&self.peer, self.peer.us);
        harness.drain();
    }
}

/// What is held, but for answers that have just been taken away.
fn held(harness: &mut Harness) -> Holdings {
    harness.drain();
    harness.stack.holdings()
}

/// A connection in TIME-WAIT.
fn in_time_wait(harness: &mut Harness) -> Peer {
    let (mut peer, id) = harness.accepted();
    harness.close(id);
    harness.send(&peer, FA, peer.them, peer.us + 1, b"");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
    harness.drain();
    (peer.them, peer.us) = (peer.them + 1, peer.us + 1);
    peer
}

/// Each FIN is the true one: 2·MSL restarts, but a second of them draws no more than the budget.
#[test]
fn a_flood_of_fins_into_time_wait() {
    both(|family| {
        let mut harness = Harness::new(family);
        let mut bystander = Bystander::new(&mut harness);
        let peer = in_time_wait(&mut harness);
        let before = held(&mut harness);
        let mut answers = 0;
        for _ in 0..10_000 {
            harness.send(&peer, FA, peer.them - 1, peer.us, b"");
            answers += harness.drain().len();
        }
        assert_eq!(answers, 1_000);
        assert_eq!(held(&mut harness), before);
        let counters = harness.stack.counters();
        assert_eq!(counters.tcp_ack_skipped_challenge, 9_000);
        bystander.talk(&mut harness);
        // A retransmission by a timer does not need the budget.
        harness.advance(ms(600));
        for _ in 0..2 {
            harness.send(&peer, FA, peer.them - 1, peer.us, b"");
            harness.expect_ack(&peer, peer.them);
            harness.advance(ms(1_000));
        }
        harness.advance(secs(60));
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}

#[test]
fn a_flood_of_data_into_time_wait() {
    both(|family| {
        let mut harness = Harness::new(family);
        let mut bystander = Bystander::new(&mut harness);
        let peer = in_time_wait(&mut harness);
        let before = held(&mut harness);
        let mut answers = 0;
        for place in 0..10_000 {
            let seq = peer.them + place * 100;
            harness.send(&peer, PA, seq, peer.us, bytes(900));
            answers += harness.drain().len();
        }
        assert_eq!(answers, 1_000);
        assert_eq!(held(&mut harness), before);
        assert_eq!(harness.discarded(DiscardReason::InTimeWait), 10_000);
        bystander.talk(&mut harness);
        // None of it restarts 2·MSL.
        harness.advance(ms(60_020));
        assert_eq!(harness.state(&peer), StateName::Closed);
    });
}

/// More connections in TIME-WAIT than may be: the oldest end early, and each is counted.
#[test]
fn a_flood_of_time_waits() {
    let mut harness = Harness::with(V4, |config| config.max_time_wait = 100);
    let mut bystander = Bystander::new(&mut harness);
    let peers: Vec<_> = (0..300).map(|_| in_time_wait(&mut harness)).collect();
    assert_eq!(harness.stack.time_waits(), 100);
    assert_eq!(harness.state(&peers[199]), StateName::Closed);
    assert_eq!(harness.state(&peers[200]), StateName::TimeWait);
    let counters = harness.stack.counters();
    assert_eq!(
        (counters.time_waited, counters.tcp_time_wait_overflow),
        (300, 200)
    );
    assert_eq!(harness.refused(RefusalReason::TimeWaitLimit), 200);
    bystander.talk(&mut harness);
}

/// Many peers shut their windows: each holds a send buffer and no more, and the user timeout ends it.
#[test]
fn windows_held_shut() {
    const COUNT: usize = 50;
    const BUFFER: usize = 16_384;
    for (timeout, survivors) in [(None, COUNT), (Some(secs(600)), 0)] {
        let mut harness = Harness::new(V4);
        let mut bystander = Bystander::new(&mut harness);
        let holders: Vec<_> = (0..COUNT)
            .map(|_| {
                let (peer, id) = harness.accepted_with(
                    |options| {
                        options.socket.send_buffer = BUFFER;
                        options.socket.user_timeout = timeout;
                    },
                    |_| (),
                );
                harness.ack_window(&peer, peer.us, 0);
                while harness.stack.write(harness.now, id, &bytes(5_000)).is_ok() {}
                peer
            })
            .collect();
        for round in 0..1_000 {
            harness.advance(secs(1));
            for got in harness.drain() {
                let holder = holders.iter().find(|peer| peer.tuple == got.tuple);
                if let Some(peer) = holder.filter(|_| !got.flags.contains(R)) {
                    // Opens a little now and then, and takes nothing.
                    let wnd = 500 * u16::from(round % 7 == 0);
                    harness.ack_window(peer, peer.us, wnd);
                }
            }
            assert!(harness.stack.holdings().bytes <= COUNT * BUFFER);
        }
        let alive = holders
            .iter()
            .filter(|peer| harness.state(peer) != StateName::Closed);
        assert_eq!(alive.count(), survivors);
        assert!(harness.stack.counters().tcp_win_probe > 0);
        bystander.talk(&mut harness);
    }
}

/// The application has closed: what peers hold by reading a byte at a time is bounded in number and in time.
#[test]
fn slow_readers_of_what_nobody_owns() {
    const COUNT: usize = 60;
    let mut harness = Harness::with(V4, |config| config.max_orphans = 40);
    let mut bystander = Bystander::new(&mut harness);
    let mut readers: Vec<_> = (0..COUNT)
        .map(|_| {
            let (peer, id) = harness.accepted();
            harness.ack_window(&peer, peer.us, 10);
            harness
                .stack
                .write(harness.now, id, &bytes(100_000))
                .unwrap();
            harness.close(id);
            harness.drain();
            peer
        })
        .collect();
    assert_eq!(harness.stack.holdings().orphans, 40);
    let counters = harness.stack.counters();
    assert_eq!(counters.tcp_abort_on_memory, 20);
    assert_eq!(counters.reset(ResetReason::OrphanLimit), 20);
    readers.truncate(40);
    for _ in 0..500 {
        harness.advance(secs(2));
        for got in harness.drain() {
            let reader = readers.iter_mut().find(|peer| peer.tuple == got.tuple);
            if let Some(peer) = reader.filter(|_| !got.data.is_empty()) {
                peer.us = peer.us.later(got.seq + 1);
                harness.ack_window(peer, peer.us, 10);
            }
        }
    }
    let causes = harness.record().transitions.iter();
    let ended = causes.filter(|event| event.cause == Cause::OrphanTime);
    assert_eq!(ended.count(), 40);
    assert_eq!(harness.stack.holdings().orphans, 0);
    bystander.talk(&mut harness);
}

/// Every port towards one peer is held. A call that finds none looks at no port: were it otherwise, this would take
/// hours. Other peers can be connected to, and little is held for all that.
#[test]
fn ports_exhausted_towards_one_peer() {
    let mut harness = Harness::with(V4, |config| {
        config.ephemeral_ports = 1_024..=65_535;
        config.max_connections = 100_000;
    });
    let remote = SocketAddr::new(V4.theirs(), 7);
    let options = ConnectOptions::default();
    let connect = |harness: &mut Harness, port| {
        let remote = SocketAddr::new(remote.ip(), port);
        harness.stack.connect(harness.now, remote, options)
    };
    for _ in 1_024..=65_535 {
        connect(&mut harness, 7).unwrap();
    }
    for _ in 0..200_000 {
        let refused = connect(&mut harness, 7);
        let Err(ConnectError::PortsExhausted(exhausted)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(exhausted.held, 64_512);
    }
    let refused = harness
        .stack
        .counters()
        .refused(RefusalReason::PortsExhausted);
    assert_eq!(refused, 200_000);
    connect(&mut harness, 8).unwrap();
}

/// ACKs for nobody, for a listener, and for a connection but outside of its windows.
#[test]
fn a_flood_of_acks() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.max_replies = 64);
        let mut bystander = Bystander::new(&mut harness);
        harness.listen_with(|options| options.socket.reuse_address = true);
        let victim = bystander.peer;
        let before = held(&mut harness);
        harness.busy = true;
        for place in 0..3_000 {
            let nobody = harness.new_peer(9_999, place);
            let listener = harness.new_peer(PORT, place);
            harness.send(&nobody, A, nobody.them, SeqNumber(place), b"");
            harness.send(&listener, A, listener.them, SeqNumber(place), b"");
            // Beyond the window, and acknowledging what was never sent.
            harness.send(&victim, A, victim.them + 2_000_000 + place, victim.us, b"");
            harness.send(&victim, A, victim.them, victim.us + 1_000 + place, b"");
            assert!(harness.stack.holdings().replies <= 64);
        }
        harness.busy = false;
        assert!(harness.drain().len() <= 64 + 1);
        assert_eq!(held(&mut harness), before);
        assert_eq!(harness.discarded(DiscardReason::NoConnection), 3_000);
        assert_eq!(harness.discarded(DiscardReason::AckToListener), 3_000);
        assert_eq!(harness.discarded(DiscardReason::AckUnsent), 3_000);
        assert_eq!(harness.discarded(DiscardReason::OutsideWindow), 3_000);
        assert_eq!(harness.discarded(DiscardReason::ReplyQueueFull), 6_000 - 64);
        assert_eq!(harness.stack.counters().tcp_challenge_ack, 0);
        assert!(harness.stack.counters().tcp_ack_skipped_challenge > 5_990);
        bystander.talk(&mut harness);
    });
}

/// RFC 5961 §3, §4: whoever does not see the connection and guesses numbers within its window ends nothing, and learns
/// little: two answers a second.
#[test]
fn rsts_and_syns_guessed_in_the_window() {
    both(|family| {
        let mut harness = Harness::new(family);
        let mut bystander = Bystander::new(&mut harness);
        let victim = bystander.peer;
        let before = held(&mut harness);
        let mut answers = 0;
        for round in 0..10 {
            for guess in 1..=1_000 {
                let seq = victim.them + guess * 60 + round;
                harness.send(&victim, R, seq, SeqNumber(0), b"");
                harness.send(&victim, S, seq, SeqNumber(0), b"");
                harness.send(&victim, RA, seq, victim.us, b"");
            }
            answers += harness.drain().len();
            harness.advance(ms(100));
        }
        assert!((1..=2).contains(&answers), "{answers}");
        assert_eq!(held(&mut harness), before);
        assert_eq!(harness.state(&victim), StateName::Established);
        assert_eq!(harness.discarded(DiscardReason::ResetInexact), 20_000);
        assert_eq!(harness.discarded(DiscardReason::SynInWindow), 10_000);
        assert_eq!(harness.stack.counters().tcp_challenge_ack, answers as u64);
        bystander.talk(&mut harness);
    });
}

/// The budget for answers to suspicious segments is the stack's: a flood against many connections gets no more.
#[test]
fn guesses_at_many_connections_share_one_budget() {
    let mut harness = Harness::with(V4, |config| config.challenge_acks_per_second = 20);
    let mut bystander = Bystander::new(&mut harness);
    let victims: Vec<_> = (0..100).map(|_| harness.accepted().0).collect();
    harness.drain();
    for victim in &victims {
        harness.send(victim, R, victim.them + 9, SeqNumber(0), b"");
    }
    assert_eq!(harness.drain().len(), 20);
    assert_eq!(harness.stack.counters().tcp_ack_skipped_challenge, 80);
    for victim in &victims {
        assert_eq!(harness.state(victim), StateName::Established);
    }
    bystander.talk(&mut harness);
}

/// Nobody answers for ever: an application whose peer does not read is held back, not its stack.
#[test]
fn a_writer_is_held_back_by_its_own_buffer() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, 0);
    let piece = bytes(65_536);
    let mut written = 0;
    let refused = loop {
        match harness.stack.write(harness.now, id, &piece) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
    };
    assert_eq!((written, refused), (262_144, WriteError::WouldBlock));
    assert_eq!(harness.stack.holdings().bytes, 262_144);
}
