//! `setsockopt` and `getsockopt`.

use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, OptionValue, Profile};

use crate::harness::*;

#[test]
fn linux_doubles_buffers_between_bounds() {
    let mut story = Story::linux();
    let fd = story.socket();
    let cases = [
        (SO_RCVBUF, 10_000, 20_000),
        (SO_RCVBUF, 1, 2_304),
        (SO_RCVBUF, i32::MAX, 2 * (15 << 20)),
        (SO_SNDBUF, 21_000, 42_000),
        (SO_SNDBUF, 0, 4_608),
        (SO_SNDBUF, -1, 2 * (4 << 20)),
    ];
    for (name, asked, told) in cases {
        assert_eq!(story.set(fd, SOL_SOCKET, name, asked), Ok(0));
        assert_eq!(story.get(fd, SOL_SOCKET, name), Ok(told), "{asked}");
    }
}

#[test]
fn freebsd_takes_buffers_as_they_are_or_not_at_all() {
    let mut story = Story::freebsd();
    let fd = story.socket();
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(65_536));
    assert_eq!(story.set(fd, SOL_SOCKET, SO_RCVBUF, 10_000), Ok(0));
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(10_000));
    let zero = story.set(fd, SOL_SOCKET, SO_RCVBUF, 0);
    assert_eq!(zero, Err(Errno::EINVAL));
    let large = story.set(fd, SOL_SOCKET, SO_SNDBUF, 3 << 20);
    assert_eq!(large, Err(Errno::ENOBUFS));
}

#[test]
fn freebsd_rounds_the_receive_buffer_to_segments_when_connected() {
    let mut story = Story::freebsd();
    let fd = story.connecting();
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(65_536));
    story.inject(SYN | ACK, 0, 1, &[]);
    let ack = story.expect();
    assert_eq!((ack.flags, ack.window), (ACK, 65_535));
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(65_700));
    // From here on the window is exact.
    story.inject(PSH | ACK, 1, 1, &[0; 1_000]);
    story.inject(PSH | ACK, 1_001, 1, &[0; 1_000]);
    assert_eq!(story.expect().window, 63_700);
    story.read(fd).unwrap();
    story.inject(FIN | ACK, 2_001, 1, &[]);
    assert_eq!(story.expect().window, 65_535);
    let (_, accepted) = Story::freebsd().accepted();
    assert_eq!(accepted, 4);
}

#[test]
fn a_child_inherits_its_listeners_options() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    story.set(listener, SOL_SOCKET, SO_RCVBUF, 8_000).unwrap();
    story.set(listener, IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
    story.set(listener, IPPROTO_IP, IP_TTL, 7).unwrap();
    story.inject(SYN, 0, 0, &[]);
    let syn_ack = story.expect();
    assert_eq!((syn_ack.window, syn_ack.ttl), (8_000, 7));
    story.inject(ACK, 1, 1, &[]);
    let fd = story.accept(listener).unwrap();
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(16_000));
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_NODELAY), Ok(1));
    // Both leave at once: Nagle would have kept the second.
    story.write(fd, 10).unwrap();
    story.write(fd, 20).unwrap();
    let sizes: Vec<_> = story.everything().iter().map(|s| s.data.len()).collect();
    assert_eq!(sizes, [10, 20]);
}

#[test]
fn nagle_keeps_a_small_segment_while_another_is_under_way() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.write(fd, 10).unwrap();
    story.write(fd, 20).unwrap();
    let sizes: Vec<_> = story.everything().iter().map(|s| s.data.len()).collect();
    assert_eq!(sizes, [10]);
    story.set(fd, IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
    let sizes: Vec<_> = story.everything().iter().map(|s| s.data.len()).collect();
    assert_eq!(sizes, [20]);
}

