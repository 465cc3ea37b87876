//! What the network says: ICMP errors, path MTU, echo (RFC 1191, RFC 8201, RFC 5461, RFC 5927, RFC 1122).

use super::*;
use crate::error::ReadError;
use crate::observe::NetworkError;

/// The Internet checksum (RFC 1071), over the pseudo-header's bytes, too, where there is one.
fn checksum(parts: &[&[u8]]) -> u16 {
    let all = parts.concat();
    let mut sum = 0_u32;
    for pair in all.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An ICMP message from a router (or the peer) to the stack.
fn icmp(family: Family, kind: u8, code: u8, rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], body].concat();
    let (from, to) = (family.host(9), family.ours());
    let header = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let sum = checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let length = (20 + message.len()) as u16;
            let mut header = [0_u8; 20];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&length.to_be_bytes());
            (header[8], header[9]) = (64, 1);
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header.to_vec()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let length = (message.len() as u32).to_be_bytes();
            let pseudo = [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, 58]].concat();
            let sum = checksum(&[&pseudo, &message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let mut header = std::vec![0x60, 0, 0, 0, length[2], length[3], 58, 64];
            header.extend(from.octets());
            header.extend(to.octets());
            header
        }
        _ => unreachable!("one family"),
    };
    [header, message].concat()
}

/// The beginning of a segment of ours with this number, as a router quotes it.
fn quote(peer: &Peer, seq: SeqNumber) -> Vec<u8> {
    let segment = crate::context::bare_segment(peer.tuple, seq, peer.them, A);
    let mut packet = Vec::new();
    wire::write_segment(&mut packet, &segment, [], 1, wire::TREATMENT);
    packet
}

/// Destination unreachable: its type and the codes to try, by family.
fn unreachable(family: Family) -> (u8, &'static [u8]) {
    match family {
        V4 => (3, &[0, 1, 2, 3, 5, 13]),
        V6 => (1, &[0, 1, 3, 4, 5]),
    }
}

fn send_unreachable(harness: &mut Harness, peer: &Peer, code: u8, seq: SeqNumber) {
    let (kind, _) = unreachable(harness.family);
    let packet = icmp(harness.family, kind, code, [0; 4], &quote(peer, seq));
    harness.receive(&packet);
}

fn send_too_big(harness: &mut Harness, peer: &Peer, mtu: u32, seq: SeqNumber) {
    let quote = quote(peer, seq);
    let packet = match harness.family {
        V4 => icmp(V4, 3, 4, mtu.to_be_bytes(), &quote[..28]),
        V6 => icmp(V6, 2, 0, mtu.to_be_bytes(), &quote),
    };
    harness.receive(&packet);
}

/// RFC 5461 §4: while connecting an error is an answer.
#[test]
fn unreachable_ends_a_connection_that_is_being_opened() {
    both(|family| {
        for code in unreachable(family).1 {
            let mut harness = Harness::new(family);
            let (peer, id, _) = harness.connect();
            send_unreachable(&mut harness, &peer, *code, peer.us - 1);
            // RFC 1122 §4.2.3.9: the host is there, but nobody listens.
            let hard: &[u8] = if family == V4 { &[2, 3] } else { &[4] };
            let cause = if hard.contains(code) {
                Cause::Refused
            } else {
                Cause::Unreachable
            };
            harness.assert_entered(&peer, StateName::Closed, cause);
            let told = match (family, code) {
                (_, 0) => NetworkError::Network,
                (V4, 1) | (V6, 3) => NetworkError::Host,
                (V4, 2) => NetworkError::Protocol,
                (V4, 3) | (V6, 4) => NetworkError::Port,
                (V4, 5) => NetworkError::SourceRoute,
                _ => NetworkError::Prohibited,
            };
            assert_eq!(harness.status(id).soft_error, Some(told));
            let error = harness.stack.read(harness.now, id, &mut [0; 9]);
            assert_eq!(error, Err(ReadError::Ended(cause)));
            harness.expect_silence();
        }
    });
}

/// RFC 5927 §5: a forged error must not end an established connection.
#[test]
fn unreachable_does_not_end_an_established_connection() {
    both(|family| {
        for code in unreachable(family).1 {
            let mut harness = Harness::new(family);
            let (peer, id) = harness.accepted();
            harness.write(id, b"x");
            harness.drain();
            send_unreachable(&mut harness, &peer, *code, peer.us);
            harness.expect_silence();
            assert_eq!(harness.state(&peer), StateName::Established);
            harness.ack(&peer, peer.us + 1);
            assert_eq!(harness.status(id).unacknowledged, 0);
        }
    });
}

