//! The socket that `estab ss` asks at, for as long as the host lasts.

use std::io;
use std::path::Path;

use estab::Host;
use tokio::net::UnixListener;

use crate::failure::{Failure, way_out};
use crate::ss::{self, Bound, Snapshot};

/// A socket in the file system; its file goes with it.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    bound: Bound,
}

impl ControlSocket {
    /// Takes a path, inside the runtime. Nobody is answered before [`serve`](Self::serve).
    ///
    /// # Errors
    /// Somebody answers there already, or nobody may.
    pub(crate) fn bind(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let (listener, bound) = ss::bind(path).map_err(|error| {
            Failure::usage(match error.kind() {
                io::ErrorKind::AddrInUse => format!(
                    "the control socket {shown} is taken: choose another with --control, or end what uses it"
                ),
                _ => format!("the control socket {shown} cannot be made: {error}; {}", way_out(&error)),
            })
        })?;
        Ok(Self { listener, bound })
    }

    /// Begins to answer, in a task that ends with the runtime.
    pub(crate) fn serve(self, host: &Host) -> Bound {
        let host = host.clone();
        let snapshot = move || Snapshot {
            now: host.clock().now(),
            statuses: host.statuses(),
            listeners: host.listeners(),
            counters: host.counters(),
            memory: host.memory(),
        };
        tokio::spawn(ss::serve(self.listener, snapshot));
        self.bound
    }
}
