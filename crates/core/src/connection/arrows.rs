//! RFC 9293 Figure 5 as a list. Each arrow names the method that is it, so that the list cannot hold one the
//! types do not have; `docs/states.md` is drawn from it, and a test holds it against the RFC.

use super::state::{
    Closed, Closing, EnterTimeWait, Finished, Finishing, LastAck, Received, Receiving, Sending,
    SimultaneousOpen, SynSent, Synchronized,
};
use crate::observe::{Cause, StateName};
use crate::{SeqNumber, demux};

/// An arrow of the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The state it leaves.
    pub from: StateName,
    /// The state it enters.
    pub to: StateName,
    /// The event, as Figure 5 words it.
    pub event: &'static str,
    /// What is sent or done, as Figure 5 words it; `x` for nothing.
    pub action: &'static str,
    /// The causes under which it is taken.
    pub causes: &'static [Cause],
}

/// A typed state, and what RFC 9293 calls it.
trait Typed {
    const NAME: StateName;
}

macro_rules! typed {
    ($($type:ty => $name:ident;)*) => {
        $(impl Typed for $type { const NAME: StateName = StateName::$name; })*
    };
}

typed! {
    Closed => Closed;
    Listening => Listen;
    SynReceived => SynReceived;
    SynSent => SynSent;
    SimultaneousOpen => SynReceived;
    Synchronized<Sending, Receiving> => Established;
    Synchronized<Sending, Received> => CloseWait;
    Synchronized<Finishing, Receiving> => FinWait1;
    Synchronized<Finished, Receiving> => FinWait2;
    Closing => Closing;
    LastAck => LastAck;
    EnterTimeWait => TimeWait;
    TimeWait => TimeWait;
}

/// An arrow from the type of a method: its receiver is where it starts, its result where it ends.
macro_rules! arrows {
    ($($method:path as fn($from:ty $(, $argument:ty)*) -> $to:ty: $event:literal / $action:literal, $($cause:ident)|+;)*) => {
        /// The arrows of RFC 9293 Figure 5 that estab takes, in the figure's order.
        pub const ARROWS: &[Arrow] = &[$({
            let _: fn($from $(, $argument)*) -> $to = $method;
            Arrow {
                from: <$from as Typed>::NAME,
                to: <$to as Typed>::NAME,
                event: $event,
                action: $action,
                causes: &[$(Cause::$cause),+],
            }
        },)*];
    };
}

type Established = Synchronized<Sending, Receiving>;
type CloseWait = Synchronized<Sending, Received>;
type FinWait1 = Synchronized<Finishing, Receiving>;
type FinWait2 = Synchronized<Finished, Receiving>;
use demux::{Listening, SynReceived, TimeWait};