/// RFC 9293 §3.9.2.2, SHLD-25: remembered until the peer is heard, and told when the connection ends by a timer.
#[test]
fn a_soft_error_is_told_with_the_timeout_unless_the_peer_was_heard_again() {
    both(|family| {
        let (mut harness, host) = (Harness::new(family), if family == V4 { 1 } else { 3 });
        let (peer, id) = harness.accepted();
        harness.write(id, b"xy");
        harness.drain();
        send_unreachable(&mut harness, &peer, host, peer.us);
        assert_eq!(harness.status(id).soft_error, Some(NetworkError::Host));
        harness.ack(&peer, peer.us + 1);
        assert_eq!(harness.status(id).soft_error, None);
        let kind = if family == V4 { 11 } else { 3 };
        let quote = quote(&peer, peer.us + 1);
        harness.receive(&icmp(family, kind, 0, [0; 4], &quote));
        let told = Some(NetworkError::TimeExceeded);
        assert_eq!(harness.status(id).soft_error, told);
        harness.advance(secs(3600));
        harness.assert_entered(&peer, StateName::Closed, Cause::DataRetries);
        assert_eq!(harness.status(id).soft_error, told);
    });
}

/// RFC 1191 §6.5: what the path still carries is not sent again.
#[test]
fn only_what_was_too_big_goes_again() {
    both(|family| {
        let mut harness = Harness::new(family);
        let large = |segment: &mut Segment<'_>| segment.options.mss = Some(1400);
        let (peer, id) = harness.accepted_with(|options| options.socket.nodelay = true, large);
        harness.write(id, bytes(1400));
        harness.write(id, b"small");
        harness.drain();
        send_too_big(&mut harness, &peer, 1300, peer.us);
        let sent = harness.drain();
        let mss = 1300 - wire::header_len(family == V4);
        let lengths: Vec<_> = sent.iter().map(|got| got.data.len()).collect();
        assert_eq!(lengths, [mss, 1400 - mss]);
        assert_eq!(harness.status(id).outstanding.unacked, 3);
    });
}

/// RFC 5927 §4.1: "SND.UNA =< SEG.SEQ < SND.NXT".
#[test]
fn an_error_about_what_is_not_in_flight_is_ignored() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, ..) = harness.connect();
        for wrong in [peer.us, peer.us - 2, peer.us + 1000, peer.us + (1 << 31)] {
            send_unreachable(&mut harness, &peer, 1, wrong);
            send_too_big(&mut harness, &peer, 1300, wrong);
        }
        assert_eq!(harness.discarded(DiscardReason::IcmpSequence), 8);
        assert_eq!(harness.state(&peer), StateName::SynSent);
        harness.expect_silence();
    });
}

#[test]
fn an_error_about_no_connection_is_counted() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = harness.new_peer(PORT, 0);
        send_unreachable(&mut harness, &peer, 1, peer.us);
        let half_open = harness.syn(1000);
        let answer = harness.next().unwrap();
        send_unreachable(&mut harness, &half_open, 1, answer.seq);
        assert_eq!(harness.discarded(DiscardReason::IcmpNoConnection), 2);
        assert_eq!(harness.state(&half_open), StateName::SynReceived);
    });
}

/// RFC 1191 §6, RFC 8201 §4: smaller at once, and not as a sign of congestion.
#[test]
fn a_packet_that_was_too_big_goes_again_in_smaller_ones() {
    both(|family| {
        let mut harness = Harness::new(family);
        let large = |segment: &mut Segment<'_>| segment.options.mss = Some(1400);
        let (peer, id) = harness.accepted_with(|_| (), large);
        harness.write(id, bytes(2800));
        assert_eq!(harness.drain().len(), 2);
        send_too_big(&mut harness, &peer, 1300, peer.us);
        let mss = 1300 - wire::header_len(family == V4);
        let sent = harness.drain();
        assert!(sent.iter().all(|got| got.data.len() <= mss));
        assert_eq!(sent.iter().map(|got| got.data.len()).sum::<usize>(), 2800);
        let status = harness.status(id);
        assert_eq!((status.path_mtu, usize::from(status.mss)), (1300, mss));
        assert_eq!(
            (status.congestion, status.backoff),
            (CongestionState::Open, 0)
        );
        harness.ack(&peer, peer.us + 2800);
        assert_eq!(harness.status(id).unacknowledged, 0);
    });
}

#[test]
fn a_path_mtu_below_the_least_is_raised_to_it() {
    for told in [1, 68, 200, 295] {
        let mut harness = Harness::new(V4);
        let large = |segment: &mut Segment<'_>| segment.options.mss = Some(1400);
        let (peer, id) = harness.accepted_with(|_| (), large);
        harness.write(id, bytes(1400));
        harness.drain();
        send_too_big(&mut harness, &peer, told, peer.us);
        assert_eq!(harness.status(id).path_mtu, 296);
    }
}

