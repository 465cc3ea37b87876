//! `estab connect`: standard input to a server and the server to standard output, by estab's TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab::{Clock, Host, TcpStream};
use estab_core::observe::{Observer, Transition};
use nix::sys::signal::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::args::ConnectArgs;
use crate::failure::Failure;
use crate::host;
use crate::interface::{self, Interface};
use crate::link::Link;
use crate::signals::Signals;
use crate::terminal::say;

/// How long the close may take once both sides have finished.
const GRACE: Duration = Duration::from_secs(2);
/// How often to look whether a connection that the peer has finished is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How much is read at once.
const BUFFER: usize = 64 * 1024;

/// Connects, copies both ways, and ends when both directions have.
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
            result.map(|()| 0).map_err(|error| {
                interface::loss(&net, &name, index)
                    .unwrap_or_else(|| Failure::new(Failure::CONNECTION, format!("{address}: {error}")))
            })
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
    let upload = upload(tokio::io::stdin(), writer);
    let download = download(reader, tokio::io::stdout());
    tokio::pin!(upload, download);
    let ended = tokio::select! {
        sent = &mut upload => Ended::Upload(sent),
        end = &mut download => Ended::Download(end?),
    };
    match ended {
        // Nobody reads what comes: nothing is left to be done for.
        Ended::Download(End::NobodyReads) => Ok(()),
        // The peer may well go on reading after its FIN (RFC 9293 §3.6, case 2).
        Ended::Download(End::Finished) => tokio::select! {
            biased;
            sent = &mut upload => sent,
            // Standard input may keep silent for ever.
            () = closed(host) => Err(io::ErrorKind::ConnectionReset.into()),
        },
        Ended::Upload(Ok(())) => download.await.map(drop),
        // What has come is shown first; and why the peer takes no more, the other direction tells better.
        Ended::Upload(Err(error)) => download.await.and(Err(error)),
    }
}

/// Waits until the only connection is no more.
async fn closed(host: &Host) {
    while host.statuses().iter().any(host::is_under_way) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The direction that ends first.
enum Ended {
    Upload(io::Result<()>),
    Download(End),
}

/// How the direction from the peer ends.
enum End {
    /// With the peer's FIN.
    Finished,
    /// Standard output is closed.
    NobodyReads,
}

/// Everything from standard input, then a FIN.
async fn upload(
    mut input: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = input.read(&mut buffer).await;
        let count =
            read.map_err(|error| io::Error::new(error.kind(), format!("standard input: {error}")))?;
        if count == 0 {
            return writer.shutdown().await;
        }
        writer.write_all(&buffer[..count]).await?;
    }
}

/// Everything until the peer's FIN, or until nobody reads what we write.
async fn download(
    mut reader: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<End> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(End::Finished);
        }
        let written = async {
            output.write_all(&buffer[..count]).await?;
            output.flush().await
        };
        match written.await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(End::NobodyReads);
            }
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
