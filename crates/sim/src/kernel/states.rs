//! The kernel's endpoints and their states, from `/proc/net/tcp`.

use std::fs;

use estab_core::observe::StateName;

/// The kernel's state numbers (`include/net/tcp_states.h`): 1 is the first here; 12 is a half-open connection of a
/// listener, which the table shows as 3.
const STATES: [StateName; 11] = [
    StateName::Established,
    StateName::SynSent,
    StateName::SynReceived,
    StateName::FinWait1,
    StateName::FinWait2,
    StateName::TimeWait,
    StateName::Closed,
    StateName::CloseWait,
    StateName::LastAck,
    StateName::Listen,
    StateName::Closing,
];

/// All endpoints in the network of the calling thread, with `ss`'s word for their state and their local port.
pub(super) fn list() -> Vec<(String, u16)> {
    // A connection may be in both, between two reads: that of one thread sees the same network, not the same moment.
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| text.lines().filter_map(endpoint).collect::<Vec<_>>())
        .collect()
}

/// `0: 0100A8C0:1F90 00000000:0000 0A …`
fn endpoint(line: &str) -> Option<(String, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (_, port) = words.next()?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let number = usize::from_str_radix(words.nth(1)?, 16).ok()?;
    let state = STATES.get(number.checked_sub(1)?)?;
    Some((state.ss().to_owned(), port))
}

/// The kernel's number for a state, by the name RFC 9293, `ss` or `sockstat` gives it.
pub(super) fn number(name: &str) -> Option<u32> {
    let name = name.to_ascii_uppercase().replace('_', "-");
    let is_named = |state: &StateName| {
        name == state.rfc()
            || name == state.ss()
            || (name == "SYN-RCVD" && *state == StateName::SynReceived)
    };
    let at = STATES.iter().position(is_named)?;
    u32::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_tells_state_and_port() {
        let line =
            "   0: 0100A8C0:1F90 0102000C0:0050 08 00000000:00000000 00:00000000 00000000  0 0 1 1";
        assert_eq!(endpoint(line), Some(("CLOSE-WAIT".to_owned(), 8080)));
        assert_eq!(endpoint("  sl  local_address rem_address   st"), None);
        assert_eq!(endpoint(""), None);
    }

    #[test]
    fn a_state_is_found_by_any_of_its_names() {
        for name in ["SYN_RCVD", "SYN-RECV", "syn_received"] {
            assert_eq!(number(name), Some(3), "{name}");
        }
        assert_eq!(number("TIME_WAIT"), Some(6));
        assert_eq!(number("OPEN"), None);
    }
}
