//! ICMP and ICMPv6: what their names are on the wire, and errors that quote a segment of the stack's.

use std::net::SocketAddr;

use etherparse::IpNumber;

use super::super::ast::{Icmp, Packet};
use super::connections::Seen;
use super::report::Failure;
use super::schedule::Due;
use super::wire::{Carried, Datagram, IcmpMessage};
use super::{Runner, stamps};

impl Runner<'_> {
    /// An ICMP message of the script's.
    ///
    /// An error quotes the IP header of a packet of the stack's and the eight bytes behind it: ports and sequence
    /// number. That is all a TCP may rely on.
    pub(super) fn icmp_datagram(&self, packet: &Packet, icmp: &Icmp) -> Result<Datagram, Failure> {
        let (kind, code) = numbers(icmp, self.config.is_v6())?;
        let mut rest = [0; 4];
        if let Some(mtu) = icmp.mtu {
            rest = self.mtu_field(mtu, kind, code)?;
        }
        if let Some(id) = icmp.id {
            rest[..2].copy_from_slice(&id.to_be_bytes());
        }
        let payload = match icmp.raw {
            Some(len) => vec![0; usize::from(len).saturating_sub(8)],
            None if icmp.quoted.is_none() && !is_error(kind, self.config.is_v6()) => Vec::new(),
            None => self.quotation(icmp)?,
        };
        let message = IcmpMessage {
            kind,
            code,
            rest,
            payload,
        };
        self.datagram(packet, Carried::Icmp(message))
    }

    fn mtu_field(&self, mtu: u32, kind: u8, code: u8) -> Result<[u8; 4], Failure> {
        let connection = self.under_test.map(|place| &self.connections[place]);
        let is_added = connection.is_some_and(|connection| connection.stamps.is_added);
        let mtu = mtu.saturating_add(if is_added { stamps::LEN.into() } else { 0 });
        match (self.config.is_v6(), kind, code) {
            (false, 3, 4) => {
                let mtu =
                    u16::try_from(mtu).map_err(|_| Failure::new("an MTU in ICMP has 16 bits"))?;
                let [high, low] = mtu.to_be_bytes();
                Ok([0, 0, high, low])
            }
            (true, 2, _) => Ok(mtu.to_be_bytes()),
            (false, ..) => Err(Failure::new("an MTU is for `unreachable frag_needed`")),
            (true, ..) => Err(Failure::new("an MTU is for `packet_too_big`")),
        }
    }

    /// What an error quotes: a segment of the connection under test, or, as long as there is none, of the one that
    /// a SYN of the script would open.
    fn quotation(&self, icmp: &Icmp) -> Result<Vec<u8>, Failure> {
        let connection = self.under_test.map(|place| &self.connections[place]);
        let own = SocketAddr::new(self.config.local_ip(), self.config.bind_port);
        let next = SocketAddr::new(self.config.remote_ip(), self.next_port);
        let local = connection.and_then(|known| known.local).unwrap_or(own);
        let remote = connection.and_then(|known| known.remote).unwrap_or(next);
        let (seq, len) = icmp.quoted.unwrap_or((0, 0));
        let quoted = Datagram {
            source: local.ip(),
            destination: remote.ip(),
            tos: 0,
            ttl: 255,
            flow_label: 0,
            carried: Carried::Other(6),
        };
        let mut bytes = quoted
            .header(IpNumber::TCP, 20 + usize::from(len))
            .map_err(Failure::new)?;
        bytes.extend_from_slice(&local.port().to_be_bytes());
        bytes.extend_from_slice(&remote.port().to_be_bytes());
        let offset = connection.map_or(0, |connection| connection.local_offset(false));
        let seq = seq.wrapping_add(offset);
        bytes.extend_from_slice(&seq.to_be_bytes());
        Ok(bytes)
    }

    /// The stack is expected to send an ICMP message.
    pub(super) fn outbound_icmp(&mut self, icmp: &Icmp, due: &Due) -> Result<(), Failure> {
        let expected = numbers(icmp, self.config.is_v6())?;
        let patience = due.patience(self.subject.now());
        let seen = self.next_expected(patience, |_, seen| {
            matches!(seen.datagram.carried, Carried::Icmp(_))
        })?;
        let Some(Seen { at, datagram, .. }) = seen else {
            return Err(Failure::new("the stack sent nothing").expected(to_text(icmp)));
        };
        if let Carried::Icmp(message) = &datagram.carried
            && (message.kind, message.code) != expected
        {
            let seen = format!("icmp type_{} code_{}", message.kind, message.code);
            return Err(Failure::new("another ICMP message was expected")
                .expected(format!("icmp type_{} code_{}", expected.0, expected.1))
                .seen(seen));
        }
        due.check(at, self.config, "the ICMP message")
    }
}

/// An ICMP message as a script writes it.
pub(super) fn to_text(icmp: &Icmp) -> String {
    let mut text = format!("icmp {}", icmp.kind);
    if let Some(code) = &icmp.code {
        text += &format!(" {code}");
    }
    if let Some(mtu) = icmp.mtu {
        text += &format!(" mtu {mtu}");
    }
    if let Some((seq, len)) = icmp.quoted {
        text += &format!(" [{seq}:{}({len})]", seq.wrapping_add(len.into()));
    }
    text
}

