//! The control socket: a running program answers `estab ss` and `estab leaks`.
//!
//! ```no_run
//! # async fn example(host: estab::Host) -> std::io::Result<()> {
//! let control = host.serve_control(estab::control::default_path())?;
//! # drop(control);
//! # Ok(())
//! # }
//! ```
//!
//! The socket belongs to one user, and tells addresses and the program's own lines. What passes over it is JSON, a line
//! an object; the fields are those of `estab ss --json`.

#[doc(hidden)]
pub mod client;
mod counters;
#[doc(hidden)]
pub mod protocol;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod server;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio::task::AbortHandle;

use crate::Host;
use server::{Bound, Snapshot};

/// Where `estab ss` and `estab leaks` ask, unless told otherwise: `$XDG_RUNTIME_DIR/estab.sock`, or
/// `/tmp/estab-UID.sock`.
///
/// Who enters a user namespace is to ask before: the user's number is another one inside.
#[must_use]
pub fn default_path() -> PathBuf {
    // The owner of a process's directory is its effective user.
    let user = || std::fs::metadata("/proc/self").map_or(0, |metadata| metadata.uid());
    match runtime_directory() {
        Some(dir) => dir.join("estab.sock"),
        None => PathBuf::from(format!("/tmp/estab-{}.sock", user())),
    }
}

/// A path for this process alone, beside that one.
#[must_use]
pub fn private_path() -> PathBuf {
    let directory = runtime_directory().unwrap_or_else(|| PathBuf::from("/tmp"));
    directory.join(format!("estab-run-{}.sock", std::process::id()))
}

fn runtime_directory() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
    directory.map(PathBuf::from)
}

/// A control socket that answers. Dropping it ends that, and removes the socket.
#[derive(Debug)]
pub struct Control {
    bound: Bound,
    task: AbortHandle,
}

impl Control {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.bound.path()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    /// Answers `estab ss` and `estab leaks` at a Unix socket, which only this user may connect to. One that a dead
    /// program left behind is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when somebody answers there already; else those of making a socket.
    pub fn serve_control(&self, path: impl AsRef<Path>) -> io::Result<Control> {
        let (listener, bound) = server::bind(path.as_ref())?;
        Ok(self.answer_control(listener, bound))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn answer_control(&self, listener: UnixListener, bound: Bound) -> Control {
        let host = self.clone();
        let task = tokio::spawn(server::serve(listener, move || Snapshot::of(&host)));
        Control {
            bound,
            task: task.abort_handle(),
        }
    }
}
