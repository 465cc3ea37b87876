//! Urgent data: MSG_OOB, SIOCATMARK, SO_OOBINLINE.

use estab_sim::sockets::Errno;
use estab_sim::sockets::symbols::*;

use crate::harness::*;

const OOB: i32 = MSG_OOB | MSG_DONTWAIT;

#[test]
fn the_urgent_byte_is_read_apart_and_reads_stop_where_it_stood() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.recv(fd, 1, OOB), Err(Errno::EINVAL));
    story.inject_urgent(1, 3, b"abXcd");
    assert_eq!(story.poll(fd) & POLLPRI, POLLPRI);
    assert_eq!(story.recv(fd, 1, OOB | MSG_PEEK), Ok(b"X".to_vec()));
    assert_eq!(story.recv(fd, 1, OOB), Ok(b"X".to_vec()));
    assert_eq!(story.recv(fd, 1, OOB), Err(Errno::EINVAL));
    assert_eq!(story.poll(fd) & POLLPRI, 0);
    assert_eq!(story.ioctl(fd, SIOCINQ), Ok(2));
    assert_eq!(story.ioctl(fd, SIOCATMARK), Ok(0));
    assert_eq!(story.read(fd), Ok(b"ab".to_vec()));
    assert_eq!(story.ioctl(fd, SIOCATMARK), Ok(1));
    assert_eq!(story.read(fd), Ok(b"cd".to_vec()));
    assert_eq!(story.ioctl(fd, SIOCATMARK), Ok(0));
}

#[test]
fn an_urgent_byte_that_is_read_past_is_gone() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject_urgent(1, 1, b"Xcd");
    assert_eq!(story.read(fd), Ok(b"cd".to_vec()));
    assert_eq!(story.recv(fd, 1, OOB), Err(Errno::EINVAL));
}

#[test]
fn an_urgent_byte_that_is_announced_only_is_waited_for() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.inject_urgent(1, 5, b"ab");
    assert_eq!(story.recv(fd, 1, OOB), Err(Errno::EAGAIN));
    story.inject(PSH | ACK, 3, 1, b"cdX");
    assert_eq!(story.recv(fd, 1, OOB), Ok(b"X".to_vec()));
}

#[test]
fn in_line_the_urgent_byte_stays_where_it_is() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    story.set(fd, SOL_SOCKET, SO_OOBINLINE, 1).unwrap();
    story.inject_urgent(1, 3, b"abXcd");
    assert_eq!(story.recv(fd, 1, OOB), Err(Errno::EINVAL));
    assert_eq!(story.ioctl(fd, SIOCINQ), Ok(5));
    assert_eq!(story.read(fd), Ok(b"ab".to_vec()));
    assert_eq!(story.ioctl(fd, SIOCATMARK), Ok(1));
    assert_eq!(story.read(fd), Ok(b"Xcd".to_vec()));
}

#[test]
fn what_is_sent_out_of_band_is_marked_to_its_end() {
    let mut story = Story::linux();
    let (_, fd) = story.accepted();
    assert_eq!(story.send(fd, 4, MSG_OOB), Ok(4));
    let segment = story.expect();
    assert_eq!((segment.flags & URG, segment.urgent), (URG, 4));
}
