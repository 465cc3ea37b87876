//! Floods of what a listener must look at, one story each: what is held stays within its bounds, the counters name what
//! came, and who is honest goes on.

use super::attacks::Bystander;
use super::*;
use crate::config::{AcceptPolicy, SynCookies};

/// What an entry of the SYN queue takes with its place in the table.
const ENTRY: usize = 96 + 21;
/// The same of an idle connection.
const IDLE: usize = 512;

/// One of many at addresses of their own.
fn stranger(family: Family, number: u32) -> Peer {
    let host = number as u16;
    let [high, low] = host.to_be_bytes();
    let address: IpAddr = match family {
        V4 => [198, 19, high, low].into(),
        V6 => [0xfd00, 0xe57a, 0xb, 1, 0, 0, 0, host].into(),
    };
    let theirs = SocketAddr::new(address, 1024 + (number >> 16) as u16);
    Peer {
        tuple: FourTuple::new(SocketAddr::new(family.ours(), PORT), theirs),
        us: SeqNumber(0),
        them: SeqNumber(number) + 1,
        ts: None,
    }
}

/// Sends a peer's SYN.
fn ask(harness: &mut Harness, peer: &Peer, data: &[u8]) {
    let numbers = (peer.them - 1, SeqNumber(0));
    harness.send_with(peer, S, numbers, data, |segment| {
        segment.options.mss = Some(MSS);
    });
}

/// Sends a peer's SYN, and acknowledges the answer; answers whether one came.
fn shake(harness: &mut Harness, peer: &mut Peer) -> bool {
    harness.drain();
    ask(harness, peer, b"");
    let answers = harness.drain();
    let answer = answers
        .iter()
        .find(|got| got.tuple == peer.tuple && got.flags == SA);
    if let Some(answer) = answer {
        peer.us = answer.seq + 1;
        harness.ack(peer, peer.us);
    }
    answer.is_some()
}

fn used(harness: &Harness) -> usize {
    harness.stack.memory().used
}

/// A listener that may have so many half-open children.
fn listening(harness: &mut Harness, most: usize) -> ListenerId {
    harness.listen_with(|options| {
        options.socket.reuse_address = true;
        options.syn_backlog = Some(most);
    })
}

/// RFC 4987 §2: nobody is behind the addresses.
#[test]
fn syns_from_addresses_that_nobody_has() {
    const SYNS: usize = 10_000;
    const MOST: usize = 256;
    both(|family| {
        for (cookies, kept) in [
            (SynCookies::Off, MOST),
            // An eighth is kept for peers in TIME-WAIT.
            (SynCookies::Auto, MOST - MOST / 8),
            (SynCookies::Always, 0),
        ] {
            let mut harness = Harness::with(family, |config| {
                config.max_syn_received = MOST;
                config.syn_cookies = cookies;
            });
            let mut bystander = Bystander::new(&mut harness);
            let listener = listening(&mut harness, MOST);
            let before = used(&harness);
            // With `Always`, the bystander had one.
            let cookies_before = harness.stack.counters().syncookies_sent as usize;
            for number in 0..SYNS {
                ask(&mut harness, &stranger(family, number as u32), b"");
                harness.sent.clear();
                assert!(used(&harness) <= before + kept * ENTRY);
            }
            assert_eq!(harness.stack.half_open(), kept);
            let counters = harness.stack.counters();
            let (sent, dropped) = (
                counters.syncookies_sent as usize - cookies_before,
                counters.tcp_req_q_full_drop as usize,
            );
            let rest = SYNS - kept;
            let is_off = cookies == SynCookies::Off;
            let expected = if is_off { (0, rest) } else { (rest, 0) };
            assert_eq!((sent, dropped), expected);
            assert_eq!(harness.refused(RefusalReason::SynQueueFull), dropped);
            bystander.talk(&mut harness);
            // With cookies a client comes in at once; without, when its SYN is repeated: in a full queue an entry is
            // gone after a second.
            let mut client = stranger(family, SYNS as u32);
            assert_eq!(shake(&mut harness, &mut client), !is_off);
            harness.advance(ms(1_001));
            assert!(!is_off || shake(&mut harness, &mut client));
            assert!(harness.accept(listener).is_some());
            harness.advance(secs(64));
            assert_eq!(harness.stack.half_open(), 0);
            assert!(used(&harness) <= before + IDLE);
            assert_eq!(harness.stack.counters().attempt_fails as usize, kept);
            bystander.talk(&mut harness);
        }
    });
}

