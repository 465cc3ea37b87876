//! SYNs from addresses that nobody has: what they cost a server, and its other clients.

use std::net::Ipv4Addr;
use std::time::Duration;

use estab_core::SynCookies;
use estab_core::observe::StateName;
use etherparse::PacketBuilder;

use super::stage::Stage;
use super::{Outcome, Table, bytes, grouped};
use crate::ladder::Side;
use crate::world::SERVER;

/// SYNs of the flood.
pub(super) const SYNS: u32 = 10_000;

pub(super) fn run() -> Outcome {
    let without = scene(SynCookies::Off);
    let with = scene(SynCookies::Auto);
    let kept = without.kept;
    let mut rows = without.rows;
    rows.extend(with.rows);
    Outcome {
        scenes: vec![
            (
                "Without cookies: a flood, and a client that only wants to connect.".to_owned(),
                without.stage.ladder,
            ),
            ("With cookies: the same.".to_owned(), with.stage.ladder),
        ],
        table: Some(Table {
            columns: vec!["server", "half-open", "cookies", "refused", "memory held"],
            rows,
        }),
        explanation: format!(
            "A SYN with a forged source costs its sender 40 bytes and the server a state that it must keep while the SYN,ACK \
             is sent again (RFC 4987 §2). A listener of estab keeps at most {} such states of 96 bytes, and 21 \
             for their place in a table: the flood costs {}, however long it is. Each halving of the room left takes \
             one retry away, so that in a full queue a state is gone after 1 s instead of 63. Beyond the limit, without \
             cookies, a SYN is not answered, and that is counted as SynQueueFull: the honest client's is refused \
             like the others, and comes through when it is repeated. With cookies (RFC 4987 §3.6, the default) it is \
             answered at once: the sequence number of the SYN,ACK, and its timestamp, keep what the SYN said, and the \
             client's ACK brings it back. The flood's cookies cost nothing.",
            grouped(kept),
            bytes(kept * 117)
        ),
        records: with.stage.records,
    }
}

/// What became of a server and its honest client.
struct Scene {
    stage: Stage,
    rows: Vec<Vec<String>>,
    /// SYNs of the flood that got a state.
    kept: usize,
}

fn scene(cookies: SynCookies) -> Scene {
    let mut stage = Stage::new(["client", "server"], |_, server| {
        server.syn_cookies = cookies;
    });
    let listener = stage.listen();
    let mut rows = Vec::new();
    let mut note = |stage: &mut Stage, when: &str| {
        rows.push(row(stage, &format!("{}: {when}", cookies.name())));
    };
    note(&mut stage, "before");
    flood(&mut stage);
    note(&mut stage, "after the flood");
    let kept = stage.stack(Side::Right).half_open();
    let counters = stage.stack(Side::Right).counters();
    let (sent, refused) = (
        counters.syncookies_sent as usize,
        counters.tcp_req_q_full_drop as usize,
    );
    stage.note(
        Side::Right,
        format!(
            "{} SYNs from spoofed addresses: {} are kept, {} answered by cookies, {} refused",
            grouped(SYNS as usize),
            grouped(kept),
            grouped(sent),
            grouped(refused)
        ),
    );
    let client = stage.connect().expect("the port is free");
    let start = stage.now;
    let step = Duration::from_millis(500);
    let is_open = |stage: &mut Stage| {
        let status = stage.stack(Side::Left).status(client);
        status.is_some_and(|status| status.state == StateName::Established)
    };
    while stage.now - start < Duration::from_secs(130) && !is_open(&mut stage) {
        stage.run_for(step);
    }
    stage.run_for(Duration::from_millis(100));
    let accepted = stage.accept(listener).is_some();
    debug_assert!(accepted);
    note(&mut stage, "when the client is served");
    Scene { stage, rows, kept }
}

/// SYNs from as many addresses, all at one moment.
fn flood(stage: &mut Stage) {
    stage.draws = false;
    for number in 0..SYNS {
        stage.inject(Side::Right, &spoofed_syn(number));
        stage.settle();
    }
    stage.draws = true;
}

/// A SYN that looks as if it came from an address out of 198.19.0.0/16.
pub(super) fn spoofed_syn(number: u32) -> Vec<u8> {
    let source = Ipv4Addr::from(0xc613_0000 | (number & 0xffff));
    let std::net::IpAddr::V4(server) = SERVER.v4(80).ip() else {
        return Vec::new();
    };
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(source.octets(), server.octets(), 64)
        .tcp(
            1024 + (number % 50_000) as u16,
            80,
            number.wrapping_mul(0x9e37_79b9),
            65_535,
        )
        .syn();
    let written = builder.write(&mut packet, &[]);
    debug_assert!(written.is_ok(), "a vector takes everything");
    packet
}

fn row(stage: &mut Stage, when: &str) -> Vec<String> {
    let stack = stage.stack(Side::Right);
    let counters = stack.counters();
    vec![
        when.to_owned(),
        grouped(stack.half_open()),
        grouped(counters.syncookies_sent as usize),
        grouped(counters.tcp_req_q_full_drop as usize),
        bytes(stack.bytes_held()),
    ]
}
