//! smoltcp's ends, driven by `Interface::poll` as its documentation has it.

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{Socket as AnySocket, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::ring::Wire;
use super::{End, PORT, SERVER};

/// A socket that owns its buffers.
pub(crate) type Socket = tcp::Socket<'static>;

/// A socket with buffers of this size in either direction, which acknowledges every segment at once.
pub(crate) fn socket(buffer: usize) -> Socket {
    let buffers = || tcp::SocketBuffer::new(vec![0; buffer]);
    let mut socket = Socket::new(buffers(), buffers());
    socket.set_ack_delay(None);
    socket
}

/// An interface with its wire and its sockets.
pub(crate) struct Node {
    pub(crate) interface: Interface,
    pub(crate) wire: Wire,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) now: Instant,
}

impl Node {
    pub(crate) fn new(address: std::net::Ipv4Addr) -> Self {
        let mut wire = Wire::new();
        let now = Instant::from_millis(1);
        let interface = interface(&mut wire, address, now);
        Self {
            interface,
            wire,
            sockets: SocketSet::new(Vec::new()),
            now,
        }
    }

    pub(crate) fn poll(&mut self) {
        let _changed = self
            .interface
            .poll(self.now, &mut self.wire, &mut self.sockets);
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket {
        self.sockets.get_mut(handle)
    }
}

/// An interface that routes everything in 198.18.0.0/15 over its device.
pub(crate) fn interface(
    device: &mut impl smoltcp::phy::Device,
    address: std::net::Ipv4Addr,
    now: Instant,
) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 7;
    let mut interface = Interface::new(config, device, now);
    interface.update_ip_addrs(|addresses| {
        let cidr = IpCidr::new(IpAddress::Ipv4(address), 15);
        addresses.push(cidr).expect("there is room for one address");
    });
    interface
}

/// Two nodes face to face.
pub(crate) struct Pair {
    pub(crate) client: Node,
    pub(crate) server: Node,
}

impl Pair {
    pub(crate) fn new(client: std::net::Ipv4Addr, server: std::net::Ipv4Addr) -> Self {
        Self {
            client: Node::new(client),
            server: Node::new(server),
        }
    }

    /// What left the client arrives at the server, which is polled; and the other way round.
    pub(crate) fn carry_to_server(&mut self) {
        std::mem::swap(
            &mut self.client.wire.leaving,
            &mut self.server.wire.arriving,
        );
        self.server.poll();
    }

    pub(crate) fn carry_to_client(&mut self) {
        std::mem::swap(
            &mut self.server.wire.leaving,
            &mut self.client.wire.arriving,
        );
        self.client.poll();
    }

    /// Polls and carries until neither end has a packet.
    pub(crate) fn carry(&mut self) {
        self.client.poll();
        loop {
            self.carry_to_server();
            if self.server.wire.leaving.is_empty() {
                break;
            }
            self.carry_to_client();
            if self.client.wire.leaving.is_empty() {
                break;
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.client.now += time;
        self.server.now += time;
    }
}

/// A node that holds the connections of peers made by hand.
pub(crate) struct Holder {
    pub(crate) node: Node,
    pub(crate) handles: Vec<SocketHandle>,
    buffer: usize,
}

impl Holder {
    pub(crate) fn new(buffer: usize) -> Self {
        Self::with_room(buffer, 0)
    }

    /// Its set of sockets has room for this many from the start.
    pub(crate) fn with_room(buffer: usize, count: usize) -> Self {
        let mut node = Node::new(SERVER);
        node.sockets = SocketSet::new(Vec::with_capacity(count));
        Self {
            node,
            handles: Vec::new(),
            buffer,
        }
    }

    /// Lets one more socket listen.
    pub(crate) fn listen(&mut self) {
        let mut socket = socket(self.buffer);
        socket.listen(PORT).expect("a fresh socket listens");
        self.handles.push(self.node.sockets.add(socket));
    }

    /// Takes over the sockets of another node: each finds its segments by itself, whatever node it is in.
    pub(crate) fn adopt(&mut self, mut other: Self) {
        for handle in other.handles {
            match other.node.sockets.remove(handle) {
                AnySocket::Tcp(socket) => self.handles.push(self.node.sockets.add(socket)),
            }
        }
    }
}

impl End for Holder {
    fn take(&mut self, packet: &[u8]) {
        self.node.wire.arriving.put(packet);
        self.node.poll();
    }

    fn give(&mut self, sink: &mut dyn FnMut(&[u8])) {
        while let Some(packet) = self.node.wire.leaving.pop() {
            sink(packet);
        }
    }
}
