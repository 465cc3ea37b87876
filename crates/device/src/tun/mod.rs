//! A TUN interface: IP packets exchanged with the kernel of this machine.
//!
//! Only creating one is done here by hand, with a single ioctl; mtu, addresses and "up" go through netlink.
//! `tun-rs` was weighed: it makes the device node when it is missing, hides which step was refused, and has no
//! way to ask for an IPv6 address without duplicate address detection.

mod error;
mod netlink;

use std::ffi::{CStr, c_int};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use estab_core::Instant;
use ipnet::IpNet;
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{self, Opcode, Updater, opcode};

pub use error::TunError;

use crate::Device;
use netlink::Netlink;

const CLONE_DEVICE: &CStr = c"/dev/net/tun";

/// The longest name of an interface: `IFNAMSIZ` less the closing zero.
const NAME_MAX: usize = 15;

const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;
const IFF_TUN_EXCL: u16 = 0x8000;

/// `struct ifreq` with its flags; as large as the largest one.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_MAX + 1],
    flags: u16,
    rest: [u8; 22],
}

/// A Linux TUN interface. It exists for as long as this value does.
///
/// `poll_readable` needs the feature `tokio` and tokio's reactor; without it the device is only usable by polling
/// (`receive` until `WouldBlock`), or through [`AsFd`] in an event loop of the caller's.
#[derive(Debug)]
pub struct Tun {
    #[cfg(feature = "tokio")]
    reactor: Option<tokio::io::unix::AsyncFd<Arc<OwnedFd>>>,
    file: Arc<OwnedFd>,
    name: String,
    mtu: usize,
    addresses: Vec<IpNet>,
    refused: u64,
}

impl Tun {
    /// Starts to describe an interface: named by the kernel (`tun0`, …), with an mtu of 1500, without addresses, down.
    #[must_use]
    pub fn builder() -> TunBuilder {
        TunBuilder {
            name: "tun%d".to_owned(),
            mtu: 1500,
            addresses: Vec::new(),
            routes: Vec::new(),
            ipv6_optional: false,
            plain_queue: false,
            up: false,
        }
    }

    /// The interface's name, as the kernel gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses the kernel has on the interface: those asked for, less IPv6 where it was optional and is disabled.
    #[must_use]
    pub fn addresses(&self) -> &[IpNet] {
        &self.addresses
    }

    /// Blocks until a packet waits, or an error does, for `timeout` at most; answers whether one does.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        readable(&self.file, timeout)
    }

    /// Packets sent that the kernel did not take: malformed ones, or because the interface was down.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

// Packets go bare (IFF_NO_PI). Offload would add IFF_VNET_HDR to the flags, TUNSETOFFLOAD after creation, and a
// virtio-net header of 10 bytes before each packet, taken off and put on here.
impl Device for Tun {
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, _now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        packet.clear();
        packet.reserve(self.mtu);
        rustix::io::retry_on_intr(|| rustix::io::read(&*self.file, spare_capacity(packet)))?;
        Ok(())
    }

    fn transmit(&mut self, _now: Instant, packet: &[u8]) -> io::Result<()> {
        match rustix::io::retry_on_intr(|| rustix::io::write(&*self.file, packet)) {
            Ok(_) => Ok(()),
            // The kernel looks at the version, needs memory, and wants the interface up. A wire would have carried
            // the packet and lost it further on: no reason to stop.
            Err(Errno::INVAL | Errno::NOMEM | Errno::NOBUFS | Errno::IO) => {
                self.refused += 1;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(feature = "tokio")]
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        use std::task::ready;
        use tokio::io::Interest;
        use tokio::io::unix::AsyncFd;

        let reactor = match &mut self.reactor {
            Some(reactor) => reactor,
            none => {
                tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
                let file = Arc::clone(&self.file);
                // SAFETY: the Arc keeps the descriptor open, and the same one, for as long as the reactor has it.
                let reactor = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) };
                none.insert(reactor?)
            }
        };
        loop {
            let mut guard = ready!(reactor.poll_read_ready(cx))?;
            // The reactor remembers the last arrival; whether its packet was read since, only the kernel knows.
            if readable(&self.file, Duration::ZERO)? {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }

    #[cfg(not(feature = "tokio"))]
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if readable(&self.file, Duration::ZERO)? {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "waiting for a TUN needs estab-device's feature `tokio`",
        )))
    }
}

/// Whether a read would not block, at once or within `timeout`: a packet waits, or an error does.
fn readable(file: &OwnedFd, timeout: Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut files = [PollFd::new(file, PollFlags::IN)];
    // A time beyond what the kernel can say is for ever.
    let timeout = Timespec::try_from(timeout).ok();
    let ready = rustix::io::retry_on_intr(|| poll(&mut files, timeout.as_ref()))?;
    Ok(ready > 0)
}

/// Describes a TUN interface to be created.
#[derive(Clone, Debug)]
pub struct TunBuilder {
    name: String,
    mtu: u32,
    addresses: Vec<IpNet>,
    routes: Vec<IpNet>,
    ipv6_optional: bool,
    plain_queue: bool,
    up: bool,
}

