//! CLOSE-WAIT tells that the peer has finished and the application has not. Why it has not is another question.

use std::time::Duration;

use estab_core::SocketId;

use super::stage::Stage;
use super::{Outcome, Table, bytes};
use crate::ladder::Side;

pub(super) fn run() -> Outcome {
    let (leak, socket) = visit(|stage, server| {
        stage.note(
            Side::Right,
            "the application reads everything, and the end of file",
        );
        let _read = stage.read_all(Side::Right, server);
        stage.note(Side::Right, "… and forgets the socket");
    });
    let leaks = row("leaks: never closes", leak, socket);
    let (slow, socket) = visit(|stage, _| {
        stage.note(Side::Right, "the application is busy with other clients");
    });
    let overloads = row("overloaded: reads later", slow, socket);
    let (leak, first, leaked) = leaks;
    let (slow, second, delayed) = overloads;
    Outcome {
        scenes: vec![
            ("A server that forgets to close.".to_owned(), leak.ladder),
            ("A server that is too slow.".to_owned(), slow.ladder),
        ],
        table: Some(Table {
            columns: vec![
                "the server",
                "state",
                "unread",
                "end of file",
                "last call",
                "so",
            ],
            rows: vec![first, second],
        }),
        explanation: format!(
            "On the wire both look alike: the peer's FIN is acknowledged, and nothing follows. TCP itself may not end it: \
             the other direction is still open, and may be used for as long as the application likes (RFC 9293 §3.6, \
             §3.10.4). The difference is in what the application was told and did. {leaked} {delayed} So \
             more capacity helps the second and never the first, and a restart helps the first for an hour. estab ss \
             shows these three for every CLOSE-WAIT; the kernel's ss shows only the queue."
        ),
        records: [leak.records, slow.records].concat(),
    }
}

/// A client that sends a request and closes its side; what the server's application does is `serve`.
fn visit(serve: impl FnOnce(&mut Stage, SocketId)) -> (Stage, SocketId) {
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
    stage.run_for(Duration::from_secs(60));
    stage.note(Side::Right, "a minute later nothing has changed");
    (stage, server)
}

/// What the stack knows of it, and that as a sentence.
fn row(name: &str, mut stage: Stage, socket: SocketId) -> (Stage, Vec<String>, String) {
    let now = stage.now;
    let status = stage.stack(Side::Right).status(socket).expect("it is held");
    let delivered = status.end_of_file_delivered;
    let call = status.last_call.expect("it was accepted at least");
    let ago = (now - call.at).as_secs();
    let verdict = if delivered {
        "mend the program"
    } else {
        "help the server"
    };
    let cells = vec![
        name.to_owned(),
        status.state.to_string(),
        bytes(status.unread),
        if delivered { "delivered" } else { "waits" }.to_owned(),
        format!("{}, {ago} s ago", call.call.name()),
        verdict.to_owned(),
    ];
    let sentence = if delivered {
        "A leak has nothing unread, the end of file delivered, and a last call long ago: the application \
         knows, and does nothing."
    } else {
        "An overloaded server has bytes unread and an end of file that nobody has asked for: the application \
         does not even know."
    };
    (stage, cells, sentence.to_owned())
}
