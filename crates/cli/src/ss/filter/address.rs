//! Addresses, prefixes and ports as ss writes them: `198.18.0.0/15:80`, `[fd00::1]:http`, `*:7`, `:80`.

use std::net::{IpAddr, SocketAddr};

/// The addresses and ports that a comparison is true for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// `None` is any.
    prefix: Option<(IpAddr, u8)>,
    /// `None` is any.
    port: Option<u16>,
}

impl Host {
    /// What may stand after `src` and `dst`.
    pub(super) const EXPECTED: &str =
        "an address, prefix or port: 198.18.0.2, fd00::/64, 198.18.0.2:80, [fd00::1]:80 or :80";

    pub(super) fn parse(word: &str) -> Option<Self> {
        if let Some(rest) = word.strip_prefix('[') {
            return Self::parse_bracketed(rest);
        }
        if let Some(prefix) = prefix(word) {
            return Some(Self {
                prefix: Some(prefix),
                port: None,
            });
        }
        let (address, port_text) = word.rsplit_once(':').unwrap_or((word, "*"));
        let prefix = match address {
            "*" => None,
            "" if word.starts_with(':') => None,
            // Two colons and no brackets: an IPv6 address that is none.
            address => Some(prefix(address).filter(|(address, _)| address.is_ipv4())?),
        };
        let port = any_or_port(port_text)?;
        Some(Self { prefix, port })
    }

    /// `fd00::1]:80`, `fd00::]/64:80`, `fd00::/64]`.
    fn parse_bracketed(rest: &str) -> Option<Self> {
        let (inside, behind) = rest.split_once(']')?;
        let (length, port) = behind.split_once(':').unwrap_or((behind, "*"));
        let prefix = prefix(&format!("{inside}{length}"))?;
        Some(Self {
            prefix: Some(prefix),
            port: any_or_port(port)?,
        })
    }

    pub(super) fn matches(self, socket: SocketAddr) -> bool {
        let covers = |(network, length)| covers(network, length, socket.ip());
        self.prefix.is_none_or(covers) && self.port.is_none_or(|port| port == socket.port())
    }
}

/// What may stand after `sport` and `dport`.
pub(super) const PORT_EXPECTED: &str = "a port: :80, 80 or :http";

/// A port, after a colon or alone, as a number or by name.
pub(super) fn port(word: &str) -> Option<u16> {
    let bare = word.strip_prefix('*').unwrap_or(word);
    let bare = bare.strip_prefix(':').unwrap_or(bare);
    let named = |(name, _): &&(&str, u16)| *name == bare;
    match bare.parse() {
        Ok(port) => Some(port),
        Err(_) => SERVICES.iter().find(named).map(|(_, port)| *port),
    }
}

/// Names for ports: those that estab's own services have, and two that one types.
const SERVICES: &[(&str, u16)] = &[
    ("echo", 7),
    ("discard", 9),
    ("chargen", 19),
    ("ssh", 22),
    ("http", 80),
    ("https", 443),
];

/// The outer option: is it a port at all; the inner one: which, if not any.
fn any_or_port(text: &str) -> Option<Option<u16>> {
    match text {
        "*" => Some(None),
        text => port(text).map(Some),
    }
}

/// An address with or without the length of a prefix.
fn prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse().ok().filter(|length| *length <= bits)?,
        None => bits,
    };
    Some((address, length))
}

fn covers(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let (network, address, bits) = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let differing: u128 = network ^ address;
    // A shift by all the bits of an IPv6 address is no shift.
    length == 0 || differing >> (bits - u32::from(length)) == 0
}
