//! Ends that are not in Figure 5: aborts, limits of time and of retries (RFC 9293 §3.8.3, §3.10.5).

use super::*;
use crate::error::{ReadError, WriteError};
use crate::observe::Initiator;
use crate::{Event, Readiness, Shutdown};
use std::vec;

/// A connection in each state that a slot can hold, everything sent taken from the wire. Answers also what
/// the stack sends and expects next.
fn in_state(harness: &mut Harness, state: StateName) -> (Peer, SocketId) {
    if state == StateName::SynSent {
        let (peer, id, _) = harness.connect();
        return (peer, id);
    }
    if state == StateName::SynReceived {
        let (peer, id, _) = harness.connect();
        harness.send(&peer, S, peer.them - 1, SeqNumber(0), b"");
        harness.drain();
        return (peer, id);
    }
    let (mut peer, id) = harness.accepted();
    let peer_first = matches!(state, StateName::CloseWait | StateName::LastAck);
    if peer_first {
        harness.send(&peer, FA, peer.them, peer.us, b"");
        peer.them += 1;
    }
    if !matches!(state, StateName::Established | StateName::CloseWait) {
        harness.shutdown(id, Shutdown::Write);
    }
    if state == StateName::Closing {
        harness.send(&peer, FA, peer.them, peer.us, b"");
        peer.them += 1;
    }
    if state == StateName::FinWait2 {
        peer.us += 1;
        harness.ack(&peer, peer.us);
    }
    harness.drain();
    assert_eq!(harness.state(&peer), state);
    (peer, id)
}

/// RFC 9293 §3.10.5: a RST in the states that "have a peer", none in SYN-SENT, CLOSING and LAST-ACK.
#[test]
fn an_abort_in_every_state_tells_the_peer_where_it_should() {
    use StateName::*;
    both(|family| {
        for state in [SynReceived, Established, FinWait1, FinWait2, CloseWait] {
            let mut harness = Harness::new(family);
            let (peer, id) = in_state(&mut harness, state);
            harness.abort(id);
            let rst = harness.next().expect("a RST");
            let fin = u32::from(state == FinWait1);
            assert_eq!(
                (rst.flags, rst.seq, rst.ack),
                (RA, peer.us + fin, peer.them),
                "{state}"
            );
            assert_eq!(harness.last_reset(), Some(ResetReason::Abort));
            harness.assert_entered(&peer, Closed, Cause::Abort);
            assert_eq!(harness.stack.slots(), 0);
        }
        for state in [SynSent, Closing, LastAck] {
            let mut harness = Harness::new(family);
            let (peer, id) = in_state(&mut harness, state);
            harness.abort(id);
            harness.expect_silence();
            harness.assert_entered(&peer, Closed, Cause::Abort);
        }
    });
}

/// RFC 9293 §3.10.7.4, second step, in every state of it.
#[test]
fn an_exact_rst_ends_every_state_that_a_slot_can_hold() {
    use StateName::*;
    both(|family| {
        for state in [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck] {
            let mut harness = Harness::new(family);
            let (peer, id) = in_state(&mut harness, state);
            harness.send(&peer, R, peer.them, SeqNumber(0), b"");
            harness.expect_silence();
            harness.assert_entered(&peer, Closed, Cause::Reset);
            harness.close(id);
            assert_eq!(harness.stack.slots(), 0);
        }
    });
}

/// Linux t1 G.
#[test]
fn a_linger_time_of_zero_makes_close_a_rst() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted_with(
            |options| options.socket.linger = Some(Duration::ZERO),
            |_| (),
        );
        harness.write(id, b"lost");
        harness.drain();
        harness.close(id);
        harness.expect(RA, peer.us + 4, peer.them);
        assert_eq!(harness.last_reset(), Some(ResetReason::LingerZero));
        harness.assert_entered(&peer, StateName::Closed, Cause::LingerZero);
    });
}

#[test]
fn a_linger_time_resets_what_is_not_acknowledged_by_then() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted_with(|options| options.socket.linger = Some(secs(2)), |_| ());
    harness.write(id, b"data");
    harness.close(id);
    harness.advance(ms(1999));
    assert!(harness.drain().iter().all(|got| !got.flags.contains(R)));
    harness.advance(ms(1));
    harness.expect(RA, peer.us + 5, peer.them);
    harness.assert_entered(&peer, StateName::Closed, Cause::Linger);
}

