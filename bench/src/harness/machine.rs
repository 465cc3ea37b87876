//! The machine that measured, and what was measured.

use std::fs;
use std::process::Command;

/// The lock file of this crate: which versions of the peers are compiled in.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Where and when figures were taken.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory, in GiB.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler's version.
    pub rustc: String,
    /// The day, in UTC.
    pub date: String,
    /// The commit, with a `+` if there were changes besides.
    pub commit: String,
    /// The peers compiled in, with their versions.
    pub peers: Vec<String>,
}

impl Machine {
    /// This machine, now.
    #[must_use]
    pub fn describe() -> Self {
        let unknown = || "unknown".to_owned();
        let dirty =
            output("git", &["status", "--porcelain", "-uno"]).is_some_and(|s| !s.is_empty());
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib("MemTotal").unwrap_or(0).div_ceil(1 << 20),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            rustc: output("rustc", &["--version"]).unwrap_or_else(unknown),
            date: output("date", &["-u", "+%F"]).unwrap_or_else(unknown),
            commit: output("git", &["rev-parse", "--short=10", "HEAD"])
                .map_or_else(unknown, |hash| if dirty { hash + "+" } else { hash }),
            peers: ["smoltcp", "ipstack", "tcp_ip"]
                .iter()
                .filter_map(|name| Some(format!("{name} {}", locked_version(LOCK, name)?)))
                .collect(),
        }
    }

    /// Bytes that can be used without driving anything else out.
    #[must_use]
    pub fn available_bytes() -> u64 {
        kib("MemAvailable").unwrap_or(0) * 1024
    }
}

fn kib(name: &str) -> Option<u64> {
    let field = field("/proc/meminfo", name)?;
    field.split_whitespace().next()?.parse().ok()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn locked_version(lock: &str, name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let start = lock.find(&entry)? + entry.len();
    lock[start..].split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_are_told_with_the_versions_they_are_locked_to() {
        let version = locked_version(LOCK, "smoltcp").unwrap();
        assert!(version.starts_with("0.14."), "{version}");
        assert_eq!(locked_version(LOCK, "no-such-crate"), None);
    }

    #[test]
    fn a_machine_has_cores_and_memory() {
        let machine = Machine::describe();
        assert!(machine.cores > 0 && machine.memory_gib > 0);
        assert!(Machine::available_bytes() > 0);
    }
}
