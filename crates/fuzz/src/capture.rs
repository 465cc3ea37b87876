//! `capture`: any packets, and any changes of state between them, through a capture; pcap-parser reads the file back:
//! every packet with its bytes, direction and time, and no comment but those of the changes told, each once.
//! A file that cannot be written stops the capture, and not the traffic.
//!
//! The first two bytes say after how many bytes the file is full, 0 never. Then records: what, how long, and for a
//! packet its length and bytes, for a change of state the life, whence, whither and why.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use estab_core::observe::{Cause, LifeId, StateName, Transition};
use estab_core::{FourTuple, Instant};
use estab_device::{Capture, Device, Memory, pair};
use pcap_parser::pcapng::{Block, EnhancedPacketBlock, OptionCode, parse_block_le};

/// The name of the interface in the file.
const NAME: &str = "estab0";
/// Packets the link holds: more than an input has.
const ROOM: usize = 1024;
const MTU: usize = 65_535;

/// The target.
pub fn run(data: &[u8]) {
    let Some((room, records)) = data.split_first_chunk::<2>() else {
        return;
    };
    let room = usize::from(u16::from_le_bytes(*room));
    let file = File {
        bytes: Arc::default(),
        room: (room > 0).then_some(room),
    };
    let (near, far) = pair(MTU, ROOM);
    let Ok(capture) = Capture::new(near, file.clone(), NAME, UNIX_EPOCH) else {
        assert!(room > 0, "a file that is never full");
        return;
    };
    let mut scene = Scene {
        capture,
        far,
        now: Instant::ZERO,
        passed: Vec::new(),
        told: Vec::new(),
    };
    let mut rest = records;
    while let Some(after) = scene.record(rest) {
        rest = after;
    }
    let status = scene.capture.status();
    let Scene {
        capture,
        passed,
        told,
        ..
    } = scene;
    drop(capture);
    let stopped = status.is_stopped();
    assert!(room > 0 || !stopped, "{:?}", status.take_error());
    let bytes = file.bytes.lock().expect("nobody panicked").clone();
    check(&bytes, &passed, &told, stopped);
}

/// A file that can be full.
#[derive(Clone, Default)]
struct File {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
}

impl Write for File {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().expect("nobody panicked");
        let room = self
            .room
            .map_or(usize::MAX, |room| room.saturating_sub(bytes.len()));
        let count = buffer.len().min(room);
        if count == 0 && !buffer.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A packet that passed.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    nanos: u64,
    inbound: bool,
    packet: Vec<u8>,
}

struct Scene {
    capture: Capture<Memory, File>,
    far: Memory,
    now: Instant,
    passed: Vec<Passed>,
    /// What was told of changes of state, as a comment says it.
    told: Vec<String>,
}

impl Scene {
    /// Plays one record; answers what follows it.
    fn record<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let ([what, wait], rest) = bytes.split_first_chunk::<2>()?;
        self.now += Duration::from_millis(u64::from(*wait) * 16);
        if what & 4 != 0 {
            self.capture
                .advance(self.now)
                .expect("memory does not fail");
        }
        match what % 4 {
            0 | 1 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                let length = usize::from(u16::from_le_bytes(*length));
                let (packet, rest) = rest.split_at(length.min(rest.len()));
                self.pass(what % 4 == 0, packet);
                Some(rest)
            }
            2 => {
                let (transition, rest) = rest.split_first_chunk::<4>()?;
                self.change(*transition);
                Some(rest)
            }
            _ => {
                self.capture.flush();
                Some(rest)
            }
        }
    }

    fn pass(&mut self, inbound: bool, packet: &[u8]) {
        let mut arrived = Vec::new();
        if inbound {
            self.far
                .transmit(self.now, packet)
                .expect("the link has room");
            self.capture
                .receive(self.now, &mut arrived)
                .expect("a packet has arrived");
        } else {
            self.capture
                .transmit(self.now, packet)
                .expect("the link has room");
            self.far
                .receive(self.now, &mut arrived)
                .expect("a packet has arrived");
        }
        assert_eq!(arrived, packet, "a capture changes nothing");
        self.passed.push(Passed {
            nanos: self.now.as_nanos(),
            inbound,
            packet: packet.to_vec(),
        });
    }

    fn change(&mut self, [life, from, to, cause]: [u8; 4]) {
        let states = StateName::ALL;
        let ours = [198, 18, 0, 1];
        let theirs = [198, 18, 0, 2];
        let port = 20_000 + u16::from(life & 3);
        let transition = Transition {
            life: LifeId(u32::from(life >> 2)),
            tuple: FourTuple::new((ours, 80).into(), (theirs, port).into()),
            from: states[usize::from(from) % states.len()],
            to: states[usize::from(to) % states.len()],
            cause: Cause::ALL[usize::from(cause) % Cause::ALL.len()],
            at: self.now,
        };
        let Transition {
            from, to, cause, ..
        } = transition;
        self.told
            .push(format!("{from} → {to}: {cause} ({})", cause.rule()));
        self.capture.annotate(&transition);
    }
}

/// Reads the file and compares it with what passed.
fn check(bytes: &[u8], passed: &[Passed], told: &[String], stopped: bool) {
    let mut rest = bytes;
    let mut packets = 0;
    let mut comments: Vec<String> = Vec::new();
    for index in 0.. {
        if rest.is_empty() {
            break;
        }
        let Ok((after, block)) = parse_block_le(rest) else {
            // The last block may be cut short where the file was full.
            assert!(stopped, "a block that cannot be read: {rest:x?}");
            return;
        };
        rest = after;
        match (index, block) {
            (0, Block::SectionHeader(_)) => {}
            (1, Block::InterfaceDescription(interface)) => {
                assert_eq!(interface.ts_resolution(), Some(1_000_000_000));
                assert_eq!(interface.options[0].as_str(), Ok(NAME));
            }
            (_, Block::EnhancedPacket(block)) => {
                assert_eq!(packet(&block, &mut comments), passed[packets]);
                packets += 1;
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    assert!(stopped || packets == passed.len());
    for comment in &comments {
        let count = |all: &[String]| all.iter().filter(|other| *other == comment).count();
        assert!(count(&comments) <= count(told), "{comment}");
    }
}

/// The packet in a block; its comments go into `comments`.
fn packet(block: &EnhancedPacketBlock<'_>, comments: &mut Vec<String>) -> Passed {
    assert_eq!(block.caplen, block.origlen);
    let mut inbound = None;
    for option in &block.options {
        match option.code {
            OptionCode::Comment => comments.push(option.as_str().expect("UTF-8").to_owned()),
            OptionCode(2) => inbound = Some(option.as_bytes().expect("flags")[0] == 1),
            OptionCode::EndOfOpt => {}
            other => panic!("option {other:?}"),
        }
    }
    Passed {
        nanos: u64::from(block.ts_high) << 32 | u64::from(block.ts_low),
        inbound: inbound.expect("a direction"),
        packet: block.data[..block.caplen as usize].to_vec(),
    }
}