arrows! {
    Closed::listen as fn(Closed) -> Listening: "passive OPEN" / "create TCB", Listen;
    Closed::connect as fn(Closed, SeqNumber) -> SynSent: "active OPEN" / "create TCB, snd SYN", Connect;
    Listening::close as fn(Listening) -> Closed: "CLOSE" / "delete TCB", Close | Shutdown;
    Listening::syn_arrived as fn(Listening, demux::Answer) -> SynReceived: "rcv SYN" / "snd SYN,ACK", Syn | SynInTimeWait | Cookie;
    SynSent::close as fn(SynSent) -> Closed: "CLOSE" / "delete TCB", Close | ShutdownWrite | Abort;
    SynSent::syn_arrived as fn(SynSent, SeqNumber, u32) -> SimultaneousOpen: "rcv SYN" / "snd SYN,ACK", SimultaneousSyn;
    SynSent::syn_ack_arrived as fn(SynSent, SeqNumber, u32) -> Established: "rcv SYN,ACK" / "snd ACK", SynAck;
    SynReceived::reset_arrived as fn(SynReceived) -> Listening: "rcv RST" / "x", Reset | ResetInWindow | OtherSyn;
    SynReceived::syn_acked as fn(SynReceived) -> Established: "rcv ACK of SYN" / "x", AckOfSyn;
    SimultaneousOpen::syn_acked as fn(SimultaneousOpen) -> Established: "rcv ACK of SYN" / "x", AckOfSyn;
    SimultaneousOpen::close as fn(SimultaneousOpen, SeqNumber) -> FinWait1: "CLOSE" / "snd FIN", Close | ShutdownWrite | Shutdown;
    Established::close as fn(Established, SeqNumber) -> FinWait1: "CLOSE" / "snd FIN", Close | ShutdownWrite | Shutdown;
    Established::fin_arrived as fn(Established) -> CloseWait: "rcv FIN" / "snd ACK", Fin;
    FinWait1::fin_acked as fn(FinWait1) -> FinWait2: "rcv ACK of FIN" / "x", AckOfFin;
    FinWait1::fin_arrived as fn(FinWait1) -> Closing: "rcv FIN" / "snd ACK", Fin;
    FinWait2::fin_arrived as fn(FinWait2) -> EnterTimeWait: "rcv FIN" / "snd ACK", Fin;
    Closing::fin_acked as fn(Closing) -> EnterTimeWait: "rcv ACK of FIN" / "x", AckOfFin;
    CloseWait::close as fn(CloseWait, SeqNumber) -> LastAck: "CLOSE" / "snd FIN", Close | ShutdownWrite | Shutdown;
    LastAck::fin_acked as fn(LastAck) -> Closed: "rcv ACK of FIN" / "x", AckOfFin;
    TimeWait::expire as fn(TimeWait) -> Closed: "Timeout=2MSL" / "delete TCB", TimeWaitExpired;
}

impl Closed {
    /// passive OPEN / create TCB.
    pub(crate) fn listen(self) -> Listening {
        Listening
    }

    /// active OPEN / create TCB, snd SYN.
    pub(crate) fn connect(self, iss: SeqNumber) -> SynSent {
        SynSent {
            snd: super::state::Snd::new(iss),
        }
    }
}

/// Whether a state may change so: by an arrow of the figure, or by one of the endings that it "also omitted
/// from the diagram for legibility" (Note 3): a RST either way, a timeout, a limit.
#[must_use]
pub fn allows(from: StateName, to: StateName, cause: Cause) -> bool {
    let drawn = ARROWS
        .iter()
        .any(|arrow| arrow.from == from && arrow.to == to && arrow.causes.contains(&cause));
    drawn || (to == StateName::Closed && from != StateName::Closed && is_abrupt(cause))
}

/// Whether a cause ends a connection from wherever it is.
fn is_abrupt(cause: Cause) -> bool {
    use Cause::*;
    matches!(
        cause,
        Abort
            | LingerZero
            | CloseUnread
            | ListenerClosed
            | Reset
            | ResetInWindow
            | ResetInSynSent
            | ResetInTimeWait
            | SynInWindow
            | SynInTimeWait
            | DataAfterClose
            | SynRetries
            | SynAckRetries
            | DataRetries
            | OrphanRetries
            | UserTimeout
            | KeepAlive
            | Linger
            | FinWait2Timeout
            | TimeWaitEvicted
            | TimeWaitSkipped
            | Reconnect
            | Shed
            | AcceptOverflow
            | NoMemory
            | Unreachable
            | Refused
            | Shutdown
    )
}

