//! BSD sockets over a [`Stack`](estab_core::Stack), in virtual time.

mod call;
mod info;

pub use call::{Call, Errno, Fd, OptionValue, Output, Returned};
pub use info::TcpInfo;
