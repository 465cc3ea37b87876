//! CLOSE-WAIT tells that the peer has finished and the application has not. Why it has not is another question.

use std::time::Duration;

use estab_core::observe::{StateName, Trouble};
use estab_core::{SocketId, Status};

use super::stage::Stage;
use super::{Outcome, Table, bytes};
use crate::ladder::Side;

pub(super) fn run() -> Outcome {
    let leak = visit("never closes", |stage, server| {
        stage.note(
            Side::Right,
            "the application reads everything, and the end of file",
        );
        let _read = stage.read_all(Side::Right, server);
        stage.note(Side::Right, "… and forgets the socket");
    });
    let overload = visit("still writes", |stage, server| {
        let _read = stage.read_all(Side::Right, server);
        stage.note(
            Side::Right,
            "the application answers with 300,000 bytes, which the client does not take",
        );
        stage.draws = false;
        stage.write_all(Side::Right, server, &[b'!'; 262_144]);
        stage.run_for(Duration::from_secs(1));
        stage.write_all(Side::Right, server, &[b'!'; 37_856]);
    });
    let unread = visit("never looked", |stage, _| {
        stage.note(
            Side::Right,
            "the application has accepted and is busy elsewhere",
        );
    });
    let visits = [leak, overload, unread];
    let (titles, ends): (Vec<_>, Vec<_>) = [
        "A server that forgets to close.",
        "A server that is still at work.",
        "A server that has never looked.",
    ]
    .into_iter()
    .zip(visits)
    .unzip();
    let rows = ends.iter().map(|visit| visit.row.clone()).collect();
    let records = ends.iter().flat_map(|visit| visit.stage.records.clone());
    let records = records.collect();
    let scenes = titles.into_iter().map(str::to_owned);
    let ladders = ends.into_iter().map(|visit| visit.stage.ladder);
    Outcome {
        scenes: scenes.zip(ladders).collect(),
        table: Some(Table {
            columns: vec![
                "the server",
                "unread",
                "to be sent",
                "end of file",
                "last call",
                "diagnosis",
                "so",
            ],
            rows,
        }),
        explanation: "In all three the peer's FIN is acknowledged, and ours does not come. TCP itself may not \
             end it: the other direction is still open, and may be used for as long as the application likes (RFC 9293 \
             §3.6, §3.10.4). The difference is in what the application was told and did. A leak has nothing to read, \
             the end of file delivered, and a last call long ago: the application knows, and does nothing. An \
             overloaded server has bytes under way: the peer, or the path to it, is too slow for what it writes. And \
             who never looked has bytes unread and an end of file nobody has asked for: it does not even know. So more \
             capacity helps the second and never the first, and a restart helps the first for an hour. estab leaks \
             tells them apart in a running program, with the line that accepted the connection; the kernel's ss shows \
             only the queues."
            .to_owned(),
        records,
    }
}

/// How a visit ended.
struct Visit {
    stage: Stage,
    row: Vec<String>,
}

/// A client that sends a request and closes its side; what the server's application does is `serve`.
fn visit(name: &str, serve: impl FnOnce(&mut Stage, SocketId)) -> Visit {
    let mut stage = Stage::new(["client", "server"], |_, _| ());
    let listener = stage.listen();
    stage.draws = false;
    let (client, server) = stage.establish(listener);
    stage.begin_again();
    stage.draws = true;
    stage.write_all(Side::Left, client, &[b'?'; 300]);
    let how = estab_core::Shutdown::Write;
    let _shut = stage.call(Side::Left, |stack, now| stack.shutdown(now, client, how));
    stage.run_for(Duration::from_millis(50));
    serve(&mut stage, server);
    stage.run_for(Duration::from_secs(61));
    stage.note(Side::Right, "a minute later nothing has changed");
    let status = stage.stack(Side::Right).status(server);
    let row = row(name, &stage, &status.expect("it is held"));
    Visit { stage, row }
}

/// What the stack knows of it.
fn row(name: &str, stage: &Stage, status: &Status) -> Vec<String> {
    let call = status.last_call.expect("it was accepted at least");
    let ago = (stage.now - call.at).as_secs();
    let diagnosis = status.diagnose(stage.now, Duration::from_secs(60));
    let diagnosis = diagnosis.expect("it has waited for long enough");
    let advice = match diagnosis.trouble() {
        Trouble::Leak => "mend the program",
        Trouble::Overload => "help the server",
        Trouble::NeverRead | Trouble::NeverAccepted => "see what keeps it",
    };
    debug_assert_eq!(status.state, StateName::CloseWait);
    let delivered = status.end_of_file_delivered;
    vec![
        name.to_owned(),
        bytes(status.unread),
        bytes(status.unacknowledged),
        if delivered { "delivered" } else { "waits" }.to_owned(),
        format!("{}, {ago} s ago", call.call.name()),
        diagnosis.trouble().name().to_owned(),
        advice.to_owned(),
    ]
}
