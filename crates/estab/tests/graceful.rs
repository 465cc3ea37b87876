//! `close_graceful`: what is sent, what is drained, and what is answered.

mod common;

use std::io::ErrorKind;
use std::time::Duration;

use common::{CLIENT, SERVER, config, connected, host, hosts, pattern, pause, within_a_day};
use estab::device::{self, Impair, Impairment};
use estab::observe::{Cause, StateName};
use estab::{CloseEnd, Config, Error, GracefulClose, TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LIMIT: Duration = Duration::from_secs(10);

async fn close(stream: TcpStream) -> GracefulClose {
    within_a_day(stream.close_graceful(LIMIT)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_close_tells_that_every_byte_was_acknowledged() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let sent = pattern(1, 300_000);
    let copy = sent.clone();
    let reading = tokio::spawn(async move {
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.map(|_| heard)
    });
    ours.write_all(&copy).await.unwrap();
    let closed = close(ours).await;
    let expected = GracefulClose {
        unacknowledged: 0,
        fin_acknowledged: true,
        drained: 0,
        end: CloseEnd::InOrder,
    };
    assert_eq!(closed, expected);
    assert!(closed.is_complete());
    assert!(within_a_day(reading).await.unwrap().unwrap() == sent);
}

/// The peer goes on for a while: what it says is thrown away, and it is not reset for it.
#[tokio::test(start_paused = true)]
async fn what_the_peer_still_sends_is_drained() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    theirs.write_all(&pattern(2, 1_000)).await.unwrap();
    ours.write_all(b"bye").await.unwrap();
    let closing = tokio::spawn(async move { ours.close_graceful(LIMIT).await });
    pause(3).await;
    theirs.write_all(&pattern(3, 600_000)).await.unwrap();
    let mut heard = String::new();
    theirs.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "bye");
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let closed = within_a_day(closing).await.unwrap().unwrap();
    assert_eq!((closed.drained, closed.end), (601_000, CloseEnd::InOrder));
    assert!(closed.is_complete());
}

/// A peer that reads nothing: what does not fit into its buffer never arrives, and the answer stays true.
#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_in_time_is_counted_and_given_up() {
    let (server, client) = hosts();
    let (ours, mut theirs) = connected(&server, &client).await;
    let mut written = 0;
    let piece = pattern(4, 65_536);
    while let Ok(count) = ours.try_write(&piece) {
        written += count;
        pause(1).await;
    }
    let begun = client.clock().now();
    let closed = close(ours).await;
    assert_eq!(client.clock().now() - begun, LIMIT);
    assert_eq!(closed.end, CloseEnd::TimedOut);
    assert!(!closed.is_complete() && closed.unacknowledged > 0);
    pause(1).await;
    let status = theirs.tcp_info().unwrap();
    assert_eq!(status.ended, Some(Cause::Reset));
    let mut heard = 0;
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = theirs.read(&mut buffer).await {
        heard += count;
    }
    assert_eq!(heard + closed.unacknowledged, written);
}

