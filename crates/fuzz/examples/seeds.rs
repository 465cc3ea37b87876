//! Writes the seeds that are made and not found: `cargo run -p estab-fuzz --example seeds` from the repository's
//! root. Those of `segments` and `icmp` are lives told step by step; the packets are what such lives put on the wire.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use estab_core::observe::Silent;
use estab_core::{
    Checksum, Config, ConnectOptions, Flags, Instant, ListenOptions, Secrets, Segment, Shutdown,
    Stack, fuzzing,
};

/// The seeds of one target, by name.
type Seeds = BTreeMap<String, Vec<u8>>;

fn main() -> io::Result<()> {
    let segments = segments();
    let packets = packets();
    write("icmp", &icmp(&segments))?;
    write("segments", &segments)?;
    write("headers", &headers(&packets))?;
    write("options", &options(&packets))?;
    write("capture", &capture(&packets))
}

fn write(target: &str, seeds: &Seeds) -> io::Result<()> {
    let folder = Path::new("fuzz/seeds").join(target);
    fs::create_dir_all(&folder)?;
    for (name, bytes) in seeds {
        fs::write(folder.join(name), bytes)?;
    }
    println!("{}: {} seeds", folder.display(), seeds.len());
    Ok(())
}

type Step = [u8; 8];

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A segment for the connection there is, right but for its control bits, with `len` bytes of data.
const fn segment(flags: u8, len: u8) -> Step {
    [0, 0, flags, 0, 0, len, 0, 200]
}

/// A SYN from a new port to the listener, with the options that `bits` ask for.
const fn syn(port: u8, bits: u8) -> Step {
    [0, 0x80 | port, SYN, 0, 0, 0, bits, 200]
}

/// All options of a SYN.
const EVERY: u8 = 2 | 4 | 8 | 16;

const fn call(kind: u8, how: u8) -> Step {
    [kind, 0, how, 0, 0, 64, 0, 0]
}

const LISTEN: Step = call(6, 0);
const CONNECT: Step = call(7, 0);
const ACCEPT: Step = call(8, 0);
const READ: Step = call(9, 0);
const WRITE: Step = call(10, 0);
const SHUT_WRITE: Step = call(11, 0);
const CLOSE: Step = call(12, 0);
const ABORT: Step = call(13, 0);
const DEADLINE: Step = call(15, 0);
const BUSY: Step = call(15, 1);
const AGAIN: Step = call(15, 2);
const SHUT_DOWN: Step = call(15, 4);

/// Some time, as `world::step` counts it.
const fn time(code: u8) -> Step {
    [14, 0, 0, 0, 0, 0, 0, code]
}

