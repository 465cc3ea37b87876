//! A close takes four segments, or three if the server has nothing more to say when the FIN comes.

use std::time::Duration;

use super::stage::Stage;
use super::{Outcome, Table, grouped};
use crate::ladder::{Side, What};

pub(super) fn run() -> Outcome {
    let (four, records) = close(16, true);
    let (three, more) = close(0, false);
    let row = |name: &str, stage: &Stage| {
        let segments = stage.ladder.events();
        let segments = segments
            .iter()
            .filter(|event| matches!(event.what, What::Segment { .. }));
        vec![name.to_owned(), grouped(segments.count())]
    };
    let table = Table {
        columns: vec!["the server", "segments"],
        rows: vec![
            row("acknowledges at once, closes 30 ms later", &four),
            row("closes as soon as it hears, the ACK still owed", &three),
        ],
    };
    Outcome {
        scenes: vec![
            (
                "The server acknowledges the FIN at once; its application closes later.".to_owned(),
                four.ladder,
            ),
            (
                "The ACK is delayed, and the application closes meanwhile: the FIN rides on it.".to_owned(),
                three.ladder,
            ),
        ],
        table: Some(table),
        explanation: "A connection is closed in each direction by itself (RFC 9293 §3.6): FIN, ACK, FIN, ACK. The two in the \
            middle come from the same end, and become one segment when its application closes before the ACK of the \
            FIN has left. That depends on the delayed ACK (§3.8.6.3), which waits up to 500 ms for something to ride on, \
            and so on the speed of the application, not on the protocol. With three segments FIN-WAIT-2 lasts no time \
            at all: two arrows of Figure 5 are taken at the same moment. Whoever closes first is in TIME-WAIT, \
            with four segments as with three."
            .to_owned(),
        records: [records, more].concat(),
    }
}

/// A close begun by the client. The server acknowledges so many segments at once, and its application either
/// waits or closes the moment it hears of the end of file.
fn close(quick_acks: u8, waits: bool) -> (Stage, Vec<super::Record>) {
    let mut stage = Stage::new(["client", "server"], |_, server| {
        server.quick_acks = quick_acks
    });
    let listener = stage.listen();
    stage.draws = false;
    let (client, server) = stage.establish(listener);
    stage.begin_again();
    stage.draws = true;
    let _closed = stage.call(Side::Left, |stack, now| stack.close(now, client));
    stage.run_for(Duration::from_millis(10));
    stage.note(Side::Right, "the application reads the end of file");
    let _end = stage.read_all(Side::Right, server);
    if waits {
        stage.run_for(Duration::from_millis(30));
    }
    let _closed = stage.call(Side::Right, |stack, now| stack.close(now, server));
    stage.run_for(Duration::from_millis(100));
    let records = std::mem::take(&mut stage.records);
    (stage, records)
}