/// A kernel behind the address answers our SYN,ACK with a RST: that is what most sources of a flood that is not
/// spoofed do.
#[test]
fn syns_whose_sender_takes_them_back() {
    const SYNS: u64 = 5_000;
    both(|family| {
        let mut harness = Harness::new(family);
        let mut bystander = Bystander::new(&mut harness);
        listening(&mut harness, 8);
        let before = used(&harness);
        for number in 0..SYNS {
            let peer = stranger(family, number as u32);
            ask(&mut harness, &peer, b"");
            harness.send(&peer, R, peer.them, SeqNumber(0), b"");
            assert_eq!(used(&harness), before);
        }
        let counters = harness.stack.counters();
        assert_eq!(counters.attempt_fails, SYNS);
        assert_eq!((counters.syncookies_sent, counters.listen_drops), (0, 0));
        bystander.talk(&mut harness);
    });
}

/// Attackers who have addresses, and finish their handshakes, while the application accepts nobody.
#[test]
fn handshakes_by_the_thousand_that_nobody_accepts() {
    const BACKLOG: usize = 16;
    const SYNS: usize = 32;
    const COUNT: usize = 1_000;
    for policy in [
        AcceptPolicy::Hold,
        AcceptPolicy::Reset,
        AcceptPolicy::ShedOldest,
    ] {
        for cookies in [SynCookies::Off, SynCookies::Auto, SynCookies::Always] {
            let mut harness = Harness::with(V4, |config| config.syn_cookies = cookies);
            let mut bystander = Bystander::new(&mut harness);
            let listener = harness.listen_with(|options| {
                options.socket.reuse_address = true;
                options.backlog = BACKLOG;
                options.syn_backlog = Some(SYNS);
                options.policy = policy;
            });
            let before = used(&harness);
            let mut answered = 0;
            for number in 0..COUNT {
                let mut peer = stranger(V4, number as u32);
                answered += usize::from(shake(&mut harness, &mut peer));
                assert!(used(&harness) <= before + BACKLOG * IDLE + SYNS * ENTRY);
            }
            let beyond = COUNT - BACKLOG;
            assert_eq!(harness.refused(RefusalReason::AcceptQueueFull), beyond);
            let counters = harness.stack.counters();
            assert_eq!(counters.listen_overflows as usize, beyond);
            // Nobody believes in a connection that is none.
            let resets = harness.record().resets.len();
            match policy {
                AcceptPolicy::Hold => assert_eq!((answered, resets), (BACKLOG, 0)),
                _ => assert_eq!((answered, resets), (COUNT, beyond)),
            }
            bystander.talk(&mut harness);
            // The application is back: it finds a full queue, the oldest or the newest, and then whoever comes.
            let first = match policy {
                AcceptPolicy::ShedOldest => beyond,
                _ => 0,
            };
            for number in first..first + BACKLOG {
                let id = harness.accept(listener).expect("a child");
                let tuple = stranger(V4, number as u32).tuple;
                assert_eq!(harness.stack.tuple(id), Ok(tuple));
                harness.abort(id);
            }
            assert_eq!(harness.accept(listener), None);
            assert!(shake(&mut harness, &mut stranger(V4, COUNT as u32)));
            assert!(harness.accept(listener).is_some());
        }
    }
}

/// An ACK is looked up in the table. While cookies may come back it is also held against one; nothing is kept of it.
#[test]
fn acks_for_a_listener_that_has_sent_cookies_and_for_one_that_has_not() {
    const COUNT: u32 = 10_000;
    both(|family| {
        for cookies in [SynCookies::Auto, SynCookies::Always] {
            let mut harness = Harness::with(family, |config| config.syn_cookies = cookies);
            let mut bystander = Bystander::new(&mut harness);
            let listener = listening(&mut harness, 16);
            let mut client = stranger(family, COUNT);
            ask(&mut harness, &client, b"");
            client.us = harness.next().expect("a SYN,ACK").seq + 1;
            let before = (used(&harness), harness.stack.holdings());
            for number in 0..COUNT {
                let mut peer = stranger(family, number);
                peer.ts = (number % 2 == 0).then_some(Timestamps {
                    value: 1,
                    echo: number,
                });
                let guess = SeqNumber(number.wrapping_mul(0x9e37_79b9));
                harness.send(&peer, A, peer.them, guess, b"");
                // As many bytes as came, at most: nobody can have us amplify.
                harness.expect(R, guess, SeqNumber(0));
                harness.expect_silence();
            }
            assert_eq!((used(&harness), harness.stack.holdings()), before);
            let count = u64::from(COUNT);
            let failed = if cookies == SynCookies::Always {
                count
            } else {
                0
            };
            assert_eq!(harness.stack.counters().syncookies_failed, failed);
            let reset = harness.stack.counters().reset(ResetReason::AckToListener);
            assert_eq!(reset, count);
            let discarded = harness.discarded(DiscardReason::AckToListener);
            assert_eq!(discarded as u64, count);
            harness.ack(&client, client.us);
            assert!(harness.accept(listener).is_some());
            bystander.talk(&mut harness);
        }
    });
}

