//! SYNs from addresses that nobody has: what they cost a server, and its other clients.

use std::net::Ipv4Addr;
use std::time::Duration;

use estab_core::observe::{DiscardReason, StateName};
use etherparse::PacketBuilder;

use super::stage::Stage;
use super::{Outcome, Table, bytes, grouped};
use crate::ladder::Side;
use crate::world::SERVER;

/// SYNs of the flood.
pub(super) const SYNS: u32 = 10_000;

pub(super) fn run() -> Outcome {
    let mut stage = Stage::new(["client", "server"], |_, _| ());
    let listener = stage.listen();
    let mut rows = vec![row(&mut stage, "before")];
    flood(&mut stage);
    rows.push(row(&mut stage, "after the flood"));
    let kept = stage.stack(Side::Right).half_open();
    let refused = stage
        .stack(Side::Right)
        .counters()
        .discarded(DiscardReason::SynQueueFull);
    stage.note(
        Side::Right,
        format!(
            "{} SYNs from spoofed addresses: {} are kept, {} refused",
            grouped(SYNS as usize),
            grouped(kept),
            grouped(refused as usize)
        ),
    );
    let client = stage.connect().expect("the port is free");
    let mut waited = Duration::ZERO;
    let step = Duration::from_millis(500);
    let is_open = |stage: &mut Stage| {
        let status = stage.stack(Side::Left).status(client);
        status.is_some_and(|status| status.state == StateName::Established)
    };
    while waited < Duration::from_secs(130) && !is_open(&mut stage) {
        stage.run_for(step);
        waited += step;
        if waited == Duration::from_secs(30) {
            rows.push(row(&mut stage, "30 s later"));
        }
    }
    stage.run_for(Duration::from_millis(100));
    let accepted = stage.accept(listener).is_some();
    rows.push(row(&mut stage, &format!("{} s later", waited.as_secs())));
    debug_assert!(accepted);
    Outcome {
        scenes: vec![(
            "A flood, and a client that only wants to connect.".to_owned(),
            stage.ladder,
        )],
        table: Some(Table {
            columns: vec!["server", "half-open", "refused", "memory held"],
            rows,
        }),
        explanation: format!(
            "A SYN with a forged source costs its sender 40 bytes and the server a state that it must keep until the SYN,ACK \
             was sent six times in vain, 63 s (RFC 4987 §2). estab keeps at most 4,096 such states of 96 bytes, and \
             16 for their place in a table: the flood costs {}, however long it is. Beyond that a SYN is not \
             answered, and that is counted as SynQueueFull. So it is the honest client that suffers: its SYN is \
             refused like the others, and it comes through when it repeats it at a moment at which entries have just \
             expired. SYN cookies (RFC 4987 §3.6), which would serve it at once, are not there yet.",
            bytes(kept * 112)
        ),
        records: stage.records,
    }
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
    let refused = stack.counters().discarded(DiscardReason::SynQueueFull);
    vec![
        when.to_owned(),
        grouped(stack.half_open()),
        grouped(refused as usize),
        bytes(stack.bytes_held()),
    ]
}
