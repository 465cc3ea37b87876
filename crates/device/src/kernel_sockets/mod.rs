//! The TCP sockets of this machine's kernel, by Linux's own numbers: any level, name and flag may be said, also
//! those no library has a word for. For tests that hold a stack against the kernel.
//!
//! A [`Sockets`] has a table of its own: calls reach descriptors that it opened, and no others of the process.

mod address;
mod diag;
mod namespace;
mod sleep;

use std::collections::BTreeSet;
use std::ffi::{c_int, c_ulong, c_void};
use std::mem;
use std::net::SocketAddr;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use address::RawAddress;

pub use diag::destroy_all;
pub use namespace::leave_the_network;
pub use sleep::{ThreadId, sleeps_in_a_call, this_thread};

/// What an option may hold at most, in bytes.
const OPTION_MAX: usize = 4096;

/// What one call receives at most, in bytes: more than any buffer of the kernel's.
const RECEIVE_MAX: usize = 1 << 26;

/// The requests of `ioctl` that answer an `int` and change nothing.
const IOCTLS: [u64; 4] = [
    libc::FIONREAD,
    libc::TIOCOUTQ,
    0x894b, // SIOCOUTQNSD
    0x8905, // SIOCATMARK
];

/// A call's answer: a value, or `errno`.
pub type Answer<T = i32> = Result<T, i32>;

/// The sockets that were opened through it, which end with it. Calls may be made from several threads.
#[derive(Debug, Default)]
pub struct Sockets {
    open: Mutex<BTreeSet<c_int>>,
}

/// Bytes received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What the call answered; with `MSG_TRUNC` more than there are bytes.
    pub value: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The flags of `recvmsg`.
    pub flags: i32,
}

impl Sockets {
    /// `socket`, in the network of the calling thread.
    ///
    /// # Errors
    /// `errno`
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Answer {
        // SAFETY: no pointers.
        let fd = answer(unsafe { libc::socket(domain, kind, protocol) })?;
        self.table().insert(fd);
        Ok(fd)
    }

    /// `bind`
    ///
    /// # Errors
    /// `errno`
    pub fn bind(&self, fd: i32, address: SocketAddr) -> Answer {
        self.check(fd)?;
        let address = RawAddress::from(address);
        // SAFETY: the address is alive, and as long as is said.
        answer(unsafe { libc::bind(fd, address.as_ptr(), address.len()) })
    }

    /// `listen`
    ///
    /// # Errors
    /// `errno`
    pub fn listen(&self, fd: i32, backlog: i32) -> Answer {
        self.check(fd)?;
        // SAFETY: no pointers.
        answer(unsafe { libc::listen(fd, backlog) })
    }

    /// `accept4`, with the peer's address.
    ///
    /// # Errors
    /// `errno`
    pub fn accept(&self, fd: i32, flags: i32) -> Answer<(i32, Option<SocketAddr>)> {
        self.check(fd)?;
        let mut address = RawAddress::room();
        // SAFETY: address and length are alive; the length is that of the room.
        let fd = answer(unsafe {
            let (address, len) = address.as_mut_ptrs();
            libc::accept4(fd, address, len, flags)
        })?;
        self.table().insert(fd);
        Ok((fd, address.get()))
    }

    /// `connect`; without an address to `AF_UNSPEC`, which disconnects.
    ///
    /// # Errors
    /// `errno`
    pub fn connect(&self, fd: i32, address: Option<SocketAddr>) -> Answer {
        self.check(fd)?;
        let address = address.map_or_else(RawAddress::unspecified, RawAddress::from);
        // SAFETY: the address is alive, and as long as is said.
        answer(unsafe { libc::connect(fd, address.as_ptr(), address.len()) })
    }

    /// `recvmsg` into a buffer of `len` bytes.
    ///
    /// # Errors
    /// `errno`
    pub fn receive(&self, fd: i32, len: usize, flags: i32) -> Answer<Received> {
        self.check(fd)?;
        let mut bytes = vec![0; len.min(RECEIVE_MAX)];
        let mut part = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        let mut message = empty_message(&mut part);
        // SAFETY: the message names one buffer, which is alive and as long as is said.
        let value = answer(unsafe { libc::recvmsg(fd, &raw mut message, flags) })?;
        let value = value.unsigned_abs();
        bytes.truncate(value);
        Ok(Received {
            value,
            bytes,
            flags: message.msg_flags,
        })
    }

    /// `sendmsg`; never raises `SIGPIPE`.
    ///
    /// # Errors
    /// `errno`; `EOPNOTSUPP` for `MSG_ZEROCOPY`, whose buffer would have to outlive the call.
    pub fn send(&self, fd: i32, data: &[u8], flags: i32, to: Option<SocketAddr>) -> Answer<usize> {
        self.check(fd)?;
        if flags & libc::MSG_ZEROCOPY != 0 {
            return Err(libc::EOPNOTSUPP);
        }
        let mut part = libc::iovec {
            iov_base: data.as_ptr().cast_mut().cast(),
            iov_len: data.len(),
        };
        let mut message = empty_message(&mut part);
        let to = to.map(RawAddress::from);
        if let Some(to) = &to {
            message.msg_name = to.as_ptr().cast_mut().cast();
            message.msg_namelen = to.len();
        }
        // SAFETY: the message names one buffer and maybe an address, alive and as long as is said; neither is written.
        let sent =
            answer(unsafe { libc::sendmsg(fd, &raw const message, flags | libc::MSG_NOSIGNAL) });
        sent.map(isize::unsigned_abs)
    }

