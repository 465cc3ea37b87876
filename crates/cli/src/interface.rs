//! A TUN interface in the network this process is in, with estab at one side and the kernel at the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use estab::Host;
use estab_device::{IpNet, Tun};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use crate::failure::Failure;
use crate::private_network::IPV6_MTU;

/// How often to look whether the interface is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// An interface and who is at either side.
pub(crate) struct Interface {
    pub(crate) tun: Tun,
    pub(crate) index: Index,
    /// estab's addresses.
    pub(crate) ours: Vec<IpAddr>,
    /// The kernel's, in the same order.
    pub(crate) kernels: Vec<IpAddr>,
}

/// Makes an interface, whose kernel side gets the address next to each of estab's.
///
/// IPv6 is left out where the kernel or the mtu has no place for it, as long as there is IPv4.
///
/// # Errors
/// What stands in the way; nothing remains of the interface then.
pub(crate) fn make(name: &str, wanted: &[IpNet], mtu: u16) -> Result<Interface, Failure> {
    let taken: Vec<IpAddr> = wanted.iter().map(IpNet::addr).collect();
    if let Some(twice) = (1..taken.len()).find(|&place| taken[..place].contains(&taken[place])) {
        return Err(Failure::usage(format!(
            "the address {} is given twice: leave one --address out",
            taken[twice]
        )));
    }
    let mut sides = Vec::with_capacity(wanted.len());
    for net in wanted
        .iter()
        .filter(|net| net.addr().is_ipv4() || mtu >= IPV6_MTU)
    {
        let kernel = neighbour(net, &taken).ok_or_else(|| {
            Failure::usage(format!(
                "{net} has no place for the kernel's address: use a shorter prefix"
            ))
        })?;
        sides.push((net.addr(), kernel));
    }
    if sides.is_empty() {
        return Err(Failure::usage(format!(
            "IPv6 needs an MTU of {IPV6_MTU} at least, and --mtu is {mtu}: raise it, or give an IPv4 --address"
        )));
    }
    // A name that is taken is what stops an interface that exists already: that is said by the kernel.
    if if_nametoindex(name).is_err() {
        sides
            .iter()
            .try_for_each(|(_, kernel)| check_unused(kernel.addr()))?;
    }
    let mut tun = Tun::builder()
        .name(name)
        .mtu(mtu.into())
        .ipv6_optional(true)
        .up();
    for (_, kernel) in &sides {
        tun = tun.address(*kernel);
    }
    let tun = tun.build().map_err(Failure::usage)?;
    sides.retain(|(_, kernel)| tun.addresses().contains(kernel));
    if sides.is_empty() {
        return Err(Failure::usage(
            "the kernel does no IPv6 here: give an IPv4 --address",
        ));
    }
    let (ours, kernels) = sides
        .iter()
        .map(|(ours, kernel)| (*ours, kernel.addr()))
        .unzip();
    let index = if_nametoindex(tun.name())
        .map(Index)
        .map_err(Failure::usage)?;
    Ok(Interface {
        tun,
        index,
        ours,
        kernels,
    })
}

/// An interface's number, which it keeps when it is renamed.
#[derive(Clone, Copy)]
pub(crate) struct Index(u32);

impl Index {
    /// Whether there still is such an interface in this network.
    pub(crate) fn exists(self) -> bool {
        // For a number that nobody has, nix answers an empty name.
        if_indextoname(self.0).is_ok_and(|name| !name.is_empty())
    }
}

