//! What a run depends on: packetdrill's options, those of the script under those of the command line, and ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::super::ast::{Script, ScriptOption};
use super::super::parse::Dialect;

/// Everything a run depends on beside script and subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whose packetdrill the script was written for.
    pub dialect: Dialect,
    /// The IP version of packets and sockets.
    pub ip_version: IpVersion,
    /// The port that `bind(3, ..., ...)` binds.
    pub bind_port: u16,
    /// The port that `connect(3, ..., ...)` connects to.
    pub connect_port: u16,
    /// The stack's address, if it is not the default.
    pub local_ip: Option<IpAddr>,
    /// The address of the host that the script plays, if it is not the default.
    pub remote_ip: Option<IpAddr>,
    /// How far from its time an event may be, at least.
    pub tolerance: Duration,
    /// The same, in percent of the time since the event before it.
    pub tolerance_percent: f64,
    /// Whether an inbound TSecr that echoes no TSval of the script is interpolated.
    pub ts_ecr_scaled: bool,
    /// The unit of the stack's TSval; zero leaves its values unchecked.
    pub ts_tick: Duration,
    /// The largest IP packet the stack may send.
    pub mtu: u16,
    /// Whether an expected segment may not be several.
    pub strict_segments: bool,
    /// Whether a wrong packet is only told.
    pub non_fatal_packet: bool,
    /// Whether a wrong result of a call is only told.
    pub non_fatal_syscall: bool,
    /// Commands to interpret first.
    pub init_scripts: Vec<String>,
    /// Ours: PSH, TSecr and what leaves with the last event are checked, too.
    pub strict: bool,
    /// Ours: packets that no event of the script asks for are ignored, as packetdrill ignores them.
    pub ignore_unread: bool,
    /// Ours: timestamps are negotiated though the script does not mention them.
    pub with_timestamps: bool,
}

/// Which IP a script is run over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4 packets, `AF_INET` sockets.
    #[default]
    V4,
    /// IPv4 packets, `AF_INET6` sockets.
    V4MappedV6,
    /// IPv6 packets, `AF_INET6` sockets.
    V6,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            ip_version: IpVersion::V4,
            bind_port: 8080,
            connect_port: 8080,
            local_ip: None,
            remote_ip: None,
            tolerance: Duration::from_micros(4000),
            tolerance_percent: 12.5,
            ts_ecr_scaled: false,
            ts_tick: Duration::ZERO,
            mtu: 1500,
            strict_segments: false,
            non_fatal_packet: false,
            non_fatal_syscall: false,
            init_scripts: Vec::new(),
            strict: false,
            ignore_unread: false,
            with_timestamps: false,
        }
    }
}

/// What IPv6's header is longer than IPv4's.
const LONGER_HEADER: u16 = 20;

/// An option that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line of the script, unless it is of the command line.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub message: String,
}

/// What every message about something that there is not begins with.
const UNSUPPORTED: &str = "not supported: ";

impl ConfigError {
    /// Whether the script asks for what there is not, though it can be read.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.message.starts_with(UNSUPPORTED)
    }
}

impl Config {
    /// Puts the script's options under those of the command line, whose lines are ignored.
    ///
    /// If the command line changes the IP version and not the MTU, the MTU makes up for the longer or shorter header,
    /// so that an MSS is what the script says: packetdrill's `run_all.py` does so by `--ip_version=ipv6 --mtu=1520`.
    ///
    /// # Errors
    /// The first option that is unknown, not supported or has a value it cannot have.
    pub fn for_script(
        &self,
        script: &Script,
        overrides: &[ScriptOption],
    ) -> Result<Self, ConfigError> {
        let mut config = self.clone();
        for option in &script.options {
            config.set(option).map_err(|message| ConfigError {
                line: Some(option.line),
                message,
            })?;
        }
        let was_v6 = config.is_v6();
        for option in overrides {
            config.set(option).map_err(|message| ConfigError {
                line: None,
                message,
            })?;
        }
        let is_mtu_given = overrides.iter().any(|option| option.name == "mtu");
        config.mtu = match (was_v6, config.is_v6()) {
            _ if is_mtu_given => config.mtu,
            (false, true) => config.mtu.saturating_add(LONGER_HEADER),
            (true, false) => config.mtu.saturating_sub(LONGER_HEADER),
            _ => config.mtu,
        };
        config.check_addresses()?;
        Ok(config)
    }

