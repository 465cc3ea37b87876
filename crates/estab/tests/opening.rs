//! Listening, connecting, and who is refused why.

mod common;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use common::{CLIENT, SERVER, config, connect_to, connected, host, hosts, pause, within_a_day};
use estab::device::{self, Impair, Verdict};
use estab::observe::{Direction, StateName};
use estab::{AcceptPolicy, Config, Host, SynCookies, TcpListener, TcpSocket, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn socket_at(host: &Host, reuse: bool) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4(host);
    socket.set_reuse_address(reuse)?;
    socket.bind((SERVER, 80))?;
    Ok(socket)
}

#[tokio::test(start_paused = true)]
async fn a_closed_port_refuses() {
    let (_server, client) = hosts();
    let error = TcpStream::connect(&client, (SERVER, 81)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        error.to_string(),
        "connection refused: RST received in answer to our SYN (RFC 9293 §3.10.7.3)"
    );
    assert!(client.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_times_out_after_the_last_syn() {
    let (_nobody, device) = device::pair(1500, 256);
    let client = host(config(CLIENT), device);
    let begun = client.clock().now();
    let error = within_a_day(TcpStream::connect(&client, (SERVER, 80)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let waited = client.clock().now() - begun;
    assert_eq!(waited.as_secs(), 127);
    assert_eq!(client.counters().attempt_fails, 1);
}

#[tokio::test(start_paused = true)]
async fn giving_up_a_connect_leaves_nothing_behind() {
    let (_nobody, device) = device::pair(1500, 256);
    let client = host(config(CLIENT), device);
    let connect = TcpStream::connect(&client, (SERVER, 80));
    let result = tokio::time::timeout(Duration::from_secs(3), connect).await;
    assert!(result.is_err());
    assert!(client.statuses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn addresses_that_lead_nowhere_are_refused_at_once() {
    let (_server, client) = hosts();
    let kind = async |address: ([u8; 4], u16)| {
        let result = TcpStream::connect(&client, address).await;
        result.unwrap_err().kind()
    };
    assert_eq!(kind(([0; 4], 80)).await, ErrorKind::NetworkUnreachable);
    assert_eq!(
        kind(([224, 0, 0, 1], 80)).await,
        ErrorKind::NetworkUnreachable
    );
    let other_family = TcpStream::connect(&client, "[fd00::1]:80").await;
    assert_eq!(
        other_family.unwrap_err().kind(),
        ErrorKind::AddrNotAvailable
    );
    let no_address = TcpStream::connect(&client, "example.com:80").await;
    assert_eq!(no_address.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn the_backlog_holds_so_many_and_accepting_makes_room() {
    let (server, client) = hosts();
    let socket = TcpSocket::new_v4(&server);
    socket.bind((SERVER, 80)).unwrap();
    let listener = socket.listen(2).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let client = client.clone();
        waiting.push(tokio::spawn(async move {
            TcpStream::connect(&client, (SERVER, 80)).await
        }));
        pause(0).await;
    }
    pause(2).await;
    assert_eq!(server.listeners()[0].accept_queue, 2);
    let mut accepted = Vec::new();
    for _ in 0..3 {
        accepted.push(within_a_day(listener.accept()).await.unwrap());
    }
    for connect in waiting {
        within_a_day(connect).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_reset_whom_it_has_no_room_for() {
    let (server, client) = hosts();
    let socket = TcpSocket::new_v4(&server);
    socket.set_accept_policy(AcceptPolicy::ShedOldest);
    socket.bind((SERVER, 80)).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut oldest = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    let newest = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    pause(1).await;
    let error = within_a_day(oldest.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, newest.local_addr().unwrap());
}

#[tokio::test(start_paused = true)]
async fn every_one_of_several_acceptors_gets_a_connection() {
    let (server, client) = hosts();
    let listener = std::sync::Arc::new(TcpListener::bind(&server, (SERVER, 80)).await.unwrap());
    let acceptors: Vec<_> = (0..5)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await.unwrap() })
        })
        .collect();
    pause(1).await;
    let mut ours = Vec::new();
    for _ in 0..5 {
        ours.push(TcpStream::connect(&client, (SERVER, 80)).await.unwrap());
    }
    for acceptor in acceptors {
        within_a_day(acceptor).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_acceptor_that_gave_up_takes_nobodys_turn() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    for _ in 0..3 {
        let gave_up = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
        assert!(gave_up.is_err());
    }
    within_a_day(connect_to(&listener, &client)).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_listener_resets_who_waits_and_frees_the_port() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let mut ours = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    pause(1).await;
    drop(listener);
    let error = within_a_day(ours.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(server.listeners().is_empty());
    socket_at(&server, false).unwrap().listen(1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_live_listeners_on_one_port_are_refused_either_way() {
    let (server, _client) = hosts();
    let _first = socket_at(&server, true).unwrap().listen(1).unwrap();
    for reuse in [false, true] {
        let error = socket_at(&server, reuse).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }
    let everywhere = TcpListener::bind(&server, "0.0.0.0:80").await;
    assert_eq!(everywhere.unwrap_err().kind(), ErrorKind::AddrInUse);
    let not_ours = TcpListener::bind(&server, (CLIENT, 80)).await;
    assert_eq!(not_ours.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
}

#[tokio::test(start_paused = true)]
async fn time_wait_holds_a_port_unless_it_may_be_reused() {
    let (server, client) = hosts();
    let (mut ours, theirs) = connected(&server, &client).await;
    drop(theirs);
    assert_eq!(within_a_day(ours.read(&mut [0; 1])).await.unwrap(), 0);
    drop(ours);
    pause(1).await;
    assert_eq!(server.statuses()[0].state, StateName::TimeWait);
    let error = TcpListener::bind(&server, (SERVER, 80)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        "cannot listen: 1 connections in TIME-WAIT and 0 others hold the port (RFC 9293 §3.10.1)"
    );
    drop(socket_at(&server, true).unwrap().listen(1).unwrap());
    pause(60).await;
    socket_at(&server, false).unwrap().listen(1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn port_zero_chooses_one() {
    let (server, client) = hosts();
    let listener = TcpListener::bind(&server, (SERVER, 0)).await.unwrap();
    assert_ne!(listener.local_addr().unwrap().port(), 0);
    connect_to(&listener, &client).await;
    let socket = TcpSocket::new_v4(&client);
    socket.bind((CLIENT, 0)).unwrap();
    let bound = socket.local_addr().unwrap();
    let stream = socket
        .connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    assert_eq!(stream.local_addr().unwrap(), bound);
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_of_one_family_and_bound_once() {
    let (server, _client) = hosts();
    let socket = TcpSocket::new_v6(&server);
    let error = socket.bind((SERVER, 80)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let socket = socket_at(&server, false).unwrap();
    let error = socket.bind((SERVER, 81)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn ipv6_is_served_alike_and_by_one_listener_with_ipv4() {
    let (ours, theirs) = device::pair(1500, 256);
    let six = |last: u16| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
    let both = |last: u16, address: [u8; 4]| Config {
        addresses: vec![address.into(), six(last)],
        ..Config::default()
    };
    let server = host(both(1, SERVER), ours);
    let client = host(both(2, CLIENT), theirs);
    let listener = TcpListener::bind(&server, "[::]:80").await.unwrap();
    for address in [six(1), SERVER.into()] {
        let mut ours = TcpStream::connect(&client, (address, 80)).await.unwrap();
        let (mut theirs, peer) = within_a_day(listener.accept()).await.unwrap();
        assert_eq!(peer.is_ipv6(), address.is_ipv6());
        ours.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        within_a_day(theirs.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_connect_at_once() {
    let (ours, theirs) = device::pair(1500, 256);
    // The first SYN of either end is lost, so that the second meets one under way.
    let mut lost = [false; 2];
    let lossy = Impair::new(ours, 1, Default::default()).unwrap();
    let lossy = lossy.with_filter(move |direction, _| {
        let lost = &mut lost[usize::from(direction == Direction::Sent)];
        if std::mem::replace(lost, true) {
            Verdict::Pass
        } else {
            Verdict::Drop
        }
    });
    let server = host(config(SERVER), lossy);
    let client = host(config(CLIENT), theirs);
    let from = |host: &Host, address: [u8; 4], port: u16| {
        let socket = TcpSocket::new_v4(host);
        socket.bind((address, port)).unwrap();
        socket
    };
    let (one, other) = within_a_day(async {
        tokio::join!(
            from(&server, SERVER, 7).connect((CLIENT, 9)),
            from(&client, CLIENT, 9).connect((SERVER, 7))
        )
    })
    .await;
    let (mut one, mut other) = (one.unwrap(), other.unwrap());
    one.write_all(b"crossed").await.unwrap();
    let mut heard = [0; 7];
    within_a_day(other.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"crossed");
}

#[tokio::test(start_paused = true)]
async fn listeners_that_share_a_port_and_one_that_takes_over() {
    let (server, client) = hosts();
    let shared = || {
        let socket = TcpSocket::new_v4(&server);
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseport().unwrap());
        socket.bind((SERVER, 80)).unwrap();
        socket.listen(1024).unwrap()
    };
    let (one, other) = (shared(), shared());
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(TcpStream::connect(&client, (SERVER, 80)).await.unwrap());
    }
    pause(1).await;
    let waiting = |listener: &TcpListener| listener.status().unwrap().accept_queue;
    let (ones, others) = (waiting(&one), waiting(&other));
    assert_eq!(ones + others, 20);
    assert!(ones > 0 && others > 0, "{ones} and {others}");
    one.hand_over(&other).unwrap();
    assert_eq!(server.listeners().len(), 1);
    for _ in 0..20 {
        within_a_day(other.accept()).await.unwrap();
    }
    for stream in &mut streams {
        stream.write_all(b"x").await.unwrap();
    }
    assert_eq!(server.statuses().len(), 20, "nobody was lost");
}

#[tokio::test(start_paused = true)]
async fn a_listener_takes_over_only_from_its_own_host() {
    let (server, client) = hosts();
    let one = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let other = TcpListener::bind(&client, (CLIENT, 80)).await.unwrap();
    let error = one.hand_over(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(server.listeners().is_empty(), "it is closed");
}

#[tokio::test(start_paused = true)]
async fn a_host_with_a_shared_secret_answers_by_cookies() {
    let (ours, theirs) = device::pair(1500, 256);
    let config_of_server = Config {
        syn_cookies: SynCookies::Always,
        ..config(SERVER)
    };
    let server = Host::builder(config_of_server).cookie_secret([7; 16]);
    let server = server.start(ours).unwrap();
    let client = host(config(CLIENT), theirs);
    let listener = TcpListener::bind(&server, (SERVER, 80)).await.unwrap();
    let mut stream = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let (mut accepted, _) = within_a_day(listener.accept()).await.unwrap();
    let mut hello = [0; 5];
    accepted.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
    assert_eq!(listener.status().unwrap().cookies_accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_wait_for_data() {
    let (server, client) = hosts();
    let socket = TcpSocket::new_v4(&server);
    socket.set_defer_accept(Some(Duration::from_secs(3)));
    socket.set_syn_backlog(Some(7));
    socket.bind((SERVER, 80)).unwrap();
    let listener = socket.listen(16).unwrap();
    assert_eq!(listener.status().unwrap().syn_backlog, 7);
    let mut eager = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    let silent = TcpStream::connect(&client, (SERVER, 80)).await.unwrap();
    let begun = server.clock().now();
    eager.write_all(b"x").await.unwrap();
    let (_first, peer) = within_a_day(listener.accept()).await.unwrap();
    assert_eq!(peer, eager.local_addr().unwrap());
    let (_second, peer) = within_a_day(listener.accept()).await.unwrap();
    assert_eq!(peer, silent.local_addr().unwrap());
    assert_eq!((server.clock().now() - begun).as_secs(), 3);
}
