//! The answering side: any number of clients, one question each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use estab_core::{Counters, Instant, ListenerStatus, Status};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::protocol::{Ask, Line, MAX_REQUEST, Request, VERSION};
use super::record::{self, Listener, Socket};

/// A stack at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// When, on the stack's clock.
    pub(crate) now: Instant,
    /// Every connection.
    pub(crate) statuses: Vec<Status>,
    /// Every listener.
    pub(crate) listeners: Vec<ListenerStatus>,
    /// What happened how often.
    pub(crate) counters: Counters,
}

/// Clients answered at once; the others wait.
const CLIENTS: usize = 16;

/// How long a client may take to ask, and to take what it asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is put together before it is written.
const CHUNK: usize = 64 * 1024;

/// Answers clients for ever: end it by dropping the future.
pub(crate) async fn serve(
    listener: UnixListener,
    snapshot: impl Fn() -> Snapshot + Send + Sync + 'static,
) {
    let snapshot = Arc::new(snapshot);
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, most likely: others will be closed.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let snapshot = Arc::clone(&snapshot);
        tokio::spawn(async move {
            // A client that goes away is its own affair.
            let _ = answer(stream, &*snapshot).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: UnixStream, snapshot: &impl Fn() -> Snapshot) -> io::Result<()> {
    let request = timeout(PATIENCE, read_request(&mut stream)).await??;
    let lines = match judge(&request) {
        Ok(Ask::Sockets) => lines(&snapshot()),
        Err(message) => vec![Line::Error { message }],
    };
    let mut chunk = String::new();
    for line in &lines {
        chunk.push_str(&line.encode());
        if chunk.len() >= CHUNK {
            timeout(PATIENCE, stream.write_all(chunk.as_bytes())).await??;
            chunk.clear();
        }
    }
    timeout(PATIENCE, stream.write_all(chunk.as_bytes())).await??;
    stream.shutdown().await
}

async fn read_request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(MAX_REQUEST as u64));
    reader.read_until(b'\n', &mut line).await?;
    Ok(line)
}

fn judge(request: &[u8]) -> Result<Ask, String> {
    let value: serde_json::Value =
        serde_json::from_slice(request).map_err(|error| format!("not a request: {error}"))?;
    // The version goes first: another one may ask differently.
    if value["version"] != VERSION {
        return Err(format!("this estab speaks version {VERSION}"));
    }
    let request: Request =
        serde_json::from_value(value).map_err(|error| format!("not a request: {error}"))?;
    Ok(request.ask)
}

fn lines(snapshot: &Snapshot) -> Vec<Line> {
    let Snapshot {
        now,
        statuses,
        listeners,
        counters,
    } = snapshot;
    let listeners = listeners
        .iter()
        .map(|status| Line::Listener(Listener::new(status, *now)));
    let sockets = statuses
        .iter()
        .map(|status| Line::Socket(Box::new(Socket::new(status, *now))));
    std::iter::once(Line::Estab { version: VERSION })
        .chain(listeners)
        .chain(sockets)
        .chain([Line::Counters(record::Counters::new(counters)), Line::End])
        .collect()
}

/// A control socket that is bound. Its path is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Bound {
    path: PathBuf,
}

impl Bound {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Somebody may have removed it: then it is as it should be.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Binds a control socket for [`serve`]. One that a dead estab left behind is replaced, one that answers is not:
/// `AddrInUse`. Only this user may connect.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, Bound)> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|at| at.file_type().is_socket());
    let answers = || match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::ConnectionRefused,
    };
    if is_socket && !answers() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let bound = Bound {
        path: path.to_owned(),
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, bound))
}
