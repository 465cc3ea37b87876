//! Streams between two hosts: data, closing, and what a call finds then.

mod common;

use std::io::{ErrorKind, IoSlice};
use std::net::Shutdown;
use std::time::Duration;

use common::{CLIENT, SERVER, connected, hosts, pattern, pause, within_a_day};
use estab::observe::{Cause, StateName};
use estab::{Error, KeepAlive};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn a_mebibyte_goes_there_and_back_at_once() {
    let (server, client) = hosts();
    let (asking, mut answering) = connected(&server, &client).await;
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = answering.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let sent = pattern(1, MIB);
    let (mut read, mut write) = asking.into_split();
    let copy = sent.clone();
    let writing = tokio::spawn(async move { write.write_all(&copy).await.unwrap() });
    let mut heard = Vec::new();
    within_a_day(read.read_to_end(&mut heard)).await.unwrap();
    assert!(heard == sent);
    writing.await.unwrap();
    echo.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn either_end_may_finish_first_and_still_hear_the_other() {
    for client_first in [true, false] {
        let (server, client) = hosts();
        let (ours, theirs) = connected(&server, &client).await;
        let (mut first, mut second) = if client_first {
            (ours, theirs)
        } else {
            (theirs, ours)
        };
        first.write_all(b"question").await.unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        within_a_day(second.read_to_string(&mut heard))
            .await
            .unwrap();
        assert_eq!(heard, "question");
        assert_eq!(second.tcp_info().unwrap().state, StateName::CloseWait);
        assert!(second.tcp_info().unwrap().end_of_file_delivered);
        second.write_all(&pattern(2, 100_000)).await.unwrap();
        drop(second);
        let mut heard = Vec::new();
        within_a_day(first.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == pattern(2, 100_000));
        let error = first.shutdown(Shutdown::Write).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::NotConnected,
            "as in TIME-WAIT on Linux"
        );
        let in_order = AsyncWriteExt::shutdown(&mut first).await;
        in_order.expect("what was wanted has happened");
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_finish_at_once() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    ours.shutdown(Shutdown::Write).unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let mut nothing = [0; 1];
    assert_eq!(within_a_day(ours.read(&mut nothing)).await.unwrap(), 0);
    assert_eq!(within_a_day(theirs.read(&mut nothing)).await.unwrap(), 0);
    drop((ours, theirs));
    pause(61).await;
    assert!(
        server
            .statuses()
            .iter()
            .all(|status| status.state == StateName::Closed)
    );
    assert!(client.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_after_shutdown_is_a_broken_pipe() {
    let (server, client) = hosts();
    let (mut ours, _theirs) = connected(&server, &client).await;
    AsyncWriteExt::shutdown(&mut ours).await.unwrap();
    let error = ours.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(
        error.to_string(),
        "broken pipe: the sending side is closed (RFC 9293 §3.10.2)"
    );
    let again = AsyncWriteExt::shutdown(&mut ours).await;
    again.expect("twice is no error");
}

#[tokio::test(start_paused = true)]
async fn after_shutting_down_reading_there_is_only_the_end() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    ours.shutdown(Shutdown::Read).unwrap();
    theirs.write_all(b"unheard").await.unwrap();
    assert_eq!(within_a_day(ours.read(&mut [0; 8])).await.unwrap(), 0);
    ours.write_all(b"still there").await.unwrap();
    let mut heard = [0; 11];
    within_a_day(theirs.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"still there");
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_told_once_after_what_was_received_is_read() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    theirs.write_all(b"last words").await.unwrap();
    pause(1).await;
    theirs.abort();
    pause(1).await;
    let mut heard = [0; 32];
    let length = ours.read(&mut heard).await.unwrap();
    assert_eq!(&heard[..length], b"last words");
    let error = ours.read(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(
        error.to_string(),
        "connection reset: RST received at exactly RCV.NXT (RFC 5961 §3.2)"
    );
    assert_eq!(Error::of(&error).unwrap().cause(), Some(Cause::Reset));
    assert_eq!(ours.read(&mut heard).await.unwrap(), 0);
    let error = ours.write(b"anybody?").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn abort_wakes_whoever_waits_on_the_stream() {
    let (server, client) = hosts();
    let (ours, mut theirs) = connected(&server, &client).await;
    let (mut read, write) = ours.into_split();
    let waiting = tokio::spawn(async move { read.read(&mut [0; 8]).await });
    pause(1).await;
    write.as_ref().abort();
    let error = within_a_day(waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    let error = within_a_day(theirs.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(write.as_ref().tcp_info().is_err());
    assert!(write.as_ref().set_nodelay(true).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_still_delivers_what_was_written() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let sent = pattern(3, 200_000);
    ours.write_all(&sent).await.unwrap();
    drop(ours);
    let mut heard = Vec::new();
    within_a_day(theirs.read_to_end(&mut heard)).await.unwrap();
    assert!(heard == sent);
}

#[tokio::test(start_paused = true)]
async fn a_connection_outlives_every_handle_until_its_close_is_done() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let sent = pattern(4, 200_000);
    ours.write_all(&sent).await.unwrap();
    drop(ours);
    drop(client);
    let mut heard = Vec::new();
    within_a_day(theirs.read_to_end(&mut heard)).await.unwrap();
    assert!(heard == sent);
    theirs.shutdown(Shutdown::Write).unwrap();
    pause(1).await;
    assert_eq!(theirs.tcp_info().unwrap().ended, Some(Cause::AckOfFin));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_with_unread_data_resets() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    theirs.write_all(b"unread").await.unwrap();
    pause(1).await;
    ours.write_all(b"bye").await.unwrap();
    drop(ours);
    let mut heard = Vec::new();
    let error = within_a_day(theirs.read_to_end(&mut heard))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_with_zero_linger_resets() {
    let (server, client) = hosts();
    let (ours, mut theirs) = connected(&server, &client).await;
    ours.set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(ours.linger().unwrap(), Some(Duration::ZERO));
    drop(ours);
    let error = within_a_day(theirs.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(client.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn peek_leaves_what_it_shows() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let mut seen = [0; 4];
    let (length, ()) = tokio::join!(
        async { within_a_day(theirs.peek(&mut seen)).await.unwrap() },
        async {
            pause(1).await;
            ours.write_all(b"peekaboo").await.unwrap();
        }
    );
    assert_eq!(&seen[..length], b"peek");
    let mut heard = [0; 8];
    theirs.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"peekaboo");
}

#[tokio::test(start_paused = true)]
async fn trying_never_waits_and_readiness_tells_when_to() {
    let (server, client) = hosts();
    let (ours, theirs) = connected(&server, &client).await;
    let mut buffer = vec![0; 64 * 1024];
    let error = theirs.try_read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    let mut written = 0;
    let full = loop {
        match ours.try_write(&[7; 5000]) {
            Ok(length) => written += length,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let reading = async {
        let mut read = 0;
        while read < written {
            theirs.readable().await.unwrap();
            while let Ok(length) = theirs.try_read(&mut buffer) {
                read += length;
            }
        }
    };
    let ((), writable) = within_a_day(async { tokio::join!(reading, ours.writable()) }).await;
    writable.unwrap();
    assert!(ours.try_write(b"more").is_ok());
}

#[tokio::test(start_paused = true)]
async fn buffers_are_gathered() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    assert!(ours.is_write_vectored());
    let parts = [b"one ".as_slice(), b"", b"two ", b"three"].map(IoSlice::new);
    assert_eq!(ours.write_vectored(&parts).await.unwrap(), 13);
    let mut heard = [0; 13];
    within_a_day(theirs.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"one two three");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_write_half_finishes_and_the_read_half_goes_on() {
    let (server, client) = hosts();
    let (ours, mut theirs) = connected(&server, &client).await;
    let (mut read, write) = ours.into_split();
    drop(write);
    assert_eq!(within_a_day(theirs.read(&mut [0; 8])).await.unwrap(), 0);
    theirs.write_all(b"answer").await.unwrap();
    let mut heard = [0; 6];
    within_a_day(read.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"answer");
}

#[tokio::test(start_paused = true)]
async fn halves_are_reunited_only_with_their_own() {
    let (server, client) = hosts();
    let (ours, theirs) = connected(&server, &client).await;
    let (our_read, our_write) = ours.into_split();
    let (their_read, their_write) = theirs.into_split();
    let estab::ReuniteError(our_read, their_write) = our_read.reunite(their_write).unwrap_err();
    let mut ours = our_write.reunite(our_read).unwrap();
    let mut theirs = their_read.reunite(their_write).unwrap();
    ours.write_all(b"whole").await.unwrap();
    let mut heard = [0; 5];
    within_a_day(theirs.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"whole");
}

#[tokio::test(start_paused = true)]
async fn options_are_what_they_were_set_to() {
    let (server, client) = hosts();
    let (ours, theirs) = connected(&server, &client).await;
    assert!(!ours.nodelay().unwrap());
    ours.set_nodelay(true).unwrap();
    assert!(ours.nodelay().unwrap());
    ours.set_keepalive(Some(KeepAlive::default())).unwrap();
    assert_eq!(ours.keepalive().unwrap(), Some(KeepAlive::default()));
    ours.set_user_timeout(Some(Duration::from_secs(9))).unwrap();
    assert_eq!(ours.user_timeout().unwrap(), Some(Duration::from_secs(9)));
    ours.set_send_buffer_size(10_000).unwrap();
    assert_eq!(ours.send_buffer_size().unwrap(), 10_000);
    ours.set_recv_buffer_size(20_000).unwrap();
    assert_eq!(ours.recv_buffer_size().unwrap(), 20_000);
    assert_eq!(ours.peer_addr().unwrap(), (SERVER, 80).into());
    assert_eq!(theirs.peer_addr().unwrap(), ours.local_addr().unwrap());
    assert_eq!(
        ours.local_addr().unwrap().ip(),
        std::net::IpAddr::from(CLIENT)
    );
    let info = ours.tcp_info().unwrap();
    assert_eq!(
        (info.state, info.life),
        (StateName::Established, ours.life())
    );
}