/// Lives through every state, each in a few settings.
fn segments() -> Seeds {
    let open = |bits| vec![syn(0, bits), segment(ACK, 0), ACCEPT];
    let connected = || vec![CONNECT, segment(SYN | ACK, 0)];
    let with = |begin: Vec<Step>, rest: &[Step]| [begin, rest.to_vec()].concat();
    let lives: Vec<(&str, Vec<Step>)> = vec![
        ("half-open", vec![syn(0, EVERY), time(80)]),
        ("half-open-reset", vec![syn(0, 0), segment(RST, 0)]),
        (
            "half-open-other-syn",
            vec![syn(0, 0), [0, 0, SYN, 9, 0, 0, 0, 200]],
        ),
        (
            "exchange",
            with(
                open(EVERY),
                &[segment(ACK, 100), READ, WRITE, segment(ACK, 0)],
            ),
        ),
        (
            "peer-closes",
            with(
                open(0),
                &[segment(FIN | ACK, 9), READ, CLOSE, segment(ACK, 0)],
            ),
        ),
        (
            "we-close",
            with(
                open(EVERY),
                &[CLOSE, segment(ACK, 0), segment(FIN | ACK, 0), time(160)],
            ),
        ),
        (
            "both-close",
            with(
                open(0),
                &[
                    SHUT_WRITE,
                    [0, 0, FIN | ACK, 0, 255, 0, 0, 200],
                    segment(ACK, 0),
                    time(160),
                ],
            ),
        ),
        (
            "connect",
            with(connected(), &[WRITE, segment(ACK, 50), READ, CLOSE]),
        ),
        (
            "connect-refused",
            vec![CONNECT, segment(RST | ACK, 0), CLOSE],
        ),
        ("connect-given-up", vec![CONNECT, time(40), CLOSE]),
        ("connect-in-vain", vec![CONNECT, time(150), READ]),
        (
            "simultaneous",
            vec![
                CONNECT,
                segment(SYN, 0),
                segment(SYN | ACK, 0),
                WRITE,
                segment(ACK, 0),
            ],
        ),
        (
            "simultaneous-ack",
            vec![CONNECT, segment(SYN, 0), segment(ACK, 0), WRITE],
        ),
        (
            "simultaneous-close",
            vec![CONNECT, segment(SYN, 0), CLOSE, segment(ACK, 0)],
        ),
        (
            "hole",
            with(
                open(EVERY),
                &[
                    [0, 0, ACK, 20, 0, 20, 0, 200],
                    [0, 0, ACK, 60, 0, 9, 0, 200],
                    segment(ACK, 20),
                    READ,
                ],
            ),
        ),
        (
            "loss",
            with(
                open(EVERY),
                &[
                    [10, 0, 0, 0, 0, 255, 0, 0],
                    [0, 0, ACK, 0, 0, 0, 15, 200],
                    [0, 0, ACK, 0, 0, 0, 7, 200],
                    [0, 0, ACK, 0, 0, 0, 3, 200],
                    DEADLINE,
                    segment(ACK, 0),
                ],
            ),
        ),
        (
            "window",
            with(
                open(0),
                &[
                    [0, 0, ACK, 0, 0, 0, 0, 0],
                    WRITE,
                    DEADLINE,
                    DEADLINE,
                    segment(ACK, 0),
                ],
            ),
        ),
        (
            "full",
            with(
                open(0),
                &[
                    [0, 0, ACK, 0, 0, 187, 0, 200],
                    segment(ACK, 9),
                    READ,
                    READ,
                    DEADLINE,
                ],
            ),
        ),
        ("reset", with(open(0), &[segment(RST, 0), READ, READ])),
        (
            "reset-near",
            with(
                open(0),
                &[[0, 0, RST, 3, 0, 0, 0, 200], [0, 0, SYN, 3, 0, 0, 0, 200]],
            ),
        ),
        ("abort", with(open(EVERY), &[WRITE, ABORT])),
        ("close-unread", with(open(0), &[segment(ACK, 9), CLOSE])),
        (
            "data-after-close",
            with(open(0), &[CLOSE, segment(ACK, 0), segment(ACK, 9)]),
        ),
        ("orphan", with(open(0), &[WRITE, CLOSE, time(200)])),
        (
            "fin-wait-2",
            with(open(0), &[CLOSE, segment(ACK, 0), time(140)]),
        ),
        ("silence", with(open(EVERY), &[WRITE, time(180), READ])),
        (
            "time-wait-again",
            with(
                open(0),
                &[
                    CLOSE,
                    segment(FIN | ACK, 0),
                    syn(0, 0),
                    [0, 0, SYN, 0, 0, 0, 0, 200],
                    segment(ACK, 0),
                ],
            ),
        ),
        (
            "time-wait-old",
            with(
                open(EVERY),
                &[
                    CLOSE,
                    segment(FIN | ACK, 0),
                    AGAIN,
                    segment(RST, 0),
                    segment(ACK, 3),
                ],
            ),
        ),
        (
            "backlog",
            vec![
                syn(0, 0),
                segment(ACK, 0),
                syn(1, 0),
                [0, 1, ACK, 0, 0, 0, 0, 200],
                syn(2, 0),
                [0, 2, ACK, 0, 0, 9, 0, 200],
                ACCEPT,
                ACCEPT,
                time(120),
                ACCEPT,
            ],
        ),
        (
            "listener-closed",
            vec![
                syn(0, 0),
                segment(ACK, 0),
                syn(1, 0),
                LISTEN,
                segment(ACK, 0),
                LISTEN,
            ],
        ),
        (
            "busy",
            with(
                open(EVERY),
                &[BUSY, WRITE, segment(ACK, 50), time(90), CLOSE, BUSY],
            ),
        ),
        ("shut-down", with(open(0), &[CONNECT, SHUT_DOWN, READ])),
        (
            "stray",
            vec![
                [0, 0x84, ACK, 0, 0, 0, 0, 0],
                [0, 0x80, FIN | ACK, 0, 0, 0, 0, 0],
                [0, 0x80, RST, 0, 0, 0, 0, 0],
                [0, 0x80, 0, 0, 0, 9, 0, 0],
            ],
        ),
    ];
    let settings: [[u8; 4]; 4] = [
        [0, 0, 0, 0],
        [0, 1, 0x82, 7],
        [0x7f, 0x7e, 0x3c, 0x11],
        [8, 0, 0x4d, 2],
    ];
    let mut seeds = Seeds::new();
    for (name, steps) in lives {
        for (number, settings) in settings.iter().enumerate() {
            let bytes = [&settings[..], steps.as_flattened()].concat();
            seeds.insert(format!("{name}-{number}"), bytes);
        }
    }
    seeds
}