impl TunBuilder {
    /// Its name, of at most 15 bytes; one `%d` in it stands for the first number that is free.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The largest packet it carries, in bytes; IPv6 needs 1280.
    #[must_use]
    pub const fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = mtu;
        self
    }

    /// Adds an address on the kernel's side, with the length of the prefix that is reached through the interface.
    #[must_use]
    pub fn address(mut self, address: IpNet) -> Self {
        self.addresses.push(address);
        self
    }

    /// Adds a route: what lies in this prefix is reached through the interface, which must be brought up for it.
    #[must_use]
    pub fn route(mut self, prefix: IpNet) -> Self {
        self.routes.push(prefix);
        self
    }

    /// Sends packets in the order and at the time the kernel makes them, whatever queue is the system's default.
    #[must_use]
    pub const fn plain_queue(mut self) -> Self {
        self.plain_queue = true;
        self
    }

    /// Does without the IPv6 addresses where IPv6 is disabled in the kernel, instead of failing.
    #[must_use]
    pub const fn ipv6_optional(mut self, optional: bool) -> Self {
        self.ipv6_optional = optional;
        self
    }

    /// Brings the interface up.
    #[must_use]
    pub const fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// Creates the interface, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Whatever stands in the way; nothing remains of the interface then.
    pub fn build(self) -> Result<Tun, TunError> {
        let Self {
            name,
            mtu,
            addresses,
            routes,
            ipv6_optional,
            plain_queue,
            up,
        } = self;
        let (file, name) = create(&name)?;
        let failed = |doing| move |source| TunError::Io { doing, source };
        let mut kernel = Netlink::open().map_err(failed("open a netlink socket"))?;
        let index = kernel
            .index_of(&name)
            .map_err(failed("find the new interface"))?;
        if plain_queue {
            kernel
                .queue_plainly(index)
                .map_err(failed("give the interface a plain queue"))?;
        }
        kernel
            .set_link(index, Some(mtu), up)
            .map_err(failed("set the interface's mtu and bring it up"))?;
        let mut assigned = Vec::with_capacity(addresses.len());
        for address in addresses {
            match kernel.add_address(index, address) {
                Ok(()) => assigned.push(address),
                Err(source) if ipv6_optional && says_ipv6_is_disabled(address, &source) => {}
                Err(source) => return Err(TunError::Address { address, source }),
            }
        }
        for prefix in routes {
            match kernel.add_route(index, prefix) {
                Err(source) if !(ipv6_optional && says_ipv6_is_disabled(prefix, &source)) => {
                    return Err(TunError::Route { prefix, source });
                }
                _ => {}
            }
        }
        for &address in &assigned {
            if let (true, IpAddr::V6(ip)) = (up, address.addr()) {
                let unused = |source| TunError::Address { address, source };
                kernel.wait_until_local(ip).map_err(unused)?;
            }
        }
        Ok(Tun {
            #[cfg(feature = "tokio")]
            reactor: None,
            file: Arc::new(file),
            name,
            mtu: mtu as usize,
            addresses: assigned,
            refused: 0,
        })
    }
}

/// Brings up `lo` in the network namespace of the calling thread; a fresh namespace has it down.
///
/// # Errors
/// The kernel's own, `PermissionDenied` without `CAP_NET_ADMIN`.
pub fn bring_up_loopback() -> io::Result<()> {
    let mut kernel = Netlink::open()?;
    let index = kernel.index_of("lo")?;
    kernel.set_link(index, None, true)
}

/// Without IPv6 in the kernel nobody handles the request; disabled by sysctl, it is denied.
fn says_ipv6_is_disabled(address: IpNet, error: &io::Error) -> bool {
    matches!(address, IpNet::V6(_))
        && matches!(
            Errno::from_io_error(error),
            Some(Errno::OPNOTSUPP | Errno::AFNOSUPPORT | Errno::ACCESS)
        )
}

fn create(name: &str) -> Result<(OwnedFd, String), TunError> {
    let wanted = valid_name(name).ok_or_else(|| TunError::BadName(name.to_owned()))?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(CLONE_DEVICE, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => TunError::NoDevice(error.into()),
            Errno::ACCESS | Errno::PERM => TunError::OpenDenied(error.into()),
            _ => TunError::Io {
                doing: "open /dev/net/tun",
                source: error.into(),
            },
        })?;
    // Exclusive: an interface that exists already is somebody else's, even if it could be attached to.
    let mut request = InterfaceRequest {
        name: wanted,
        flags: IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL,
        rest: [0; 22],
    };
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `InterfaceRequest` is at least as large as.
    let done = unsafe {
        let update = Updater::<TUNSETIFF, InterfaceRequest>::new(&mut request);
        ioctl::ioctl(&file, update)
    };
    done.map_err(|error| match error {
        Errno::PERM | Errno::ACCESS => TunError::CreateDenied(error.into()),
        Errno::BUSY | Errno::EXIST => TunError::NameTaken(name.to_owned()),
        Errno::INVAL => TunError::BadName(name.to_owned()),
        _ => TunError::Io {
            doing: "create the interface",
            source: error.into(),
        },
    })?;
    let given = CStr::from_bytes_until_nul(&request.name)
        .ok()
        .and_then(|name| name.to_str().ok())
        .expect("the kernel closes the name with a zero and keeps the valid bytes it was given");
    Ok((file, given.to_owned()))
}

/// The name as the kernel takes it, by the rules of its `dev_valid_name`.
fn valid_name(name: &str) -> Option<[u8; NAME_MAX + 1]> {
    let forbidden = |byte: u8| matches!(byte, b'/' | b':' | 0 | 0x0b) || byte.is_ascii_whitespace();
    if name.is_empty()
        || name.len() > NAME_MAX
        || matches!(name, "." | "..")
        || name.bytes().any(forbidden)
    {
        return None;
    }
    let mut bytes = [0; NAME_MAX + 1];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_would_refuse_are_refused_first() {
        for name in ["estab0", "tun%d", "fifteen-letters"] {
            assert!(valid_name(name).is_some(), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters!"] {
            assert!(valid_name(name).is_none(), "{name}");
            let error = Tun::builder().name(name).build().unwrap_err();
            assert!(matches!(error, TunError::BadName(bad) if bad == name));
        }
    }
}
