//! Why there is no interface, and what to do about it.

use std::io;

use ipnet::IpNet;

/// Why a TUN interface could not be created. Each says in one line what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunError {
    /// There is no TUN driver, or no device node for it.
    #[error(
        "there is no /dev/net/tun: load the kernel module `tun`, or give the container the device"
    )]
    NoDevice(#[source] io::Error),
    /// The device node may not be opened.
    #[error("/dev/net/tun may not be opened: give this user access to it, or run as root")]
    OpenDenied(#[source] io::Error),
    /// The device node was opened, but no interface may be created.
    #[error(
        "a network interface may not be created: run as root, or with the capability CAP_NET_ADMIN"
    )]
    CreateDenied(#[source] io::Error),
    /// An interface of this name exists.
    #[error("there is an interface {0} already: choose another name, or end what uses it")]
    NameTaken(String),
    /// No interface can be named like this.
    #[error(
        "{0:?} cannot name an interface: 1 to 15 bytes, without blanks, `/` and `:`, with `%d` at most once"
    )]
    BadName(String),
    /// The kernel does not take an address.
    #[error("the kernel does not take the address {address}: {source}")]
    Address {
        /// The address.
        address: IpNet,
        /// What the kernel says.
        source: io::Error,
    },
    /// The kernel does not take a route.
    #[error("the kernel does not take a route to {prefix}: {source}")]
    Route {
        /// What it was to lead to.
        prefix: IpNet,
        /// What the kernel says.
        source: io::Error,
    },
    /// Anything else.
    #[error("could not {doing}: {source}")]
    Io {
        /// The step that failed.
        doing: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

impl From<TunError> for io::Error {
    fn from(error: TunError) -> Self {
        let kind = match &error {
            TunError::NoDevice(_) => io::ErrorKind::NotFound,
            TunError::OpenDenied(_) | TunError::CreateDenied(_) => io::ErrorKind::PermissionDenied,
            TunError::NameTaken(_) => io::ErrorKind::AlreadyExists,
            TunError::BadName(_) => io::ErrorKind::InvalidInput,
            TunError::Address { source, .. }
            | TunError::Route { source, .. }
            | TunError::Io { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}
