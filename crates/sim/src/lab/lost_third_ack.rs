//! The ACK that ends the handshake is lost: two ends with different certainties.

use std::time::Duration;

use estab_core::Flags;

use super::Outcome;
use super::stage::Stage;
use crate::ladder::Side;

pub(super) fn run() -> Outcome {
    let mut silent = begin();
    silent.run_for(Duration::from_secs(2));
    let mut speaking = begin();
    speaking.run_for(Duration::from_millis(100));
    let socket = speaking.client.expect("it connected");
    speaking.note(Side::Left, "the application writes");
    let _taken = speaking.call(Side::Left, |stack, now| stack.write(now, socket, b"x"));
    speaking.run_for(Duration::from_millis(500));
    let mut records = silent.records;
    records.extend(speaking.records);
    Outcome {
        scenes: vec![
            (
                "The client is silent: the server's timer repairs it.".to_owned(),
                silent.ladder,
            ),
            (
                "The client writes at once: its data carries the ACK that was lost.".to_owned(),
                speaking.ladder,
            ),
        ],
        table: None,
        explanation: "Each end has its own certainty. The client is ESTABLISHED when the SYN,ACK comes (RFC 9293 \
            §3.10.7.3), the server only when its own SYN is acknowledged (§3.10.7.4): a lost third ACK leaves one \
            end sure and the other not. Nothing is broken by that. The server sends its SYN,ACK again after its \
            timeout (RFC 6298 §2.1: one second), and the client, to whom it is an old duplicate, answers by an ACK. \
            Or the client speaks first: every segment after the handshake carries an ACK, so its data repairs what \
            was lost in the same moment. The only client left hanging is one that waits for the server to speak first \
            while every repetition of the SYN,ACK is lost: the server gives up after 63 s, and the client learns \
            of it when it next sends anything (§3.5.1)."
            .to_owned(),
        records,
    }
}

/// The handshake without its last ACK.
fn begin() -> Stage {
    let mut stage = Stage::new(["client", "server"], |_, _| ());
    stage.listen();
    stage.lose_bare(Side::Left, Flags::ACK);
    stage.client = stage.connect().ok();
    stage
}
