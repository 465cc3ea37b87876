//! `estab connect`: standard input to a server and the server to standard output, by estab's TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab::{Clock, Host, TcpStream};
use estab_core::observe::{Observer, Transition};
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

use crate::args::ConnectArgs;
use crate::failure::Failure;
use crate::host;
use crate::interface::{self, Interface};
use crate::link::Link;
use crate::signals::Signals;
use crate::terminal::say;

/// How long the close may take after the peer's.
const GRACE: Duration = Duration::from_secs(2);
/// How much is read at once.
const BUFFER: usize = 64 * 1024;

/// Connects, copies both ways, and ends when the peer does.
///
/// # Errors
/// Status 2: nothing could be begun. Status 1: there is no connection, or it ended in an error.
pub(crate) fn connect(args: ConnectArgs) -> Result<u8, Failure> {
    let runtime = host::runtime()?;
    let result = runtime.block_on(connect_and_copy(args));
    // A read of standard input may still be under way, and cannot be called off.
    runtime.shutdown_background();
    result
}

async fn connect_and_copy(args: ConnectArgs) -> Result<u8, Failure> {
    let ConnectArgs {
        host,
        port,
        verbose,
        tun,
        addresses,
        link,
    } = args;
    let Interface {
        tun,
        index,
        ours,
        kernels,
    } = interface::make(&tun, &addresses.addresses, link.mtu)?;
    check_reachable(host, &kernels)?;
    let name = tun.name().to_owned();
    let clock = Clock::start();
    let (device, capture) = Link::new(tun, &link, clock.epoch())?;
    let builder = Host::builder(host::config(&link, ours)).clock(clock);
    let builder = if verbose {
        builder.observer(Teller)
    } else {
        builder
    };
    let net = builder.start(device).map_err(Failure::usage)?;
    let mut signals = Signals::catch(&[Signal::SIGINT, Signal::SIGTERM]).map_err(Failure::usage)?;
    let address = SocketAddr::new(host, port);
    let result = tokio::select! {
        result = converse(&net, address) => {
            result.map(|()| 0).map_err(|error| Failure::new(Failure::CONNECTION, format!("{address}: {error}")))
        }
        signal = signals.next() => Ok(128 + signal as u8),
        failure = interface::failure(&net, &name, index) => Err(failure),
    };
    net.shut_down(GRACE).await;
    if let Some(capture) = capture {
        capture.finish().await;
    }
    result
}

/// A packet to this machine's loopback would be dropped without a word, wherever it came in.
fn check_reachable(host: IpAddr, kernels: &[IpAddr]) -> Result<(), Failure> {
    if !host.is_loopback() {
        return Ok(());
    }
    let kernels: Vec<_> = kernels.iter().map(IpAddr::to_string).collect();
    Err(Failure::usage(format!(
        "{host} cannot be reached through an interface: this machine is {} there",
        kernels.join(" and ")
    )))
}

async fn converse(host: &Host, address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(host, address).await?;
    let (reader, writer) = stream.into_split();
    let upload = tokio::spawn(upload(tokio::io::stdin(), writer));
    let result = download(reader, tokio::io::stdout()).await;
    // The peer has said all it will; what standard input still has is for nobody.
    upload.abort();
    result
}

/// Everything from standard input, then a FIN.
async fn upload(
    input: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    // Why the peer takes no more is told by the other direction.
    tokio::io::copy_buf(&mut BufReader::with_capacity(BUFFER, input), &mut writer).await?;
    writer.shutdown().await
}

/// Everything until the peer's FIN, or until nobody reads what we write.
async fn download(
    mut reader: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let written = async {
            output.write_all(&buffer[..count]).await?;
            output.flush().await
        };
        match written.await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            done => done?,
        }
    }
}

/// Says each change of state as it happens.
struct Teller;

impl Observer for Teller {
    fn transition(&mut self, event: &Transition) {
        let Transition {
            from,
            to,
            cause,
            at,
            ..
        } = event;
        say(format_args!(
            "{:9.3} ms  {from:<12} → {to:<12}  {cause} ({})",
            at.as_nanos() as f64 / 1e6,
            cause.rule()
        ));
    }
}
