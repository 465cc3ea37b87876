//! What two stacks put on the wire, and what others might.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use estab_core::observe::Silent;
use estab_core::{
    Checksum, Config, ConnectOptions, Flags, Instant, ListenOptions, Secrets, Segment, Shutdown,
    Stack, fuzzing,
};

use super::Seeds;

/// What two stacks say to each other in a short life, over either IP.
pub(super) fn packets() -> Vec<Vec<u8>> {
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
pub(super) fn headers(packets: &[Vec<u8>]) -> Seeds {
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
pub(super) fn options(packets: &[Vec<u8>]) -> Seeds {
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
pub(super) fn capture(packets: &[Vec<u8>]) -> Seeds {
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
