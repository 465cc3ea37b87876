//! `connect` and `accept`.

use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, OptionValue};

use crate::harness::*;

#[test]
fn a_blocking_connect_ends_when_the_handshake_does() {
    let mut story = Story::linux();
    let fd = story.socket();
    let call = story.start(Call::Connect {
        fd,
        address: Some(theirs()),
    });
    assert_eq!(story.expect().flags, SYN);
    story.pass(ms(300));
    assert_eq!(story.ended(call), None);
    story.inject(SYN | ACK, 0, 1, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (0, ms(300)));
    assert_eq!(story.connect(fd), Err(Errno::EISCONN));
}

#[test]
fn a_connect_that_does_not_block_is_under_way_and_then_done() {
    let mut story = Story::linux();
    let fd = story.connecting();
    assert_eq!(story.connect(fd), Err(Errno::EALREADY));
    assert_eq!(story.error(fd), None);
    story.inject(SYN | ACK, 0, 1, &[]);
    assert_eq!(story.expect().flags, ACK);
    assert_eq!(story.error(fd), None);
    assert_eq!(story.connect(fd), Ok(0));
    assert_eq!(story.connect(fd), Err(Errno::EISCONN));
}

#[test]
fn a_refused_connect_is_told_once_and_the_socket_may_try_again() {
    let mut story = Story::linux();
    let fd = story.connecting();
    story.inject(RST | ACK, 0, 1, &[]);
    assert_eq!(story.connect(fd), Err(Errno::ECONNREFUSED));
    assert_eq!(story.error(fd), None);
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    assert_eq!(story.expect().flags, SYN);
}

#[test]
fn so_error_takes_the_refusal_and_connect_then_tells_of_an_abort() {
    let mut story = Story::linux();
    let fd = story.connecting();
    story.inject(RST | ACK, 0, 1, &[]);
    assert_eq!(story.error(fd), Some(Errno::ECONNREFUSED));
    assert_eq!(story.error(fd), None);
    assert_eq!(story.connect(fd), Err(Errno::ECONNABORTED));
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
}

#[test]
fn a_blocking_connect_tells_of_the_refusal() {
    let mut story = Story::linux();
    let fd = story.socket();
    let call = story.start(Call::Connect {
        fd,
        address: Some(theirs()),
    });
    story.expect();
    story.inject(RST | ACK, 0, 1, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::ECONNREFUSED));
}

#[test]
fn a_connect_nobody_answers_times_out() {
    let mut story = Story::linux();
    let fd = story.socket();
    story.set(fd, IPPROTO_TCP, TCP_SYNCNT, 1).unwrap();
    let call = story.start(Call::Connect {
        fd,
        address: Some(theirs()),
    });
    assert_eq!(story.expect().at, ms(0));
    assert_eq!(story.expect().at, secs(1));
    story.pass(secs(30));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::ETIMEDOUT));
    assert_eq!(outcome.at, secs(3));
    story.nothing();
}

#[test]
fn a_send_timeout_ends_the_wait_for_a_connection_that_goes_on() {
    let mut story = Story::linux();
    let fd = story.socket();
    let limit = OptionValue::Time(ms(500));
    story.set_value(fd, SOL_SOCKET, SO_SNDTIMEO, limit).unwrap();
    let call = story.start(Call::Connect {
        fd,
        address: Some(theirs()),
    });
    story.expect();
    story.pass(ms(600));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::EINPROGRESS));
    assert_eq!(outcome.at, ms(500));
    story.inject(SYN | ACK, 0, 1, &[]);
    assert_eq!(story.connect(fd), Ok(0));
}

#[test]
fn icmp_ends_a_connect_with_the_error_it_stands_for() {
    let answers = [
        (0, Errno::ENETUNREACH),
        (1, Errno::EHOSTUNREACH),
        (2, Errno::ENOPROTOOPT),
        (3, Errno::ECONNREFUSED),
        (13, Errno::EHOSTUNREACH),
    ];
    for (code, errno) in answers {
        let mut story = Story::linux();
        let fd = story.connecting();
        story.unreachable(code, 0);
        assert_eq!(story.error(fd), Some(errno), "code {code}");
    }
}

#[test]
fn on_freebsd_a_hard_error_refuses_the_connection() {
    for (code, errno) in [
        (1, Errno::EHOSTUNREACH),
        (2, Errno::ECONNREFUSED),
        (3, Errno::ECONNREFUSED),
        (13, Errno::ECONNREFUSED),
    ] {
        let mut story = Story::freebsd();
        let fd = story.connecting();
        story.unreachable(code, 0);
        assert_eq!(story.error(fd), Some(errno), "code {code}");
    }
}

