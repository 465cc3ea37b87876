//! The lives of real connections: two stacks, a clock and a wire between them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab_core::{
    Checksum, Config, ConnectOptions, Instant, ListenOptions, ListenerId, Secrets, Shutdown,
    SocketId, Stack,
};

use crate::lives::snapshot::{CloseKind, End, FirstCloser, Holder, LifeSnapshot, Role};
use crate::lives::{Lives, Recorder};

type Host = Stack<Recorder>;

/// A client and a server that have a connection.
struct Pair {
    client: Host,
    server: Host,
    lives: [Lives; 2],
    now: Instant,
    listener: ListenerId,
    ends: [SocketId; 2],
}

fn host(address: &str, seed: u64) -> (Host, Lives) {
    let lives = Lives::new(10);
    let address: IpAddr = address.parse().unwrap();
    let config = Config {
        addresses: vec![address],
        ..Config::default()
    };
    lives.set_time_wait(config.time_wait);
    let secrets = Secrets::from_seed(seed);
    let stack = Stack::new(config, secrets, lives.observer(), Instant::ZERO);
    (stack, lives)
}

impl Pair {
    fn new() -> Self {
        let (mut client, client_lives) = host("198.18.0.2", 1);
        let (mut server, server_lives) = host("198.18.0.1", 2);
        let now = Instant::ZERO;
        let address: SocketAddr = "198.18.0.1:80".parse().unwrap();
        let listener = server.listen(now, ListenOptions::new(address)).unwrap();
        let socket = client
            .connect(now, address, ConnectOptions::default())
            .unwrap();
        let mut pair = Self {
            client,
            server,
            lives: [client_lives, server_lives],
            now,
            listener,
            ends: [socket; 2],
        };
        pair.run(10);
        pair.ends[1] = pair
            .server
            .accept(pair.now, pair.listener)
            .unwrap()
            .unwrap();
        pair
    }

    /// Milliseconds pass; a packet takes one.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            let mut from_client = Vec::new();
            let mut from_server = Vec::new();
            let mut send = |packet: &[u8]| from_client.push(packet.to_vec());
            self.client.transmit(self.now, &mut send);
            let mut send = |packet: &[u8]| from_server.push(packet.to_vec());
            self.server.transmit(self.now, &mut send);
            self.now += Duration::from_millis(1);
            for packet in from_client {
                self.server.receive(self.now, &packet, Checksum::Unknown);
            }
            for packet in from_server {
                self.client.receive(self.now, &packet, Checksum::Unknown);
            }
            self.client.advance(self.now);
            self.server.advance(self.now);
        }
    }

    /// The life of the connection as the client and as the server tell it.
    fn told(&self) -> [LifeSnapshot; 2] {
        self.lives.each_ref().map(|lives| {
            let mut told = lives.snapshot(self.now).lives;
            assert_eq!(told.len(), 1);
            told.remove(0)
        })
    }
}

#[test]
fn a_request_and_its_answer_close_as_both_ends_tell() {
    let mut pair = Pair::new();
    let [client, server] = pair.ends;
    pair.client.write(pair.now, client, &[1; 78]).unwrap();
    pair.run(5);
    pair.server.read(pair.now, server, &mut [0; 100]).unwrap();
    pair.server.write(pair.now, server, &[2; 40_000]).unwrap();
    pair.run(100);
    let mut buffer = vec![0; 40_000];
    assert_eq!(pair.client.read(pair.now, client, &mut buffer), Ok(40_000));
    pair.client.close(pair.now, client).unwrap();
    pair.run(5);
    pair.server.close(pair.now, server).unwrap();
    pair.run(5);
    let [client, server] = pair.told();
    assert_eq!((client.role, server.role), (Role::Active, Role::Passive));
    assert_eq!(client.first_closer, Some(FirstCloser::Application));
    assert_eq!(server.first_closer, Some(FirstCloser::Peer));
    assert_eq!(client.time_wait.holder, Holder::Us);
    assert_eq!(server.time_wait.holder, Holder::Peer);
    assert_eq!(
        (client.traffic.bytes_out, client.traffic.bytes_in),
        (78, 40_000)
    );
    assert_eq!(
        (server.traffic.bytes_out, server.traffic.bytes_in),
        (40_000, 78)
    );
    assert_eq!(client.traffic.segments_out, server.traffic.segments_in);
    assert_eq!(client.traffic.segments_in, server.traffic.segments_out);
    assert_eq!(client.close.kind, CloseKind::FourSegments);
    assert_eq!(server.close.kind, CloseKind::FourSegments);
    pair.run(61_000);
    assert!(pair.told()[0].ended.is_some());
}

#[test]
fn a_server_that_closes_at_once_saves_a_segment() {
    let mut pair = Pair::new();
    let [client, server] = pair.ends;
    pair.client
        .shutdown(pair.now, client, Shutdown::Write)
        .unwrap();
    pair.run(1);
    pair.server.close(pair.now, server).unwrap();
    pair.run(5);
    let [client, server] = pair.told();
    assert_eq!(client.close.kind, CloseKind::ThreeSegments);
    assert_eq!(server.close.kind, CloseKind::ThreeSegments);
    assert_eq!(client.close.second_fin().unwrap().0, End::Peers);
    assert_eq!(server.close.second_fin().unwrap().0, End::Ours);
}

#[test]
fn both_close_at_once() {
    let mut pair = Pair::new();
    let [client, server] = pair.ends;
    pair.client.close(pair.now, client).unwrap();
    pair.server.close(pair.now, server).unwrap();
    pair.run(5);
    for life in pair.told() {
        assert_eq!(life.close.kind, CloseKind::Simultaneous);
        assert_eq!(life.close.segments.len(), 4);
        assert_eq!(life.first_closer, Some(FirstCloser::Both));
        assert_eq!(life.time_wait.holder, Holder::Both);
    }
}

#[test]
fn an_abort_is_a_reset_for_both() {
    let mut pair = Pair::new();
    pair.client.abort(pair.now, pair.ends[0]).unwrap();
    pair.run(5);
    let [client, server] = pair.told();
    for life in [&client, &server] {
        assert_eq!(life.close.kind, CloseKind::Reset);
        assert_eq!(life.close.segments.len(), 1);
        assert_eq!(life.time_wait.holder, Holder::Nobody);
    }
    assert_eq!(client.first_closer, Some(FirstCloser::Application));
    assert_eq!(server.first_closer, Some(FirstCloser::Peer));
    assert_eq!(server.traffic.resets_received, 1);
}
