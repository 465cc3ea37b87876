//! Measures estab beside smoltcp, ipstack, tcp_ip and the kernel: the same work, in turn, in one run.

pub mod counted;
mod ends;
pub mod harness;
mod network;
pub mod run;
pub mod works;