/// Data on SYNs is held up to one bound for all of them; a cookie holds none. Whoever means it sends it again.
#[test]
fn syns_stuffed_with_data() {
    const MOST: usize = 10_000;
    both(|family| {
        for cookies in [SynCookies::Off, SynCookies::Auto, SynCookies::Always] {
            let mut harness = Harness::with(family, |config| {
                config.max_syn_data = MOST;
                config.syn_cookies = cookies;
            });
            let mut bystander = Bystander::new(&mut harness);
            let listener = listening(&mut harness, 2_000);
            for number in 0..1_000 {
                ask(&mut harness, &stranger(family, number), &bytes(900));
                assert!(harness.stack.holdings().bytes <= MOST);
            }
            let held = if cookies == SynCookies::Always {
                0
            } else {
                9_900
            };
            assert_eq!(harness.stack.holdings().bytes, held);
            bystander.talk(&mut harness);
            let mut client = stranger(family, 5_000);
            harness.drain();
            ask(&mut harness, &client, &bytes(900));
            let answer = harness.next().expect("a SYN,ACK");
            assert_eq!(answer.ack, client.them, "the SYN alone");
            client.us = answer.seq + 1;
            harness.send(&client, PA, client.them, client.us, bytes(900));
            let id = harness.accept(listener).expect("a child");
            assert_eq!(harness.read(id), bytes(900));
            harness.advance(secs(64));
            assert_eq!(harness.stack.holdings().bytes, 0);
        }
    });
}

/// A single byte with a hole before it takes far more to remember than to send.
/// Connections come until there is no memory for more.
#[test]
fn holes_between_single_bytes_from_ever_more_connections() {
    const BUDGET: usize = 200_000;
    const GUARANTEED: usize = 2 * 1460;
    let mut harness = Harness::with(V4, |config| config.memory = BUDGET);
    let mut bystander = Bystander::new(&mut harness);
    let listener = listening(&mut harness, 16);
    let before = used(&harness);
    let mut attackers = Vec::new();
    for number in 0..300 {
        let mut peer = stranger(V4, number);
        if shake(&mut harness, &mut peer) {
            let id = harness.accept(listener).expect("a child");
            attackers.push((peer, id));
        }
        for round in 0..40 {
            for (peer, _) in &attackers {
                let hole = 2 * (number * 40 + round) % 30_000;
                harness.send(peer, A, peer.them + 1 + hole, peer.us, b"x");
            }
            harness.sent.clear();
            let most = BUDGET + attackers.len() * GUARANTEED;
            assert!(used(&harness) <= most, "{:?}", harness.stack.memory());
        }
    }
    assert!(attackers.len() < 300);
    let refused = harness.refused(RefusalReason::NoMemory);
    assert_eq!(attackers.len() + refused, 300);
    assert_eq!(harness.discarded(DiscardReason::NoMemory), {
        let counters = harness.stack.counters();
        counters.tcp_ofo_drop as usize + refused
    });
    assert!(harness.stack.counters().tcp_ofo_drop > 0);
    assert!(harness.stack.counters().tcp_memory_pressures > 0);
    bystander.talk(&mut harness);
    for (peer, id) in attackers {
        harness.send(&peer, R, peer.them, SeqNumber(0), b"");
        harness.close(id);
    }
    assert_eq!(used(&harness), before);
    assert!(shake(&mut harness, &mut stranger(V4, 1_000)));
    bystander.talk(&mut harness);
}

/// The same with bytes in order that the application does not read: the window bounds what each may send.
#[test]
fn single_bytes_in_order_that_nobody_reads() {
    const BUFFER: usize = 4_096;
    const COUNT: u32 = 50;
    let mut harness = Harness::new(V4);
    let mut bystander = Bystander::new(&mut harness);
    let listener = harness.listen_with(|options| {
        options.socket.reuse_address = true;
        options.socket.receive_buffer = BUFFER;
    });
    let before = used(&harness);
    let mut attackers: Vec<_> = (0..COUNT)
        .map(|number| {
            let mut peer = stranger(V4, number);
            assert!(shake(&mut harness, &mut peer));
            harness.accept(listener).expect("a child");
            peer
        })
        .collect();
    for _ in 0..BUFFER + 100 {
        for peer in &mut attackers {
            harness.send(peer, A, peer.them, peer.us, b"x");
            peer.them += 1;
        }
        harness.sent.clear();
    }
    assert_eq!(harness.stack.holdings().bytes, COUNT as usize * BUFFER);
    // A buffer that grows by bytes may have doubled past its last one.
    let most = COUNT as usize * (2 * BUFFER + IDLE + 600);
    assert!(used(&harness) <= before + most);
    let beyond = harness.discarded(DiscardReason::OutsideWindow);
    assert_eq!(beyond, 100 * COUNT as usize);
    bystander.talk(&mut harness);
}
