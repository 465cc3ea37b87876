//! The servers: the same services over each stack, one thread each.

mod peers;
mod smol;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::Sender;
use std::time::Duration;

use estab_device::Tun;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use super::stop::Stop;
use super::{ANSWER, DISCARD, GENERATE, far_addresses};

pub(super) use peers::{ipstack, tcp_ip};
pub(super) use smol::smoltcp;

/// Where a server says that it has begun.
type Told = Sender<anyhow::Result<()>>;

const SERVICES: [u16; 3] = [ANSWER, DISCARD, GENERATE];

/// How often a server looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

/// What an application reads and writes at once.
const CHUNK: usize = 64 * 1024;

/// estab's `Host` on a TUN.
pub(super) fn estab(tun: Tun, stop: &Stop, told: &Told) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let config = estab::Config {
            addresses: far_addresses().map(IpAddr::V4).collect(),
            ..estab::Config::default()
        };
        let host = estab::Host::builder(config).start(tun)?;
        for port in SERVICES {
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            let listener = estab::TcpListener::bind(&host, any).await?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, port));
                }
            });
        }
        until_over(stop, told).await;
        Ok(())
    })
}

/// The kernel's own sockets.
pub(super) fn kernel(stop: &Stop, told: &Told) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        for port in SERVICES {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
            let listener = socket.listen(1024)?;
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, port));
                }
            });
        }
        until_over(stop, told).await;
        Ok(())
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn until_over(stop: &Stop, told: &Told) {
    let _nobody_waits = told.send(Ok(()));
    while !stop.is_set() {
        tokio::time::sleep(LOOK).await;
    }
}

/// The service of a port, until the other end closes. What goes wrong ends it.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, port: u16) {
    let _ended = match port {
        ANSWER => answer(&mut stream).await,
        DISCARD => discard(&mut stream).await,
        _ => generate(&mut stream).await,
    };
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte).await? > 0 {
        stream.write_all(&byte).await?;
    }
    stream.shutdown().await
}

async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let mut scratch = vec![0; CHUNK];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

async fn generate<S: AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let data = vec![7; CHUNK];
    loop {
        stream.write_all(&data).await?;
    }
}