    /// The stack's address.
    #[must_use]
    pub fn local_ip(&self) -> IpAddr {
        self.local_ip.unwrap_or(match self.ip_version {
            IpVersion::V4 | IpVersion::V4MappedV6 => Ipv4Addr::new(192, 168, 0, 2).into(),
            IpVersion::V6 => Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 2).into(),
        })
    }

    /// The address of the host that the script plays.
    #[must_use]
    pub fn remote_ip(&self) -> IpAddr {
        self.remote_ip.unwrap_or(match self.ip_version {
            IpVersion::V4 | IpVersion::V4MappedV6 => Ipv4Addr::new(192, 0, 2, 1).into(),
            IpVersion::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        })
    }

    /// The MTU the subject is to be given: timestamps that the script does not know of must not cost its segments
    /// a byte.
    #[must_use]
    pub fn subject_mtu(&self) -> u16 {
        let extra = if self.with_timestamps { 12 } else { 0 };
        self.mtu.saturating_add(extra)
    }

    /// Whether packets are IPv6.
    pub(super) fn is_v6(&self) -> bool {
        self.ip_version == IpVersion::V6
    }

    /// An address as sockets see it.
    pub(super) fn socket_address(&self, address: IpAddr) -> IpAddr {
        match (self.ip_version, address) {
            (IpVersion::V4MappedV6, IpAddr::V4(address)) => address.to_ipv6_mapped().into(),
            (_, address) => address,
        }
    }

    fn set(&mut self, option: &ScriptOption) -> Result<(), String> {
        let name = option.name.as_str();
        let value = option.value.as_deref();
        let needed = || value.ok_or_else(|| format!("--{name} needs a value"));
        match name {
            // The lexer has put the symbol's value where its name stands.
            "define" if needed()?.contains('=') => {}
            "define" => return Err(bad(name, value)),
            "ip_version" => self.ip_version = ip_version(needed()?)?,
            "bind_port" => self.bind_port = port(name, needed()?)?,
            "connect_port" => self.connect_port = port(name, needed()?)?,
            "local_ip" => self.local_ip = Some(address(name, needed()?)?),
            "remote_ip" => self.remote_ip = Some(address(name, needed()?)?),
            // There is no gateway and no prefix where packets are handed over directly.
            "gateway_ip" | "netmask_ip" => drop(address(name, needed()?)?),
            "tolerance_usecs" => self.tolerance = micros(name, needed()?, 1..)?,
            "tolerance_percent" => self.tolerance_percent = percent(name, needed()?)?,
            "tcp_ts_ecr_scaled" => self.ts_ecr_scaled = true,
            "tcp_ts_tick_usecs" => self.ts_tick = micros(name, needed()?, 0..=1_000_000)?,
            "mtu" => {
                let is_possible = |mtu: &u16| (68..).contains(mtu);
                let mtu = needed()?.parse().ok().filter(is_possible);
                self.mtu = mtu.ok_or_else(|| bad(name, value))?;
            }
            // The link has no speed and no segmentation offload.
            "speed" | "mss" => drop(micros(name, needed()?, 0..)?),
            "strict_segments" => self.strict_segments = true,
            "non_fatal" => {
                let kinds: Vec<&str> = needed()?.split([',', ' ']).collect();
                self.non_fatal_packet |= kinds.contains(&"packet");
                self.non_fatal_syscall |= kinds.contains(&"syscall");
            }
            "init_scripts" => self.init_scripts = needed()?.split(',').map(str::to_owned).collect(),
            "strict" => self.strict = true,
            "ignore_unread" => self.ignore_unread = true,
            "with_timestamps" => self.with_timestamps = true,
            // How packetdrill runs Python, frees memory and tells what it does changes no result.
            "code_command" | "code_format" | "code_sockopt" | "send_omit_free" | "verbose"
            | "debug" => {}
            "udp_encapsulation" => return Err(format!("{UNSUPPORTED}TCP in UDP (--{name})")),
            "tcp_md5_secret" => return Err(format!("{UNSUPPORTED}MD5 signatures (--{name})")),
            "dry_run" | "is_anyip" | "psp_udp_port" | "so_filename" | "so_flags"
            | "wire_client" | "wire_client_dev" | "wire_server" | "wire_server_at"
            | "wire_server_dev" | "wire_server_ip" | "wire_server_port" => {
                return Err(format!("{UNSUPPORTED}--{name}"));
            }
            _ => return Err(format!("unknown option: --{name}")),
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        for (name, address) in [
            ("local_ip", self.local_ip()),
            ("remote_ip", self.remote_ip()),
        ] {
            if address.is_ipv6() != self.is_v6() {
                return Err(ConfigError {
                    line: None,
                    message: format!("--{name}={address} is not an address of --ip_version"),
                });
            }
        }
        Ok(())
    }
}

fn bad(name: &str, value: Option<&str>) -> String {
    format!("--{name} cannot be {}", value.unwrap_or_default())
}