/// RFC 8201 §4: "If a node receives a Packet Too Big message reporting a next-hop MTU that is less than the IPv6
/// minimum link MTU, it must discard it."
#[test]
fn a_path_mtu_that_ipv6_does_not_know_is_discarded() {
    for told in [0, 1, 68, 1279] {
        let mut harness = Harness::new(V6);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(1400));
        harness.drain();
        send_too_big(&mut harness, &peer, told, peer.us);
        harness.expect_silence();
        assert_eq!(harness.status(id).path_mtu, 1500);
    }
}

/// RFC 1191 §7: an old router does not say; the plateaus are tried.
#[test]
fn without_a_next_hop_mtu_the_plateaus_are_tried() {
    let mut harness = Harness::new(V4);
    let large = |segment: &mut Segment<'_>| segment.options.mss = Some(1400);
    let (peer, id) = harness.accepted_with(|_| (), large);
    harness.write(id, bytes(1400));
    for expected in [1492, 1006, 508, 296, 296] {
        harness.drain();
        send_too_big(&mut harness, &peer, 0, peer.us);
        assert_eq!(harness.status(id).path_mtu, expected);
    }
}

#[test]
fn a_path_mtu_that_is_not_smaller_changes_nothing() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id) = harness.accepted();
        harness.write(id, bytes(1000));
        harness.drain();
        for mtu in [1500, 1501, 65_535, u32::from(u16::MAX)] {
            send_too_big(&mut harness, &peer, mtu, peer.us);
        }
        harness.expect_silence();
        assert_eq!(harness.status(id).path_mtu, 1500);
    });
}

#[test]
fn time_exceeded_and_parameter_problem_end_nothing() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, id, _) = harness.connect();
        let kinds = if family == V4 { [11, 12] } else { [3, 4] };
        let told = [NetworkError::TimeExceeded, NetworkError::ParameterProblem];
        for (kind, told) in kinds.into_iter().zip(told) {
            harness.receive(&icmp(family, kind, 0, [0; 4], &quote(&peer, peer.us - 1)));
            assert_eq!(harness.status(id).soft_error, Some(told));
        }
        assert_eq!(harness.state(&peer), StateName::SynSent);
        harness.expect_silence();
    });
}

/// RFC 9293 §3.9.2.2, MUST-55.
#[test]
fn a_source_quench_is_silently_discarded() {
    let mut harness = Harness::new(V4);
    let (peer, id) = harness.accepted();
    harness.write(id, bytes(5000));
    harness.drain();
    let before = harness.status(id).cwnd;
    harness.receive(&icmp(V4, 4, 0, [0; 4], &quote(&peer, peer.us)));
    harness.expect_silence();
    assert!(harness.sent_icmp.is_empty());
    let status = harness.status(id);
    assert_eq!((status.cwnd, status.soft_error), (before, None));
    assert_eq!(status.state, StateName::Established);
    assert_eq!(harness.discarded(DiscardReason::IcmpUnhandled), 1);
}

#[test]
fn an_error_with_a_wrong_checksum_or_cut_short_is_ignored() {
    both(|family| {
        let mut harness = Harness::new(family);
        let (peer, ..) = harness.connect();
        let (kind, _) = unreachable(family);
        let whole = icmp(family, kind, 1, [0; 4], &quote(&peer, peer.us - 1));
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        harness.receive(&wrong);
        assert_eq!(harness.discarded(DiscardReason::IcmpChecksum), 1);
        for length in 0..quote(&peer, peer.us).len() {
            let cut = &quote(&peer, peer.us - 1)[..length];
            let needed = if family == V4 { 28 } else { 48 };
            harness.receive(&icmp(family, kind, 1, [0; 4], cut));
            let ended = harness.state(&peer) == StateName::Closed;
            assert_eq!(ended, length >= needed, "{length}");
            if ended {
                break;
            }
        }
    });
}

/// RFC 1122 §3.2.2.6, RFC 4443 §4.2.
#[test]
fn an_echo_is_answered_with_all_its_data() {
    both(|family| {
        for length in [0, 1, 56, 1400] {
            let mut harness = Harness::new(family);
            let (request, reply) = if family == V4 { (8, 0) } else { (128, 129) };
            let body = bytes(length);
            harness.receive(&icmp(family, request, 0, [1, 2, 3, 4], &body));
            let packet = harness.sent_icmp.pop_front().expect("a reply");
            let headers = if family == V4 { 20 } else { 40 };
            let message = &packet[headers..];
            assert_eq!(message[..2], [reply, 0]);
            assert_eq!(message[4..], [&[1, 2, 3, 4], &body[..]].concat());
            assert_eq!(harness.stack.counters().icmp_echoes, 1);
        }
    });
}