/// Nothing of ours can be lost any more: the rest ends on its own.
#[tokio::test(start_paused = true)]
async fn a_peer_that_never_finishes_is_left_to_the_background() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    ours.write_all(b"all").await.unwrap();
    let closed = close(ours).await;
    assert_eq!(closed.end, CloseEnd::TimedOut);
    assert!(closed.is_complete());
    let states: Vec<_> = client.statuses().iter().map(|one| one.state).collect();
    assert_eq!(states, [StateName::FinWait2]);
    let mut heard = [0; 8];
    assert_eq!(theirs.read(&mut heard).await.unwrap(), 3);
    pause(61).await;
    assert!(client.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reset_by_the_peer_is_told_with_what_it_loses() {
    let (server, client) = hosts();
    let (ours, theirs) = connected(&server, &client).await;
    let mut written = 0;
    let piece = pattern(5, 65_536);
    while let Ok(count) = ours.try_write(&piece) {
        written += count;
        pause(1).await;
    }
    let acked = ours.tcp_info().unwrap().bytes_acked as usize;
    let closing = tokio::spawn(async move { ours.close_graceful(LIMIT).await });
    pause(1).await;
    theirs.abort();
    let closed = within_a_day(closing).await.unwrap().unwrap();
    assert_eq!(closed.end, CloseEnd::Ended(Cause::Reset));
    assert_eq!(closed.unacknowledged, written - acked);
    assert!(!closed.is_complete());
}

/// The end came before: it is told even so.
#[tokio::test(start_paused = true)]
async fn a_connection_that_has_ended_is_answered_at_once() {
    let (server, client) = hosts();
    let (mut ours, theirs) = connected(&server, &client).await;
    theirs.abort();
    pause(1).await;
    assert!(ours.read(&mut [0; 8]).await.is_err());
    let closed = ours.close_graceful(Duration::ZERO).await.unwrap();
    assert_eq!(closed.end, CloseEnd::Ended(Cause::Reset));
    assert!(!closed.is_complete());
    let (ours, _theirs) = connected(&server, &client).await;
    ours.abort();
    let error = ours.close_graceful(LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
}

/// Whatever the line does, an answer that all was acknowledged is never wrong.
#[tokio::test(start_paused = true)]
async fn over_a_bad_line_the_answer_is_what_the_peer_received() {
    let mut complete = 0;
    for seed in 0..20 {
        let impairment = Impairment {
            loss: 0.3,
            ..Impairment::default()
        };
        let (ours, theirs) = device::pair(1500, 256);
        let server = host(config(SERVER), ours);
        let line = Impair::new(theirs, seed, impairment).unwrap();
        let client = host(config(CLIENT), line);
        let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
        let accepting = tokio::spawn(async move { listener.accept().await });
        let mut ours = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
        ours.write_all(&pattern(seed, 20_000)).await.unwrap();
        let (mut theirs, _) = within_a_day(accepting).await.unwrap().unwrap();
        let reading = tokio::spawn(async move {
            let (mut heard, mut buffer) = (0, [0; 4096]);
            // A RST may be lost: then nothing tells of the end.
            let patience = Duration::from_secs(300);
            while let Ok(read) = tokio::time::timeout(patience, theirs.read(&mut buffer)).await {
                match read {
                    Ok(0) => return (heard, true),
                    Ok(count) => heard += count,
                    Err(_) => break,
                }
            }
            (heard, false)
        });
        let limit = Duration::from_millis(500 + 200 * seed);
        let closed = within_a_day(ours.close_graceful(limit)).await.unwrap();
        let (heard, ended) = within_a_day(reading).await.unwrap();
        assert!(
            heard + closed.unacknowledged >= 20_000,
            "{heard}: {closed:?}"
        );
        if closed.is_complete() {
            assert_eq!((heard, ended), (20_000, true));
            complete += 1;
        }
    }
    assert!((1..20).contains(&complete), "{complete}");
}

/// Ports run short: the error says who holds them.
#[tokio::test(start_paused = true)]
async fn a_connect_without_a_free_port_says_why() {
    let (ours, theirs) = device::pair(1500, 256);
    let server = host(config(SERVER), ours);
    let few = Config {
        ephemeral_ports: 40_000..=40_001,
        time_wait_reuse: false,
        ..config(CLIENT)
    };
    let client = host(few, theirs);
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let _accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { stream.read(&mut [0]).await });
        }
    });
    for _ in 0..2 {
        let stream = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
        assert!(close(stream).await.is_complete());
        pause(1).await;
    }
    let error = TcpStream::connect(&client, (SERVER, 80)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert!(Error::of(&error).is_some());
    let text = error.to_string();
    assert!(
        text.starts_with(
            "cannot connect: no ephemeral port is free: 2 ports held: 2 TIME_WAIT, next free in 5"
        ),
        "{text}"
    );
}