#[test]
fn a_soft_error_explains_why_nobody_answered() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3_000).unwrap();
    story.write(fd, 10).unwrap();
    story.expect();
    story.unreachable(1, 1);
    assert_eq!(story.error(fd), None);
    story.pass(secs(10));
    assert_eq!(story.error(fd), Some(Errno::EHOSTUNREACH));
}

#[test]
fn no_host_can_be_reached_at_these_addresses() {
    let mut story = Story::linux();
    let fd = story.nonblocking();
    let connect = |address: &str| Call::Connect {
        fd,
        address: Some(address.parse().unwrap()),
    };
    let unreachable = ["255.255.255.255:80", "224.0.0.1:80", "0.0.0.0:80"];
    for address in unreachable {
        assert_eq!(story.call(connect(address)), Err(Errno::ENETUNREACH));
    }
    let family = story.call(connect("[2001:db8::1]:80"));
    assert_eq!(family, Err(Errno::EAFNOSUPPORT));
    let port = story.call(connect("192.0.2.1:0"));
    assert_eq!(port, Err(Errno::EADDRNOTAVAIL));
}

#[test]
fn a_listener_does_not_connect_and_a_connection_does_not_listen() {
    let mut story = Story::linux();
    let (listener, fd) = story.accepted();
    assert_eq!(story.connect(listener), Err(Errno::EISCONN));
    assert_eq!(story.connect(fd), Err(Errno::EISCONN));
    assert_eq!(story.listen(fd, 1), Err(Errno::EINVAL));
    assert_eq!(story.accept(fd), Err(Errno::EINVAL));
    let fresh = story.socket();
    assert_eq!(story.accept(fresh), Err(Errno::EINVAL));
}

#[test]
fn the_unspecified_family_dissolves_an_association_with_a_reset() {
    let mut story = Story::linux();
    let fd = story.connected();
    let dissolve = Call::Connect { fd, address: None };
    assert!(story.call(dissolve).is_ok());
    assert_eq!(story.expect().flags, RST | ACK);
    assert_eq!(story.name(fd, true), Err(Errno::ENOTCONN));
    assert_eq!(story.error(fd), Some(Errno::ECONNRESET));
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    assert_eq!(story.expect().flags, SYN);
}

#[test]
fn a_blocking_accept_ends_when_the_handshake_does() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    let call = story.start(Call::Accept {
        fd: listener,
        flags: 0,
    });
    story.pass(ms(100));
    story.inject(SYN, 0, 0, &[]);
    story.expect();
    assert_eq!(story.ended(call), None);
    story.pass(ms(100));
    story.inject(ACK, 1, 1, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (4, ms(200)));
    assert_eq!(story.name(4, true), Ok(theirs()));
    assert_eq!(story.name(4, false), Ok(ours()));
}

#[test]
fn an_accept_that_does_not_block_finds_nobody() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    story.nonblock(listener);
    assert_eq!(story.accept(listener), Err(Errno::EAGAIN));
}

#[test]
fn a_receive_timeout_ends_an_accept() {
    let mut story = Story::linux();
    let fd = story.listener(1);
    let limit = OptionValue::Time(ms(250));
    story.set_value(fd, SOL_SOCKET, SO_RCVTIMEO, limit).unwrap();
    let call = story.start(Call::Accept { fd, flags: 0 });
    story.pass(secs(1));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::EAGAIN));
    assert_eq!(outcome.at, ms(250));
}

#[test]
fn an_accepted_socket_blocks_on_linux_and_is_like_its_listener_on_freebsd() {
    for (mut story, expected) in [
        (Story::linux(), O_RDWR),
        (Story::freebsd(), O_RDWR | O_NONBLOCK),
    ] {
        let listener = story.listener(1);
        story.nonblock(listener);
        story.handshake(THEIR_PORT);
        let fd = story.accept(listener).unwrap();
        let flags = story.call(Call::Fcntl {
            fd,
            command: F_GETFL,
            argument: 0,
        });
        assert_eq!(flags.unwrap().0, expected.into());
    }
}

#[test]
fn freebsd_gives_up_a_connect_when_keepinit_has_passed() {
    let mut story = Story::freebsd();
    let fd = story.socket();
    story.set(fd, IPPROTO_TCP, TCP_KEEPINIT, 5).unwrap();
    let call = story.start(Call::Connect {
        fd,
        address: Some(theirs()),
    });
    story.pass(secs(60));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::ETIMEDOUT));
    assert_eq!(outcome.at, secs(5));
}
