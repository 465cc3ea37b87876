//! Everything that may happen to a connection, up to stated bounds.
mod application;
mod core_end;
mod endpoint;
mod fingerprint;
mod net;
mod packet;
mod properties;
mod scenario;
mod search;
mod story;
mod thin;

pub use application::Application;
pub use core_end::{CoreEnd, Mutation, Seat, Watch};
pub use endpoint::{Endpoint, News, NewsKind, Read, View};
pub use net::{Action, Faults, Flying, MSL, Net};
pub use packet::{Numbers, Packet, controls};
pub use scenario::{Ending, Scenario, Step};
pub use search::{CounterExample, Report, explore};
pub use story::tell;
pub use thin::Thin;
