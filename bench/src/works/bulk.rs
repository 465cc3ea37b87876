//! As many bytes as go through, in memory.

use std::net::SocketAddr;
use std::time::Duration;

use estab_core::{ConnectOptions, Event, SocketId, SocketOptions};
use smoltcp::iface::SocketHandle;

use super::Work;
use crate::ends::{CLIENT, PORT, SERVER, estab, smol};
use crate::harness::{Contest, Figure, Scale, Stopwatch};

pub(super) const WORK: Work = Work {
    name: "bulk",
    title: "Bulk in memory",
    about: "One connection, buffers of 256 KB at both ends: the application writes from a slice, the other reads into one. Both \
            stacks and both copies on one core. A segment is one with data: its cost includes that of its share of the ACKs.",
    run,
    counted: false,
    picture: None,
};

const BUFFER: usize = 256 * 1024;

/// What the applications write and read at once.
const CHUNK: usize = 64 * 1024;

/// Data in a full segment; timestamps, where a stack has them, take 12 bytes of it.
const FULL: usize = 1_460;
const WITH_TIMESTAMPS: usize = 1_448;

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let bytes = scale.pick(16 << 20, 128 << 20);
    let mut estab = Estab::new();
    let mut smol = Smol::new();
    let mut contest = Contest::new(WORK.name, "256 KB buffers", &["Gbit/s", "ns/segment"]);
    contest.enter(Figure::ESTAB, || {
        Ok(rates(bytes, WITH_TIMESTAMPS, || estab.transfer(bytes)))
    });
    contest.enter("smoltcp", || {
        Ok(rates(bytes, FULL, || smol.transfer(bytes)))
    });
    let mut figures = contest.run(scale.rounds());
    let peer = figures[1].median().unwrap_or(f64::INFINITY);
    figures[0].demand_at_least(peer, "not slower");
    Ok(figures)
}

fn rates(bytes: usize, segment: usize, transfer: impl FnOnce()) -> Vec<f64> {
    let start = Stopwatch::start();
    transfer();
    let seconds = start.elapsed().as_secs_f64();
    let segments = bytes as f64 / segment as f64;
    vec![bytes as f64 * 8.0 / seconds / 1e9, seconds * 1e9 / segments]
}

struct Estab {
    pair: estab::Pair,
    from: SocketId,
    to: SocketId,
    data: Vec<u8>,
    scratch: Vec<u8>,
}

impl Estab {
    fn new() -> Self {
        let mut pair = estab::Pair::new(estab::config([CLIENT]), estab::config([SERVER]));
        let socket = SocketOptions {
            send_buffer: BUFFER,
            receive_buffer: BUFFER,
            ..SocketOptions::default()
        };
        let address = SocketAddr::new(SERVER.into(), PORT);
        let listener = estab::listen(&mut pair.server, pair.now, address, socket);
        let options = ConnectOptions {
            socket,
            ..ConnectOptions::default()
        };
        let from = pair
            .client
            .connect(pair.now, address, options)
            .expect("a port is free");
        pair.carry();
        assert_eq!(pair.server.next_event(), Some(Event::Acceptable(listener)));
        let accepted = pair
            .server
            .accept(pair.now, listener)
            .expect("the listener is there");
        let to = accepted.expect("somebody waits");
        Self {
            pair,
            from,
            to,
            data: vec![7; CHUNK],
            scratch: vec![0; CHUNK],
        }
    }

    fn transfer(&mut self, bytes: usize) {
        let (mut written, mut read) = (0, 0);
        while read < bytes {
            let before = read;
            self.pair.pass(Duration::from_micros(100));
            let pair = &mut self.pair;
            while written < bytes {
                let data = &self.data[..CHUNK.min(bytes - written)];
                let Ok(count) = pair.client.write(pair.now, self.from, data) else {
                    break;
                };
                written += count;
            }
            pair.carry();
            while let Ok(count @ 1..) = pair.server.read(pair.now, self.to, &mut self.scratch) {
                read += count;
            }
            pair.carry();
            while pair.client.next_event().is_some() || pair.server.next_event().is_some() {}
            // A turn without progress waits for a delayed ACK.
            if read == before {
                pair.pass(Duration::from_millis(40));
            }
        }
    }
}

struct Smol {
    pair: smol::Pair,
    from: SocketHandle,
    to: SocketHandle,
    data: Vec<u8>,
    scratch: Vec<u8>,
}

impl Smol {
    fn new() -> Self {
        let mut pair = smol::Pair::new(CLIENT, SERVER);
        let socket = || {
            let mut socket = smol::socket(BUFFER);
            socket.set_ack_delay(Some(smoltcp::time::Duration::from_millis(10)));
            socket
        };
        let from = pair.client.sockets.add(socket());
        let to = pair.server.sockets.add(socket());
        pair.server
            .socket(to)
            .listen(PORT)
            .expect("a fresh socket listens");
        let smol::Node {
            interface, sockets, ..
        } = &mut pair.client;
        let client = sockets.get_mut::<smol::Socket>(from);
        client
            .connect(interface.context(), (SERVER, PORT), 10_000)
            .expect("a fresh socket connects");
        pair.carry();
        Self {
            pair,
            from,
            to,
            data: vec![7; CHUNK],
            scratch: vec![0; CHUNK],
        }
    }

    fn transfer(&mut self, bytes: usize) {
        let (mut written, mut read) = (0, 0);
        while read < bytes {
            let before = read;
            let pair = &mut self.pair;
            pair.pass(smoltcp::time::Duration::from_micros(100));
            while written < bytes {
                let data = &self.data[..CHUNK.min(bytes - written)];
                match pair.client.socket(self.from).send_slice(data) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => written += count,
                }
            }
            pair.client.poll();
            pair.carry_to_server();
            while let Ok(count @ 1..) = pair.server.socket(self.to).recv_slice(&mut self.scratch) {
                read += count;
            }
            pair.server.poll();
            pair.carry_to_client();
            if read == before {
                pair.pass(smoltcp::time::Duration::from_millis(10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives() {
        Estab::new().transfer(3 << 20);
        Smol::new().transfer(3 << 20);
    }
}
