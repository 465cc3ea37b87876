//! Links that lose, reorder and are full; many connections at once; no lost wakeup.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{CLIENT, SERVER, config, connect_to, connected, host, hosts, pattern, within_a_day};
use estab::device::{self, Capture, Impair, Impairment, Verdict};
use estab::observe::{Observer, Transition};
use estab::{Clock, Host, KeepAlive, TcpListener, TcpStream};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn echo(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
    }
}

/// Sends so many bytes to an echo and compares digests.
async fn ask(client: Host, seed: u64, length: usize) {
    let stream = TcpStream::connect(&client, (SERVER, 7)).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sent = pattern(seed, length);
    let expected = Sha256::digest(&sent);
    let writing = tokio::spawn(async move { write.write_all(&sent).await.unwrap() });
    let mut heard = Vec::new();
    read.read_to_end(&mut heard).await.unwrap();
    writing.await.unwrap();
    assert_eq!(heard.len(), length);
    assert!(Sha256::digest(&heard) == expected);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_connections_at_once_keep_their_bytes_apart() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 7)).await.unwrap();
    tokio::spawn(echo(listener));
    let asking: Vec<_> = (0..100)
        .map(|seed| tokio::spawn(ask(client.clone(), seed, 100_000)))
        .collect();
    for one in asking {
        within_a_day(one).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_survive_bad_links() {
    let bad = Impairment {
        loss: 0.05,
        duplicate: 0.02,
        reorder: 0.1,
        corrupt: 0.01,
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(2),
        ..Impairment::default()
    };
    for seed in 0..10 {
        let (ours, theirs) = device::pair(1500, 256);
        let server = host(config(SERVER), Impair::new(ours, seed, bad).unwrap());
        let client = host(config(CLIENT), theirs);
        let listener = TcpListener::bind(&server, (SERVER, 7)).await.unwrap();
        tokio::spawn(echo(listener));
        within_a_day(ask(client, seed, 200_000)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_holds_one_packet_only_slows_down() {
    let (ours, theirs) = device::pair(1500, 1);
    let server = host(config(SERVER), ours);
    let client = host(config(CLIENT), theirs);
    let listener = TcpListener::bind(&server, (SERVER, 7)).await.unwrap();
    tokio::spawn(echo(listener));
    let begun = client.clock().now();
    within_a_day(ask(client.clone(), 1, 200_000)).await;
    assert!(client.clock().now() - begun < Duration::from_secs(5));
    assert_eq!(client.counters().retrans_segs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_limited_rate_is_the_rate() {
    let slow = Impairment {
        rate: Some(1_000_000),
        ..Impairment::default()
    };
    let (ours, theirs) = device::pair(1500, 256);
    let server = host(config(SERVER), ours);
    let client = host(config(CLIENT), Impair::new(theirs, 1, slow).unwrap());
    let (mut ours, mut theirs) = connected(&server, &client).await;
    let begun = client.clock().now();
    let writing = tokio::spawn(async move { ours.write_all(&pattern(1, 1_000_000)).await });
    let mut heard = vec![0; 1_000_000];
    within_a_day(theirs.read_exact(&mut heard)).await.unwrap();
    writing.await.unwrap().unwrap();
    let took = client.clock().now() - begun;
    assert!((8..10).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_noticed() {
    let keep_alive = KeepAlive {
        idle: Duration::from_secs(10),
        interval: Duration::from_secs(1),
        count: 3,
    };
    type Prepare = fn(&mut TcpStream, KeepAlive);
    let probed: Prepare = |stream, keep_alive| stream.set_keepalive(Some(keep_alive)).unwrap();
    let unacknowledged: Prepare = |stream, _| {
        stream
            .set_user_timeout(Some(Duration::from_secs(13)))
            .unwrap();
        assert_eq!(stream.try_write(b"anybody?").unwrap(), 8);
    };
    for (prepare, sentence) in [
        (
            probed,
            "timed out: keep-alive probes went unanswered (RFC 9293 §3.8.4)",
        ),
        (
            unacknowledged,
            "timed out: the user timeout passed (RFC 9293 §3.10.8)",
        ),
    ] {
        let (ours, theirs) = device::pair(1500, 256);
        let silent = Arc::new(AtomicBool::new(false));
        let is_silent = Arc::clone(&silent);
        let link = Impair::new(ours, 1, Impairment::default()).unwrap();
        let link = link.with_filter(move |_, _| match is_silent.load(Ordering::SeqCst) {
            true => Verdict::Drop,
            false => Verdict::Pass,
        });
        let (server, client) = (host(config(SERVER), link), host(config(CLIENT), theirs));
        let (mut ours, _theirs) = connected(&server, &client).await;
        silent.store(true, Ordering::SeqCst);
        prepare(&mut ours, keep_alive);
        let begun = client.clock().now();
        let error = within_a_day(ours.read(&mut [0; 1])).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), sentence);
        let waited = client.clock().now() - begun;
        assert!((12..16).contains(&waited.as_secs()), "{waited:?}");
    }
}

/// Real threads, real time: a lost wakeup would hang this.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_turns_lose_no_wakeup() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let mut games = Vec::new();
    for _ in 0..4 {
        let (mut ours, mut theirs) = connect_to(&listener, &client).await;
        games.push(tokio::spawn(async move {
            for turn in 0..2_500_u32 {
                ours.write_all(&turn.to_be_bytes()).await.unwrap();
                assert_eq!(ours.read_u32().await.unwrap(), !turn);
            }
        }));
        tokio::spawn(async move {
            while let Ok(turn) = theirs.read_u32().await {
                theirs.write_all(&(!turn).to_be_bytes()).await.unwrap();
            }
        });
    }
    let all = async {
        for game in games {
            game.await.unwrap();
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, all)
        .await
        .expect("no wakeup is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_come_and_go_on_many_threads() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 7)).await.unwrap();
    tokio::spawn(echo(listener));
    let asking: Vec<_> = (0..200)
        .map(|seed| tokio::spawn(ask(client.clone(), seed, 1_000)))
        .collect();
    let all = async {
        for one in asking {
            one.await.unwrap();
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, all)
        .await
        .expect("every one ends");
    assert_eq!(client.counters().active_opens, 200);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Observer for Log {
    fn transition(&mut self, event: &Transition) {
        let line = format!("{} -> {}", event.from, event.to);
        self.0.lock().unwrap().push(line);
    }
}

#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for File {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_and_the_capture_are_told_every_change() {
    let (ours, theirs) = device::pair(1500, 256);
    let (log, file, clock) = (Log::default(), File::default(), Clock::start());
    let capture = Capture::new(ours, file.clone(), "test", clock.epoch()).unwrap();
    let server = Host::builder(config(SERVER))
        .clock(clock)
        .observer(log.clone())
        .start(capture)
        .unwrap();
    let client = host(config(CLIENT), theirs);
    let (mut ours, mut theirs) = connected(&server, &client).await;
    AsyncWriteExt::shutdown(&mut theirs).await.unwrap();
    within_a_day(ours.read(&mut [0; 1])).await.unwrap();
    drop(ours);
    within_a_day(theirs.read(&mut [0; 1])).await.unwrap();
    drop(theirs);
    server.shut_down(Duration::from_secs(1)).await;
    let told = log.0.lock().unwrap().clone();
    let life = [
        "LISTEN -> SYN-RECEIVED",
        "SYN-RECEIVED -> ESTABLISHED",
        "ESTABLISHED -> FIN-WAIT-1",
        "FIN-WAIT-1 -> FIN-WAIT-2",
        "FIN-WAIT-2 -> TIME-WAIT",
    ];
    let told: Vec<_> = told
        .iter()
        .filter(|line| life.contains(&line.as_str()))
        .collect();
    assert_eq!(told, life);
    let file = String::from_utf8_lossy(&file.0.lock().unwrap()).into_owned();
    for change in [
        "SYN-RECEIVED",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
    ] {
        assert!(file.contains(change), "{change}");
    }
}
