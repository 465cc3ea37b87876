//! Who owns a segment: a connection, a half-open one, one in TIME-WAIT, or a listener.

mod cookie;
mod listener;
mod listeners;
mod ports;
mod syn_queue;
mod table;
mod time_wait;

pub(crate) use cookie::{Cookies, LIFETIME as COOKIE_LIFETIME, Offer};
pub(crate) use listener::{Listener, Listening, Scope, Tally};
pub use listener::{ListenerId, ListenerStatus};
pub(crate) use listeners::Listeners;
pub(crate) use ports::{Hold, Ports};
pub(crate) use syn_queue::{Answer, SynQueue, SynReceived, levels_within};
pub(crate) use table::{Place, Table};
pub(crate) use time_wait::{TimeWait, TimeWaitTable};