/// The same lives with a message after each step: an error of each kind in turn, an echo now and then.
fn icmp(lives: &Seeds) -> Seeds {
    let mut seeds = Seeds::new();
    for (number, (name, bytes)) in lives.iter().enumerate() {
        let (settings, steps) = bytes.split_at(4);
        let mut mixed = settings.to_vec();
        for (place, step) in steps.as_chunks::<8>().0.iter().enumerate() {
            mixed.extend(step);
            let what = ((number + place) % 16) as u8;
            mixed.extend([128, 0, what, 0, 60, 0, 0, 0]);
        }
        seeds.insert(name.clone(), mixed);
    }
    seeds
}

/// What two stacks say to each other in a short life, over either IP.
fn packets() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let v4 = [[198, 18, 0, 2], [198, 18, 0, 1]].map(Into::into);
    let v6 = [2, 1].map(|n| [0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, n].into());
    for hosts in [v4, v6] {
        all.extend(conversation(hosts));
    }
    all
}

fn conversation([client, server]: [std::net::IpAddr; 2]) -> Vec<Vec<u8>> {
    let now = Instant::from_millis(1_000);
    let stack = |address, seed| {
        let config = Config {
            addresses: vec![address],
            ..Config::default()
        };
        Stack::new(config, Secrets::from_seed(seed), Silent, now)
    };
    let mut ends = [stack(client, 1), stack(server, 2)];
    let mut wire = Vec::new();
    let port = SocketAddr::new(server, 80);
    let listener = ends[1]
        .listen(now, ListenOptions::new(port))
        .expect("a port");
    let ours = ends[0]
        .connect(now, port, ConnectOptions::default())
        .expect("a port");
    settle(&mut ends, now, &mut wire);
    let theirs = ends[1].accept(now, listener).expect("it listens");
    let theirs = theirs.expect("the handshake is done");
    let _ = ends[0].write(now, ours, b"what is asked");
    settle(&mut ends, now, &mut wire);
    let _ = ends[1].write(now, theirs, b"and answered");
    let _ = ends[1].shutdown(now, theirs, Shutdown::Write);
    settle(&mut ends, now, &mut wire);
    let _ = ends[0].close(now, ours);
    let _ = ends[1].abort(now, theirs);
    settle(&mut ends, now, &mut wire);
    wire
}

/// Until neither has anything to say.
fn settle(ends: &mut [Stack; 2], now: Instant, wire: &mut Vec<Vec<u8>>) {
    loop {
        let mut sent = Vec::new();
        for from in 0..2 {
            let mut packets = Vec::new();
            ends[from].transmit(now, &mut |packet: &[u8]| packets.push(packet.to_vec()));
            for packet in &packets {
                ends[1 - from].receive(now, packet, Checksum::Unknown);
            }
            sent.extend(packets);
        }
        if sent.is_empty() {
            return;
        }
        wire.extend(sent);
    }
}