/// RFC 1122 §3.2.2.6: "if sending the Echo Reply requires intentional fragmentation that is not implemented, the
/// datagram MUST be truncated to maximum transmission size".
#[test]
fn an_echo_longer_than_the_link_takes_is_answered_with_what_fits() {
    both(|family| {
        let mut harness = Harness::with(family, |config| config.mtu = 1280);
        let (kind, ip) = if family == V4 { (8, 20) } else { (128, 40) };
        for (length, answered) in [(1280 - ip - 8, 1280 - ip - 8), (1400, 1280 - ip - 8)] {
            let request = icmp(family, kind, 0, [1, 2, 3, 4], &bytes(length));
            harness.receive(&request);
            let reply = harness.sent_icmp.pop_front().expect("a reply");
            assert_eq!(reply.len(), ip + 8 + answered);
            assert_eq!(reply[ip + 4..], request[ip + 4..reply.len()]);
            // Read by the same parser: its length and checksum are those of what was left.
            let read = wire::parse(&reply, Checksum::Unknown).map(|_| ());
            let reason = read.expect_err("nobody wants a reply").reason;
            assert_eq!(reason, DiscardReason::IcmpUnhandled);
        }
    });
}

#[test]
fn an_echo_to_somebody_else_or_from_ourselves_is_not_answered() {
    let mut harness = Harness::new(V4);
    let mut packet = icmp(V4, 8, 0, [0; 4], b"ping");
    for (place, host) in [(19, 77), (15, 1)] {
        let mut packet = packet.clone();
        packet[place] = host;
        packet[10..12].fill(0);
        let sum = checksum(&[&packet[..20]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        harness.receive(&packet);
    }
    packet[21] = 0;
    assert!(harness.sent_icmp.is_empty());
    assert_eq!(harness.discarded(DiscardReason::NotForUs), 1);
    assert_eq!(harness.discarded(DiscardReason::BadSource), 1);
}

/// RFC 9293 §3.1, MUST-3; the IPv4 header's own, too.
#[test]
fn a_wrong_checksum_is_counted_and_the_segment_dropped() {
    both(|family| {
        let mut harness = Harness::new(family);
        harness.listen();
        let peer = harness.new_peer(PORT, 5);
        let tuple = peer.tuple.reversed();
        let syn = crate::context::bare_segment(tuple, peer.them - 1, SeqNumber(0), S);
        let mut packet = Vec::new();
        wire::write_segment(&mut packet, &syn, [], 1, wire::TREATMENT);
        let tcp = if family == V4 { 20 } else { 40 };
        for bit in (tcp * 8)..(packet.len() * 8) {
            let mut wrong = packet.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            harness.receive(&wrong);
        }
        harness.expect_silence();
        let counted = harness.discarded(DiscardReason::TcpChecksum)
            + harness.discarded(DiscardReason::TcpHeader);
        assert_eq!(counted, (packet.len() - tcp) * 8);
        // A device may vouch for it.
        let at = tcp + 16;
        packet[at] ^= 1;
        harness
            .stack
            .receive(harness.now, &packet, Checksum::Verified);
        assert_eq!(harness.next().unwrap().flags, SA);
    });
}

/// RFC 9293 §3.9.2.3.
#[test]
fn segments_to_others_or_from_impossible_addresses_are_not_answered() {
    let mut harness = Harness::new(V4);
    harness.listen();
    let mut send = |from: [u8; 4], to: [u8; 4]| {
        let local = SocketAddr::new(to.into(), PORT);
        let remote = SocketAddr::new(from.into(), 4000);
        let tuple = FourTuple::new(remote, local);
        let syn = crate::context::bare_segment(tuple, SeqNumber(1), SeqNumber(0), S);
        harness.send_segment(&syn);
        harness.expect_silence();
    };
    send([198, 18, 0, 2], [198, 18, 0, 99]);
    send([198, 18, 0, 2], [255, 255, 255, 255]);
    send([198, 18, 0, 2], [224, 0, 0, 1]);
    send([224, 0, 0, 1], [198, 18, 0, 1]);
    send([0, 0, 0, 0], [198, 18, 0, 1]);
    send([255, 255, 255, 255], [198, 18, 0, 1]);
    send([198, 18, 0, 1], [198, 18, 0, 1]);
    assert_eq!(harness.discarded(DiscardReason::NotForUs), 3);
    assert_eq!(harness.discarded(DiscardReason::BadSource), 4);
}
