//! What stands behind `--so_flags`.

use std::net::IpAddr;

use estab_sim::sockets::{Bench, BenchSettings, Profile};

/// How the stack is set up: `NAME=VALUE` words, separated by commas or blanks. A value may stand in double quotes.
///
/// | name | value |
/// |---|---|
/// | `system` | `linux` (the default) or `freebsd`: whose defaults and option values to imitate |
/// | `local_ip` | an address of the host; give it again for more. packetdrill's own defaults if left out |
/// | `mtu` | of the link, 1500 if left out |
/// | `seed` | what the secrets follow from, 0 if left out |
/// | a sysctl | `net.ipv4.tcp_timestamps=0`, `net.inet.tcp.sack.enable=0`, … |
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    profile: Profile,
    bench: BenchSettings,
}

impl Settings {
    /// Reads the words.
    ///
    /// # Errors
    /// The first word that is not understood, and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let words = || {
            let mut quoted = false;
            let words = text.split(move |character| {
                quoted ^= character == '"';
                !quoted && matches!(character, ',' | ' ' | '\n' | '\t')
            });
            words.filter(|word| !word.is_empty()).map(|word| {
                let pair = word.split_once('=');
                let pair = pair.map(|(name, value)| (name, value.trim_matches('"')));
                pair.ok_or_else(|| format!("`{word}` is not NAME=VALUE"))
            })
        };
        let mut settings = Self {
            profile: Profile::linux(),
            bench: BenchSettings::default(),
        };
        let mut addresses = Vec::new();
        // The system first: it replaces what sysctls change.
        for word in words() {
            let (name, value) = word?;
            if name == "system" {
                settings.profile = match value {
                    "linux" => Profile::linux(),
                    "freebsd" => Profile::freebsd(),
                    other => return Err(format!("system={other}: linux or freebsd")),
                };
            }
        }
        for word in words() {
            match word? {
                ("system", _) => {}
                ("local_ip", value) => addresses.push(address(value)?),
                ("mtu", value) => settings.bench.mtu = number("mtu", value, 576..=65_535)? as usize,
                ("seed", value) => settings.bench.seed = number("seed", value, 0..=u64::MAX)?,
                (name, value) if name.contains('.') => settings.profile.sysctl(name, value)?,
                (name, _) => {
                    return Err(format!(
                        "`{name}` is none of system, local_ip, mtu, seed, and no sysctl"
                    ));
                }
            }
        }
        if !addresses.is_empty() {
            settings.bench.addresses = addresses;
        }
        Ok(settings)
    }

    /// A host set up so.
    pub(crate) fn bench(&self) -> Bench {
        Bench::new(self.profile.clone(), &self.bench)
    }
}

fn address(value: &str) -> Result<IpAddr, String> {
    value
        .parse()
        .map_err(|_| format!("local_ip={value}: an IPv4 or IPv6 address"))
}

fn number(name: &str, value: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        format!(
            "{name}={value}: a number from {} to {}",
            range.start(),
            range.end()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use estab_sim::sockets::System;

    #[test]
    fn words_are_separated_by_commas_or_blanks() {
        let settings = Settings::parse("system=freebsd, mtu=1280\nnet.inet.tcp.sack.enable=0");
        let settings = settings.expect("all are known");
        assert_eq!(settings.profile.system, System::FreeBsd);
        assert_eq!(settings.bench.mtu, 1280);
    }

    #[test]
    fn a_value_with_blanks_stands_in_quotes() {
        let flags = "net.ipv4.tcp_rmem=\"4096 131072 200000\",mtu=1280";
        let settings = Settings::parse(flags).expect("all are known");
        assert_eq!(settings.bench.mtu, 1280);
        let twice = Settings::parse("net.ipv4.tcp_rmem=4096 131072 200000");
        assert_eq!(twice.expect_err("a word"), "`131072` is not NAME=VALUE");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text| Settings::parse(text).expect_err("it is wrong");
        assert_eq!(wrong("verbose"), "`verbose` is not NAME=VALUE");
        assert_eq!(wrong("mtu=12"), "mtu=12: a number from 576 to 65535");
        assert_eq!(
            wrong("local_ip=here"),
            "local_ip=here: an IPv4 or IPv6 address"
        );
        assert_eq!(wrong("system=mine"), "system=mine: linux or freebsd");
        assert!(wrong("colour=red").starts_with("`colour` is none of system"));
    }
}