/// Every packet as it is, and with each kind of repair; an echo request; IPv6 with extension headers.
fn headers(packets: &[Vec<u8>]) -> Seeds {
    let mut seeds = Seeds::new();
    for (number, packet) in packets.iter().enumerate() {
        let repair = number as u8 % 4;
        let seed = [&[repair], &packet[..]].concat();
        seeds.insert(format!("packet-{number:02}"), seed);
    }
    let v6 = packets.last().expect("there are some");
    let mut extended = v6.clone();
    extended[6] = 0;
    let extensions = [
        60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0,
        0, 0, 0,
    ];
    extended.splice(40..40, extensions);
    extended[5] += extensions.len() as u8;
    seeds.insert("extensions".into(), [&[0], &extended[..]].concat());
    let mut echo = vec![
        0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0, 198, 18, 0, 2, 198, 18, 0, 1,
    ];
    echo.extend([8, 0, 0xf4, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    seeds.insert("echo".into(), [&[1], &echo[..]].concat());
    seeds
}

/// The options of the packets, and some that nobody sends.
fn options(packets: &[Vec<u8>]) -> Seeds {
    let mut all: BTreeMap<String, (u8, Vec<u8>)> = BTreeMap::new();
    for (number, packet) in packets.iter().enumerate() {
        let Ok(Some(Segment { flags, .. })) = fuzzing::parse(packet, Checksum::Unknown) else {
            continue;
        };
        let tcp = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let end = tcp + usize::from(packet[tcp + 12] >> 4) * 4;
        let syn = u8::from(flags.contains(Flags::SYN));
        let ack = u8::from(flags.contains(Flags::ACK)) * 2;
        let options = packet[tcp + 20..end].to_vec();
        all.insert(format!("packet-{number:02}"), (syn | ack, options));
    }
    let block = |n: u8| [0, 0, 0, n, 0, 0, 0, n + 1];
    let sack = |count: u8| {
        let mut option = vec![5, 2 + 8 * count];
        (0..count).for_each(|n| option.extend(block(4 * n)));
        option
    };
    let odd: [(&str, Vec<u8>); 12] = [
        ("none", vec![]),
        ("end", vec![0, 2, 4, 1, 1]),
        ("nops", vec![1; 40]),
        ("zero-length", vec![2, 0, 5, 180]),
        ("length-of-one", vec![8, 1]),
        ("past-the-end", vec![2, 40, 5, 180]),
        ("unknown", vec![254, 4, 1, 2, 2, 4, 5, 180]),
        ("mss-of-three", vec![2, 3, 5, 2, 4, 2, 0]),
        ("scale-of-255", vec![3, 3, 255]),
        ("one-block", sack(1)),
        (
            "three-blocks",
            [vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], sack(3)].concat(),
        ),
        ("four-blocks", sack(4)),
    ];
    for (name, bytes) in odd {
        for how in [0_u8, 1, 2, 0x21] {
            all.insert(format!("{name}-{how}"), (how, bytes.clone()));
        }
    }
    all.into_iter()
        .map(|(name, (how, bytes))| (name, [vec![how], bytes].concat()))
        .collect()
}

/// The conversations with their changes of state; in some the file is soon full.
fn capture(packets: &[Vec<u8>]) -> Seeds {
    let mut seeds = Seeds::new();
    for (number, chunk) in packets.chunks(3).enumerate() {
        let room: u16 = [0, 300, 0, 90][number % 4];
        let mut bytes = room.to_le_bytes().to_vec();
        for (place, packet) in chunk.iter().enumerate() {
            let (life, state) = (number as u8, place as u8);
            bytes.extend([2, 0, life, state, state + 1, 5 * state + life]);
            bytes.extend([place as u8 % 2, place as u8 * 40]);
            bytes.extend((packet.len() as u16).to_le_bytes());
            bytes.extend(packet);
            bytes.extend([6, 1, life, state + 1, 10, 3 * life]);
        }
        bytes.extend([3, 0]);
        seeds.insert(format!("conversation-{number:02}"), bytes);
    }
    let kinds = [0_u8, 1, 2, 3, 4, 5, 6, 7];
    for kind in kinds {
        let bytes = vec![
            0,
            0,
            kind,
            200,
            4,
            0,
            0x45,
            1,
            2,
            3,
            kind ^ 1,
            0,
            1,
            0,
            0xff,
        ];
        seeds.insert(format!("kind-{kind}"), bytes);
    }
    seeds
}
