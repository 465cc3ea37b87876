//! Who owns a segment: a connection, a half-open one, one in TIME-WAIT, or a listener.

mod listener;
mod port_pool;
mod ports;
mod syn_queue;
mod table;
mod time_wait;

pub(crate) use listener::{Listener, Listeners, Listening, Scope};
pub use listener::{ListenerId, ListenerStatus};
pub(crate) use port_pool::{PLENTY, Pool, Towards};
pub(crate) use ports::{Hold, Keyed, Ports, Row};
pub(crate) use syn_queue::{Answer, SynQueue, SynReceived};
pub(crate) use table::{Place, Table};
pub(crate) use time_wait::{Tick, TimeWait, TimeWaitTable};
