//! Packets of every kind.

use crate::script::ast::{Body, Direction, Icmp, IpFields, Sequence, TcpFlags, TcpOption, Tos};

use super::{packet, tcp};

#[test]
fn a_segment_with_everything() {
    let packet = packet(
        "+0 > (tos 0x10, ttl 64, flowlabel 0xabc) 8080 > 53 PU. 1:1001(1000) ack 2 win 3 urg 4 <mss 1460>",
    );
    assert_eq!(packet.direction, Direction::Outbound);
    let ip = IpFields {
        tos: Some(Tos::Byte(16)),
        ttl: Some(64),
        flow_label: Some(0xabc),
    };
    assert_eq!(packet.ip, ip);
    assert_eq!(packet.ports, Some((8080, 53)));
    let Body::Tcp(tcp) = packet.body else {
        panic!("TCP expected");
    };
    let flags = TcpFlags {
        psh: true,
        urg: true,
        ack: true,
        ..TcpFlags::default()
    };
    assert_eq!(tcp.flags, flags);
    assert_eq!(
        tcp.seq,
        Sequence::At {
            start: 1,
            len: 1000
        }
    );
    assert_eq!((tcp.ack, tcp.any_ack), (Some(2), false));
    assert_eq!((tcp.win, tcp.urg), (Some(3), Some(4)));
    assert_eq!(tcp.options, Some(vec![TcpOption::Mss(1460)]));
    assert!(!tcp.unmapped_seq);
}

#[test]
fn a_segment_with_nothing() {
    let tcp = tcp("+0 > - 0:0(0)");
    assert_eq!(tcp.flags, TcpFlags::default());
    assert_eq!((tcp.ack, tcp.win, tcp.urg), (None, None, None));
    assert_eq!(tcp.options, Some(vec![]));
}

#[test]
fn control_bits_as_scripts_write_them() {
    let shown = |text: &str| tcp(&format!("+0 > {text} 0:0(0)")).flags.to_string();
    for (written, means) in [
        ("S", "S"),
        ("F", "F"),
        ("SEW", "SEW"),
        ("SE.", "SE."),
        ("S.EW", "SEW."),
        ("SF", "FS"),
        ("FP.", "FP."),
        ("R.", "R."),
        (".", "."),
        ("-", "-"),
        ("F .", "F."),
        ("P.5", "P5."),
        (".5", ".5"),
        ("S7", "S7"),
        ("SA", "SA"),
    ] {
        assert_eq!(shown(written), means, "{written}");
    }
}

#[test]
fn sequence_numbers_may_be_live_or_left_open() {
    assert!(tcp("+0 > R 5:5(0)!").unmapped_seq);
    let open = tcp("+0 > . ...(10) ack * win * <...>");
    assert_eq!(open.seq, Sequence::Any { len: 10 });
    assert_eq!(
        (open.ack, open.any_ack, open.win, open.options),
        (None, true, None, None)
    );
    let wrapped = tcp("+0 > . 4294967295:1(2)");
    assert_eq!(
        wrapped.seq,
        Sequence::At {
            start: u32::MAX,
            len: 2
        }
    );
}

#[test]
fn options_keep_their_order() {
    let options =
        tcp("+0 > S 0:0(0) <nop,TS val ... ecr 7,wscale 8,sackOK,eol,eol,sack 1:2 3:4,mss 536>")
            .options;
    assert_eq!(
        options.expect("options"),
        [
            TcpOption::Nop,
            TcpOption::Timestamps {
                val: None,
                ecr: Some(7)
            },
            TcpOption::WindowScale(8),
            TcpOption::SackPermitted,
            TcpOption::Eol,
            TcpOption::Eol,
            TcpOption::Sack(vec![(1, 2), (3, 4)]),
            TcpOption::Mss(536),
        ]
    );
}

#[test]
fn options_without_a_name_of_their_own() {
    let first = |text: &str| {
        tcp(&format!("+0 > . 1:1(0) <{text}>"))
            .options
            .expect("options")
            .remove(0)
    };
    let other = |kind, data: &[u8]| TcpOption::Other {
        kind,
        data: data.to_vec(),
    };
    assert_eq!(first("gen-30 0102"), other(30, &[1, 2]));
    assert_eq!(first("gen-255,nop,nop"), other(255, &[]));
    assert_eq!(first("exp-f989"), other(254, &[0xf9, 0x89]));
    assert_eq!(first("exp-tarr 3,nop,nop,nop"), other(254, &[0, 0xac, 6]));
    assert_eq!(first("0204ffff"), TcpOption::Raw(vec![2, 4, 0xff, 0xff]));
    assert_eq!(first("00000000"), TcpOption::Raw(vec![0; 4]));
    assert_eq!(
        first("md5 valid,nop,nop"),
        TcpOption::Md5("valid".to_owned())
    );
    assert_eq!(
        first("md5 0001,nop,nop,nop,nop"),
        TcpOption::Md5("0001".to_owned())
    );
}