/// Whether a message is an error, which quotes the packet it is about.
pub(super) const fn is_error(kind: u8, is_v6: bool) -> bool {
    if is_v6 {
        kind < 128
    } else {
        matches!(kind, 3 | 4 | 5 | 11 | 12)
    }
}

/// Type and code on the wire. A code without a name of its own is 0.
fn numbers(icmp: &Icmp, is_v6: bool) -> Result<(u8, u8), Failure> {
    let unknown =
        |what: &str, name: &str| Failure::new(format!("there is no ICMP {what} `{name}`"));
    let (known, codes) = if is_v6 {
        kind_v6(&icmp.kind)
    } else {
        kind_v4(&icmp.kind)
    };
    let kind = numbered(&icmp.kind, "type_")
        .or(known)
        .ok_or_else(|| unknown("type", &icmp.kind))?;
    let Some(name) = &icmp.code else {
        return Ok((kind, 0));
    };
    let code = numbered(name, "code_").or_else(|| {
        let named = codes.iter().find(|(known, _)| known == name);
        named.map(|(_, number)| *number)
    });
    Ok((kind, code.ok_or_else(|| unknown("code", name))?))
}

/// `type_3`, `type 3`, `code_4`.
fn numbered(text: &str, prefix: &str) -> Option<u8> {
    let digits = text
        .strip_prefix(prefix)
        .or_else(|| text.strip_prefix(prefix.trim_end_matches('_')))?;
    digits.trim().parse().ok()
}

type Codes = &'static [(&'static str, u8)];

/// RFC 792, and the codes of RFC 1122 and RFC 1812.
fn kind_v4(name: &str) -> (Option<u8>, Codes) {
    const UNREACHABLE: Codes = &[
        ("net_unreachable", 0),
        ("host_unreachable", 1),
        ("protocol_unreachable", 2),
        ("port_unreachable", 3),
        ("frag_needed", 4),
        ("source_route_failed", 5),
        ("net_unknown", 6),
        ("host_unknown", 7),
        ("source_host_isolated", 8),
        ("net_prohibited", 9),
        ("host_prohibited", 10),
        ("net_unreachable_for_tos", 11),
        ("host_unreachable_for_tos", 12),
        ("packet_filtered", 13),
        ("precedence_violation", 14),
        ("precedence_cutoff", 15),
    ];
    const EXCEEDED: Codes = &[
        ("ttl_exceeded_in_transit", 0),
        ("frag_reass_exceeded", 1),
        ("exceeded_hop_limit", 0),
        ("exceeded_frag_time", 1),
    ];
    let kind = match name {
        "echo_reply" => 0,
        "unreachable" => 3,
        "source_quench" => 4,
        "redirect" => 5,
        "echo_request" => 8,
        "time_exceeded" => 11,
        "parameter_problem" => 12,
        "timestamp_request" => 13,
        "timestamp_reply" => 14,
        "information_request" => 15,
        "information_reply" => 16,
        "address_mask_request" => 17,
        "address_mask_reply" => 18,
        _ => return (None, &[]),
    };
    let codes = match kind {
        3 => UNREACHABLE,
        11 => EXCEEDED,
        _ => &[],
    };
    (Some(kind), codes)
}

/// RFC 4443.
fn kind_v6(name: &str) -> (Option<u8>, Codes) {
    const UNREACHABLE: Codes = &[
        ("net_unreachable", 0),
        ("no_route", 0),
        ("admin_prohibited", 1),
        ("not_neighbour", 2),
        ("address_unreachable", 3),
        ("port_unreachable", 4),
    ];
    const EXCEEDED: Codes = &[("exceeded_hop_limit", 0), ("exceeded_frag_time", 1)];
    const PROBLEM: Codes = &[
        ("header_field", 0),
        ("unknown_next_header", 1),
        ("unknown_option", 2),
    ];
    match name {
        "unreachable" => (Some(1), UNREACHABLE),
        "packet_too_big" => (Some(2), &[]),
        "time_exceeded" => (Some(3), EXCEEDED),
        "parameter_problem" => (Some(4), PROBLEM),
        "echo_request" => (Some(128), &[]),
        "echo_reply" => (Some(129), &[]),
        "router_advertisement" => (Some(134), &[]),
        _ => (None, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icmp(kind: &str, code: Option<&str>) -> Icmp {
        Icmp {
            kind: kind.to_owned(),
            code: code.map(str::to_owned),
            mtu: None,
            quoted: None,
            quotes_udp: false,
            raw: None,
            id: None,
        }
    }

    #[test]
    fn the_same_name_is_another_number_in_each_ip() {
        let port = icmp("unreachable", Some("port_unreachable"));
        assert_eq!(numbers(&port, false), Ok((3, 3)));
        assert_eq!(numbers(&port, true), Ok((1, 4)));
        assert_eq!(numbers(&icmp("packet_too_big", None), true), Ok((2, 0)));
        assert_eq!(
            numbers(&icmp("type_42", Some("code_7")), false),
            Ok((42, 7))
        );
    }

    #[test]
    fn unknown_names_are_said() {
        let error = numbers(&icmp("packet_too_big", None), false).expect_err("IPv6 only");
        assert!(error.message.contains("no ICMP type `packet_too_big`"));
        let error = numbers(&icmp("unreachable", Some("odd")), false).expect_err("odd");
        assert!(error.message.contains("no ICMP code `odd`"));
    }
}