fn ip_version(value: &str) -> Result<IpVersion, String> {
    match value {
        "ipv4" => Ok(IpVersion::V4),
        "ipv4-mapped-ipv6" | "ipv4_mapped_ipv6" => Ok(IpVersion::V4MappedV6),
        "ipv6" => Ok(IpVersion::V6),
        _ => Err(format!(
            "--ip_version is ipv4, ipv4-mapped-ipv6 or ipv6, not {value}"
        )),
    }
}

fn port(name: &str, value: &str) -> Result<u16, String> {
    let port = value.parse().ok().filter(|&port| port != 0);
    port.ok_or_else(|| bad(name, Some(value)))
}

/// An address, with or without a prefix length.
fn address(name: &str, value: &str) -> Result<IpAddr, String> {
    let digits = value.split('/').next().unwrap_or_default();
    digits.parse().map_err(|_| bad(name, Some(value)))
}

fn micros(
    name: &str,
    value: &str,
    range: impl std::ops::RangeBounds<u64>,
) -> Result<Duration, String> {
    let micros = value.parse().ok().filter(|micros| range.contains(micros));
    let micros = micros.filter(|&micros| micros <= u64::from(u32::MAX) * 1_000_000);
    micros
        .map(Duration::from_micros)
        .ok_or_else(|| bad(name, Some(value)))
}

fn percent(name: &str, value: &str) -> Result<f64, String> {
    let percent = value
        .parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| bad(name, Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, value: &str) -> ScriptOption {
        ScriptOption {
            name: name.to_owned(),
            value: (!value.is_empty()).then(|| value.to_owned()),
            line: 3,
        }
    }

    fn script(options: &[(&str, &str)]) -> Script {
        Script {
            options: options
                .iter()
                .map(|(name, value)| option(name, value))
                .collect(),
            ..Script::default()
        }
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        let script = script(&[("tolerance_usecs", "10000"), ("ip_version", "ipv6")]);
        let config = Config::default()
            .for_script(&script, &[option("tolerance_usecs", "75000")])
            .expect("both are known");
        assert_eq!(config.tolerance, Duration::from_millis(75));
        assert_eq!(config.ip_version, IpVersion::V6);
        assert!(config.local_ip().is_ipv6() && config.remote_ip().is_ipv6());
    }

    #[test]
    fn a_script_run_over_another_ip_version_keeps_its_mss() {
        let mtu = |script: &Script, overrides: &[ScriptOption]| {
            let config = Config::default().for_script(script, overrides);
            config.expect("all are known").mtu
        };
        let (v4, v6) = (option("ip_version", "ipv4"), option("ip_version", "ipv6"));
        let mapped = option("ip_version", "ipv4-mapped-ipv6");
        let plain = script(&[]);
        assert_eq!(mtu(&plain, &[]), 1500);
        assert_eq!(mtu(&plain, std::slice::from_ref(&v6)), 1520);
        assert_eq!(mtu(&plain, &[mapped]), 1500);
        assert_eq!(mtu(&plain, &[v6.clone(), option("mtu", "1280")]), 1280);
        assert_eq!(
            mtu(&script(&[("mtu", "9000")]), std::slice::from_ref(&v6)),
            9020
        );
        let of_v6 = script(&[("ip_version", "ipv6")]);
        assert_eq!(mtu(&of_v6, &[v6]), 1500);
        assert_eq!(mtu(&of_v6, &[v4]), 1480);
    }

    #[test]
    fn what_is_unknown_unsupported_or_impossible_is_refused_by_name() {
        for (name, value, said) in [
            ("colour", "red", "unknown option: --colour"),
            ("wire_client", "", "not supported: --wire_client"),
            (
                "udp_encapsulation",
                "tcp",
                "not supported: TCP in UDP (--udp_encapsulation)",
            ),
            ("mtu", "12", "--mtu cannot be 12"),
            ("tolerance_usecs", "", "--tolerance_usecs needs a value"),
            (
                "ip_version",
                "ipv5",
                "--ip_version is ipv4, ipv4-mapped-ipv6 or ipv6, not ipv5",
            ),
        ] {
            let refused = Config::default().for_script(&script(&[(name, value)]), &[]);
            let error = refused.expect_err(name);
            assert_eq!((error.message.as_str(), error.line), (said, Some(3)));
        }
    }

    #[test]
    fn addresses_are_of_the_version_that_is_run() {
        let script = script(&[("local_ip", "fd00::1")]);
        let error = Config::default()
            .for_script(&script, &[])
            .expect_err("IPv4");
        assert!(error.message.contains("is not an address of --ip_version"));
    }
}
