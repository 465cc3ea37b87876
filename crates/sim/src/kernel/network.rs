//! The network a script runs in: what packetdrill would have set up.

use std::io;

use estab_device::{IpNet, Tun, TunError, bring_up_loopback};

use super::settings;

/// What the network is to look like.
#[derive(Clone, Debug)]
pub struct Network {
    /// The interface's mtu.
    pub mtu: u16,
    /// The kernel's addresses, with their prefixes.
    pub addresses: Vec<IpNet>,
    /// What else is reached through the interface.
    pub routes: Vec<IpNet>,
    /// Settings by their sysctl names, made first.
    pub settings: Vec<(String, String)>,
    /// The congestion control of every socket.
    pub congestion_control: String,
}

impl Default for Network {
    /// packetdrill's addresses; everything is reached through the interface; CUBIC.
    fn default() -> Self {
        let nets = |texts: [&str; 2]| texts.map(|text| text.parse().expect("a prefix")).into();
        Self {
            mtu: 1500,
            addresses: nets(["192.168.0.2/16", "fd3d:fa7b:d17d::2/48"]),
            routes: nets(["0.0.0.0/0", "::/0"]),
            settings: Vec::new(),
            congestion_control: "cubic".to_owned(),
        }
    }
}

/// Settings by which the kernel says nothing by itself, and believes every source address.
const QUIET: [(&str, &str); 7] = [
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
    // No link-local address, and so nobody to report it to.
    ("net.ipv6.conf.default.addr_gen_mode", "1"),
    (
        "net.ipv6.conf.default.mldv2_unsolicited_report_interval",
        "0",
    ),
];

/// Below it there is no IPv6 (RFC 8200 §5).
const IPV6_MTU: u16 = 1280;

impl Network {
    /// Makes it in the namespace of the calling thread.
    pub(super) fn build(&self) -> Result<Tun, KernelError> {
        for (name, value) in QUIET {
            // Without IPv6 there are no names for it, and nothing to quiet.
            let _ = settings::set(name, value);
        }
        for (name, value) in &self.settings {
            settings::set(name, value).map_err(KernelError::Setting)?;
        }
        bring_up_loopback().map_err(KernelError::Namespace)?;
        let tun = Tun::builder()
            .name("tun0")
            .mtu(self.mtu.into())
            .ipv6_optional(true)
            .plain_queue()
            .up();
        let fits = |net: &&IpNet| self.mtu >= IPV6_MTU || net.addr().is_ipv4();
        let addresses = self.addresses.iter().filter(fits);
        let tun = addresses.fold(tun, |tun, &net| tun.address(net));
        let routes = self.routes.iter().filter(fits);
        let tun = routes.fold(tun, |tun, &net| tun.route(net));
        Ok(tun.build()?)
    }
}

/// Why the kernel cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// There is no thread for it.
    #[error("no thread could be started: {0}")]
    Thread(#[source] io::Error),
    /// There may be no network of its own.
    #[error(
        "a private network may not be made: run as root, or in a user namespace (unshare -Ur) ({0})"
    )]
    Namespace(#[source] io::Error),
    /// There is no interface.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// A setting was not taken.
    #[error("{0}")]
    Setting(String),
}
