//! Sending and receiving.

use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Call, Errno, NULL_BUFFER, OptionValue};

use crate::harness::*;

#[test]
fn a_blocking_read_ends_when_data_comes() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let read = Call::Receive {
        fd,
        len: 100,
        flags: 0,
    };
    let call = story.start(read);
    story.pass(ms(100));
    assert_eq!(story.ended(call), None);
    story.inject(PSH | ACK, 1, 1, b"hello");
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (5, ms(100)));
}

#[test]
fn a_read_that_does_not_block_finds_nothing_then_data_then_the_end() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.read(fd), Err(Errno::EAGAIN));
    story.inject(PSH | ACK, 1, 1, b"hello");
    assert_eq!(story.recv(fd, 2, 0), Ok(b"he".to_vec()));
    assert_eq!(story.ioctl(fd, SIOCINQ), Ok(3));
    story.inject(FIN | ACK, 6, 1, &[]);
    assert_eq!(story.read(fd), Ok(b"llo".to_vec()));
    assert_eq!(story.read(fd), Ok(Vec::new()));
    assert_eq!(story.read(fd), Ok(Vec::new()));
}

#[test]
fn peeking_leaves_the_bytes_and_truncating_throws_them_away() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(PSH | ACK, 1, 1, b"hello");
    assert_eq!(story.recv(fd, 100, MSG_PEEK), Ok(b"hello".to_vec()));
    let truncated = story.call(Call::Receive {
        fd,
        len: 2,
        flags: MSG_TRUNC,
    });
    assert_eq!(truncated.unwrap().0, 2);
    assert_eq!(story.read(fd), Ok(b"llo".to_vec()));
}

#[test]
fn waitall_waits_for_all_and_the_end_of_the_stream_cuts_it_short() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let flags = MSG_WAITALL;
    let all = Call::Receive { fd, len: 8, flags };
    let call = story.start(all.clone());
    story.inject(PSH | ACK, 1, 1, b"hello");
    assert_eq!(story.ended(call), None);
    story.inject(PSH | ACK, 6, 1, b" world");
    assert_eq!(story.ended(call).unwrap().returned.value, 8);
    let call = story.start(all);
    assert_eq!(story.ended(call), None);
    story.inject(FIN | ACK, 12, 1, &[]);
    assert_eq!(story.ended(call).unwrap().returned.value, 3);
}

#[test]
fn a_low_water_mark_is_what_a_blocking_read_waits_for() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, SOL_SOCKET, SO_RCVLOWAT, 4).unwrap();
    let len = 100;
    let call = story.start(Call::Receive { fd, len, flags: 0 });
    story.inject(PSH | ACK, 1, 1, b"abc");
    assert_eq!(story.ended(call), None);
    assert_eq!(story.poll(fd) & POLLIN, 0);
    story.inject(PSH | ACK, 4, 1, b"d");
    assert_eq!(story.ended(call).unwrap().returned.value, 4);
    story.inject(PSH | ACK, 5, 1, b"e");
    assert_eq!(story.read(fd), Ok(b"e".to_vec()));
}

#[test]
fn a_receive_timeout_ends_a_read_with_what_there_is() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let limit = OptionValue::Time(ms(300));
    story.set_value(fd, SOL_SOCKET, SO_RCVTIMEO, limit).unwrap();
    let len = 10;
    let none = story.start(Call::Receive { fd, len, flags: 0 });
    story.pass(secs(1));
    let outcome = story.ended(none).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::EAGAIN));
    assert_eq!(outcome.at, ms(300));
    let flags = MSG_WAITALL;
    let some = story.start(Call::Receive { fd, len, flags });
    story.inject(PSH | ACK, 1, 1, b"abc");
    story.pass(secs(1));
    let outcome = story.ended(some).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (3, ms(1300)));
}

#[test]
fn a_reset_lets_what_came_be_read_then_tells_of_itself_once() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(PSH | ACK, 1, 1, b"hello");
    story.inject(RST | ACK, 6, 1, &[]);
    assert_eq!(story.read(fd), Ok(b"hello".to_vec()));
    assert_eq!(story.read(fd), Err(Errno::ECONNRESET));
    assert_eq!(story.read(fd), Ok(Vec::new()));
    assert_eq!(story.write(fd, 1), Err(Errno::EPIPE));
    assert_eq!(story.error(fd), None);
}

