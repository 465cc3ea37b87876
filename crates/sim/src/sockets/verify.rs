//! Whether a packet that leaves is one that a peer can take: its lengths and its checksums.

/// What is wrong with a packet.
pub(super) fn verify(packet: &[u8]) -> Result<(), String> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => verify_v4(packet),
        Some(6) => verify_v6(packet),
        _ => Err("neither IPv4 nor IPv6".to_owned()),
    }
}

fn verify_v4(packet: &[u8]) -> Result<(), String> {
    let header = packet.first().map_or(0, |byte| usize::from(byte & 15) * 4);
    if header < 20 || packet.len() < header {
        return Err("the IPv4 header is cut short".to_owned());
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if total != packet.len() {
        return Err(format!("IPv4 says {total} bytes, it has {}", packet.len()));
    }
    if sum(0, &packet[..header]) != 0xffff {
        return Err("the IPv4 header checksum is wrong".to_owned());
    }
    let body = &packet[header..];
    // ICMP has no pseudo header.
    let pseudo = match packet[9] {
        1 => 0,
        protocol => pseudo(&packet[12..20], protocol, body.len()),
    };
    verify_body(packet[9], pseudo, body)
}

fn verify_v6(packet: &[u8]) -> Result<(), String> {
    if packet.len() < 40 {
        return Err("the IPv6 header is cut short".to_owned());
    }
    let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let body = &packet[40..];
    if length != body.len() {
        return Err(format!("IPv6 says {length} bytes, it has {}", body.len()));
    }
    let pseudo = pseudo(&packet[8..40], packet[6], body.len());
    verify_body(packet[6], pseudo, body)
}

fn verify_body(protocol: u8, pseudo: u32, body: &[u8]) -> Result<(), String> {
    let (name, least) = match protocol {
        6 => ("TCP", 20),
        1 | 58 => ("ICMP", 8),
        _ => return Err(format!("protocol {protocol} is neither TCP nor ICMP")),
    };
    if body.len() < least {
        return Err(format!("the {name} header is cut short"));
    }
    if sum(pseudo, body) != 0xffff {
        return Err(format!("the {name} checksum is wrong"));
    }
    if protocol == 6 && usize::from(body[12] >> 4) * 4 > body.len() {
        return Err("the TCP header is longer than its packet".to_owned());
    }
    Ok(())
}

/// The pseudo header's part of a sum (RFC 9293 §3.1).
fn pseudo(addresses: &[u8], protocol: u8, len: usize) -> u32 {
    let fields = u32::from(protocol) + len as u32;
    u32::from(sum(fields, addresses))
}

/// The one's complement sum of RFC 1071, begun at `start`.
fn sum(start: u32, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut total = words.fold(start, |total, word| total.wrapping_add(word));
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

#[cfg(test)]
mod tests {
    use super::verify;

    /// An echo reply over IPv4: nothing in its body but zeros.
    fn packet() -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        packet.extend([0; 8]);
        packet[20 + 2] = 0xff;
        packet[20 + 3] = 0xff;
        let checksum = !super::sum(0, &packet[..20]);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    #[test]
    fn a_right_packet_passes_and_each_wrong_byte_is_found() {
        assert_eq!(verify(&packet()), Ok(()));
        for place in 0..packet().len() {
            let mut wrong = packet();
            wrong[place] ^= 0x11;
            assert!(verify(&wrong).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_short_packet_is_told_of() {
        for len in 0..packet().len() {
            assert!(verify(&packet()[..len]).is_err());
        }
    }
}
