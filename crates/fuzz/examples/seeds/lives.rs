//! Lives of connections, told in the steps of `world::step`.

use super::Seeds;

type Step = [u8; 8];

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A segment for the connection there is, right but for its control bits, with `len` bytes of data.
const fn segment(flags: u8, len: u8) -> Step {
    [0, 0, flags, 0, 0, len, 0, 200]
}

/// The same for the connection that was opened last, if those before it are in TIME-WAIT.
const fn last(flags: u8) -> Step {
    segment(flags, 0)
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
pub(super) fn segments() -> Seeds {
    let settings: [[u8; 4]; 4] = [
        [0, 0, 0, 0],
        [0, 1, 0x82, 7],
        [0x7f, 0x7e, 0x3c, 0x11],
        [8, 0, 0x4d, 2],
    ];
    let mut seeds = Seeds::new();
    for (name, steps) in [opening(), using(), closing()].concat() {
        for (number, settings) in settings.iter().enumerate() {
            let bytes = [&settings[..], steps.as_flattened()].concat();
            seeds.insert(format!("{name}-{number}"), bytes);
        }
    }
    seeds
}

/// The same lives with a message after each step: an error of each kind in turn, an echo now and then.
pub(super) fn icmp(lives: &Seeds) -> Seeds {
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

/// A life by its name.
type Life = (&'static str, Vec<Step>);

/// A connection that the peer opens and the application accepts.
fn open(bits: u8) -> Vec<Step> {
    vec![syn(0, bits), segment(ACK, 0), ACCEPT]
}

/// A connection that the application opens.
fn connected() -> Vec<Step> {
    vec![CONNECT, segment(SYN | ACK, 0)]
}

fn with(begin: Vec<Step>, rest: &[Step]) -> Vec<Step> {
    [begin, rest.to_vec()].concat()
}

/// How connections come about, or do not.
fn opening() -> Vec<Life> {
    vec![
        ("half-open", vec![syn(0, EVERY), time(80)]),
        ("half-open-reset", vec![syn(0, 0), segment(RST, 0)]),
        (
            "half-open-other-syn",
            vec![syn(0, 0), [0, 0, SYN, 9, 0, 0, 0, 200]],
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
            "stray",
            vec![
                [0, 0x84, ACK, 0, 0, 0, 0, 0],
                [0, 0x80, FIN | ACK, 0, 0, 0, 0, 0],
                [0, 0x80, RST, 0, 0, 0, 0, 0],
                [0, 0x80, 0, 0, 0, 9, 0, 0],
            ],
        ),
    ]
}

/// What happens while they last.
fn using() -> Vec<Life> {
    vec![
        (
            "exchange",
            with(
                open(EVERY),
                &[
                    segment(ACK, 101),
                    segment(ACK, 3),
                    READ,
                    WRITE,
                    segment(ACK, 0),
                ],
            ),
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
        ("silence", with(open(EVERY), &[WRITE, time(180), READ])),
        (
            "busy",
            with(
                open(EVERY),
                &[BUSY, WRITE, segment(ACK, 50), time(90), CLOSE, BUSY],
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
    ]
}

/// How they end.
fn closing() -> Vec<Life> {
    vec![
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
            "time-waits",
            [0, 1, 2]
                .map(|port| [syn(port, 0), last(ACK), ACCEPT, CLOSE, last(FIN | ACK)])
                .concat(),
        ),
        ("shut-down", with(open(0), &[CONNECT, SHUT_DOWN, READ])),
    ]
}
