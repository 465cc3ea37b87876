//! A server on a TUN interface, and a client of the kernel's that talks to it.
//!
//! ```console
//! $ cargo build --example on_a_tun -p estab && sudo unshare -n target/debug/examples/on_a_tun
//! ```

use std::io::{Read as _, Write as _};

use estab::device::Tun;
use estab::{Config, Host, TcpListener};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
pub(crate) async fn main() -> Result<()> {
    // The interface: 198.18.0.2 is the kernel, everything else of the prefix lies behind it.
    let tun = Tun::builder()
        .address("198.18.0.2/15".parse()?)
        .up()
        .build()?;
    // The host: estab's own address, and its task, which ends with the last handle.
    let addresses = vec!["198.18.0.1".parse()?];
    let host = Host::builder(Config {
        addresses,
        ..Config::default()
    })
    .start(tun)?;

    let listener = TcpListener::bind(&host, "198.18.0.1:7").await?;
    let client = tokio::task::spawn_blocking(ask);
    let (mut stream, peer) = listener.accept().await?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await?;
    stream.write_all(heard.to_uppercase().as_bytes()).await?;

    let info = stream.tcp_info()?;
    println!(
        "{peer} said {heard:?} and closed; we are in {}",
        info.state.rfc()
    );
    drop(stream); // Closes; never waits.
    println!("the kernel heard {:?}", client.await??);
    Ok(())
}

/// A client on the kernel's TCP, with std's socket.
fn ask() -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect("198.18.0.1:7")?;
    stream.write_all(b"hello")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