/// The diagram as Mermaid source, drawn from [`ARROWS`].
pub fn diagram() -> alloc::string::String {
    use core::fmt::Write;
    let mut text = alloc::string::String::from("stateDiagram-v2\n");
    let id = |state: StateName| state.rfc().replace('-', "_");
    for state in StateName::ALL {
        let _ = writeln!(text, "    state \"{}\" as {}", state.rfc(), id(state));
    }
    let mut drawn = alloc::vec::Vec::new();
    for arrow in ARROWS {
        let line = alloc::format!(
            "    {} --> {} : {} / {}\n",
            id(arrow.from),
            id(arrow.to),
            arrow.event,
            arrow.action
        );
        if !drawn.contains(&line) {
            text.push_str(&line);
            drawn.push(line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// RFC 9293 Figure 5, transcribed box by box, and its notes.
    const FIGURE_5: &[(&str, &str, &str, &str)] = &[
        ("CLOSED", "LISTEN", "passive OPEN", "create TCB"),
        ("CLOSED", "SYN-SENT", "active OPEN", "create TCB, snd SYN"),
        ("LISTEN", "CLOSED", "CLOSE", "delete TCB"),
        ("LISTEN", "SYN-RECEIVED", "rcv SYN", "snd SYN,ACK"),
        ("LISTEN", "SYN-SENT", "SEND", "snd SYN"),
        ("SYN-RECEIVED", "LISTEN", "rcv RST", "x"), // Note 1
        ("SYN-RECEIVED", "ESTABLISHED", "rcv ACK of SYN", "x"),
        ("SYN-RECEIVED", "FIN-WAIT-1", "CLOSE", "snd FIN"),
        ("SYN-SENT", "CLOSED", "CLOSE", "delete TCB"),
        ("SYN-SENT", "SYN-RECEIVED", "rcv SYN", "snd SYN,ACK"),
        ("SYN-SENT", "ESTABLISHED", "rcv SYN,ACK", "snd ACK"),
        ("ESTABLISHED", "FIN-WAIT-1", "CLOSE", "snd FIN"),
        ("ESTABLISHED", "CLOSE-WAIT", "rcv FIN", "snd ACK"),
        ("FIN-WAIT-1", "FIN-WAIT-2", "rcv ACK of FIN", "x"),
        ("FIN-WAIT-1", "CLOSING", "rcv FIN", "snd ACK"),
        ("FIN-WAIT-2", "TIME-WAIT", "rcv FIN", "snd ACK"),
        ("CLOSING", "TIME-WAIT", "rcv ACK of FIN", "x"),
        ("CLOSE-WAIT", "LAST-ACK", "CLOSE", "snd FIN"),
        ("LAST-ACK", "CLOSED", "rcv ACK of FIN", "x"),
        ("TIME-WAIT", "CLOSED", "Timeout=2MSL", "delete TCB"),
    ];

    /// An OPEN without a peer cannot be made active by SEND: std's sockets have no such call.
    const NOT_TAKEN: (&str, &str, &str, &str) = ("LISTEN", "SYN-SENT", "SEND", "snd SYN");

    #[test]
    fn the_arrows_are_those_of_figure_5() {
        let ours: BTreeSet<_> = ARROWS
            .iter()
            .map(|arrow| (arrow.from.rfc(), arrow.to.rfc(), arrow.event, arrow.action))
            .collect();
        let mut figure: BTreeSet<_> = FIGURE_5.iter().copied().collect();
        assert!(figure.remove(&NOT_TAKEN));
        assert_eq!(ours, figure);
    }

    #[test]
    fn every_other_change_is_an_abrupt_end() {
        for from in StateName::ALL {
            for to in StateName::ALL {
                for cause in Cause::ALL {
                    let drawn = FIGURE_5
                        .iter()
                        .any(|(a, b, ..)| (*a, *b) == (from.rfc(), to.rfc()));
                    if allows(from, to, *cause) && !drawn {
                        assert_eq!(to, StateName::Closed, "{from} to {to}: {cause}");
                    }
                }
            }
        }
        assert!(!allows(
            StateName::TimeWait,
            StateName::Established,
            Cause::Syn
        ));
        assert!(!allows(
            StateName::Established,
            StateName::FinWait2,
            Cause::AckOfFin
        ));
    }

    #[test]
    fn the_diagram_has_every_state_and_arrow() {
        let diagram = diagram();
        for state in StateName::ALL {
            assert!(diagram.contains(state.rfc()));
        }
        assert_eq!(diagram.matches("-->").count(), FIGURE_5.len() - 1);
    }
}
