//! The private network of `estab run`: a network namespace of its own, which no name and no file keeps.
//!
//! The process itself moves into the namespace, and COMMAND, started later, inherits it. So namespace, interface and
//! routes end with the last process inside, however it ends. Nothing is mounted: COMMAND's /sys shows the network
//! outside.

use std::net::IpAddr;
use std::str::FromStr;
use std::{fmt, fs, io};

use estab_device::{IpNet, Tun, TunBuilder, bring_up_loopback};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::failure::Failure;

/// estab's addresses in the private network.
const ESTAB: [&str; 2] = ["198.18.0.1", "fd00:e57a:b::1"];

/// COMMAND's addresses, and the prefixes its only routes lead to estab by.
const COMMAND: [&str; 2] = ["198.18.0.2/15", "fd00:e57a:b::2/64"];

/// The least mtu with which the kernel does IPv6 (RFC 8200 §5).
pub(crate) const IPV6_MTU: u16 = 1280;

/// Moves this process into a network of its own and gives the interface that is all there is to it.
///
/// Must be called while the process has a single thread: a user namespace cannot be entered by one of several, and
/// threads begun before would stay outside.
///
/// # Errors
/// What is not permitted here, and what to do about it.
pub(crate) fn enter(mtu: u16) -> Result<Tun, Failure> {
    leave_the_network()?;
    bring_up_loopback().map_err(|error| {
        Failure::usage(format!(
            "the private network may not be configured: {WAYS_OUT} ({error})"
        ))
    })?;
    let tun = Tun::builder()
        .name("estab0")
        .mtu(mtu.into())
        .ipv6_optional(true)
        .up();
    let addresses = addresses::<IpNet>(COMMAND, mtu, |net| net.addr().is_ipv6());
    addresses
        .fold(tun, TunBuilder::address)
        .build()
        .map_err(Failure::usage)
}

/// estab's addresses in it.
pub(crate) fn estab_addresses(mtu: u16) -> Vec<IpAddr> {
    addresses(ESTAB, mtu, IpAddr::is_ipv6).collect()
}

/// Those addresses that a link of this mtu can carry.
fn addresses<A: FromStr<Err: fmt::Debug>>(
    texts: [&'static str; 2],
    mtu: u16,
    is_ipv6: fn(&A) -> bool,
) -> impl Iterator<Item = A> {
    let parsed = texts
        .into_iter()
        .map(|text| text.parse().expect("an address of this file's"));
    parsed.filter(move |address| mtu >= IPV6_MTU || !is_ipv6(address))
}

const WAYS_OUT: &str = "run as root, or allow user namespaces (sysctl user.max_user_namespaces, \
                        kernel.apparmor_restrict_unprivileged_userns, a container's seccomp profile)";

/// Inside a user namespace, where this user may make networks. Must be called while the process has a single thread.
///
/// # Errors
/// What is not permitted here, and what to do about it.
pub(crate) fn become_root() -> Result<(), Failure> {
    enter_user_namespace().map_err(|error| Failure::usage(refusal(&error)))
}

/// Into a network namespace directly, where that is permitted; else inside a user namespace.
fn leave_the_network() -> Result<(), Failure> {
    match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) => enter_user_namespace(),
        done => done.map_err(io::Error::from),
    }
    .map_err(|error| Failure::usage(refusal(&error)))
}

fn refusal(error: &io::Error) -> String {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // The kernel's words for this, "no space left on device", mean a disk to everybody else.
        Errno::ENOSPC | Errno::EUSERS => {
            "a private network may not be made: user namespaces are switched off here, or all in use: run as root, or \
             raise the limits (sysctl user.max_user_namespaces, user.max_net_namespaces)"
                .to_owned()
        }
        _ => format!("a private network may not be made: {WAYS_OUT} ({error})"),
    }
}

/// Here the user is who it was, and may configure the network, which belongs to the namespace.
fn enter_user_namespace() -> io::Result<()> {
    // Read before: inside, until the maps are written, everybody is the overflow user.
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    // Without the right to change groups nobody inside can leave one that denies it something (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_namespaces_is_not_told_as_a_full_disk() {
        let told = refusal(&Errno::ENOSPC.into());
        assert!(told.contains("switched off here") && !told.contains("space left"));
        assert!(refusal(&Errno::EPERM.into()).contains("seccomp"));
    }
}
