//! What every piece of work has in common: contestants in turn, figures, and where these go.

mod contest;
mod docs;
mod figure;
mod machine;
mod plot;
mod scale;
mod statistics;
mod stopwatch;
mod table;

pub use contest::{Contest, Quantity};
pub use docs::write as write_docs;
pub use figure::{Figure, Target};
pub use machine::Machine;
pub use scale::Scale;
pub use statistics::Spread;
pub use stopwatch::Stopwatch;
pub(crate) use stopwatch::process_time;
pub use table::terminal;