/// Waits until the interface is of no use to its host any more, and says why. That it was deleted, the kernel does not
/// say to who waits for packets.
pub(crate) async fn failure(host: &Host, name: &str, index: Index) -> Failure {
    loop {
        if let Some(failure) = loss(host, name, index) {
            return failure;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What has become of the interface, if it is of no use any more.
pub(crate) fn loss(host: &Host, name: &str, index: Index) -> Option<Failure> {
    let message = if index.exists() {
        let error = host.failure()?;
        format!("the interface {name} failed: {error}")
    } else {
        format!("the interface {name} was deleted")
    };
    Some(Failure::new(Failure::CONNECTION, message))
}

/// An address that another interface has, too, would make the way to estab a matter of luck.
fn check_unused(address: IpAddr) -> Result<(), Failure> {
    let failed = |error| Failure::usage(format!("the interfaces cannot be listed: {error}"));
    let mut interfaces = getifaddrs().map_err(failed)?;
    let holder = interfaces.find(|one| one.address.as_ref().and_then(ip_of) == Some(address));
    holder.map_or(Ok(()), |one| {
        Err(Failure::usage(format!(
            "the interface {} has the address {address} already: choose another with --address, \
             or end what uses it",
            one.interface_name
        )))
    })
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

/// The next address of the link that is not taken; before estab's own only if there is none after it.
fn neighbour(net: &IpNet, taken: &[IpAddr]) -> Option<IpNet> {
    let reach = taken.len() as i128 + 1;
    let is_free = |ip: &IpAddr| net.contains(ip) && is_host(net, *ip) && !taken.contains(ip);
    (1..=reach)
        .chain((1..=reach).map(|step| -step))
        .filter_map(|step| offset(net.addr(), step))
        .find(is_free)
        .and_then(|ip| IpNet::new(ip, net.prefix_len()).ok())
}

/// The address so many places further.
fn offset(ip: IpAddr, step: i128) -> Option<IpAddr> {
    let step_by = |number: u128| number.checked_add_signed(step);
    match ip {
        IpAddr::V4(v4) => {
            let number = u32::try_from(step_by(v4.to_bits().into())?).ok()?;
            Some(Ipv4Addr::from_bits(number).into())
        }
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(step_by(v6.to_bits())?).into()),
    }
}

/// Whether a host may have the address on this link: the first and last of IPv4 mean all hosts.
pub(crate) fn is_host(net: &IpNet, ip: IpAddr) -> bool {
    match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 => ip != v4.network() && ip != v4.broadcast(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_does_not_exist() {
        // The loopback is the first interface of every network.
        assert!(Index(1).exists());
        assert!(!Index(2_000_000_000).exists());
    }

    fn neighbour_of(text: &str, taken: &[&str]) -> Option<String> {
        let net: IpNet = text.parse().unwrap();
        let mut all = vec![net.addr()];
        all.extend(taken.iter().map(|ip| ip.parse::<IpAddr>().unwrap()));
        neighbour(&net, &all).map(|net| net.to_string())
    }

    fn refusal(mtu: u16, addresses: &[&str]) -> String {
        let nets: Vec<_> = addresses.iter().map(|net| net.parse().unwrap()).collect();
        let refused = make("estab%d", &nets, mtu).err();
        refused.unwrap().to_string()
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_its_name() {
        let narrow = refusal(1000, &["fd00:e57a:b::1/64"]);
        assert!(narrow.contains("needs an MTU of 1280"), "{narrow}");
        let twice = refusal(1500, &["10.9.0.1/24", "10.9.0.1/24"]);
        assert!(twice.contains("10.9.0.1 is given twice"), "{twice}");
    }

    #[test]
    fn the_kernel_gets_the_next_address_that_is_free() {
        assert_eq!(neighbour_of("198.18.0.1/15", &[]).unwrap(), "198.18.0.2/15");
        assert_eq!(
            neighbour_of("198.18.0.1/15", &["198.18.0.2"]).unwrap(),
            "198.18.0.3/15"
        );
        assert_eq!(
            neighbour_of("fd00:e57a:b::1/64", &[]).unwrap(),
            "fd00:e57a:b::2/64"
        );
        assert_eq!(neighbour_of("10.0.0.254/24", &[]).unwrap(), "10.0.0.253/24");
        assert_eq!(neighbour_of("10.0.0.1/31", &[]).unwrap(), "10.0.0.0/31");
        assert_eq!(neighbour_of("10.0.0.1/30", &["10.0.0.2"]), None);
        assert_eq!(
            neighbour_of("255.255.255.254/24", &[]).unwrap(),
            "255.255.255.253/24"
        );
    }
}
