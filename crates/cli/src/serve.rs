//! `estab serve`: a lasting host on an interface of this machine's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab::Status;
use nix::sys::signal::Signal;

use crate::args::ServeArgs;
use crate::control::ControlSocket;
use crate::failure::Failure;
use crate::host::{self, Running};
use crate::interface::{self, Interface};
use crate::signals::Signals;
use crate::ss::{self, Bound};
use crate::terminal::say;

/// How long connections may take to finish once the host is told to end.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// The host could not be made.
pub(crate) fn serve(args: ServeArgs) -> Result<u8, Failure> {
    host::check(&args.offer)?;
    let runtime = host::runtime()?;
    let result = runtime.block_on(serve_until_told(args));
    runtime.shutdown_background();
    result.map(|()| 0)
}

async fn serve_until_told(args: ServeArgs) -> Result<(), Failure> {
    // Before anything is made that a signal would leave behind.
    let mut told = Signals::catch(&[Signal::SIGINT, Signal::SIGTERM]).map_err(Failure::usage)?;
    let control = args
        .control
        .clone()
        .unwrap_or_else(ss::default_control_path);
    let control = ControlSocket::bind(&control)?;
    let Interface {
        tun,
        index,
        ours,
        kernels,
    } = interface::make(&args.tun, &args.addresses.addresses, args.link.mtu)?;
    let name = tun.name().to_owned();
    let mut running = Running::start(
        tun,
        ours.clone(),
        &args.link,
        None,
        (args.offer.http_directory, args.listening),
    )
    .await?;
    let control = control.serve(&running.host);
    announce(&name, &ours, &kernels, &control);
    tokio::select! {
        _ = told.next() => {}
        failure = interface::failure(&running.host, &name, index) => {
            // There is nobody left to close connections with; the capture is to be whole all the same.
            running.end(Duration::ZERO).await;
            return Err(failure);
        }
    }
    let cut = tokio::select! {
        cut = running.end(GRACE) => Some(cut),
        // Told again: at once, then.
        _ = told.next() => None,
    };
    match cut {
        Some(cut) => tell(&cut),
        None => tell(&running.end(Duration::ZERO).await),
    }
    Ok(())
}

fn announce(name: &str, ours: &[IpAddr], kernels: &[IpAddr], control: &Bound) {
    let list = |ips: &[IpAddr]| {
        let texts: Vec<_> = ips.iter().map(IpAddr::to_string).collect();
        texts.join(" and ")
    };
    say(format_args!(
        "on {name} as {}; this machine is {} there",
        list(ours),
        list(kernels)
    ));
    let urls: Vec<_> = ours
        .iter()
        .map(|ip| format!("http://{}/", in_a_url(*ip)))
        .collect();
    say(format_args!(
        "{}  echo on port 7, discard on 9, chargen on 19",
        urls.join("  ")
    ));
    say(format_args!(
        "estab ss --control {}  lists the connections",
        control.path().display()
    ));
}

fn in_a_url(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// What was cut, a line each.
fn tell(cut: &[Status]) {
    match cut.len() {
        0 => say("ended; no connection was cut"),
        1 => say("ended; 1 connection was cut:"),
        count => say(format_args!("ended; {count} connections were cut:")),
    }
    for Status {
        tuple,
        state,
        unacknowledged,
        unread,
        ..
    } in cut
    {
        let (local, remote): (SocketAddr, SocketAddr) = (tuple.local(), tuple.remote());
        say(format_args!(
            "  {local} - {remote} in {state}, {unacknowledged} bytes not acknowledged, {unread} not read"
        ));
    }
}
