//! What a connection costs, counted at the allocator, everything included: its slot or entry, its place in the hash
//! table where that has just doubled, and the chunks' headers.

use core::time::Duration;
use std::alloc::System;
use std::net::SocketAddr;
use std::sync::Mutex;

use estab_core::observe::Silent;
use estab_core::{
    Checksum, Config, ConnectOptions, Instant, ListenOptions, ListenerId, Secrets, SocketId, Stack,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test counts at a time.
static COUNTING: Mutex<()> = Mutex::new(());

/// Clients come in batches; each is a stack of its own that is gone when its batch is done.
const BATCH: usize = 1000;
/// Around 115,000 entries every part of the table doubles.
const BATCHES: usize = 130;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn config(address: [u8; 4]) -> Config {
    Config {
        addresses: vec![address.into()],
        max_connections: 1 << 20,
        max_syn_received: 1 << 20,
        max_time_wait: 1 << 20,
        ..Config::default()
    }
}

struct Server {
    stack: Stack,
    listener: ListenerId,
    now: Instant,
    empty: usize,
    clients: u16,
}

impl Server {
    const ADDRESS: [u8; 4] = [198, 18, 0, 1];

    fn new() -> Self {
        let before = allocated();
        let now = Instant::from_millis(1);
        let secrets = Secrets::from_seed(1);
        let mut stack = Stack::new(config(Self::ADDRESS), secrets, Silent, now);
        let mut options = ListenOptions::new((Self::ADDRESS, 80).into());
        options.backlog = 2 * BATCH;
        options.syn_backlog = Some(2 * BATCH * BATCHES);
        let listener = stack.listen(now, options).expect("the port is free");
        let empty = before;
        Self {
            stack,
            listener,
            now,
            empty,
            clients: 0,
        }
    }

    /// Bytes for each of `count` connections.
    fn bytes_each(&self, count: usize) -> f64 {
        (allocated() - self.empty) as f64 / count as f64
    }

    fn client(&mut self) -> Stack {
        self.clients += 1;
        let [high, low] = self.clients.to_be_bytes();
        let secrets = Secrets::from_seed(2);
        Stack::new(config([198, 19, high, low]), secrets, Silent, self.now)
    }

    /// Carries packets until nobody has any more.
    fn carry(&mut self, client: &mut Stack) {
        let (server, now) = (&mut self.stack, self.now);
        while client.wants_to_transmit() || server.wants_to_transmit() {
            client.transmit(now, &mut |packet: &[u8]| {
                server.receive(now, packet, Checksum::Verified);
            });
            server.transmit(now, &mut |packet: &[u8]| {
                client.receive(now, packet, Checksum::Verified);
            });
        }
        while client.next_event().is_some() || server.next_event().is_some() {}
    }

    fn open(&mut self, client: &mut Stack) -> (SocketId, SocketId) {
        let to = SocketAddr::from((Self::ADDRESS, 80));
        let near = client.connect(self.now, to, ConnectOptions::default());
        self.carry(client);
        let far = self.stack.accept(self.now, self.listener);
        let far = far.expect("it listens").expect("a child waits");
        (near.expect("a port is free"), far)
    }

    /// A request and its answer.
    fn exchange(&mut self, client: &mut Stack, (near, far): (SocketId, SocketId)) {
        let (now, mut buffer) = (self.now, [0; 4000]);
        assert_eq!(client.write(now, near, &[1; 300]), Ok(300));
        self.carry(client);
        assert_eq!(self.stack.read(now, far, &mut buffer), Ok(300));
        assert_eq!(self.stack.write(now, far, &buffer), Ok(4000));
        self.carry(client);
        assert_eq!(client.read(now, near, &mut buffer), Ok(4000));
        self.carry(client);
    }

    /// Time for what is owed.
    fn pass(&mut self, client: &mut Stack) {
        self.now += Duration::from_millis(600);
        self.stack.advance(self.now);
        client.advance(self.now);
        self.carry(client);
    }
}

/// The most that each of the connections took, for any number of them from 100,000 on.
fn worst(batches: impl Iterator<Item = f64>) -> f64 {
    batches.skip(100).fold(0.0, f64::max)
}

#[test]
fn an_idle_connection_takes_512_bytes_all_in_also_after_it_was_busy() {
    let _alone = COUNTING.lock();
    let mut server = Server::new();
    let each = worst((1..=BATCHES).map(|batch| {
        let mut client = server.client();
        let sockets: Vec<_> = (0..BATCH).map(|_| server.open(&mut client)).collect();
        for &pair in &sockets {
            server.exchange(&mut client, pair);
        }
        server.pass(&mut client);
        drop((client, sockets));
        server.bytes_each(batch * BATCH)
    }));
    assert_eq!(server.stack.len(), BATCH * BATCHES);
    println!("{each:.1} bytes for an idle connection");
    assert!((400.0..=512.0).contains(&each), "{each}");
}

#[test]
fn a_half_open_connection_takes_96_bytes_and_its_place_in_the_table() {
    let _alone = COUNTING.lock();
    let mut server = Server::new();
    let each = worst((1..=BATCHES).map(|batch| {
        let mut client = server.client();
        for _ in 0..BATCH {
            let to = SocketAddr::from((Server::ADDRESS, 80));
            let connecting = client.connect(server.now, to, ConnectOptions::default());
            assert!(connecting.is_ok());
            client.transmit(server.now, &mut |packet: &[u8]| {
                server.stack.receive(server.now, packet, Checksum::Verified);
            });
            server.stack.transmit(server.now, &mut |_: &[u8]| ());
        }
        drop(client);
        server.bytes_each(batch * BATCH)
    }));
    assert_eq!(server.stack.half_open(), BATCH * BATCHES);
    println!("{each:.1} bytes for a half-open connection");
    assert!((80.0..=96.0 + 22.0).contains(&each), "{each}");
    gives_all_back(server);
}

#[test]
fn time_wait_takes_64_bytes_and_its_place_in_the_table() {
    let _alone = COUNTING.lock();
    let mut server = Server::new();
    let each = worst((1..=BATCHES).map(|batch| {
        let mut client = server.client();
        for _ in 0..BATCH {
            let (near, far) = server.open(&mut client);
            assert_eq!(server.stack.close(server.now, far), Ok(()));
            server.carry(&mut client);
            assert_eq!(client.close(server.now, near), Ok(()));
            server.carry(&mut client);
        }
        drop(client);
        server.bytes_each(batch * BATCH)
    }));
    assert_eq!(server.stack.time_waits(), BATCH * BATCHES);
    println!("{each:.1} bytes for a connection in TIME-WAIT");
    assert!((64.0..=64.0 + 22.0).contains(&each), "{each}");
    gives_all_back(server);
}

/// Once everything has timed out, what is left is what a stack takes by itself.
fn gives_all_back(mut server: Server) {
    for _ in 0..200 {
        server.now += Duration::from_secs(1);
        server.stack.advance(server.now);
        server.stack.transmit(server.now, &mut |_: &[u8]| ());
    }
    assert!(server.stack.is_empty());
    let left = allocated() - server.empty;
    println!("{left} bytes for an empty stack");
    assert!(left <= 256 * 1024, "{left}");
}