#[test]
fn a_write_after_a_reset_tells_of_it_and_then_of_a_broken_pipe() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(RST | ACK, 1, 1, &[]);
    assert_eq!(story.write(fd, 1), Err(Errno::ECONNRESET));
    assert_eq!(story.write(fd, 1), Err(Errno::EPIPE));
    assert_eq!(story.read(fd), Ok(Vec::new()));
}

#[test]
fn a_reset_after_the_end_of_the_stream_breaks_only_the_pipe() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject(FIN | ACK, 1, 1, &[]);
    story.inject(RST | ACK, 2, 1, &[]);
    assert_eq!(story.read(fd), Ok(Vec::new()));
    assert_eq!(story.error(fd), Some(Errno::EPIPE));
    assert_eq!(story.write(fd, 1), Err(Errno::EPIPE));
    let mut story = Story::freebsd();
    let (_, fd) = story.accepted();
    story.inject(FIN | ACK, 1, 1, &[]);
    story.inject(RST | ACK, 2, 1, &[]);
    assert_eq!(story.error(fd), Some(Errno::ECONNRESET));
}

#[test]
fn nothing_can_be_sent_or_received_without_a_connection() {
    let mut story = Story::linux();
    let fd = story.socket();
    assert_eq!(story.read(fd), Err(Errno::ENOTCONN));
    assert_eq!(story.write(fd, 1), Err(Errno::EPIPE));
    let listener = story.listener(1);
    assert_eq!(story.read(listener), Err(Errno::ENOTCONN));
    assert_eq!(story.write(listener, 1), Err(Errno::EPIPE));
    let mut story = Story::freebsd();
    let fd = story.socket();
    assert_eq!(story.write(fd, 1), Err(Errno::ENOTCONN));
}

#[test]
fn a_write_waits_for_the_connection_that_is_being_opened() {
    let mut story = Story::linux();
    let fd = story.connecting();
    assert_eq!(story.write(fd, 5), Err(Errno::EAGAIN));
    assert_eq!(story.read(fd), Err(Errno::EAGAIN));
    let flags = story.call(Call::Fcntl {
        fd,
        command: F_SETFL,
        argument: 0,
    });
    assert!(flags.is_ok());
    let call = story.start(send_call(fd, 5, 0));
    assert_eq!(story.ended(call), None);
    story.pass(ms(50));
    story.inject(SYN | ACK, 0, 1, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (5, ms(50)));
    let (one, two) = (story.expect(), story.next(ms(50)));
    let sent = [Some(one), two].into_iter().flatten();
    assert_eq!(sent.map(|segment| segment.data.len()).sum::<usize>(), 5);
}

#[test]
fn a_full_buffer_blocks_a_write_until_acknowledgments_make_room() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, SOL_SOCKET, SO_SNDBUF, 5_000).unwrap();
    let call = story.start(send_call(fd, 15_000, 0));
    assert_eq!(story.ended(call), None);
    assert_eq!(story.write(fd, 1), Err(Errno::EAGAIN));
    assert_eq!(story.ioctl(fd, SIOCOUTQ), Ok(10_000));
    story.pass(ms(10));
    story.inject(ACK, 1, 3_001, &[]);
    assert_eq!(story.ended(call), None);
    story.pass(ms(10));
    story.inject(ACK, 1, 6_001, &[]);
    let outcome = story.ended(call).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (15_000, ms(20)));
}

#[test]
fn a_send_timeout_ends_a_write_with_what_was_taken() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, SOL_SOCKET, SO_SNDBUF, 5_000).unwrap();
    let limit = OptionValue::Time(ms(50));
    story.set_value(fd, SOL_SOCKET, SO_SNDTIMEO, limit).unwrap();
    let part = story.start(send_call(fd, 15_000, 0));
    story.pass(ms(100));
    let outcome = story.ended(part).unwrap();
    assert_eq!((outcome.returned.value, outcome.at), (10_000, ms(50)));
    let none = story.start(send_call(fd, 1, 0));
    story.pass(ms(80));
    let outcome = story.ended(none).unwrap();
    assert_eq!(outcome.returned.errno, Some(Errno::EAGAIN));
    assert_eq!(outcome.at, ms(150));
}