/// RFC 9768 §3.2.3: the order of the counters is the option's kind.
#[test]
fn the_counters_of_acc_ecn() {
    let first = |text: &str| {
        tcp(&format!("+0 > . 1:1(0) <{text}>"))
            .options
            .expect("options")
            .remove(0)
    };
    let counters = [0, 0, 1, 0, 0, 2, 0, 0, 3];
    let in_order = TcpOption::Other {
        kind: 172,
        data: counters.to_vec(),
    };
    let reversed = TcpOption::Other {
        kind: 174,
        data: counters.to_vec(),
    };
    assert_eq!(first("ECN e0b 1 ceb 2 e1b 3,nop"), in_order);
    assert_eq!(first("AccECN0 ee0b 1 eceb 2 ee1b 3,nop"), in_order);
    assert_eq!(first("ECN e1b 1 ceb 2 e0b 3,nop"), reversed);
    assert_eq!(first("AccECN1 ee1b 1 eceb 2 ee0b 3,nop"), reversed);
    let experiment = TcpOption::Other {
        kind: 254,
        data: vec![0xac, 0xc1, 0, 0, 9],
    };
    assert_eq!(first("exp-AccECN1 ee1b 9,nop"), experiment);
}

#[test]
fn fields_of_the_ip_header() {
    let ip = |text: &str| packet(&format!("+0 > {text} . 1:1(0)")).ip;
    let tos = |text: &str| ip(text).tos;
    assert_eq!(tos("[noecn]"), Some(Tos::Ecn(0)));
    assert_eq!(tos("[ect1]"), Some(Tos::Ecn(1)));
    assert_eq!(tos("(ect0)"), Some(Tos::Ecn(2)));
    assert_eq!(tos("(ecn ce)"), Some(Tos::Ecn(3)));
    assert_eq!(tos("[ect01]"), Some(Tos::Ect01));
    assert_eq!(tos("(class 0x28)"), Some(Tos::Byte(0x28)));
    assert_eq!(tos("(dscp af41)"), Some(Tos::Dscp(34)));
    assert_eq!(tos("(dscp voice-admit, ce)"), Some(Tos::Byte(44 << 2 | 3)));
    assert_eq!(tos("(ect01, dscp 0x8)"), Some(Tos::DscpEct01(8)));
    assert_eq!(ip("(hlim 1)").ttl, Some(1));
    assert_eq!(ip("(ttl 1, flowlabel 0xfffff)").flow_label, Some(0xf_ffff));
}

#[test]
fn icmp_quotes_a_segment_or_a_datagram_or_nothing() {
    let message = |text: &str| match packet(&format!("+0 < {text}")) {
        packet if matches!(packet.body, Body::Icmp(_)) => packet,
        other => panic!("{other:?} is no ICMP"),
    };
    let icmp = |text: &str| match message(text).body {
        Body::Icmp(icmp) => icmp,
        other => panic!("{other:?} is no ICMP"),
    };
    let frag_needed = Icmp {
        kind: "unreachable".to_owned(),
        code: Some("frag_needed".to_owned()),
        mtu: Some(1200),
        quoted: Some((1, 1000)),
        quotes_udp: false,
        raw: None,
        id: None,
    };
    assert_eq!(
        icmp("icmp unreachable frag_needed mtu 1200 [1:1001(1000)]"),
        frag_needed
    );
    assert_eq!(icmp("icmp packet_too_big mtu 1280 [1:1(0)]").code, None);
    assert_eq!(icmp("icmp type_3 code_4").code.as_deref(), Some("code_4"));
    assert_eq!(icmp("icmp echo_request id 7 [raw (8)]").raw, Some(8));
    let udp = icmp("icmp unreachable port_unreachable [udp (1000)]");
    assert_eq!((udp.quoted, udp.quotes_udp), (Some((0, 1000)), true));
    assert_eq!(
        message("icmp unreachable no_route [0:0(0)/udp(9811 > 1)]").udp,
        Some((9811, 1))
    );
}

#[test]
fn udp_carries_bytes_or_a_segment() {
    let datagram = packet("+0 < udp 53 > 8080 (100)");
    assert_eq!(
        (datagram.ports, datagram.body),
        (Some((53, 8080)), Body::Udp(100))
    );
    assert_eq!(packet("+0 < udp (100)").body, Body::Udp(100));
    let segment = packet("+0 < S 0:0(0) win 32767 <mss 1460>/udp(1 > 9811)");
    assert_eq!(segment.udp, Some((1, 9811)));
    assert_eq!(
        packet("+0 < . 0:0(0) win 32767/udp(1 > 9811)").udp,
        Some((1, 9811))
    );
}
