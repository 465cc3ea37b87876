//! A segment of an earlier connection between the same two ports, delayed until its numbers fit the next one.

use std::time::Duration;

use estab_core::error::ConnectError;
use estab_core::{ListenerId, SeqNumber};

use super::stage::{Stage, Trick};
use super::{Outcome, Table, grouped};
use crate::ladder::Side;

/// So much the old connection sends: faster than the ISN clock runs, so that the next ISN falls into the middle of it.
const OLD_BYTES: usize = 300_000;
/// The first old byte that the network keeps a copy of.
const KEPT_FROM: u32 = 120_000;

/// What differs from run to run.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    caption: &'static str,
    time_wait: Duration,
    timestamps: bool,
}

pub(super) fn run() -> Outcome {
    let cases = [
        Case {
            name: "none",
            caption: "Without TIME-WAIT: the client uses its port again at once.",
            time_wait: Duration::ZERO,
            timestamps: false,
        },
        Case {
            name: "2 MSL",
            caption: "With TIME-WAIT: the port is held until every old segment has died.",
            time_wait: Duration::from_secs(60),
            timestamps: false,
        },
        Case {
            name: "none, timestamps",
            caption: "Without TIME-WAIT, but with timestamps: the old segment gives itself away.",
            time_wait: Duration::ZERO,
            timestamps: true,
        },
    ];
    let mut scenes = Vec::new();
    let mut rows = Vec::new();
    let mut records = Vec::new();
    for case in cases {
        let (stage, row) = case.run();
        scenes.push((case.caption.to_owned(), stage.ladder));
        rows.push(row);
        records.extend(stage.records);
    }
    let columns = vec!["TIME-WAIT", "port free again", "the server reads", "so"];
    Outcome {
        scenes,
        table: Some(Table { columns, rows }),
        explanation: "The old connection sent 300,000 bytes in a fraction of a second, more than the ISN clock counts in \
            that time (one every 4 µs, RFC 9293 §3.4.1). So the next connection's ISN lies in the middle of the old \
            numbers, and a copy of an old segment that was delayed fits where the new stream goes on: the receiver cannot \
            tell, for it has nothing but the numbers to go by. This is what TIME-WAIT is for (§3.6.1, \
            RFC 1337 §1): the end that closes first holds the pair of ports for 2 MSL, and by then old segments are \
            gone and the clock is far ahead. Timestamps tell old from new without the wait (PAWS, RFC 7323 §5), as long \
            as both ends use them, which is why RFC 6191 lets a port be used again early then. The number of the old \
            segment is drawn on the scale of the first connection's."
            .to_owned(),
        records,
    }
}

impl Case {
    fn run(self) -> (Stage, Vec<String>) {
        let Self {
            name,
            time_wait,
            timestamps,
            ..
        } = self;
        let mut stage = Stage::new(["client", "server"], |client, server| {
            client.time_wait = time_wait;
            (client.timestamps, server.timestamps) = (timestamps, timestamps);
        });
        let listener = stage.listen();
        let kept_at = old_connection(&mut stage, listener);
        let closed = stage.now;
        let mut refused = false;
        let mut passed_on = true;
        let socket = loop {
            match stage.connect() {
                Ok(socket) => break socket,
                Err(ConnectError::AddressInUse) if !refused => {
                    refused = true;
                    stage.note(Side::Left, "connect: the port is held by TIME-WAIT");
                }
                Err(_) => {}
            }
            // It is asked again each second.
            stage.run_for(Duration::from_secs(1));
            if passed_on && stage.now >= closed + time_wait / 2 {
                passed_on = false;
                stage.forget();
                stage.note(
                    Side::Left,
                    "the delayed copy has died: no segment outlives an MSL (RFC 9293 §4)",
                );
            }
        };
        let free = (stage.now - closed).as_secs();
        stage.run_for(Duration::from_millis(40));
        let server = stage.accept(listener).expect("nothing is lost");
        let next = stage
            .call(Side::Left, |stack, _| stack.status(socket))
            .map(|it| it.snd_nxt);
        let until = kept_at.distance_from(next.expect("it is held"));
        // As far as the old segment's number, if that is ahead at all.
        let new = usize::try_from(until)
            .ok()
            .filter(|ahead| *ahead < OLD_BYTES)
            .unwrap_or(1000);
        stage.note(
            Side::Left,
            format!("the application writes {} new bytes", grouped(new)),
        );
        stage.draws = false;
        stage.write_all(Side::Left, socket, &vec![b'n'; new]);
        stage.run_for(Duration::from_millis(300));
        let mut heard = stage.read_all(Side::Right, server);
        stage.draws = true;
        stage.release();
        heard.extend(stage.read_all(Side::Right, server));
        stage.run_for(Duration::from_millis(50));
        let old = heard.iter().filter(|byte| **byte == b'o').count();
        let (read, verdict) = if old > 0 {
            let text = format!(
                "{} new bytes, then {} old ones",
                grouped(heard.len() - old),
                grouped(old)
            );
            (text, "corrupted")
        } else {
            (format!("{} new bytes", grouped(heard.len())), "safe")
        };
        stage.note(Side::Right, format!("the application reads {read}"));
        let after = if free == 0 {
            "at once".to_owned()
        } else {
            format!("after {free} s")
        };
        (
            stage,
            vec![name.to_owned(), after, read, verdict.to_owned()],
        )
    }
}

/// A connection that sends much and closes, while the network keeps a copy of one segment; answers its number.
fn old_connection(stage: &mut Stage, listener: ListenerId) -> SeqNumber {
    let (client, server) = stage.establish(listener);
    let first = stage
        .call(Side::Left, |stack, _| stack.status(client))
        .map(|it| it.snd_nxt);
    let first = first.expect("it is held");
    stage.once(Side::Left, Trick::KeepCopy, move |packet| {
        let at = packet.seq.distance_from(first);
        !packet.data.is_empty() && at >= KEPT_FROM as i32
    });
    stage.note(
        Side::Left,
        format!(
            "{} bytes pass; a copy of one segment is delayed",
            grouped(OLD_BYTES)
        ),
    );
    stage.draws = false;
    let old = vec![b'o'; OLD_BYTES];
    let mut rest = &old[..];
    while !rest.is_empty() {
        let written = stage.call(Side::Left, |stack, now| stack.write(now, client, rest));
        rest = &rest[written.unwrap_or(0)..];
        stage.run_for(Duration::from_millis(1));
        let _read = stage.read_all(Side::Right, server);
    }
    stage.run_for(Duration::from_millis(100));
    let _read = stage.read_all(Side::Right, server);
    stage.run_for(Duration::from_millis(20));
    stage.draws = true;
    let _closed = stage.call(Side::Left, |stack, now| stack.close(now, client));
    stage.run_for(Duration::from_millis(15));
    let _read = stage.read_all(Side::Right, server);
    let _closed = stage.call(Side::Right, |stack, now| stack.close(now, server));
    stage.run_for(Duration::from_millis(30));
    stage.kept_number().expect("it passed")
}
