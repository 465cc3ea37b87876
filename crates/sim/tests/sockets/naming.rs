//! `socket`, `bind`, `listen` and the names of a socket.

use std::net::SocketAddr;

use estab_sim::script::Subject as _;
use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, OptionValue};

use crate::harness::*;

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn descriptors_are_the_smallest_free_ones_from_three() {
    let mut story = Story::linux();
    let fds = [story.socket(), story.socket(), story.socket()];
    assert_eq!(fds, [3, 4, 5]);
    assert_eq!(story.close(4), Ok(0));
    assert_eq!(story.socket(), 4);
    assert_eq!(story.socket(), 6);
}

#[test]
fn a_descriptor_that_is_closed_is_bad_for_every_call() {
    let mut story = Story::linux();
    let fd = story.socket();
    assert_eq!(story.close(fd), Ok(0));
    assert_eq!(story.close(fd), Err(Errno::EBADF));
    assert_eq!(story.bind(fd, ours()), Err(Errno::EBADF));
    assert_eq!(story.listen(fd, 1), Err(Errno::EBADF));
    assert_eq!(story.accept(fd), Err(Errno::EBADF));
    assert_eq!(story.connect(fd), Err(Errno::EBADF));
    assert_eq!(story.read(fd), Err(Errno::EBADF));
    assert_eq!(story.write(fd, 1), Err(Errno::EBADF));
    assert_eq!(story.shutdown(fd, SHUT_WR), Err(Errno::EBADF));
    assert_eq!(story.ioctl(fd, SIOCINQ), Err(Errno::EBADF));
    assert_eq!(story.name(fd, false), Err(Errno::EBADF));
    assert_eq!(story.get(fd, SOL_SOCKET, SO_ERROR), Err(Errno::EBADF));
    assert_eq!(story.set(fd, SOL_SOCKET, SO_RCVBUF, 1), Err(Errno::EBADF));
    assert_eq!(story.poll(fd), POLLNVAL);
}

#[test]
fn only_streams_over_tcp_can_be_made() {
    let mut story = Story::linux();
    let mut make = |domain, kind, protocol| {
        story.call(Call::Socket {
            domain,
            kind,
            protocol,
        })
    };
    assert_eq!(make(1, SOCK_STREAM, 0), Err(Errno::EAFNOSUPPORT));
    assert_eq!(make(AF_INET, SOCK_DGRAM, 0), Err(Errno::ESOCKTNOSUPPORT));
    let udp = make(AF_INET, SOCK_STREAM, IPPROTO_UDP);
    assert_eq!(udp, Err(Errno::EPROTONOSUPPORT));
    assert_eq!(make(AF_INET, SOCK_STREAM | 0x100, 0), Err(Errno::EINVAL));
    assert!(make(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0).is_ok());
}

#[test]
fn the_flags_of_creation_are_told_by_fcntl() {
    let mut story = Story::linux();
    let kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    let made = story.call(Call::Socket {
        domain: AF_INET,
        kind,
        protocol: 0,
    });
    let fd = made.unwrap().0 as i32;
    let mut fcntl = |command, argument| {
        let call = Call::Fcntl {
            fd,
            command,
            argument,
        };
        story.call(call).map(|(value, _)| value as i32)
    };
    assert_eq!(fcntl(F_GETFL, 0), Ok(O_RDWR | O_NONBLOCK));
    assert_eq!(fcntl(F_GETFD, 0), Ok(FD_CLOEXEC));
    assert_eq!(fcntl(F_SETFL, O_RDWR), Ok(0));
    assert_eq!(fcntl(F_GETFL, 0), Ok(O_RDWR));
    assert_eq!(fcntl(9999, 0), Err(Errno::EINVAL));
}

#[test]
fn a_socket_is_bound_once_and_only_to_an_address_of_ours() {
    let mut story = Story::linux();
    let fd = story.socket();
    let foreign = story.bind(fd, at("10.9.9.9:80"));
    assert_eq!(foreign, Err(Errno::EADDRNOTAVAIL));
    let family = story.bind(fd, at("[::]:80"));
    assert_eq!(family, Err(Errno::EAFNOSUPPORT));
    assert_eq!(story.name(fd, false), Ok(at("0.0.0.0:0")));
    assert_eq!(story.bind(fd, ours()), Ok(0));
    assert_eq!(story.bind(fd, ours()), Err(Errno::EINVAL));
    assert_eq!(story.name(fd, false), Ok(ours()));
    assert_eq!(story.name(fd, true), Err(Errno::ENOTCONN));
}