#[test]
fn times_and_counts_have_their_bounds() {
    let mut story = Story::linux();
    let fd = story.socket();
    let cases = [
        (TCP_KEEPIDLE, 7_200, &[0, 32_768, -1][..]),
        (TCP_KEEPINTVL, 75, &[0, 32_768, -1]),
        (TCP_KEEPCNT, 9, &[0, 128]),
        (TCP_SYNCNT, 6, &[0, 128]),
        (TCP_USER_TIMEOUT, 0, &[-1]),
        (TCP_INQ, 0, &[2]),
        (TCP_MAXSEG, 536, &[87, 32_768, -1]),
    ];
    for (name, default, wrong) in cases {
        assert_eq!(story.get(fd, IPPROTO_TCP, name), Ok(default), "{name}");
        for &value in wrong {
            let set = story.set(fd, IPPROTO_TCP, name, value);
            assert_eq!(set, Err(Errno::EINVAL), "{name} = {value}");
        }
        let value = if name == TCP_INQ { 1 } else { 99 };
        assert_eq!(story.set(fd, IPPROTO_TCP, name, value), Ok(0));
        assert_eq!(story.get(fd, IPPROTO_TCP, name), Ok(value));
    }
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_LINGER2), Ok(60));
}

#[test]
fn options_that_only_tell_cannot_be_set_and_unknown_ones_are_not_there() {
    let mut story = Story::linux();
    let fd = story.socket();
    let told = [
        (SO_TYPE, SOCK_STREAM),
        (SO_PROTOCOL, IPPROTO_TCP),
        (SO_DOMAIN, AF_INET),
        (SO_ACCEPTCONN, 0),
        (SO_ERROR, 0),
        (SO_SNDLOWAT, 1),
    ];
    for (name, value) in told {
        assert_eq!(story.get(fd, SOL_SOCKET, name), Ok(value));
        let set = story.set(fd, SOL_SOCKET, name, 1);
        assert_eq!(set, Err(Errno::ENOPROTOOPT));
    }
    for (level, name) in [
        (SOL_SOCKET, 9_999),
        (IPPROTO_TCP, 9_999),
        (IPPROTO_TCP, TCP_MD5SIG),
        (IPPROTO_IP, 9_999),
        (IPPROTO_IPV6, IPV6_TCLASS),
        (9_999, 1),
    ] {
        let (set, get) = (story.set(fd, level, name, 1), story.get(fd, level, name));
        assert_eq!(
            (set, get),
            (Err(Errno::ENOPROTOOPT), Err(Errno::ENOPROTOOPT))
        );
    }
}

#[test]
fn linger_and_timeouts_are_told_as_they_were_set() {
    let mut story = Story::linux();
    let fd = story.socket();
    for (name, default, value) in [
        (
            SO_LINGER,
            OptionValue::Linger(0, 0),
            OptionValue::Linger(1, 7),
        ),
        (
            SO_RCVTIMEO,
            OptionValue::Time(ms(0)),
            OptionValue::Time(ms(1_500)),
        ),
        (
            SO_SNDTIMEO,
            OptionValue::Time(ms(0)),
            OptionValue::Time(ms(250)),
        ),
    ] {
        assert_eq!(story.get_value(fd, SOL_SOCKET, name), Ok(default));
        story
            .set_value(fd, SOL_SOCKET, name, value.clone())
            .unwrap();
        assert_eq!(story.get_value(fd, SOL_SOCKET, name), Ok(value));
    }
    let wrong = story.set(fd, SOL_SOCKET, SO_LINGER, 1);
    assert_eq!(wrong, Err(Errno::EINVAL));
}

#[test]
fn ip_options_have_their_bounds_and_reach_the_wire() {
    let mut story = Story::linux();
    let fd = story.nonblocking();
    assert_eq!(story.get(fd, IPPROTO_IP, IP_TTL), Ok(64));
    for wrong in [0, 256, -2] {
        let set = story.set(fd, IPPROTO_IP, IP_TTL, wrong);
        assert_eq!(set, Err(Errno::EINVAL), "{wrong}");
    }
    let mtu = story.get(fd, IPPROTO_IP, IP_MTU);
    assert_eq!(mtu, Err(Errno::ENOTCONN));
    story.set(fd, IPPROTO_IP, IP_TTL, 4).unwrap();
    // The ECN bits are not the application's.
    story
        .set(fd, IPPROTO_IP, IP_TOS, IPTOS_DSCP_CS1 | 1)
        .unwrap();
    assert_eq!(story.get(fd, IPPROTO_IP, IP_TOS), Ok(IPTOS_DSCP_CS1));
    let byte = OptionValue::Bytes(vec![IP_PMTUDISC_DO as u8]);
    story
        .set_value(fd, IPPROTO_IP, IP_MTU_DISCOVER, byte)
        .unwrap();
    assert_eq!(
        story.get(fd, IPPROTO_IP, IP_MTU_DISCOVER),
        Ok(IP_PMTUDISC_DO)
    );
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    let syn = story.expect();
    assert_eq!((syn.ttl, i32::from(syn.tos)), (4, IPTOS_DSCP_CS1));
    story.inject(SYN | ACK, 0, 1, &[]);
    assert_eq!(story.get(fd, IPPROTO_IP, IP_MTU), Ok(1_500));
}

