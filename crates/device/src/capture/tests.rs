use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use estab_core::FourTuple;
use estab_core::observe::{Cause, LifeId, StateName};
use pcap_parser::Linktype;
use pcap_parser::pcapng::{Block, OptionCode, parse_block_le};

use super::*;
use crate::{Memory, pair};

const EPOCH_SECONDS: u64 = 1_700_000_000;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A file that can be read while it is written, and that can be full.
#[derive(Clone, Default)]
struct SharedFile {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
}

impl Write for SharedFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        if self
            .room
            .is_some_and(|room| bytes.len() + buffer.len() > room)
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Read {
    nanos: u64,
    inbound: bool,
    packet: Vec<u8>,
    comments: Vec<String>,
}

impl SharedFile {
    /// The packets in the file, as `pcap-parser` reads them.
    fn packets(&self) -> Vec<Read> {
        let bytes = self.bytes.lock().unwrap();
        let mut rest = bytes.as_slice();
        let mut packets = Vec::new();
        let mut headers = 0;
        while !rest.is_empty() {
            let (after, block) = parse_block_le(rest).unwrap();
            rest = after;
            match block {
                Block::SectionHeader(header) => {
                    let text = header.options[0].as_str().unwrap();
                    assert_eq!(header.options[0].code, OptionCode(4));
                    assert!(text.starts_with("estab "), "{text}");
                    headers += 1;
                }
                Block::InterfaceDescription(interface) => {
                    assert_eq!(interface.linktype, Linktype::RAW);
                    assert_eq!(interface.ts_resolution(), Some(1_000_000_000));
                    assert_eq!(interface.options[0].as_str().unwrap(), "estab0");
                    headers += 1;
                }
                Block::EnhancedPacket(block) => {
                    let mut comments = Vec::new();
                    let mut flags = None;
                    for option in &block.options {
                        match option.code {
                            OptionCode::Comment => {
                                comments.push(option.as_str().unwrap().to_owned());
                            }
                            OptionCode(2) => flags = Some(option.as_bytes().unwrap()[0]),
                            _ => {}
                        }
                    }
                    assert_eq!(block.caplen, block.origlen);
                    packets.push(Read {
                        nanos: (u64::from(block.ts_high) << 32) | u64::from(block.ts_low),
                        inbound: match flags {
                            Some(1) => true,
                            Some(2) => false,
                            other => panic!("direction {other:?}"),
                        },
                        packet: block.data[..block.caplen as usize].to_vec(),
                        comments,
                    });
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(headers, 2);
        packets
    }

    fn comments(&self) -> Vec<Vec<String>> {
        self.packets().into_iter().map(|p| p.comments).collect()
    }
}

fn local() -> SocketAddr {
    "198.18.0.1:80".parse().unwrap()
}

fn remote() -> SocketAddr {
    "198.18.0.2:40000".parse().unwrap()
}

/// A packet whose header says no more than addresses, ports and flags.
fn tcp(from: SocketAddr, to: SocketAddr, flags: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            packet.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
            packet.extend(from.ip().octets());
            packet.extend(to.ip().octets());
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
            packet.extend(from.ip().octets());
            packet.extend(to.ip().octets());
        }
        _ => unreachable!("both ends are of one family"),
    }
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend([0; 8]);
    packet.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
    packet
}

fn arrow(life: u32, from: StateName, to: StateName, cause: Cause, at: Instant) -> Transition {
    Transition {
        life: LifeId(life),
        tuple: FourTuple::new(local(), remote()),
        from,
        to,
        cause,
        at,
    }
}

struct Bench {
    capture: Capture<Memory, SharedFile>,
    far: Memory,
    file: SharedFile,
    now: Instant,
}

impl Bench {
    fn new(room: Option<usize>) -> Self {
        let (near, far) = pair(1500, 16);
        let file = SharedFile {
            room,
            ..SharedFile::default()
        };
        let epoch = UNIX_EPOCH + Duration::from_secs(EPOCH_SECONDS);
        let capture = Capture::new(near, file.clone(), "estab0", epoch).unwrap();
        let now = Instant::from_nanos(5);
        Self {
            capture,
            far,
            file,
            now,
        }
    }

    fn arrives(&mut self, flags: u8) {
        let packet = tcp(remote(), local(), flags);
        self.far.transmit(self.now, &packet).unwrap();
        let mut received = Vec::new();
        self.capture.receive(self.now, &mut received).unwrap();
        assert_eq!(received, packet);
    }

    fn sends(&mut self, flags: u8) {
        let packet = tcp(local(), remote(), flags);
        self.capture.transmit(self.now, &packet).unwrap();
        let mut received = Vec::new();
        self.far.receive(self.now, &mut received).unwrap();
        assert_eq!(received, packet);
    }

