//! Two hosts, joined by a link in memory.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;

use estab::device::{self, Device};
use estab::{Config, Host, Secrets, TcpListener, TcpStream};

pub const SERVER: [u8; 4] = [198, 18, 0, 1];
pub const CLIENT: [u8; 4] = [198, 18, 0, 2];

pub fn config(address: [u8; 4]) -> Config {
    Config {
        addresses: vec![address.into()],
        ..Config::default()
    }
}

pub fn host(config: Config, device: impl Device + Send + 'static) -> Host {
    let seed = config.addresses.len() as u64 + 41;
    let builder = Host::builder(config).secrets(Secrets::from_seed(seed));
    builder.start(device).expect("the host starts")
}

/// A server's host and a client's.
pub fn hosts() -> (Host, Host) {
    let (server, client) = device::pair(1500, 256);
    (host(config(SERVER), server), host(config(CLIENT), client))
}

/// A client's stream, and the server's end of it.
pub async fn connected(server: &Host, client: &Host) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(server, (SERVER, 80)).await.unwrap();
    connect_to(&listener, client).await
}

pub async fn connect_to(listener: &TcpListener, client: &Host) -> (TcpStream, TcpStream) {
    let address: SocketAddr = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(client, address), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

/// Bytes that differ from place to place and from seed to seed.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}