#[test]
fn maxseg_is_offered_and_kept_to() {
    let mut story = Story::linux();
    let fd = story.nonblocking();
    story.set(fd, IPPROTO_TCP, TCP_MAXSEG, 700).unwrap();
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    let syn = story.expect();
    assert_eq!(syn.options[..4], [2, 4, 0x02, 0xbc]);
    story.inject(SYN | ACK, 0, 1, &[]);
    story.expect();
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_MAXSEG), Ok(700));
    story.write(fd, 1_000).unwrap();
    assert_eq!(story.expect().data.len(), 700);
}

#[test]
fn congestion_controls_have_names() {
    let mut story = Story::linux();
    let fd = story.socket();
    let name = |name: &str| OptionValue::Bytes(name.as_bytes().to_vec());
    let told = story.get_value(fd, IPPROTO_TCP, TCP_CONGESTION).unwrap();
    let OptionValue::Bytes(told) = told else {
        panic!("{told:?}");
    };
    assert_eq!(&told[..6], b"cubic\0");
    let unknown = story.set_value(fd, IPPROTO_TCP, TCP_CONGESTION, name("bbr"));
    assert_eq!(unknown, Err(Errno::ENOENT));
    let same = story.set_value(fd, IPPROTO_TCP, TCP_CONGESTION, name("cubic"));
    assert_eq!(same, Ok(0));
}

#[test]
fn keep_alive_ends_a_connection_whose_peer_is_silent() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    for (name, value) in [(TCP_KEEPIDLE, 5), (TCP_KEEPINTVL, 2), (TCP_KEEPCNT, 2)] {
        story.set(fd, IPPROTO_TCP, name, value).unwrap();
    }
    story.set(fd, SOL_SOCKET, SO_KEEPALIVE, 1).unwrap();
    let read = Call::Receive {
        fd,
        len: 1,
        flags: 0,
    };
    let call = story.start(read);
    story.pass(secs(20));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::ETIMEDOUT));
    assert_eq!(outcome.at, secs(9));
}

#[test]
fn tcp_info_tells_of_the_connection_and_of_the_listener() {
    use estab_sim::script::Subject as _;
    let mut story = Story::of(Profile::linux());
    let (listener, fd) = story.accepted();
    story.write(fd, 3_000).unwrap();
    let info = story.bench.tcp_info(fd).unwrap();
    assert_eq!(info.field("tcpi_state"), Some(TCP_ESTABLISHED.into()));
    assert_eq!(info.field("tcpi_snd_cwnd"), Some(10));
    assert_eq!((info.unacked, info.snd_mss, info.advmss), (3, 1_460, 1_460));
    let listening = story.bench.tcp_info(listener).unwrap();
    assert_eq!(listening.state, TCP_LISTEN.into());
    assert_eq!((listening.unacked, listening.sacked), (0, 1));
    let fresh = story.socket();
    assert_eq!(story.bench.tcp_info(fresh).unwrap().state, TCP_CLOSE.into());
    assert_eq!(story.bench.tcp_info(99), None);
    let bytes = story.get_value(fd, IPPROTO_TCP, TCP_INFO).unwrap();
    let OptionValue::Bytes(bytes) = bytes else {
        panic!("{bytes:?}");
    };
    assert_eq!(i32::from(bytes[0]), TCP_ESTABLISHED);
}
