//! smoltcp on a TUN: a loop of its own, and sockets enough to listen for as many as come at once.

use estab_core::Instant as Now;
use estab_device::{Device as _, Tun};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpCidr;

use super::super::{DISCARD, GENERATE, PREFIX, far_addresses};
use super::{ANSWER, CHUNK, LOOK, Stop, Told};
use crate::ends::ring::capabilities;
use crate::ends::smol::{Socket, interface};

/// What carries bulk has the same buffers as estab's sockets.
const BULK_BUFFER: usize = 256 * 1024;
const BUFFER: usize = 4096;

pub(in super::super) fn smoltcp(
    tun: Tun,
    at_once: usize,
    stop: &Stop,
    told: &Told,
) -> anyhow::Result<()> {
    let mut server = Server::new(tun, at_once);
    let _nobody_waits = told.send(Ok(()));
    while !stop.is_set() {
        server.turn()?;
    }
    Ok(())
}

struct Server {
    line: Line,
    interface: smoltcp::iface::Interface,
    sockets: SocketSet<'static>,
    services: Vec<(SocketHandle, u16)>,
    scratch: Vec<u8>,
}

impl Server {
    fn new(tun: Tun, at_once: usize) -> Self {
        let mut line = Line {
            tun,
            arrived: Vec::new(),
            leaving: Vec::new(),
        };
        let mut addresses = far_addresses();
        let first = addresses.next().expect("there are addresses");
        let mut interface = interface(&mut line, first, Instant::now());
        interface.update_ip_addrs(|own| {
            for address in addresses {
                let cidr = IpCidr::new(address.into(), PREFIX);
                own.push(cidr)
                    .expect("smoltcp is built for eight addresses");
            }
        });
        let mut sockets = SocketSet::new(Vec::new());
        let mut services = Vec::new();
        // One that closes is not yet free for the next.
        for _ in 0..2 * at_once {
            services.push((sockets.add(socket(BUFFER)), ANSWER));
        }
        for port in [DISCARD, GENERATE] {
            services.push((sockets.add(socket(BULK_BUFFER)), port));
        }
        Self {
            line,
            interface,
            sockets,
            services,
            scratch: vec![7; CHUNK],
        }
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.serve();
        let _changed = self.interface.poll(now, &mut self.line, &mut self.sockets);
        self.serve();
        let delay = self.interface.poll_delay(now, &self.sockets);
        if delay != Some(Duration::ZERO) {
            let delay = delay.map_or(LOOK, |delay| LOOK.min(delay.into()));
            self.line.tun.wait(delay)?;
        }
        Ok(())
    }

    fn serve(&mut self) {
        for &(handle, port) in &self.services {
            let socket = self.sockets.get_mut::<Socket>(handle);
            match socket.state() {
                State::Closed => socket.listen(port).expect("a closed socket listens"),
                State::Established | State::CloseWait => step(socket, port, &mut self.scratch),
                _ => {}
            }
        }
    }
}

fn socket(buffer: usize) -> Socket {
    let buffers = || smoltcp::socket::tcp::SocketBuffer::new(vec![0; buffer]);
    Socket::new(buffers(), buffers())
}

/// The service of a port, as far as it goes now.
fn step(socket: &mut Socket, port: u16, scratch: &mut [u8]) {
    match port {
        ANSWER => {
            let mut bytes = [0; 16];
            while let Ok(count @ 1..) = socket.recv_slice(&mut bytes) {
                let _taken = socket.send_slice(&bytes[..count]);
            }
        }
        DISCARD => while let Ok(1..) = socket.recv_slice(scratch) {},
        _ => while let Ok(1..) = socket.send_slice(scratch) {},
    }
    if !socket.may_recv() && socket.state() == State::CloseWait {
        socket.close();
    }
}

/// smoltcp's device over estab's TUN.
struct Line {
    tun: Tun,
    arrived: Vec<u8>,
    leaving: Vec<u8>,
}

impl Device for Line {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Leaving<'_>)> {
        let Self {
            tun,
            arrived,
            leaving,
        } = self;
        tun.receive(Now::ZERO, arrived).ok()?;
        Some((Arrived(arrived), Leaving(tun, leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.tun, &mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.tun.mtu())
    }
}

struct Arrived<'a>(&'a [u8]);

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Leaving<'a>(&'a mut Tun, &'a mut Vec<u8>);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self(tun, packet) = self;
        packet.resize(len, 0);
        let result = f(packet);
        let _lost_as_on_a_wire = tun.transmit(Now::ZERO, packet);
        result
    }
}