#[test]
fn what_waits_unsent_is_bounded_by_notsent_lowat() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story
        .set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 2_000)
        .unwrap();
    // Ten segments may be sent at once.
    assert_eq!(story.write(fd, 50_000), Ok(16_600));
    assert_eq!(story.ioctl(fd, SIOCOUTQNSD), Ok(2_000));
    assert_eq!(story.write(fd, 1), Err(Errno::EAGAIN));
    assert_eq!(story.poll(fd) & POLLOUT, 0);
}

#[test]
fn more_to_come_holds_a_part_of_a_segment_back() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.send(fd, 40, MSG_MORE), Ok(40));
    story.nothing();
    assert_eq!(story.send(fd, 60, 0), Ok(60));
    assert_eq!(story.expect().data.len(), 100);
    story.nothing();
}

#[test]
fn an_acknowledgment_lets_go_what_more_to_come_held_back() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.send(fd, 1_500, MSG_MORE), Ok(1_500));
    assert_eq!(story.expect().data.len(), 1_460);
    story.nothing();
    story.inject(ACK, 1, 1_461, &[]);
    assert_eq!(story.expect().data.len(), 40);
}

#[test]
fn a_cork_holds_a_part_of_a_segment_back_until_it_is_drawn() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, IPPROTO_TCP, TCP_CORK, 1).unwrap();
    assert_eq!(story.write(fd, 2_000), Ok(2_000));
    assert_eq!(story.expect().data.len(), 1_460);
    story.inject(ACK, 1, 1_461, &[]);
    story.nothing();
    story.set(fd, IPPROTO_TCP, TCP_CORK, 0).unwrap();
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_CORK), Ok(0));
    assert_eq!(story.expect().data.len(), 540);
}

#[test]
fn a_null_buffer_is_a_bad_address_where_bytes_would_move() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    let flags = NULL_BUFFER | MSG_DONTWAIT;
    assert_eq!(story.send(fd, 1000, flags), Err(Errno::EFAULT));
    assert_eq!(story.recv(fd, 1000, flags), Err(Errno::EAGAIN));
    story.inject(PSH | ACK, 1, 1, b"hello");
    assert_eq!(story.recv(fd, 1000, flags), Err(Errno::EFAULT));
    assert_eq!(story.recv(fd, 0, flags), Ok(Vec::new()));
    assert_eq!(story.read(fd), Ok(b"hello".to_vec()));
    story.close(fd).unwrap();
}

#[test]
fn bytes_written_and_read_are_told_by_ioctl() {
    let mut story = Story::linux();
    let (listener, fd) = story.accepted();
    assert_eq!(story.ioctl(listener, SIOCINQ), Err(Errno::EINVAL));
    assert_eq!(story.ioctl(fd, 0x1234), Err(Errno::ENOTTY));
    assert_eq!(story.write(fd, 700), Ok(700));
    assert_eq!(story.ioctl(fd, SIOCOUTQ), Ok(700));
    assert_eq!(story.ioctl(fd, SIOCOUTQNSD), Ok(0));
    story.inject(ACK, 1, 701, &[]);
    assert_eq!(story.ioctl(fd, SIOCOUTQ), Ok(0));
    story.shutdown(fd, SHUT_WR).unwrap();
    assert_eq!(story.ioctl(fd, SIOCOUTQ), Ok(1));
    assert_eq!(story.ioctl(fd, SIOCATMARK), Ok(0));
}

#[test]
fn a_fast_open_is_not_supported() {
    let mut story = Story::linux();
    let fd = story.nonblocking();
    assert_eq!(story.send(fd, 10, MSG_FASTOPEN), Err(Errno::EOPNOTSUPP));
}

#[test]
fn nodelay_said_again_lets_go_what_is_held_back() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
    assert_eq!(story.send(fd, 40, MSG_MORE), Ok(40));
    story.nothing();
    story.set(fd, IPPROTO_TCP, TCP_NODELAY, 1).unwrap();
    assert_eq!(story.expect().data.len(), 40);
}
