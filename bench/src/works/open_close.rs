//! Opening and closing connections, with no other sockets and beside ten thousand listeners.

use std::net::SocketAddr;
use std::time::Duration;

use estab_core::{ConnectOptions, Event, ListenerId, SocketId, SocketOptions};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::Work;
use crate::ends::{CLIENT, PORT, SERVER, estab, smol};
use crate::harness::{Contest, Figure, Scale, Stopwatch};

pub(super) const WORK: Work = Work {
    name: "open-close",
    title: "Open and close",
    about: "A client connects, the server accepts, the client closes, the server sees the end and closes: the cost of both \
            stacks together. estab's client keeps TIME-WAIT for real: the rounds begin when its table is full (the default's \
            65,536), so that each connection also puts the oldest one out. smoltcp has a socket for each TIME-WAIT and no way \
            to hold many, so its clock is put forward by 11 seconds after each connection, which ends it.",
    run,
    counted: false,
    picture: None,
};

const OTHERS: u16 = 10_000;
const UNIT: &str = "µs/connection";

fn run(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let (alone, crowded) = ("no other sockets", "10,000 other listeners");
    let mut pairs = [Estab::new(0), Estab::new(OTHERS)];
    let held = pairs
        .iter_mut()
        .map(Estab::fill_time_wait)
        .max()
        .unwrap_or(0);
    let mut nodes = [Smol::new(0), Smol::new(OTHERS)];
    let [estab_alone, estab_crowded] = &mut pairs;
    let [smol_alone, smol_crowded] = &mut nodes;
    let count = scale.pick(500, 5_000);
    let few = scale.pick(5, 20);
    let mut first = Contest::new(WORK.name, alone, &[UNIT]);
    first.enter(Figure::ESTAB, || {
        Ok(per_connection(count, || estab_alone.connection()))
    });
    first.enter("smoltcp", || {
        Ok(per_connection(count, || smol_alone.connection()))
    });
    let mut second = Contest::new(WORK.name, crowded, &[UNIT]);
    second.enter(Figure::ESTAB, || {
        Ok(per_connection(count, || estab_crowded.connection()))
    });
    second.enter("smoltcp", || {
        Ok(per_connection(few, || smol_crowded.connection()))
    });
    let (mut first, mut second) = Contest::run_together(first, second, scale.rounds());
    first[0].note = Some(format!("{held} connections in TIME-WAIT meanwhile"));
    let quarter = first[1].median().unwrap_or(0.0) / 4.0;
    first[0].demand_at_most(quarter, "≤ ¼ of smoltcp's");
    let alone = first[0].median().unwrap_or(0.0);
    second[0].demand_at_most(alone * 1.2, "≤ 1.2 of the row above");
    first.append(&mut second);
    Ok(first)
}

fn per_connection(count: u32, mut connection: impl FnMut()) -> Vec<f64> {
    let start = Stopwatch::start();
    for _ in 0..count {
        connection();
    }
    vec![start.elapsed().as_secs_f64() * 1e6 / f64::from(count)]
}

struct Estab {
    pair: estab::Pair,
    listener: ListenerId,
    servers: Vec<SocketAddr>,
    count: usize,
}

impl Estab {
    fn new(others: u16) -> Self {
        let mut server = estab::config(estab::server_addresses());
        server.max_listeners += usize::from(others);
        let mut pair = estab::Pair::new(estab::config(estab::client_addresses()), server);
        let everywhere = |port| SocketAddr::from(([0, 0, 0, 0], port));
        let options = SocketOptions::default();
        for port in 10_000..10_000 + others {
            estab::listen(&mut pair.server, pair.now, everywhere(port), options);
        }
        let listener = estab::listen(&mut pair.server, pair.now, everywhere(PORT), options);
        let servers = estab::server_addresses()
            .map(|ip| SocketAddr::new(ip.into(), PORT))
            .collect();
        Self {
            pair,
            listener,
            servers,
            count: 0,
        }
    }