#[test]
fn a_linger_time_does_not_matter_once_everything_is_acknowledged() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted_with(|options| options.socket.linger = Some(secs(2)), |_| ());
    harness.close(id);
    harness.ack(&peer, peer.us + 1);
    harness.advance(secs(59));
    assert_eq!(harness.state(&peer), StateName::FinWait2);
}

/// Linux t1 C. RFC 2525 §2.17.
#[test]
fn closing_with_unread_data_is_a_rst() {
    both(|family| {
        for with_fin in [false, true] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            let flags = if with_fin { FPA } else { PA };
            harness.send(&peer, flags, peer.them, peer.us, b"0123456789");
            harness.drain();
            harness.close(id);
            harness.expect(RA, peer.us, peer.them + 10 + u32::from(with_fin));
            assert_eq!(harness.last_reset(), Some(ResetReason::CloseUnread));
            harness.assert_entered(&peer, StateName::Closed, Cause::CloseUnread);
        }
    });
}

/// Linux t1 D, in FIN-WAIT-1 and 2. RFC 1122 §4.2.2.13.
#[test]
fn data_after_close_draws_a_rst_and_ends_the_connection() {
    both(|family| {
        for acknowledged in [false, true] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            harness.close(id);
            harness.drain();
            let ack = peer.us + u32::from(acknowledged);
            harness.send(&peer, PA, peer.them, ack, b"late");
            harness.expect(R, ack, SeqNumber(0));
            harness.assert_entered(&peer, StateName::Closed, Cause::DataAfterClose);
            let reset = harness.record().resets.last().unwrap();
            assert_eq!(reset.reason, ResetReason::DataAfterClose);
            let life = harness.record().transitions.last().unwrap().life;
            assert_eq!(reset.life, Some(life), "it ends that life");
        }
    });
}

#[test]
fn old_data_after_close_is_only_acknowledged() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, PA, peer.them, peer.us, b"read");
    assert_eq!(harness.read(id), b"read");
    harness.close(id);
    harness.drain();
    harness.send(&peer, PA, peer.them, peer.us, b"read");
    harness.expect(A, peer.us + 1, peer.them + 4);
    assert_eq!(harness.state(&peer), StateName::FinWait1);
}

/// Linux t1 F: acknowledged and kept; what was kept can still be read.
#[test]
fn data_after_the_application_stopped_reading_is_acknowledged() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Read);
    harness.send(&peer, PA, peer.them, peer.us, b"rdclosed");
    harness.expect_ack(&peer, peer.them + 8);
    assert_eq!(harness.stack.read(harness.now, id, &mut [0; 9]), Ok(8));
    assert_eq!(harness.stack.read(harness.now, id, &mut [0; 9]), Ok(0));
    assert_eq!(harness.state(&peer), StateName::Established);
}

/// As Linux, where both sides of a socket are shut down.
#[test]
fn data_after_both_directions_were_shut_down_draws_a_rst() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.shutdown(id, Shutdown::Both);
    harness.drain();
    harness.send(&peer, PA, peer.them, peer.us, b"late");
    harness.expect(R, peer.us, SeqNumber(0));
    harness.assert_entered(&peer, StateName::Closed, Cause::DataAfterClose);
}

/// Linux t3: what was received can be read, then the error, once.
#[test]
fn data_received_before_a_rst_can_still_be_read() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.send(&peer, PA, peer.them, peer.us, b"abc");
        harness.send(&peer, R, peer.them + 3, SeqNumber(0), b"");
        assert_eq!(harness.state(&peer), StateName::Closed);
        assert_eq!(harness.read_some(id, 9), b"abc");
        let read = |harness: &mut Harness| harness.stack.read(harness.now, id, &mut [0; 9]);
        assert_eq!(read(&mut harness), Err(ReadError::Ended(Cause::Reset)));
        assert_eq!(read(&mut harness), Ok(0));
    });
}

/// Linux t3: EPIPE.
#[test]
fn writing_after_a_rst_in_close_wait_is_a_broken_pipe() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.send(&peer, FA, peer.them, peer.us, b"");
    harness.send(&peer, R, peer.them + 1, SeqNumber(0), b"");
    let error = harness.stack.write(harness.now, id, b"z");
    assert_eq!(error, Err(WriteError::Closed));
}