#[test]
fn port_zero_chooses_one_and_nobody_else_is_given_it() {
    let mut story = Story::linux();
    let ports = "net.ipv4.ip_local_port_range";
    story.bench.sysctl(ports, "40000 40001").unwrap();
    let bound = story.socket();
    story.bind(bound, at("192.168.0.1:0")).unwrap();
    let held = story.name(bound, false).unwrap().port();
    let connecting = story.nonblocking();
    assert_eq!(story.connect(connecting), Err(Errno::EINPROGRESS));
    let chosen = story.name(connecting, false).unwrap().port();
    assert_ne!(held, chosen);
    // There is none left: not for a connect, and not for a bind.
    let third = story.nonblocking();
    assert_eq!(story.connect(third), Err(Errno::EADDRNOTAVAIL));
    assert_eq!(story.bind(third, at("0.0.0.0:0")), Err(Errno::EADDRINUSE));
    story.close(bound).unwrap();
    assert_eq!(story.bind(third, at("0.0.0.0:0")), Ok(0));
    assert_eq!(story.name(third, false).unwrap().port(), held);
}

#[test]
fn a_bound_socket_keeps_others_from_its_port_unless_both_reuse_it() {
    let mut story = Story::linux();
    let (one, two) = (story.socket(), story.socket());
    story.bind(one, ours()).unwrap();
    assert_eq!(story.bind(two, ours()), Err(Errno::EADDRINUSE));
    let everywhere = at("0.0.0.0:8080");
    assert_eq!(story.bind(two, everywhere), Err(Errno::EADDRINUSE));
    story.set(two, SOL_SOCKET, SO_REUSEADDR, 1).unwrap();
    assert_eq!(story.bind(two, ours()), Err(Errno::EADDRINUSE));
    story.set(one, SOL_SOCKET, SO_REUSEADDR, 1).unwrap();
    assert_eq!(story.bind(two, ours()), Ok(0));
    // Once one of them listens the other cannot.
    assert_eq!(story.listen(one, 1), Ok(0));
    assert_eq!(story.listen(two, 1), Err(Errno::EADDRINUSE));
    let three = story.socket();
    story.set(three, SOL_SOCKET, SO_REUSEADDR, 1).unwrap();
    assert_eq!(story.bind(three, ours()), Err(Errno::EADDRINUSE));
}

#[test]
fn a_port_in_time_wait_is_for_those_who_reuse_addresses() {
    let mut story = Story::linux();
    let (listener, fd) = story.accepted();
    story.close(fd).unwrap();
    assert_eq!(story.expect().flags, FIN | ACK);
    story.inject(FIN | ACK, 1, 2, &[]);
    assert_eq!(story.expect().flags, ACK);
    story.close(listener).unwrap();
    let next = story.socket();
    assert_eq!(story.bind(next, ours()), Err(Errno::EADDRINUSE));
    story.set(next, SOL_SOCKET, SO_REUSEADDR, 1).unwrap();
    assert_eq!(story.bind(next, ours()), Ok(0));
    assert_eq!(story.listen(next, 1), Ok(0));
}

#[test]
fn a_listener_that_was_not_bound_chooses_its_port() {
    let mut story = Story::linux();
    let fd = story.socket();
    assert_eq!(story.listen(fd, 1), Ok(0));
    let name = story.name(fd, false).unwrap();
    assert!(name.ip().is_unspecified() && name.port() >= 32_768);
    assert_eq!(story.get(fd, SOL_SOCKET, SO_ACCEPTCONN), Ok(1));
}

#[test]
fn a_socket_of_ipv6_writes_addresses_of_ipv4_in_its_own_way() {
    let mut story = Story::linux();
    let made = story.call(Call::Socket {
        domain: AF_INET6,
        kind: SOCK_STREAM,
        protocol: 0,
    });
    let listener = made.unwrap().0 as i32;
    story.bind(listener, at("[::]:8080")).unwrap();
    story.listen(listener, 1).unwrap();
    story.handshake(THEIR_PORT);
    let fd = story.accept(listener).unwrap();
    assert_eq!(story.name(fd, true), Ok(at("[::ffff:192.0.2.1]:54321")));
    assert_eq!(story.name(fd, false), Ok(at("[::ffff:192.168.0.1]:8080")));
    let domain = story.get_value(fd, SOL_SOCKET, SO_DOMAIN);
    assert_eq!(domain, Ok(OptionValue::Int(AF_INET6)));
}

#[test]
fn a_bound_port_outlasts_the_connection_made_from_it() {
    let mut story = Story::linux();
    let fd = story.nonblocking();
    story.bind(fd, at("0.0.0.0:7777")).unwrap();
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    assert_eq!(story.name(fd, false), Ok(at("192.168.0.1:7777")));
    story.expect();
    story.inject(RST | ACK, 0, 1, &[]);
    assert_eq!(story.connect(fd), Err(Errno::ECONNREFUSED));
    assert_eq!(story.name(fd, false), Ok(at("0.0.0.0:7777")));
    let other = story.socket();
    assert_eq!(
        story.bind(other, at("0.0.0.0:7777")),
        Err(Errno::EADDRINUSE)
    );
}
