//! Who owns a segment: a connection, a half-open one, one in TIME-WAIT, or a listener.

mod listener;
mod ports;
mod syn_queue;
mod table;
mod time_wait;

pub(crate) use listener::{Listener, Listeners, Listening, Scope};
pub use listener::{ListenerId, ListenerStatus};
pub(crate) use ports::{Hold, Keyed, Ports};
pub(crate) use syn_queue::{Answer, SynQueue, SynReceived};
pub(crate) use table::{Place, Table};
pub(crate) use time_wait::{TimeWait, TimeWaitTable};