    fn changes(&mut self, life: u32, from: StateName, to: StateName, cause: Cause) {
        self.capture
            .annotate(&arrow(life, from, to, cause, self.now));
    }
}

#[test]
fn a_handshake_is_captured_with_its_reasons() {
    let mut bench = Bench::new(None);
    bench.changes(1, StateName::Closed, StateName::SynSent, Cause::Connect);
    bench.sends(SYN);
    bench.arrives(SYN | ACK);
    bench.changes(1, StateName::SynSent, StateName::Established, Cause::SynAck);
    bench.sends(ACK);
    let Bench { capture, file, .. } = bench;
    let status = capture.status();
    drop(capture);

    let nanos = EPOCH_SECONDS * 1_000_000_000 + 5;
    let read = |inbound, packet, comment: &[&str]| Read {
        nanos,
        inbound,
        packet,
        comments: comment.iter().map(|&text| text.to_owned()).collect(),
    };
    let expected = [
        read(
            false,
            tcp(local(), remote(), SYN),
            &["CLOSED → SYN-SENT: the application connects (RFC 9293 §3.10.1)"],
        ),
        read(
            true,
            tcp(remote(), local(), SYN | ACK),
            &["SYN-SENT → ESTABLISHED: SYN,ACK received (RFC 9293 §3.10.7.3)"],
        ),
        read(false, tcp(local(), remote(), ACK), &[]),
    ];
    assert_eq!(file.packets(), expected);
    assert_eq!(status.packets(), 3);
    assert!(!status.is_stopped());
}

#[test]
fn a_received_packet_waits_for_its_comments_until_the_flush_a_second_later() {
    let mut bench = Bench::new(None);
    bench.arrives(ACK);
    bench.changes(
        1,
        StateName::SynReceived,
        StateName::Established,
        Cause::AckOfSyn,
    );
    assert!(bench.file.packets().is_empty());
    let due = bench.capture.next_deadline().unwrap();
    assert_eq!(due, bench.now + Duration::from_secs(1));
    bench.capture.advance(due).unwrap();
    assert_eq!(bench.file.comments()[0].len(), 1);
    assert_eq!(bench.capture.next_deadline(), None);
}

#[test]
fn an_abort_is_told_on_its_reset() {
    let mut bench = Bench::new(None);
    bench.changes(1, StateName::Established, StateName::Closed, Cause::Abort);
    bench.sends(RST);
    bench.capture.flush();
    assert_eq!(
        bench.file.comments(),
        [["ESTABLISHED → CLOSED: the application aborts (RFC 9293 §3.10.5)"]]
    );
}

#[test]
fn an_end_without_packet_is_not_told_on_the_next_connection() {
    let mut bench = Bench::new(None);
    bench.changes(
        1,
        StateName::TimeWait,
        StateName::Closed,
        Cause::TimeWaitExpired,
    );
    bench.changes(2, StateName::Closed, StateName::SynSent, Cause::Connect);
    bench.sends(SYN);
    // This end is kept for a RST, which does not come before the next life.
    bench.changes(2, StateName::SynSent, StateName::Closed, Cause::UserTimeout);
    bench.sends(SYN);
    bench.sends(RST);
    // Nor does it come in time here.
    bench.changes(3, StateName::SynSent, StateName::Closed, Cause::UserTimeout);
    bench.now += Duration::from_secs(2);
    bench.sends(RST);
    bench.capture.flush();
    let lengths: Vec<_> = bench.file.comments().iter().map(Vec::len).collect();
    assert_eq!(lengths, [1, 0, 0, 0]);
}

#[test]
fn notes_wait_for_their_own_connection_in_either_family() {
    let mut bench = Bench::new(None);
    let here: SocketAddr = "[fd00:e57a:b::1]:80".parse().unwrap();
    let there: SocketAddr = "[fd00:e57a:b::2]:40000".parse().unwrap();
    let transition = Transition {
        tuple: FourTuple::new(here, there),
        ..arrow(
            1,
            StateName::CloseWait,
            StateName::LastAck,
            Cause::Close,
            bench.now,
        )
    };
    bench.capture.annotate(&transition);
    bench.sends(ACK);
    let packet = tcp(here, there, ACK);
    bench.capture.transmit(bench.now, &packet).unwrap();
    bench.capture.flush();
    assert_eq!(
        bench.file.comments(),
        [
            vec![],
            vec!["CLOSE-WAIT → LAST-ACK: the application closes (RFC 9293 §3.10.4)".to_owned()]
        ]
    );
}

#[test]
fn a_full_disk_stops_the_capture_and_not_the_traffic() {
    let mut bench = Bench::new(Some(200));
    let status = bench.capture.status();
    bench.sends(ACK);
    bench.capture.flush();
    assert!(!status.is_stopped());
    bench.sends(ACK);
    bench.arrives(ACK);
    bench.capture.flush();
    assert!(status.is_stopped());
    let error = status.take_error().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(status.take_error().is_none());
    bench.sends(ACK);
    bench.arrives(ACK);
    assert_eq!(bench.capture.next_deadline(), None);
    assert_eq!(bench.file.packets().len(), 1);
}
