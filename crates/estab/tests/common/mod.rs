//! Two hosts, joined by a link in memory.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use estab::device::{self, Device};
use estab::{Config, Host, Secrets, TcpListener, TcpSocket, TcpStream};

pub(crate) const SERVER: [u8; 4] = [198, 18, 0, 1];
pub(crate) const CLIENT: [u8; 4] = [198, 18, 0, 2];

pub(crate) fn config(address: [u8; 4]) -> Config {
    Config {
        addresses: vec![address.into()],
        ..Config::default()
    }
}

pub(crate) fn host(config: Config, device: impl Device + Send + 'static) -> Host {
    let seed = config.addresses.len() as u64 + 41;
    let builder = Host::builder(config).secrets(Secrets::from_seed(seed));
    builder.start(device).expect("the host starts")
}

/// A server's host and a client's.
pub(crate) fn hosts() -> (Host, Host) {
    let (server, client) = device::pair(1500, 256);
    (host(config(SERVER), server), host(config(CLIENT), client))
}

/// A client's stream, and the server's end of it.
pub(crate) async fn connected(server: &Host, client: &Host) -> (TcpStream, TcpStream) {
    let socket = TcpSocket::new_v4(server);
    socket.set_reuse_address(true).unwrap();
    socket.bind((SERVER, 80)).unwrap();
    let listener = socket.listen(1).unwrap();
    connect_to(&listener, client).await
}

pub(crate) async fn connect_to(listener: &TcpListener, client: &Host) -> (TcpStream, TcpStream) {
    let address: SocketAddr = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(client, address), listener.accept());
    (ours.unwrap(), theirs.unwrap().0)
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

/// Fails a test that stands still, instead of waiting with it: virtual time runs on when all tasks wait.
pub(crate) async fn within_a_day<T>(future: impl Future<Output = T>) -> T {
    let day = Duration::from_secs(24 * 3600);
    let result = tokio::time::timeout(day, future).await;
    result.expect("nothing happens any more")
}

/// Lets virtual time pass.
pub(crate) async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
