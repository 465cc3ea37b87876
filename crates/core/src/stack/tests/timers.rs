//! Keep-alive and the user timeout (RFC 9293 §3.8.3, §3.8.4; RFC 5482).

use super::*;
use crate::KeepAlive;
use crate::error::ReadError;

fn keep_alive(idle: Duration, interval: Duration, count: u8) -> Option<KeepAlive> {
    Some(KeepAlive {
        idle,
        interval,
        count,
    })
}

fn with_options(
    harness: &mut Harness,
    change: impl FnOnce(&mut SocketOptions),
) -> (Peer, SocketId) {
    harness.accepted_with(|options| change(&mut options.socket), |_| ())
}

#[test]
fn keep_alive_is_off_unless_asked_for() {
    let mut harness = Harness::new(V4);
    let (peer, _) = harness.accepted();
    harness.advance(secs(30 * 24 * 3600));
    harness.expect_silence();
    assert_eq!(harness.state(&peer), StateName::Established);
}

/// RFC 9293 §3.8.4: no data, one number before the window; Linux's times.
#[test]
fn a_silent_peer_is_probed_nine_times_and_then_given_up() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = with_options(&mut harness, |socket| {
            socket.keep_alive = Some(KeepAlive::default())
        });
        let start = harness.now;
        harness.advance(ms(7_199_999));
        harness.expect_silence();
        harness.advance(ms(1));
        let probe = harness.expect(A, peer.us - 1, peer.them);
        assert!(probe.data.is_empty());
        harness.advance(ms(9 * 75_000 - 1));
        let expected: Vec<_> = (1..9).map(|probe| 7_200_000 + probe * 75_000).collect();
        assert_eq!(harness.times_of(A, start), expected);
        harness.advance(ms(1));
        harness.expect(RA, peer.us, peer.them);
        harness.assert_entered(&peer, StateName::Closed, Cause::KeepAlive);
        let error = harness.stack.read(harness.now, id, &mut [0; 9]);
        assert_eq!(error, Err(ReadError::Ended(Cause::KeepAlive)));
    });
}

#[test]
fn an_answered_probe_starts_the_silence_anew() {
    let mut harness = Harness::new(V4);
    let (peer, _) = with_options(&mut harness, |socket| {
        socket.keep_alive = keep_alive(secs(60), secs(10), 3);
    });
    for _ in 0..10 {
        harness.advance(secs(60));
        harness.expect(A, peer.us - 1, peer.them);
        harness.advance(secs(10));
        harness.expect(A, peer.us - 1, peer.them);
        harness.ack(&peer, peer.us);
        harness.advance(ms(59_999));
        harness.expect_silence();
        harness.advance(ms(1));
        harness.expect(A, peer.us - 1, peer.them);
        harness.ack(&peer, peer.us);
    }
    assert_eq!(harness.state(&peer), StateName::Established);
}

/// Numbers that do not fit may be anybody's.
#[test]
fn what_is_discarded_is_no_sign_of_life() {
    let mut harness = Harness::new(V4);
    let (peer, _) = with_options(&mut harness, |socket| {
        socket.keep_alive = keep_alive(secs(60), secs(10), 3);
    });
    for _ in 0..9 {
        harness.advance(secs(10));
        harness.send(&peer, A, peer.them - 70_000, peer.us, b"");
        harness.send(&peer, A, peer.them, peer.us + 70_000, b"");
        harness.drain();
    }
    harness.assert_entered(&peer, StateName::Closed, Cause::KeepAlive);
}

#[test]
fn data_from_the_peer_puts_the_probe_off() {
    let mut harness = Harness::new(V4);
    let (peer, _) = with_options(&mut harness, |socket| {
        socket.keep_alive = keep_alive(secs(60), secs(10), 3);
    });
    harness.advance(secs(59));
    harness.send(&peer, PA, peer.them, peer.us, b"x");
    harness.drain();
    harness.advance(ms(59_999));
    harness.expect_silence();
    harness.advance(ms(1));
    harness.expect(A, peer.us - 1, peer.them + 1);
}

#[test]
fn keep_alive_can_be_switched_on_and_off_later() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.advance(secs(1000));
    let mut options = harness.stack.options(id).unwrap();
    options.keep_alive = keep_alive(secs(60), secs(10), 3);
    harness.stack.set_options(harness.now, id, options).unwrap();
    // One at once, because the peer has been silent for so long; the next after the interval.
    harness.advance(ms(9999));
    harness.expect(A, peer.us - 1, peer.them);
    harness.expect_silence();
    harness.ack(&peer, peer.us);
    options.keep_alive = None;
    harness.stack.set_options(harness.now, id, options).unwrap();
    harness.advance(secs(1000));
    harness.expect_silence();
}

/// Nonsense from the application must not stop the world.
#[test]
fn a_keep_alive_without_any_idle_time_does_not_hang() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| {
        socket.keep_alive = keep_alive(Duration::ZERO, Duration::ZERO, 3);
    });
    harness.write(id, b"in flight");
    harness.advance(ms(100));
    harness.ack(&peer, peer.us + 9);
    harness.advance(secs(10));
    harness.assert_entered(&peer, StateName::Closed, Cause::KeepAlive);
}

