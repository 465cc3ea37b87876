//! Ending the kernel's TCP endpoints, as `ss -K` does (sock_diag(7)).

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const NETLINK_SOCK_DIAG: u32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;

/// Of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Of `struct inet_diag_sockid`, and where it is in `inet_diag_req_v2` and in `inet_diag_msg`.
const ID: usize = 48;
const ID_IN_REQUEST: usize = 8;
const ID_IN_ANSWER: usize = 4;

/// An endpoint: its family, and the kernel's name for it.
struct Endpoint {
    family: u8,
    id: [u8; ID],
}

/// Ends every TCP endpoint in the network of the calling thread whose state is in the mask (a bit for each of the
/// kernel's state numbers). Linux sends a RST for those that have a peer.
///
/// # Errors
/// The kernel's own: `EOPNOTSUPP` where it is built without.
pub fn destroy_all(states: u32) -> io::Result<()> {
    let kernel = open()?;
    for family in [libc::AF_INET, libc::AF_INET6] {
        let family = u8::try_from(family).unwrap_or_default();
        for endpoint in endpoints(&kernel, family, states)? {
            destroy(&kernel, &endpoint)?;
        }
    }
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    let protocol =
        rustix::net::RawProtocol::new(NETLINK_SOCK_DIAG).map(rustix::net::Protocol::from_raw);
    let kernel = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        protocol,
    )?;
    rustix::net::bind(&kernel, &SocketAddrNetlink::new(0, 0))?;
    Ok(kernel)
}

fn endpoints(kernel: &OwnedFd, family: u8, states: u32) -> io::Result<Vec<Endpoint>> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    send(kernel, SOCK_DIAG_BY_FAMILY, flags, family, states, &[0; ID])?;
    let mut found = Vec::new();
    while receive(kernel, |kind, payload| {
        if kind == SOCK_DIAG_BY_FAMILY
            && let Some(id) = payload.get(ID_IN_ANSWER..ID_IN_ANSWER + ID)
        {
            let id = id.try_into().expect("as many bytes as were asked for");
            found.push(Endpoint { family, id });
        }
    })? {}
    Ok(found)
}

fn destroy(kernel: &OwnedFd, endpoint: &Endpoint) -> io::Result<()> {
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    send(
        kernel,
        SOCK_DESTROY,
        flags,
        endpoint.family,
        u32::MAX,
        &endpoint.id,
    )?;
    match receive(kernel, |_, _| {}) {
        // It has ended by itself.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => Ok(()),
        done => done.map(drop),
    }
}

/// Sends a header with a `struct inet_diag_req_v2`.
fn send(
    kernel: &OwnedFd,
    kind: u16,
    flags: u16,
    family: u8,
    states: u32,
    id: &[u8; ID],
) -> io::Result<()> {
    let mut message = Vec::with_capacity(HEADER + ID_IN_REQUEST + ID);
    let len = u32::try_from(HEADER + ID_IN_REQUEST + ID).unwrap_or_default();
    message.extend(len.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]); // sequence number and port: one request at a time
    let tcp = u8::try_from(libc::IPPROTO_TCP).unwrap_or_default();
    message.extend([family, tcp, 0, 0]);
    message.extend(states.to_ne_bytes());
    message.extend(id);
    rustix::net::send(kernel, &message, SendFlags::empty())?;
    Ok(())
}

/// Shows the messages of one datagram; answers whether more follow.
fn receive(kernel: &OwnedFd, mut show: impl FnMut(u16, &[u8])) -> io::Result<bool> {
    let mut buffer = vec![0; 32 << 10];
    let (len, _) = rustix::io::retry_on_intr(|| {
        rustix::net::recv(kernel, &mut buffer[..], RecvFlags::empty())
    })?;
    let mut rest = &buffer[..len.min(buffer.len())];
    while rest.len() >= HEADER {
        let field = |at: usize| [rest[at], rest[at + 1], rest[at + 2], rest[at + 3]];
        let len = u32::from_ne_bytes(field(0)) as usize;
        let kind = u16::from_ne_bytes([rest[4], rest[5]]);
        let Some(payload) = rest.get(HEADER..len) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let code = payload
                    .first_chunk()
                    .map_or(0, |code| i32::from_ne_bytes(*code));
                return match code {
                    0 => Ok(false),
                    code => Err(io::Error::from_raw_os_error(-code)),
                };
            }
            _ => show(kind, payload),
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}
