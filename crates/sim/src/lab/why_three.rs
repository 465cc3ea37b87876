//! Handshakes of one, two, three and four messages, put through the same exploration, flood and race.

use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{Checksum, Config, Flags, Instant, ListenOptions, Secrets, SeqNumber, Stack};

use super::stage::{Stage, Trick};
use super::syn_flood::{SYNS, spoofed_syn};
use super::{Outcome, Record, Table, bytes, grouped};
use crate::explore::{Endpoint, Mutation, Packet, Report, Scenario, Thin, explore, tell};
use crate::ladder::{Ladder, Side};
use crate::world::{SERVER, config};

/// More states than any of these explorations has.
const LIMIT: usize = 100_000;

pub(super) fn run() -> Outcome {
    let mut scenes = Vec::new();
    let mut rows = Vec::new();
    let cost = Cost::measure();
    for messages in 1..=4 {
        let mut found = Vec::new();
        let mut states = 0;
        for mut scenario in Scenario::handshakes() {
            let root = scenario.thin(messages);
            let report = explore(&scenario, root.clone(), LIMIT);
            states += report.states;
            if let Some(ladder) = ladder(&report, |way| tell(&scenario, &root, way)) {
                found.push(scenario.name);
                if messages < 3 {
                    scenes.push((caption(messages, scenario.name), ladder));
                }
            }
        }
        let flood = Flood::on_thin(messages, &cost);
        let race = round_trips([Thin::new(messages, false), Thin::new(messages, true)]);
        rows.push(row(&messages.to_string(), &flood, race, states, &found));
    }
    let (asked, records) = asked_back();
    let caption = "Three messages, estab's core: asked to confirm the old SYN, the client says no.";
    scenes.push((caption.to_owned(), asked));
    let (states, found) = real_core();
    let world = Scenario::handshakes()[0].clone().real(Mutation::None);
    let race = round_trips(Side::BOTH.map(|side| world.end(side).clone()));
    rows.push(row("3: estab", &Flood::on_the_core(), race, states, &found));
    Outcome {
        scenes,
        table: Some(Table {
            columns: vec![
                "messages",
                "flood costs",
                "left after",
                "data after",
                "states",
                "counter-examples",
                "verdict",
            ],
            rows,
        }),
        explanation: explanation(),
        records,
    }
}

/// What an old SYN comes to with the real core, and what the server saw.
fn asked_back() -> (Ladder, Vec<Record>) {
    let mut stage = Stage::new(["client", "server"], |_, _| ());
    stage.listen();
    stage.draws = false;
    stage.once(Side::Left, Trick::KeepCopy, |packet| {
        packet.flags == Flags::SYN
    });
    if let Ok(client) = stage.connect() {
        let _aborted = stage.call(Side::Left, |stack, now| stack.abort(now, client));
    }
    stage.run_for(Duration::from_secs(1));
    stage.begin_again();
    stage.draws = true;
    stage.release();
    stage.run_for(Duration::from_millis(100));
    (stage.ladder, stage.records)
}

fn explanation() -> String {
    format!(
        "A connection is an agreement on two numbers, each end's ISN, and each must know that the other knows its own \
         (RFC 9293 §3.5). With one message the server commits itself to whatever SYN comes, also to an old duplicate, or to \
         one of {} from nowhere; with two it does the same, and never learns whether its own ISN arrived. Both then hold \
         connections that nobody has (ghosts), deliver what was sent in an earlier life, and disagree on \
         numbers without noticing. The third message is the proof that the SYN was meant, and now: it can only be sent \
         by somebody who has received the server's ISN, so \"the principal reason for the three-way handshake is to prevent \
         old duplicate connection initiations from causing confusion\" (§3.5). It costs the client nothing, whose \
         data may ride on it. A fourth only acknowledges the acknowledgment: nothing is ruled out that was possible with \
         three, and data waits a round trip more. Two ends over a wire that loses can never be sure that the \
         last message arrived; three is where both know all that they need. Flood: the memory that {} SYNs with forged \
         sources take, and the connections left ten minutes later; a thin end is charged what such a state costs in estab's \
         core, and has no bound of its own. Data after: from connect until the server's application has the first byte.",
        grouped(SYNS as usize),
        grouped(SYNS as usize)
    )
}

fn caption(messages: u8, scenario: &str) -> String {
    let count = if messages == 1 {
        "One message"
    } else {
        "Two messages"
    };
    let what = match scenario {
        "ghost" => "an old SYN arrives, and the server holds a connection that nobody has.",
        "replay" => "an old SYN and old data arrive, and the data is delivered once more.",
        _ => "the server restarts, and both are ESTABLISHED with different numbers.",
    };
    format!("{count}: {what}")
}

fn ladder(
    report: &Report,
    tell: impl FnOnce(&[crate::explore::Action]) -> Ladder,
) -> Option<Ladder> {
    let found = report.counter_example.as_ref()?;
    Some(tell(&found.actions))
}

/// The real core through the same explorations; answers the states and what was found.
fn real_core() -> (usize, Vec<&'static str>) {
    let mut found = Vec::new();
    let mut states = 0;
    for mut scenario in Scenario::handshakes() {
        let root = scenario.real(Mutation::None);
        let report = explore(&scenario, root, LIMIT);
        states += report.states;
        if report.counter_example.is_some() {
            found.push(scenario.name);
        }
    }
    (states, found)
}