#[test]
fn a_probe_of_the_application_is_not_sent_while_data_is_in_flight() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| {
        socket.keep_alive = keep_alive(secs(1), secs(1), 2);
    });
    harness.write(id, b"x");
    harness.advance(secs(100));
    assert!(harness.drain().iter().all(|got| got.seq == peer.us));
    assert_eq!(harness.state(&peer), StateName::Established);
}

/// RFC 5482.
#[test]
fn the_user_timeout_ends_a_connection_whose_data_is_not_acknowledged() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = with_options(&mut harness, |socket| socket.user_timeout = Some(secs(5)));
        harness.advance(secs(1000));
        harness.write(id, b"x");
        harness.advance(ms(4999));
        assert_eq!(harness.state(&peer), StateName::Established);
        harness.advance(ms(1));
        harness.assert_entered(&peer, StateName::Closed, Cause::UserTimeout);
        assert_eq!(harness.drain().last().unwrap().flags, RA);
        let error = harness.stack.read(harness.now, id, &mut [0; 9]);
        assert_eq!(error, Err(ReadError::Ended(Cause::UserTimeout)));
    });
}

#[test]
fn progress_starts_the_user_timeout_anew() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| socket.user_timeout = Some(secs(5)));
    harness.write(id, bytes(5000));
    for step in 1..=5 {
        harness.advance(ms(4900));
        harness.ack(&peer, peer.us + 1000 * step);
        assert_eq!(harness.state(&peer), StateName::Established);
    }
}

/// A window that opens and shuts again lets nothing through: only an acknowledgment is progress.
#[test]
fn a_window_that_opens_and_shuts_does_not_start_the_user_timeout_anew() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| socket.user_timeout = Some(secs(5)));
    let start = harness.now;
    harness.write(id, bytes(3_000));
    for round in 0..20 {
        harness.ack_window(&peer, peer.us, 2_000 * (round % 2));
        harness.advance(ms(500));
    }
    harness.assert_entered(&peer, StateName::Closed, Cause::UserTimeout);
    let after = harness.record().transitions.last().unwrap().at - start;
    assert!(after >= secs(5) && after < ms(5_600), "{after:?}");
}

#[test]
fn the_user_timeout_bounds_connecting_too() {
    let mut harness = Harness::new(V4);
    let socket = SocketOptions {
        user_timeout: Some(secs(5)),
        ..SocketOptions::default()
    };
    let (peer, ..) = harness.connect_with(socket);
    harness.advance(ms(4999));
    assert_eq!(harness.state(&peer), StateName::SynSent);
    harness.advance(ms(1));
    harness.assert_entered(&peer, StateName::Closed, Cause::UserTimeout);
}

/// It counts from the FIN, not from the last thing that was acknowledged long before.
#[test]
fn the_user_timeout_of_a_fin_behind_a_shut_window_counts_from_the_close() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| socket.user_timeout = Some(secs(5)));
    harness.ack_window(&peer, peer.us, 0);
    harness.advance(secs(1000));
    harness.shutdown(id, crate::Shutdown::Write);
    harness.advance(ms(4999));
    assert_eq!(harness.state(&peer), StateName::FinWait1);
    harness.advance(ms(1));
    harness.assert_entered(&peer, StateName::Closed, Cause::UserTimeout);
}

/// As Linux, where zero is the default.
#[test]
fn a_user_timeout_of_zero_is_none() {
    let mut harness = Harness::new(V4);
    let (peer, id) = with_options(&mut harness, |socket| {
        socket.user_timeout = Some(Duration::ZERO)
    });
    harness.write(id, b"x");
    harness.advance(secs(60));
    assert_eq!(harness.state(&peer), StateName::Established);
}

/// The timers of every state survive a year of silence and the wrap of every small clock.
#[test]
fn a_connection_works_after_a_year_of_silence() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (mut peer, id) = harness.accepted_with(
            |_| (),
            |segment| {
                segment.options.timestamps = Some(Timestamps { value: 1, echo: 0 });
            },
        );
        harness.advance(secs(366 * 24 * 3600));
        let ts = peer.ts.as_mut().unwrap();
        ts.value = ts.value.wrapping_add((366_u64 * 24 * 3600 * 1000) as u32);
        harness.send(&peer, PA, peer.them, peer.us, b"still there?");
        harness.expect_ack(&peer, peer.them + 12);
        assert_eq!(harness.read(id), b"still there?");
        harness.write(id, b"yes");
        harness.expect_data(peer.us, b"yes");
    });
}

/// RFC 9293 §3.8.3, MUST-21: "an interactive application might set R2 to infinity".
#[test]
fn a_user_timeout_may_be_longer_than_all_retries() {
    let day = secs(24 * 3600);
    for limit in [day, Duration::MAX] {
        let mut harness = Harness::new(V4);
        let (peer, id) = with_options(&mut harness, |socket| socket.user_timeout = Some(limit));
        harness.write(id, b"x");
        harness.advance(day - ms(1));
        assert_eq!(harness.state(&peer), StateName::Established);
        harness.advance(ms(1));
        let ended = harness.state(&peer) == StateName::Closed;
        assert_eq!(ended, limit == day);
    }
}
