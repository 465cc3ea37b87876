//! estab's ends: two stacks face to face, and one that holds many connections of peers made by hand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use estab_core::observe::Silent;
use estab_core::{
    Checksum, Config, Event, Instant, ListenOptions, ListenerId, Secrets, SocketId, SocketOptions,
    Stack,
};

use super::{CLIENT, End, MTU, PORT, SERVER};

/// Room for ten million of everything: no bound is what is measured.
const PLENTY: usize = 1 << 24;

/// The settings of a stack with these addresses.
pub(crate) fn config(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Config {
    Config {
        addresses: addresses.into_iter().map(IpAddr::V4).collect(),
        mtu: MTU,
        ..Config::default()
    }
}

/// A client and a server, and the time both go by.
pub(crate) struct Pair {
    pub(crate) client: Stack,
    pub(crate) server: Stack,
    pub(crate) now: Instant,
}

impl Pair {
    pub(crate) fn new(client: Config, server: Config) -> Self {
        let now = Instant::from_millis(1);
        let stack = |config, seed| Stack::new(config, Secrets::from_seed(seed), Silent, now);
        Self {
            client: stack(client, 1),
            server: stack(server, 2),
            now,
        }
    }

    /// Carries packets, handed over in place, until neither end has any.
    pub(crate) fn carry(&mut self) {
        let Self {
            client,
            server,
            now,
        } = self;
        let now = *now;
        while client.wants_to_transmit() || server.wants_to_transmit() {
            client.transmit(now, &mut |packet: &[u8]| {
                server.receive(now, packet, Checksum::Unknown)
            });
            server.transmit(now, &mut |packet: &[u8]| {
                client.receive(now, packet, Checksum::Unknown)
            });
        }
    }

    /// Lets time pass at both ends.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.client.advance(self.now);
        self.server.advance(self.now);
    }
}

/// A listener with room for whoever comes.
pub(crate) fn listen(
    stack: &mut Stack,
    now: Instant,
    address: SocketAddr,
    socket: SocketOptions,
) -> ListenerId {
    let options = ListenOptions {
        backlog: PLENTY,
        socket,
        ..ListenOptions::new(address)
    };
    stack.listen(now, options).expect("the address is free")
}

/// A stack that holds the connections of peers made by hand, and its application.
pub(crate) struct Holder {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    listener: ListenerId,
    /// What the application reads into.
    scratch: Vec<u8>,
}

impl Holder {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A holder whose settings `adjust` has the last word on.
    pub(crate) fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::from_millis(1);
        let mut config = Config {
            max_connections: PLENTY,
            max_syn_received: PLENTY,
            max_time_wait: PLENTY,
            ..config([SERVER])
        };
        adjust(&mut config);
        let mut stack = Stack::new(config, Secrets::from_seed(3), Silent, now);
        // Every segment with data is acknowledged at once: the dearer case, and the same in smoltcp.
        let socket = SocketOptions {
            quick_ack: true,
            ..SocketOptions::default()
        };
        let listener = listen(
            &mut stack,
            now,
            SocketAddr::new(SERVER.into(), PORT),
            socket,
        );
        Self {
            stack,
            now,
            listener,
            scratch: vec![0; MTU],
        }
    }

    /// The application does what it is told it can: accepts, and reads.
    pub(crate) fn serve(&mut self) {
        while let Some(event) = self.stack.next_event() {
            match event {
                Event::Acceptable(_) => {
                    while let Ok(Some(_)) = self.stack.accept(self.now, self.listener) {}
                }
                Event::Ready(id, _) => self.read(id),
            }
        }
    }

    fn read(&mut self, id: SocketId) {
        while let Ok(1..) = self.stack.read(self.now, id, &mut self.scratch) {}
    }

    /// The application closes whatever it is told of; for peers that close after it.
    pub(crate) fn close_all(&mut self) {
        while let Some(event) = self.stack.next_event() {
            match event {
                Event::Acceptable(_) => {
                    while let Ok(Some(id)) = self.stack.accept(self.now, self.listener) {
                        self.stack
                            .close(self.now, id)
                            .expect("it was just accepted");
                    }
                }
                Event::Ready(..) => {}
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.stack.advance(self.now);
    }
}

impl End for Holder {
    fn take(&mut self, packet: &[u8]) {
        self.stack.receive(self.now, packet, Checksum::Unknown);
    }

    fn give(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.stack
            .transmit(self.now, &mut |packet: &[u8]| sink(packet));
    }
}

/// The client's and the server's addresses where both ends are estab's and the client keeps TIME-WAIT: enough
/// addresses that ephemeral ports do not run out before the table of TIME-WAIT is full.
pub(crate) fn server_addresses() -> impl Iterator<Item = Ipv4Addr> {
    (0..8).map(|n| Ipv4Addr::from_bits(SERVER.to_bits() + 256 * (n + 1)))
}

/// The address of the only client.
pub(crate) fn client_addresses() -> [Ipv4Addr; 1] {
    [CLIENT]
}
