//! Both ends connect at the same moment: one connection, four segments, and nobody listens.

use std::time::Duration;

use super::Outcome;
use super::stage::Stage;
use crate::ladder::Side;
use crate::world::{CLIENT, SERVER};

pub(super) fn run() -> Outcome {
    let mut stage = Stage::new(["one", "other"], |_, _| ());
    let (one, other) = (CLIENT.v4(40_000), SERVER.v4(40_000));
    stage
        .open(Side::Left, one, other)
        .expect("the port is free");
    stage
        .open(Side::Right, other, one)
        .expect("the port is free");
    stage.run_for(Duration::from_secs(2));
    Outcome {
        scenes: vec![(
            "Both connect, from and to port 40000; nobody listens.".to_owned(),
            stage.ladder,
        )],
        table: None,
        explanation: "Two SYNs that cross make one connection, not two (RFC 9293 §3.5, Figure 7; MUST-10). Each end takes \
            the other's SYN for what it is, goes from SYN-SENT to SYN-RECEIVED, which a client otherwise never sees, and \
            acknowledges it by a SYN,ACK with its own ISN once more. Each is ESTABLISHED when its own SYN is acknowledged \
            (§3.10.7.4). It takes four segments, and neither end is the server: peers behind two NATs open connections \
            so on purpose. The ACKs at the end answer SYN,ACKs that bring nothing new: the first of them was the \
            acknowledgment already."
            .to_owned(),
        records: stage.records,
    }
}
