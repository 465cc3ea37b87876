//! `shutdown` and `close`.

use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, OptionValue};

use crate::harness::*;

#[test]
fn shutting_down_the_sending_side_sends_a_fin_and_reading_goes_on() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.shutdown(fd, SHUT_WR), Ok(0));
    assert_eq!(story.expect().flags, FIN | ACK);
    assert_eq!(story.write(fd, 1), Err(Errno::EPIPE));
    story.inject(PSH | ACK, 1, 2, b"late");
    assert_eq!(story.read(fd), Ok(b"late".to_vec()));
    assert_eq!(story.shutdown(fd, SHUT_WR), Ok(0));
}

#[test]
fn shutting_down_the_receiving_side_ends_reads_and_says_nothing() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.shutdown(fd, SHUT_RD), Ok(0));
    story.nothing();
    assert_eq!(story.read(fd), Ok(Vec::new()));
    assert_eq!(story.write(fd, 10), Ok(10));
    // Linux keeps what still comes, and hands it out.
    story.inject(PSH | ACK, 1, 11, b"late");
    assert_eq!(story.read(fd), Ok(b"late".to_vec()));
}

#[test]
fn a_blocking_read_ends_when_its_side_is_shut_down() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let read = Call::Receive {
        fd,
        len: 10,
        flags: 0,
    };
    let call = story.start(read);
    story.pass(ms(10));
    assert_eq!(story.shutdown(fd, SHUT_RD), Ok(0));
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (0, ms(10)));
}

#[test]
fn there_is_nothing_to_shut_down_without_a_connection() {
    let mut story = Story::linux();
    let fd = story.socket();
    assert_eq!(story.shutdown(fd, 3), Err(Errno::EINVAL));
    assert_eq!(story.shutdown(fd, SHUT_RDWR), Err(Errno::ENOTCONN));
    let (_, fd) = story.accepted();
    story.inject(RST | ACK, 1, 1, &[]);
    assert_eq!(story.shutdown(fd, SHUT_WR), Err(Errno::ENOTCONN));
}

#[test]
fn shutting_down_a_listener_ends_its_listening_and_its_children() {
    let mut story = Story::linux();
    let listener = story.listener(1);
    story.handshake(THEIR_PORT);
    assert_eq!(story.shutdown(listener, SHUT_WR), Ok(0));
    story.nothing();
    assert_eq!(story.shutdown(listener, SHUT_RD), Ok(0));
    assert_eq!(story.expect().flags, RST | ACK);
    assert_eq!(story.accept(listener), Err(Errno::EINVAL));
    // It may listen again where it was bound.
    assert_eq!(story.name(listener, false), Ok(ours()));
    assert_eq!(story.listen(listener, 1), Ok(0));
}

#[test]
fn a_listener_that_shuts_down_ends_a_blocking_accept() {
    let mut story = Story::linux();
    let fd = story.listener(1);
    let call = story.start(Call::Accept { fd, flags: 0 });
    assert_eq!(story.shutdown(fd, SHUT_RDWR), Ok(0));
    let outcome = story.ended(call).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::EINVAL));
}

#[test]
fn shutting_down_while_connecting_takes_the_connect_back() {
    let mut story = Story::linux();
    let fd = story.connecting();
    assert_eq!(story.shutdown(fd, SHUT_WR), Ok(0));
    story.inject(SYN | ACK, 0, 1, &[]);
    // Nobody is there any more.
    assert_eq!(story.expect().flags, RST);
    assert_eq!(story.error(fd), Some(Errno::ECONNRESET));
}

#[test]
fn closing_takes_four_segments_and_two_waits() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.close(fd), Ok(0));
    let fin = story.expect();
    assert_eq!((fin.flags, fin.seq), (FIN | ACK, 1));
    story.inject(ACK, 1, 2, &[]);
    story.inject(FIN | ACK, 1, 2, &[]);
    assert_eq!(story.expect().ack, 2);
    let states = story.bench.sockets().states();
    assert!(states.contains(&("TIME-WAIT".to_owned(), OUR_PORT)));
    story.pass(secs(61));
    let states = story.bench.sockets().states();
    assert!(!states.iter().any(|(state, _)| state == "TIME-WAIT"));
}

#[test]
fn closing_with_data_unread_resets() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(PSH | ACK, 1, 1, b"unread");
    story.expect();
    assert_eq!(story.close(fd), Ok(0));
    assert_eq!(story.expect().flags, RST | ACK);
}

#[test]
fn closing_with_a_linger_of_zero_resets() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let linger = OptionValue::Linger(1, 0);
    story.set_value(fd, SOL_SOCKET, SO_LINGER, linger).unwrap();
    assert_eq!(story.close(fd), Ok(0));
    assert_eq!(story.expect().flags, RST | ACK);
}

#[test]
fn closing_with_a_linger_waits_for_the_acknowledgment_of_the_fin() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let linger = OptionValue::Linger(1, 5);
    story.set_value(fd, SOL_SOCKET, SO_LINGER, linger).unwrap();
    story.write(fd, 100).unwrap();
    let call = story.start(Call::Close { fd });
    story.pass(ms(100));
    assert_eq!(story.ended(call), None);
    story.inject(ACK, 1, 102, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (0, ms(100)));
}

#[test]
fn closing_with_a_linger_waits_no_longer_than_told_and_sends_on() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let linger = OptionValue::Linger(1, 2);
    story.set_value(fd, SOL_SOCKET, SO_LINGER, linger).unwrap();
    let call = story.start(Call::Close { fd });
    assert_eq!(story.expect().flags, FIN | ACK);
    story.pass(ms(2_500));
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (0, secs(2)));
    story.inject(ACK, 1, 2, &[]);
    story.inject(FIN | ACK, 1, 2, &[]);
    let answers = story.everything();
    let last = answers.last().unwrap();
    assert_eq!((last.flags, last.ack), (ACK, 2));
}

#[test]
fn closing_a_socket_that_connects_says_nothing() {
    let mut story = Story::linux();
    let fd = story.connecting();
    assert_eq!(story.close(fd), Ok(0));
    story.nothing();
    story.inject(SYN | ACK, 0, 1, &[]);
    assert_eq!(story.expect().flags, RST);
}

#[test]
fn closing_a_listener_resets_the_children_nobody_accepted() {
    let mut story = Story::linux();
    let listener = story.listener(2);
    story.handshake(THEIR_PORT);
    assert_eq!(story.close(listener), Ok(0));
    assert_eq!(story.expect().flags, RST | ACK);
    story.inject(SYN, 0, 0, &[]);
    assert_eq!(story.expect().flags, RST | ACK);
}

#[test]
fn a_connection_in_a_state_can_be_dropped_without_a_word() {
    use estab_sim::script::Subject as _;
    let mut story = Story::freebsd();
    let (_, fd) = story.accepted();
    story.close(fd).unwrap();
    story.expect();
    story.inject(FIN | ACK, 1, 2, &[]);
    assert_eq!(story.expect().window, 65_535);
    let time_wait = ("TIME_WAIT".to_owned(), OUR_PORT);
    assert!(story.bench.states().contains(&time_wait));
    story.bench.drop_state("TIME_WAIT");
    assert!(!story.bench.states().contains(&time_wait));
    story.nothing();
    let half_open = ("SYN_RCVD".to_owned(), OUR_PORT);
    story.inject(SYN, 0, 0, &[]);
    story.expect();
    assert!(story.bench.states().contains(&half_open));
    story.bench.drop_state("SYN_RCVD");
    assert!(!story.bench.states().contains(&half_open));
}