    /// Opens and closes until TIME-WAIT holds no more; answers how many it holds.
    fn fill_time_wait(&mut self) -> usize {
        let limit = self.pair.client.config().max_time_wait;
        while self.pair.client.time_waits() < limit {
            self.connection();
        }
        self.pair.client.time_waits()
    }

    fn connection(&mut self) {
        self.pair.pass(Duration::from_micros(10));
        let remote = self.servers[self.count % self.servers.len()];
        self.count += 1;
        let pair = &mut self.pair;
        let options = ConnectOptions::default();
        let ours = pair
            .client
            .connect(pair.now, remote, options)
            .expect("a port is free");
        pair.carry();
        let theirs = self.accept();
        let pair = &mut self.pair;
        while pair.client.next_event().is_some() {}
        pair.client.close(pair.now, ours).expect("it is open");
        pair.carry();
        self.close(theirs);
        self.pair.carry();
    }

    fn accept(&mut self) -> SocketId {
        let pair = &mut self.pair;
        let event = pair.server.next_event();
        assert_eq!(
            event,
            Some(Event::Acceptable(self.listener)),
            "the handshake is done"
        );
        let accepted = pair.server.accept(pair.now, self.listener);
        accepted
            .expect("the listener is there")
            .expect("somebody waits")
    }

    /// The server finds the end of file and closes, too.
    fn close(&mut self, id: SocketId) {
        let pair = &mut self.pair;
        while pair.server.next_event().is_some() {}
        let mut byte = [0];
        assert_eq!(
            pair.server.read(pair.now, id, &mut byte),
            Ok(0),
            "the end of file"
        );
        pair.server.close(pair.now, id).expect("it is open");
    }
}

struct Smol {
    pair: smol::Pair,
    client: SocketHandle,
    server: SocketHandle,
    port: u16,
}

impl Smol {
    fn new(others: u16) -> Self {
        let mut pair = smol::Pair::new(CLIENT, SERVER);
        for port in 10_000..10_000 + others {
            // They are never connected to: without buffers they are cheapest to pass by.
            let mut socket = smol::socket(0);
            socket.listen(port).expect("a fresh socket listens");
            pair.server.sockets.add(socket);
        }
        let client = pair.client.sockets.add(smol::socket(4096));
        let server = pair.server.sockets.add(smol::socket(4096));
        Self {
            pair,
            client,
            server,
            port: 10_000,
        }
    }

    fn connection(&mut self) {
        let (client, server) = (self.client, self.server);
        self.port = if self.port == 60_000 {
            10_000
        } else {
            self.port + 1
        };
        let pair = &mut self.pair;
        pair.server
            .socket(server)
            .listen(PORT)
            .expect("the socket was closed");
        let smol::Node {
            interface, sockets, ..
        } = &mut pair.client;
        let socket = sockets.get_mut::<smol::Socket>(client);
        socket
            .connect(interface.context(), (SERVER, PORT), self.port)
            .expect("it was closed");
        pair.carry();
        assert_eq!(pair.server.socket(server).state(), State::Established);
        pair.client.socket(client).close();
        pair.carry();
        assert_eq!(pair.server.socket(server).state(), State::CloseWait);
        pair.server.socket(server).close();
        pair.server.poll();
        pair.carry_to_client();
        pair.carry_to_server();
        assert_eq!(pair.client.socket(client).state(), State::TimeWait);
        pair.pass(smoltcp::time::Duration::from_secs(11));
        pair.client.poll();
        assert_eq!(pair.client.socket(client).state(), State::Closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_in_time_wait_at_one_end_and_in_nothing_at_the_other() {
        let mut estab = Estab::new(3);
        (0..20).for_each(|_| estab.connection());
        assert_eq!(
            (estab.pair.client.time_waits(), estab.pair.client.slots()),
            (20, 0)
        );
        assert!(estab.pair.server.is_empty());
        let mut smol = Smol::new(3);
        (0..20).for_each(|_| smol.connection());
        assert_eq!(smol.pair.server.socket(smol.server).state(), State::Closed);
    }
}
