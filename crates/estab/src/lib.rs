//! TCP in user space with tokio sockets, every connection's life explained.
//!
//! A [`Host`] owns a [device](mod@device) and a TCP stack and drives both from a task of its own. Sockets are
//! made on a host and otherwise are what tokio's are: [`TcpListener`], [`TcpStream`], and [`TcpSocket`] where
//! options go before `bind`. Their errors are [`io::Error`](std::io::Error) of the kinds std gives; the
//! [`Error`] inside says which rule of which RFC ended the connection.
//!
//! ```
//! use estab::{Config, Host, TcpListener, TcpStream, device};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (ours, theirs) = device::pair(1500, 256);
//! let host = |address: [u8; 4]| {
//!     Host::builder(Config { addresses: vec![address.into()], ..Config::default() })
//! };
//! let server = host([198, 18, 0, 1]).start(ours)?;
//! let client = host([198, 18, 0, 2]).start(theirs)?;
//!
//! let listener = TcpListener::bind(&server, "198.18.0.1:80").await?;
//! let mut asking = TcpStream::connect(&client, "198.18.0.1:80").await?;
//! let (mut answering, _) = listener.accept().await?;
//! asking.write_all(b"hello").await?;
//! let mut heard = [0; 5];
//! answering.read_exact(&mut heard).await?;
//! assert_eq!(&heard, b"hello");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod address;
mod calls;
mod clock;
mod driver;
mod error;
mod host;
mod listener;
mod outlet;
mod shared;
mod socket;
mod split;
mod stream;
mod stream_options;
mod waiting;
mod watch;

pub use address::ToAddr;
pub use clock::Clock;
pub use error::Error;
pub use estab_core::observe;
pub use estab_core::{
    AcceptPolicy, Algorithm, Call, CallResult, Config, Counters, FourTuple, Instant, KeepAlive,
    LastCall, ListenerStatus, RtoBounds, Secrets, SocketOptions, Status, SynCookies, Timer,
    TimerKind,
};
pub use estab_device as device;
pub use host::{Host, HostBuilder};
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
