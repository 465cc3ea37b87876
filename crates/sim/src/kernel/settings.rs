//! sysctls of the namespace that the calling thread is in.

use std::fs;

/// Sets one by its Linux name: `net.ipv4.tcp_sack`.
pub(super) fn set(name: &str, value: &str) -> Result<(), String> {
    let path = path(name)?;
    fs::write(path, value).map_err(|error| format!("{name} = {value}: {error}"))
}

/// Whether the network has one of this name.
pub(super) fn is_there(name: &str) -> bool {
    path(name).is_ok_and(|path| fs::exists(path).unwrap_or(false))
}

/// Whether it is the one that a namespace may not always set, but its sockets may.
pub(super) fn is_congestion_control(name: &str) -> bool {
    path(name).as_deref() == Ok("/proc/sys/net/ipv4/tcp_congestion_control")
}

/// Whether the kernel has it.
pub(super) fn check_congestion_control(wanted: &str) -> Result<(), String> {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let available = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    if available.split_whitespace().any(|name| name == wanted) {
        return Ok(());
    }
    let available = available.trim();
    Err(format!(
        "this kernel has no congestion control {wanted:?}, only {available}"
    ))
}

/// Where it is. The directory shows each thread its own namespace.
fn path(name: &str) -> Result<String, String> {
    if name.starts_with("net.inet") {
        return Err(format!("{name} is a setting of FreeBSD; this is Linux"));
    }
    let parts: Vec<_> = name.split(['.', '/']).collect();
    let is_word = |part: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        !part.is_empty() && part.bytes().all(allowed)
    };
    if parts.first() != Some(&"net") || !parts.iter().all(is_word) {
        return Err(format!("{name} is no setting of the network"));
    }
    Ok(format!("/proc/sys/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_network_lead_to_a_file() {
        let sack = "/proc/sys/net/ipv4/tcp_sack";
        assert_eq!(path("net.ipv4.tcp_sack").as_deref(), Ok(sack));
        assert_eq!(path("net/ipv4/tcp_sack").as_deref(), Ok(sack));
        for name in [
            "kernel.panic",
            "net..ipv4",
            "net/../kernel/panic",
            "",
            "/etc/passwd",
        ] {
            assert!(path(name).unwrap_err().contains("no setting"), "{name}");
        }
        let refusal = path("net.inet.tcp.sack.enable").unwrap_err();
        assert!(refusal.contains("FreeBSD"), "{refusal}");
    }
}
