//! How a host ends: asked to, with its device, with its last handle, with its runtime.

mod common;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{CLIENT, SERVER, config, connected, host, hosts, pattern, pause, within_a_day};
use estab::device::{self, Device, Memory};
use estab::observe::{Cause, StateName};
use estab::{Error, Instant, TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn shutting_down_waits_for_peers_that_close_in_time() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let sent = pattern(5, 300_000);
    let copy = sent.clone();
    let writing = tokio::spawn(async move { theirs.write_all(&copy).await.map(|()| theirs) });
    let reading = tokio::spawn(async move {
        let mut heard = Vec::new();
        ours.read_to_end(&mut heard).await.map(|_| heard)
    });
    let _theirs = within_a_day(writing).await.unwrap().unwrap();
    let begun = server.clock().now();
    let cut = server.shut_down(GRACE).await;
    assert!(cut.is_empty(), "{cut:?}");
    assert!(server.clock().now() - begun < GRACE);
    assert!(within_a_day(reading).await.unwrap().unwrap() == sent);
    assert!(server.failure().is_none());
}

#[tokio::test(start_paused = true)]
async fn shutting_down_cuts_what_is_open_after_the_grace_and_tells_it() {
    let (server, client) = hosts();
    let (mut ours, mut theirs) = connected(&server, &client).await;
    ours.write_all(b"unread").await.unwrap();
    pause(1).await;
    let begun = server.clock().now();
    let cut = server.shut_down(GRACE).await;
    assert_eq!((server.clock().now() - begun).as_secs(), GRACE.as_secs());
    assert_eq!(cut.len(), 1);
    assert_eq!(
        (cut[0].state, cut[0].life),
        (StateName::FinWait2, theirs.life())
    );
    // The FIN, then the RST.
    assert_eq!(within_a_day(ours.read(&mut [0; 8])).await.unwrap(), 0);
    pause(1).await;
    assert_eq!(ours.tcp_info().unwrap().ended, Some(Cause::Reset));
    // What had arrived is still there to be read.
    let mut heard = [0; 8];
    assert_eq!(theirs.read(&mut heard).await.unwrap(), 6);
    let error = theirs.read(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(
        error.to_string(),
        "connection aborted: the stack shuts down (RFC 9293 §3.10.5)"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_on_a_host_that_shuts_down() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let accepting = tokio::spawn(async move { listener.accept().await });
    pause(1).await;
    assert!(server.shut_down(GRACE).await.is_empty());
    let error = within_a_day(accepting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    let error = TcpListener::bind(&server, (SERVER, 80)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    let error = TcpStream::connect(&server, (CLIENT, 80)).await.unwrap_err();
    assert_eq!(error.to_string(), "the host is shut down");
    assert!(
        server.shut_down(GRACE).await.is_empty(),
        "twice is no error"
    );
    assert_eq!(client.listeners().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connect_under_way_fails_when_its_host_shuts_down() {
    let (_nobody, device) = device::pair(1500, 256);
    let client = host(config(CLIENT), device);
    let copy = client.clone();
    let connecting = tokio::spawn(async move { TcpStream::connect(&copy, (SERVER, 80)).await });
    pause(1).await;
    assert!(client.shut_down(GRACE).await.is_empty());
    let error = within_a_day(connecting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_does_not_wait_for_peers_that_are_gone() {
    let (ours, theirs) = device::pair(1500, 1);
    let server = host(config(SERVER), ours);
    // A link that is full, and nobody reads.
    let connect = TcpStream::connect(&server, (CLIENT, 80));
    let gave_up = tokio::time::timeout(Duration::from_secs(20), connect).await;
    assert!(gave_up.is_err());
    let begun = server.clock().now();
    assert!(server.shut_down(GRACE).await.is_empty());
    assert!((server.clock().now() - begun).as_secs() <= 2);
    drop(theirs);
}

/// A device that fails when told to, or says when it is dropped.
struct Fragile {
    memory: Memory,
    fails: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
    waker: Arc<std::sync::Mutex<Option<Waker>>>,
}

impl Device for Fragile {
    fn mtu(&self) -> usize {
        self.memory.mtu()
    }

    fn receive(&mut self, now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::new(ErrorKind::NotFound, "the cable is gone"));
        }
        self.memory.receive(now, packet)
    }

    fn transmit(&mut self, now: Instant, packet: &[u8]) -> io::Result<()> {
        self.memory.transmit(now, packet)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        self.memory.poll_readable(cx)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

type Flag = Arc<AtomicBool>;

fn fragile(memory: Memory) -> (Fragile, Flag, Flag, Arc<std::sync::Mutex<Option<Waker>>>) {
    let (fails, dropped, waker) = (Flag::default(), Flag::default(), Arc::default());
    let device = Fragile {
        memory,
        fails: Arc::clone(&fails),
        dropped: Arc::clone(&dropped),
        waker: Arc::clone(&waker),
    };
    (device, fails, dropped, waker)
}

#[tokio::test(start_paused = true)]
async fn a_device_that_fails_fails_every_socket() {
    let (ours, theirs) = device::pair(1500, 256);
    let (ours, fails, dropped, waker) = fragile(ours);
    let server = host(config(SERVER), ours);
    let client = host(config(CLIENT), theirs);
    let (mut peer, mut reader) = connected(&server, &client).await;
    let (_other, mut writer) = connected(&server, &client).await;
    let listener = TcpListener::bind(&server, (SERVER, 81)).await.unwrap();
    peer.write_all(b"before").await.unwrap();
    pause(1).await;
    let accepting = tokio::spawn(async move { listener.accept().await.map(|_| ()) });
    let reading = tokio::spawn(async move {
        let mut heard = Vec::new();
        let error = reader.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!(heard, b"before");
        let again = reader.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        Err::<(), _>(error)
    });
    let writing = tokio::spawn(async move { writer.write_all(&[0; 2_000_000]).await });
    let client_task = client.clone();
    pause(1).await;
    fails.store(true, Ordering::SeqCst);
    waker.lock().unwrap().take().unwrap().wake();
    for waiting in [accepting, reading, writing] {
        let error = within_a_day(waiting).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "the host's device failed: the cable is gone"
        );
        assert!(matches!(Error::of(&error), Some(Error::Device(_))));
    }
    assert_eq!(server.failure().unwrap().kind(), ErrorKind::NotFound);
    assert!(dropped.load(Ordering::SeqCst));
    let error = TcpListener::bind(&server, (SERVER, 80)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(client_task.failure().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_host_ends_with_its_last_handle() {
    let (ours, theirs) = device::pair(1500, 256);
    let (ours, _, dropped, _) = fragile(ours);
    let server = host(config(SERVER), ours);
    let client = host(config(CLIENT), theirs);
    let (mut ours, theirs) = connected(&server, &client).await;
    drop(server);
    pause(1).await;
    assert!(!dropped.load(Ordering::SeqCst), "a stream is a handle, too");
    drop(theirs);
    pause(1).await;
    assert!(
        !dropped.load(Ordering::SeqCst),
        "the peer has not closed yet"
    );
    assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    drop(ours);
    pause(1).await;
    assert!(
        dropped.load(Ordering::SeqCst),
        "TIME-WAIT is not waited for"
    );
}

#[test]
fn a_host_whose_runtime_is_gone_fails_instead_of_waiting() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    };
    let (ours, theirs) = device::pair(1500, 256);
    let gone = runtime();
    let client = gone.block_on(async { host(config(CLIENT), ours) });
    let rest = runtime();
    let server = rest.block_on(async { host(config(SERVER), theirs) });
    drop(gone);
    let error = rest
        .block_on(TcpStream::connect(&client, (SERVER, 80)))
        .unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
    assert!(server.failure().is_none());
}

#[test]
fn a_host_needs_a_runtime_and_a_link_that_carries_ip() {
    let (ours, theirs) = device::pair(500, 1);
    let error = estab::Host::builder(config(SERVER))
        .start(ours)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let error = runtime.unwrap().block_on(async {
        estab::Host::builder(config(SERVER))
            .start(theirs)
            .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