fn row(name: &str, flood: &Flood, round_trips: f64, states: usize, found: &[&str]) -> Vec<String> {
    let verdict = match (found.is_empty(), round_trips > 2.0) {
        (false, _) => "unsafe",
        (true, false) => "enough",
        (true, true) => "a round trip for nothing",
    };
    let found = if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    };
    vec![
        name.to_owned(),
        bytes(flood.peak),
        format!("{} ghosts", grouped(flood.ghosts)),
        format!("{round_trips} RTT"),
        grouped(states),
        found,
        verdict.to_owned(),
    ]
}

/// What states cost in the real core.
struct Cost {
    half_open: usize,
    connection: usize,
}

impl Cost {
    fn measure() -> Self {
        let mut server = server();
        server.receive(NOW, &spoofed_syn(0), Checksum::Unknown);
        let half_open = server.bytes_held();
        let mut answer = None;
        server.transmit(NOW, &mut |bytes: &[u8]| answer = Packet::parse(bytes));
        let answer = answer.expect("a SYN is answered");
        server.receive(NOW, &third_ack(&answer), Checksum::Verified);
        let connection = server.bytes_held();
        Self {
            half_open,
            connection,
        }
    }
}

/// The ACK that completes the handshake of the first spoofed SYN.
fn third_ack(answer: &Packet) -> Vec<u8> {
    let mut bytes = spoofed_syn(0);
    bytes[24..28].copy_from_slice(&answer.ack.0.to_be_bytes());
    let ack = answer.seq + 1;
    bytes[28..32].copy_from_slice(&ack.0.to_be_bytes());
    bytes[33] = Flags::ACK.bits();
    bytes
}

const NOW: Instant = Instant::from_millis(1_000_000);

fn server() -> Stack {
    let config: Config = config(SERVER);
    let secrets = Secrets::from_seed(31);
    let mut stack = Stack::new(config, secrets, estab_core::observe::Silent, NOW);
    let listening = stack.listen(NOW, ListenOptions::new(SERVER.v4(80)));
    debug_assert!(listening.is_ok());
    stack
}

/// What a flood leaves.
struct Flood {
    /// Bytes held at most.
    peak: usize,
    /// Connections held ten minutes later.
    ghosts: usize,
}

/// Long after every timer.
const LATER: Duration = Duration::from_secs(600);

impl Flood {
    fn on_the_core() -> Self {
        let mut server = server();
        for number in 0..SYNS {
            server.receive(NOW, &spoofed_syn(number), Checksum::Unknown);
            server.transmit(NOW, &mut |_: &[u8]| ());
        }
        let peak = server.bytes_held();
        let end = NOW + LATER;
        while let Some(next) = server.next_deadline().filter(|next| *next <= end) {
            server.advance(next);
            server.transmit(next, &mut |_: &[u8]| ());
        }
        Self {
            peak,
            ghosts: server.len(),
        }
    }

    /// Each source has a thin server of its own: they share nothing.
    fn on_thin(messages: u8, cost: &Cost) -> Self {
        let listening = Thin::new(messages, true);
        let mut held = Vec::new();
        for number in 0..SYNS {
            let mut server = listening.clone();
            let isn = SeqNumber(number.wrapping_mul(0x9e37_79b9));
            let syn = Packet::bare(Flags::SYN, isn, SeqNumber(0), &[]);
            server.receive(NOW, &syn);
            held.push(server);
        }
        let charge = |server: &Thin| match server.connection().map(|view| view.state) {
            Some(StateName::SynReceived) => cost.half_open,
            Some(_) => cost.connection,
            None => 0,
        };
        let peak = held.iter().map(charge).sum();
        let end = NOW + LATER;
        for server in &mut held {
            while let Some(next) = server.next_deadline().filter(|next| *next <= end) {
                server.advance(next);
            }
        }
        let ghosts = held.iter().filter(|server| !server.is_empty()).count();
        Self { peak, ghosts }
    }
}

/// Round trips from `connect` until the server's application has a byte, over a perfect wire.
fn round_trips<E: Endpoint>(mut ends: [E; 2]) -> f64 {
    let latency = Duration::from_millis(10);
    let mut wire: Vec<(Instant, usize, Packet)> = Vec::new();
    let mut now = NOW;
    ends[0].connect(now);
    let mut written = false;
    for _ in 0..100 {
        written = written || ends[0].write(now, b'x');
        let accepted = ends[1].accept(now);
        debug_assert!(!accepted || ends[1].connection().is_some());
        if ends[1].read(now) != crate::explore::Read::Nothing {
            break;
        }
        for (side, end) in ends.iter_mut().enumerate() {
            let mut sent = Vec::new();
            end.transmit(now, &mut sent);
            let arrive = |packet| (now + latency, 1 - side, packet);
            wire.extend(sent.into_iter().map(arrive));
        }
        let Some(next) = wire.iter().map(|(at, ..)| *at).min() else {
            break;
        };
        now = next;
        while let Some(index) = wire.iter().position(|(at, ..)| *at <= now) {
            let (_, to, packet) = wire.remove(index);
            ends[to].receive(now, &packet);
        }
    }
    (now - NOW).as_secs_f64() / (2.0 * latency.as_secs_f64())
}
