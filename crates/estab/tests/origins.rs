//! Where connections come from, what has become of them there, and what the stack may do about it.

mod common;

use std::net::Shutdown;
use std::panic::Location;
use std::time::Duration;

use common::{CLIENT, SERVER, config, connect_to, host, hosts, pause, within_a_day};
use estab::observe::{Cause, Diagnosis};
use estab::{CloseWaitPolicy, Config, Error, TcpListener, TcpSocket, TcpStream, device};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(start_paused = true)]
async fn the_line_that_accepts_and_the_line_that_connects_are_known() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let connecting = TcpStream::connect(&client, (SERVER, 80));
    let here = Location::caller().line();
    let stream = connecting.await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let site = |stream: &TcpStream| stream.tcp_info().unwrap().site.unwrap();
    assert_eq!(site(&stream).line(), here - 1, "made there, awaited later");
    assert_eq!(site(&accepted).line(), here + 2);
    assert!(site(&accepted).file().ends_with("origins.rs"));
}

#[tokio::test(start_paused = true)]
async fn labels_go_from_the_socket_over_the_listener_to_the_stream() {
    let (server, client) = hosts();
    let socket = TcpSocket::new_v4(&server);
    socket.bind((SERVER, 80)).unwrap();
    socket.set_label("plain");
    let listener = socket.listen(8).unwrap();
    let (_one, plain) = connect_to(&listener, &client).await;
    listener.set_label("api");
    let (_two, api) = connect_to(&listener, &client).await;
    let (_three, upload) = connect_to(&listener, &client).await;
    upload.set_label("upload").unwrap();
    let label = |stream: &TcpStream| stream.tcp_info().unwrap().label.unwrap().to_string();
    assert_eq!(label(&plain), "plain");
    assert_eq!(label(&api), "api");
    assert_eq!(label(&upload), "upload");
    let out = TcpSocket::new_v4(&client);
    out.set_label("crawler");
    let (out, _kept) = tokio::join!(out.connect((SERVER, 80)), listener.accept());
    assert_eq!(label(&out.unwrap()), "crawler");
    upload.abort();
    assert!(upload.set_label("late").is_err());
}

/// A server whose application forgets its socket once the client has closed.
async fn forgetful(settings: Config) -> (estab::Host, TcpStream, TcpStream) {
    let (ours, theirs) = device::pair(1500, 256);
    let (server, client) = (host(settings, ours), host(config(CLIENT), theirs));
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let (mut asking, mut forgotten) = connect_to(&listener, &client).await;
    asking.write_all(b"request").await.unwrap();
    asking.shutdown(Shutdown::Write).unwrap();
    let mut request = Vec::new();
    forgotten.read_to_end(&mut request).await.unwrap();
    (server, asking, forgotten)
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_stream_is_counted_and_shown_as_a_metric() {
    within_a_day(async {
        let (server, _asking, forgotten) = forgetful(config(SERVER)).await;
        pause(61).await;
        let status = forgotten.tcp_info().unwrap();
        let told = status.diagnose(server.clock().now(), Duration::from_secs(60));
        assert_eq!(told, Some(Diagnosis::NotClosed));
        let origins = server.origins();
        assert_eq!(origins.len(), 1);
        assert_eq!((origins[0].open, origins[0].leaked), (1, 1));
        let metrics = server.metrics();
        let leaked = metrics
            .lines()
            .find(|line| line.starts_with("estab_connections_leaked{"));
        let leaked = leaked.expect("a metric");
        assert!(leaked.contains("common/mod.rs:") && leaked.ends_with(" 1"));
        drop(forgotten);
        assert_eq!(server.origins()[0].open, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_call_after_a_reaping_says_why() {
    within_a_day(async {
        let (_server, mut asking, mut forgotten) = forgetful(Config {
            close_wait: CloseWaitPolicy::Reap(Duration::from_secs(10)),
            ..config(SERVER)
        })
        .await;
        let reset = asking.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        let cause = |error: &std::io::Error| Error::of(error).and_then(Error::cause);
        let written = forgotten.write_all(b"answer").await.unwrap_err();
        assert_eq!(cause(&written), Some(Cause::Neglected));
        assert_eq!(
            written.to_string(),
            "connection aborted: the application left it in CLOSE-WAIT for too long (RFC 9293 §3.10.5)"
        );
        let read = forgotten.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(cause(&read), Some(Cause::Neglected));
        let shut = AsyncWriteExt::shutdown(&mut forgotten).await.unwrap_err();
        assert_eq!(cause(&shut), Some(Cause::Neglected));
    })
    .await;
}

#[test]
fn futures_that_know_their_caller_may_move_between_threads() {
    fn sent<T: Send>(_: impl Fn() -> T) {}
    fn host() -> estab::Host {
        unreachable!("nobody calls")
    }
    sent(|| TcpListener::bind(Box::leak(Box::new(host())), (SERVER, 80)));
    sent(|| TcpStream::connect(Box::leak(Box::new(host())), (SERVER, 80)));
    sent(|| TcpSocket::new_v4(&host()).connect((SERVER, 80)));
    let _ = |listener: &'static TcpListener| sent(|| listener.accept());
}