/// Linux: 8 repetitions, dead at 105.7 s; here the RTO begins at exactly 200 ms.
#[test]
fn an_orphans_fin_is_sent_eight_times_more() {
    both(|family| {
        for state in [StateName::FinWait1, StateName::LastAck] {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            if state == StateName::LastAck {
                harness.send(&peer, FA, peer.them, peer.us, b"");
                harness.drain();
            }
            harness.close(id);
            harness.expect(
                FA,
                peer.us,
                peer.them + u32::from(state == StateName::LastAck),
            );
            let start = harness.now;
            harness.advance(ms(102_199));
            let times = [200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000];
            assert_eq!(harness.times_of(F, start), times);
            assert_eq!(harness.state(&peer), state);
            harness.advance(ms(1));
            harness.assert_entered(&peer, StateName::Closed, Cause::OrphanRetries);
            assert_eq!(harness.stack.slots(), 0);
        }
    });
}

/// Linux: gone at 60.8 s, and a FIN that comes later gets a RST.
#[test]
fn an_orphan_waits_sixty_seconds_in_fin_wait_2() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.close(id);
        harness.drain();
        harness.ack(&peer, peer.us + 1);
        harness.advance(ms(59_999));
        assert_eq!(harness.state(&peer), StateName::FinWait2);
        harness.advance(ms(1));
        harness.assert_entered(&peer, StateName::Closed, Cause::FinWait2Timeout);
        harness.expect_silence();
        harness.send(&peer, FA, peer.them, peer.us + 1, b"");
        harness.expect(R, peer.us + 1, SeqNumber(0));
    });
}

#[test]
fn closing_a_socket_in_fin_wait_2_starts_its_sixty_seconds() {
    let mut harness = Harness::new(V4);
    let (peer, id) = in_state(&mut harness, StateName::FinWait2);
    harness.advance(secs(1000));
    harness.close(id);
    harness.advance(ms(59_999));
    assert_eq!(harness.state(&peer), StateName::FinWait2);
    harness.advance(ms(1));
    assert_eq!(harness.state(&peer), StateName::Closed);
}

/// A FIN behind a shut window is a probe; an orphan does not probe for ever.
#[test]
fn an_orphan_behind_a_shut_window_gives_up() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.ack_window(&peer, peer.us, 0);
    harness.stack.write(harness.now, id, b"data").unwrap();
    harness.close(id);
    for _ in 0..200 {
        harness.advance(secs(10));
        if !harness.drain().is_empty() {
            harness.ack_window(&peer, peer.us, 0);
        }
    }
    harness.assert_entered(&peer, StateName::Closed, Cause::OrphanRetries);
}

#[test]
fn when_the_stack_shuts_down_every_peer_is_told() {
    let mut harness = Harness::new(V4);
    let listener = harness.listen();
    let (established, id) = harness.accepted_by(listener, |_| ());
    let mut half_open = harness.syn(5000);
    half_open.us = harness.next().unwrap().seq + 1;
    harness.stack.shut_down(harness.now);
    harness.expect(RA, established.us, established.them);
    harness.expect(RA, half_open.us, half_open.them);
    assert!(harness.stack.is_empty());
    let error = harness.stack.read(harness.now, id, &mut [0; 9]);
    assert_eq!(error, Err(ReadError::Ended(Cause::Shutdown)));
}

#[test]
fn a_host_that_goes_away_closes_in_its_own_name() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, b"written");
    harness.stack.begin_shut_down(harness.now);
    harness.assert_entered(&peer, StateName::FinWait1, Cause::Shutdown);
    assert_eq!(harness.status(id).first_closer, Some(Initiator::Stack));
    assert!(harness.stack.listeners().is_empty());
    harness.drain();
    harness.send(&peer, FA, peer.them, peer.us + 8, b"");
    assert_eq!(harness.state(&peer), StateName::TimeWait);
}

#[test]
fn a_writer_is_told_when_its_host_goes_away() {
    let mut harness = Harness::new(V4);
    let (_, id) = harness.accepted();
    let all = vec![7; 300_000];
    while harness.stack.write(harness.now, id, &all).is_ok() {}
    harness.drain();
    while harness.stack.next_event().is_some() {}
    harness.stack.begin_shut_down(harness.now);
    let event = harness.stack.next_event();
    assert_eq!(event, Some(Event::Ready(id, Readiness::WRITABLE)));
    let error = harness.stack.write(harness.now, id, b"more");
    assert_eq!(error, Err(WriteError::Closed));
}
