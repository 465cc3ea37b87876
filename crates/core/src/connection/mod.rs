//! One connection.

mod reassembly;
mod rtt;
