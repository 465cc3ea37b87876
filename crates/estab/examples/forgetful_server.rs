//! A server with three faults, and clients that find them: something for `estab leaks` to look at.
//!
//! ```console
//! $ cargo run --example forgetful_server -p estab --features control &
//! $ estab leaks
//! ```
//!
//! Both hosts are in this process, joined by a link in memory. It ends by itself, after the seconds given as argument,
//! or 120.

use std::net::Shutdown;
use std::time::Duration;

use estab::{Config, Host, TcpListener, TcpStream, control, device};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SERVER: [u8; 4] = [198, 18, 0, 1];
const CLIENT: [u8; 4] = [198, 18, 0, 2];

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let seconds = std::env::args().nth(1).and_then(|arg| arg.parse().ok());
    let (ours, theirs) = device::pair(1500, 256);
    let settings = |address: [u8; 4]| Config {
        addresses: vec![address.into()],
        close_wait_patience: Duration::from_secs(5),
        ..Config::default()
    };
    let server = Host::builder(settings(SERVER)).start(ours)?;
    let client = Host::builder(settings(CLIENT)).start(theirs)?;
    let control = server.serve_control(control::default_path())?;
    println!("estab leaks --control {}", control.path().display());

    tokio::spawn(answer(TcpListener::bind(&server, (SERVER, 80)).await?));
    tokio::spawn(download(TcpListener::bind(&server, (SERVER, 81)).await?));
    tokio::spawn(subscribe(TcpListener::bind(&server, (SERVER, 82)).await?));
    let visits = tokio::spawn(visit(client));
    tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(120))).await;
    visits.abort();
    print!("{}", server.metrics());
    Ok(())
}

/// Answers requests. Those it cannot understand it sets aside to look at later, which it never does: a leak.
async fn answer(listener: TcpListener) -> std::io::Result<()> {
    let mut set_aside = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut request = String::new();
        stream.read_to_string(&mut request).await?;
        if request == "hello" {
            stream.write_all(b"HELLO").await?;
        } else {
            set_aside.push(stream);
        }
    }
}

/// Sends a megabyte to whoever asks. Where the client is slow, that takes its time: overload.
async fn download(listener: TcpListener) -> std::io::Result<()> {
    listener.set_label("downloads");
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut request = Vec::new();
            stream.read_to_end(&mut request).await?;
            stream.write_all(&[7; 1_000_000]).await
        });
    }
}

/// Tells subscribers what is new, if there ever is anything, and never hears what they say.
async fn subscribe(listener: TcpListener) -> std::io::Result<()> {
    listener.set_label("events");
    let mut subscribers = Vec::new();
    loop {
        subscribers.push(listener.accept().await?);
    }
}

/// Five clients a second, and now and then others.
async fn visit(client: Host) -> std::io::Result<()> {
    for number in 0_u32.. {
        let request = if number % 4 == 0 { "hullo" } else { "hello" };
        tokio::spawn(ask(client.clone(), 80, request));
        if number < 3 {
            tokio::spawn(ask(client.clone(), 81, "file"));
        }
        if number % 50 == 0 {
            tokio::spawn(ask(client.clone(), 82, "news"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Sends a request, closes its side, and reads the answer, a kilobyte at a time and without haste.
async fn ask(client: Host, port: u16, request: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(&client, (SERVER, port)).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.shutdown(Shutdown::Write)?;
    let mut piece = [0; 1024];
    while stream.read(&mut piece).await? > 0 {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