    /// `shutdown`
    ///
    /// # Errors
    /// `errno`
    pub fn shutdown(&self, fd: i32, how: i32) -> Answer {
        self.check(fd)?;
        // SAFETY: no pointers.
        answer(unsafe { libc::shutdown(fd, how) })
    }

    /// `close`
    ///
    /// # Errors
    /// `errno`
    pub fn close(&self, fd: i32) -> Answer {
        if !self.table().remove(&fd) {
            return Err(libc::EBADF);
        }
        // SAFETY: the descriptor was this table's, and is no longer in it.
        answer(unsafe { libc::close(fd) })
    }

    /// `poll`: how many are ready, and what for; a timeout in ms, -1 for ever.
    ///
    /// # Errors
    /// `errno`
    pub fn poll(&self, fds: &[(i32, i16)], timeout: i32) -> Answer<(i32, Vec<i16>)> {
        let mut files: Vec<_> = {
            let table = self.table();
            // What is not this table's is asked as a number that is never open: POLLNVAL, as for any closed one.
            let fd = |fd| {
                if table.contains(&fd) || fd < 0 {
                    fd
                } else {
                    c_int::MAX
                }
            };
            let file = |&(wanted, events): &(i32, i16)| libc::pollfd {
                fd: fd(wanted),
                events,
                revents: 0,
            };
            fds.iter().map(file).collect()
        };
        let count = files.len() as libc::nfds_t;
        // SAFETY: so many entries are alive.
        let ready = answer(unsafe { libc::poll(files.as_mut_ptr(), count, timeout) })?;
        Ok((ready, files.iter().map(|file| file.revents).collect()))
    }

    /// `fcntl` with `F_GETFL`, `F_SETFL`, `F_GETFD` or `F_SETFD`.
    ///
    /// # Errors
    /// `errno`; `EINVAL` for other commands.
    pub fn fcntl(&self, fd: i32, command: i32, argument: i32) -> Answer {
        self.check(fd)?;
        match command {
            libc::F_GETFL | libc::F_SETFL | libc::F_GETFD | libc::F_SETFD => {
                // SAFETY: these commands take an int, and open no descriptor.
                answer(unsafe { libc::fcntl(fd, command, argument) })
            }
            _ => Err(libc::EINVAL),
        }
    }

    /// `ioctl` with `SIOCINQ`, `SIOCOUTQ`, `SIOCOUTQNSD` or `SIOCATMARK`: the number it answers.
    ///
    /// # Errors
    /// `errno`; `ENOTTY` for other requests.
    pub fn ioctl(&self, fd: i32, request: u64) -> Answer {
        self.check(fd)?;
        if !IOCTLS.contains(&request) {
            return Err(libc::ENOTTY);
        }
        let mut number: c_int = 0;
        // SAFETY: these requests write one int.
        answer(unsafe { libc::ioctl(fd, request as c_ulong, &raw mut number) })?;
        Ok(number)
    }

    /// `setsockopt`
    ///
    /// # Errors
    /// `errno`
    pub fn set_option(&self, fd: i32, level: i32, name: i32, value: &[u8]) -> Answer {
        self.check(fd)?;
        let len = value.len() as libc::socklen_t;
        // SAFETY: the value is alive, and as long as is said; the kernel only reads.
        answer(unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), len) })
    }

    /// `getsockopt` with room for `len` bytes.
    ///
    /// # Errors
    /// `errno`
    pub fn option(&self, fd: i32, level: i32, name: i32, len: usize) -> Answer<Vec<u8>> {
        self.check(fd)?;
        let mut value = vec![0_u8; len.min(OPTION_MAX)];
        let mut len = value.len() as libc::socklen_t;
        // SAFETY: the room is alive and as long as is said. It is full of zeros, so an option that reads an address
        // from it first (TCP_ZEROCOPY_RECEIVE) finds none it could write to.
        answer(unsafe {
            let room = value.as_mut_ptr().cast::<c_void>();
            libc::getsockopt(fd, level, name, room, &raw mut len)
        })?;
        value.truncate(len as usize);
        Ok(value)
    }

    /// `getsockname`, or `getpeername`.
    ///
    /// # Errors
    /// `errno`
    pub fn name(&self, fd: i32, peer: bool) -> Answer<Option<SocketAddr>> {
        self.check(fd)?;
        let mut address = RawAddress::room();
        let (room, len) = address.as_mut_ptrs();
        // SAFETY: address and length are alive; the length is that of the room.
        answer(unsafe {
            if peer {
                libc::getpeername(fd, room, len)
            } else {
                libc::getsockname(fd, room, len)
            }
        })?;
        Ok(address.get())
    }

    /// The descriptors that are open.
    #[must_use]
    pub fn open(&self) -> Vec<i32> {
        self.table().iter().copied().collect()
    }

    /// No other descriptor of the process may be touched.
    fn check(&self, fd: c_int) -> Answer<()> {
        if self.table().contains(&fd) {
            return Ok(());
        }
        Err(libc::EBADF)
    }

    fn table(&self) -> MutexGuard<'_, BTreeSet<c_int>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for fd in self.open() {
            let _ = self.close(fd);
        }
    }
}

/// The C library's way of telling an error.
fn answer<T: Default + PartialOrd>(value: T) -> Answer<T> {
    if value < T::default() {
        let error = std::io::Error::last_os_error();
        return Err(error.raw_os_error().unwrap_or(libc::EIO));
    }
    Ok(value)
}

/// A message of one part, without address.
fn empty_message(part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: a msghdr of zeros is an empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = ptr::from_mut(part);
    message.msg_iovlen = 1;
    message
}
