//! `poll`.

use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, Output};

use crate::harness::*;

fn wait_for(fd: i32, events: i32, millis: u64) -> Call {
    Call::Poll {
        fds: vec![(fd, events as i16)],
        timeout: Some(ms(millis)),
    }
}

#[test]
fn a_fresh_socket_is_writable_and_hung_up() {
    let mut story = Story::linux();
    let fd = story.socket();
    assert_eq!(story.poll(fd), POLLOUT | POLLWRNORM | POLLHUP);
}

#[test]
fn a_listener_is_readable_when_somebody_waits() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    let call = story.start(wait_for(listener, POLLIN, 1_000));
    story.pass(ms(20));
    story.handshake(THEIR_PORT);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (1, ms(20)));
    assert_eq!(outcome.returned.output, Output::Events(vec![POLLIN as i16]));
}

#[test]
fn a_connect_is_writable_when_it_is_done_and_not_before() {
    let mut story = Story::linux();
    let fd = story.connecting();
    assert_eq!(story.poll(fd), 0);
    let call = story.start(wait_for(fd, POLLOUT, 1_000));
    assert_eq!(story.ended(call), None);
    story.inject(SYN | ACK, 0, 1, &[]);
    assert_eq!(story.ended(call).unwrap().returned.value, 1);
    assert_eq!(story.poll(fd), POLLOUT | POLLWRNORM);
}

#[test]
fn a_refused_connect_is_ready_for_everything_and_an_error() {
    let mut story = Story::linux();
    let fd = story.connecting();
    story.inject(RST | ACK, 0, 1, &[]);
    let all = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLHUP | POLLERR;
    assert_eq!(story.poll(fd), all);
    assert_eq!(story.error(fd), Some(Errno::ECONNREFUSED));
    assert_eq!(story.poll(fd), all & !POLLERR);
}

#[test]
fn a_poll_that_nothing_ends_ends_with_its_time() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let call = story.start(wait_for(fd, POLLIN, 250));
    story.pass(secs(1));
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (0, ms(250)));
    assert_eq!(outcome.returned.output, Output::Events(vec![0]));
}

#[test]
fn data_and_the_end_of_the_stream_are_readable() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let writable = POLLOUT | POLLWRNORM;
    assert_eq!(story.poll(fd), writable);
    story.inject(PSH | ACK, 1, 1, b"hello");
    assert_eq!(story.poll(fd), writable | POLLIN | POLLRDNORM);
    story.read(fd).unwrap();
    assert_eq!(story.poll(fd), writable);
    story.inject(FIN | ACK, 6, 1, &[]);
    let finished = POLLIN | POLLRDNORM | POLLRDHUP;
    assert_eq!(story.poll(fd), writable | finished);
    story.shutdown(fd, SHUT_WR).unwrap();
    assert_eq!(story.poll(fd), writable | finished | POLLHUP);
}

#[test]
fn a_full_buffer_is_not_writable_before_a_third_is_free() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, SOL_SOCKET, SO_SNDBUF, 3_000).unwrap();
    assert_eq!(story.write(fd, 9_000), Ok(6_000));
    assert_eq!(story.poll(fd) & POLLOUT, 0);
    story.inject(ACK, 1, 1_001, &[]);
    assert_eq!(story.poll(fd) & POLLOUT, 0);
    story.inject(ACK, 1, 2_001, &[]);
    assert_eq!(story.poll(fd) & POLLOUT, POLLOUT);
}

#[test]
fn descriptors_that_are_not_there_are_told_of_or_passed_over() {
    let mut story = Story::linux();
    let fds = vec![(77, POLLIN as i16), (-1, POLLIN as i16)];
    let timeout = Some(ms(10));
    let (value, output) = story.call(Call::Poll { fds, timeout }).unwrap();
    assert_eq!(value, 1);
    assert_eq!(output, Output::Events(vec![POLLNVAL as i16, 0]));
}
