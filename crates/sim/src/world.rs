//! Two nodes and the time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use estab_core::{Config, ConnectOptions, Instant, ListenOptions, ListenerId, SocketId};
use estab_device::{Impair, Impairment, pair};

use crate::Node;

/// The address of the client, and of the server, by family.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

/// Where the client is.
pub const CLIENT: Addresses = Addresses {
    v4: Ipv4Addr::new(198, 18, 0, 2),
    v6: Ipv6Addr::new(0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, 2),
};

/// Where the server is.
pub const SERVER: Addresses = Addresses {
    v4: Ipv4Addr::new(198, 18, 0, 1),
    v6: Ipv6Addr::new(0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, 1),
};

impl Addresses {
    /// The IPv4 address with a port.
    #[must_use]
    pub fn v4(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.v4.into(), port)
    }

    /// The IPv6 address with a port.
    #[must_use]
    pub fn v6(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.v6.into(), port)
    }

    fn all(self) -> Vec<IpAddr> {
        vec![self.v4.into(), self.v6.into()]
    }
}

/// The default settings, for either end.
#[must_use]
pub fn config(addresses: Addresses) -> Config {
    Config {
        addresses: addresses.all(),
        ..Config::default()
    }
}

/// Two ends of a wire and a clock.
pub struct World {
    /// The time.
    pub now: Instant,
    /// The end at [`CLIENT`].
    pub client: Node,
    /// The end at [`SERVER`].
    pub server: Node,
}

/// Packets the wire holds in each direction.
const WIRE: usize = 4096;

impl World {
    /// A world with default settings and a perfect wire of 1 ms each way.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let delay = Duration::from_millis(1);
        Self::with(
            seed,
            Impairment {
                delay,
                ..Impairment::default()
            },
            |_, _| {},
        )
    }

    /// A world whose wire is impaired in each direction alike, with settings of its own.
    #[must_use]
    pub fn with(
        seed: u64,
        impairment: Impairment,
        adjust: impl FnOnce(&mut Config, &mut Config),
    ) -> Self {
        Self::at(Instant::from_millis(1_000), seed, impairment, adjust)
    }

    /// The same, at a moment of its own.
    ///
    /// # Panics
    /// If the impairment is out of range.
    #[must_use]
    pub fn at(
        now: Instant,
        seed: u64,
        impairment: Impairment,
        adjust: impl FnOnce(&mut Config, &mut Config),
    ) -> Self {
        let (mut ours, mut theirs) = (config(CLIENT), config(SERVER));
        adjust(&mut ours, &mut theirs);
        let (near, far) = pair(ours.mtu.max(theirs.mtu), WIRE);
        // What an end sends is impaired there; what arrives is left alone.
        let perfect = Impairment::default();
        let wrap = |device, seed| {
            Impair::per_direction(device, seed, perfect, impairment)
                .expect("the impairment is in range")
        };
        let client = Node::new(ours, seed ^ 0xc11e, wrap(near, seed.wrapping_mul(2)), now);
        let server = Node::new(
            theirs,
            seed ^ 0x5e4e,
            wrap(far, seed.wrapping_mul(2) + 1),
            now,
        );
        Self {
            now,
            client,
            server,
        }
    }

    /// Lets everything happen that can happen at this moment; answers whether any packet arrived.
    pub fn settle(&mut self) -> bool {
        let mut busy = false;
        loop {
            let client = self.client.pump(self.now);
            let server = self.server.pump(self.now);
            if !client && !server {
                return busy;
            }
            busy = true;
        }
    }

    /// Moves to the next moment at which anything can happen; answers whether there is one.
    pub fn step(&mut self) -> bool {
        self.settle();
        let next = [self.client.next_deadline(), self.server.next_deadline()];
        let Some(next) = next.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        self.settle();
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Lets time pass until `done`; answers false if `limit` came first or nothing can happen any more.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        self.settle();
        while !done(self) {
            if self.settle() {
                continue;
            }
            match self.next_deadline() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => return done(self),
            }
            self.settle();
        }
        true
    }

    fn next_deadline(&self) -> Option<Instant> {
        [self.client.next_deadline(), self.server.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The server listens.
    ///
    /// # Panics
    /// If the port is taken.
    pub fn listen(&mut self, port: u16) -> ListenerId {
        self.listen_with(ListenOptions::new(SERVER.v4(port)))
    }

    /// The server listens, with options.
    ///
    /// # Panics
    /// If the port is taken.
    pub fn listen_with(&mut self, options: ListenOptions) -> ListenerId {
        self.server
            .stack
            .listen(self.now, options)
            .expect("the port is free")
    }

    /// The client begins to connect.
    ///
    /// # Panics
    /// If it cannot even begin.
    pub fn connect(&mut self, port: u16) -> SocketId {
        self.connect_with(SERVER.v4(port), ConnectOptions::default())
    }

    /// The client begins to connect, with options.
    ///
    /// # Panics
    /// If it cannot even begin.
    pub fn connect_with(&mut self, remote: SocketAddr, options: ConnectOptions) -> SocketId {
        self.client
            .stack
            .connect(self.now, remote, options)
            .expect("a connection can begin")
    }

    /// A connection made between the two, from the client to a port the server listens on.
    ///
    /// # Panics
    /// If the handshake does not succeed within two minutes.
    pub fn establish(&mut self, listener: ListenerId, port: u16) -> (SocketId, SocketId) {
        let client = self.connect(port);
        let mut server = None;
        let made = self.run_until(Duration::from_secs(120), |world| {
            server = world
                .server
                .stack
                .accept(world.now, listener)
                .expect("it listens");
            server.is_some()
        });
        assert!(made, "no connection came about");
        (client, server.expect("it was accepted"))
    }
}
