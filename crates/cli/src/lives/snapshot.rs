//! What there is to tell about lives at one moment.

use std::collections::BTreeMap;

use estab_core::observe::{
    Cause, Direction, DiscardReason, LifeId, RefusalReason, ResetReason, StateName, Transition,
};
use estab_core::{FourTuple, Instant};

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// When.
    pub(crate) now: Instant,
    /// The lives, in the order of their numbers.
    pub(crate) lives: Vec<LifeSnapshot>,
    /// Ended lives that were forgotten because there were too many.
    pub(crate) forgotten: u64,
    /// What belonged to no life.
    pub(crate) outside: Outside,
}

/// What happened outside of any life: packets for nobody, connections refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outside {
    /// Packets that were not used, by reason.
    pub(crate) discards: BTreeMap<DiscardReason, u64>,
    /// Connections and ports refused, by reason.
    pub(crate) refusals: BTreeMap<RefusalReason, u64>,
    /// RSTs sent, by reason.
    pub(crate) resets: BTreeMap<ResetReason, u64>,
}

/// How a connection was opened at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// By `connect`.
    Active,
    /// By a listener.
    Passive,
    /// By both ends' `connect`: the SYNs crossed.
    Simultaneous,
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// This one.
    Ours,
    /// The other.
    Peers,
}

/// Who said first that there will be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstCloser {
    /// The application on this end.
    Application,
    /// The peer.
    Peer,
    /// The stack: a timer, a limit or the network.
    Stack,
    /// Both ends at once: the FINs crossed.
    Both,
}

/// A life at one moment.
#[derive(Clone, Debug)]
pub(crate) struct LifeSnapshot {
    /// Its number.
    pub(crate) id: LifeId,
    /// The connection.
    pub(crate) tuple: FourTuple,
    /// How it was opened.
    pub(crate) role: Role,
    /// The state it is in, CLOSED once it has ended.
    pub(crate) state: StateName,
    /// When it began: `connect`, or the SYN.
    pub(crate) started: Instant,
    /// When it ended, if it has.
    pub(crate) ended: Option<Instant>,
    /// Every change of state.
    pub(crate) transitions: Vec<Transition>,
    /// What passed.
    pub(crate) traffic: Traffic,
    /// Who closed first, once anybody has.
    pub(crate) first_closer: Option<FirstCloser>,
    /// How it closed.
    pub(crate) close: Close,
    /// Who holds TIME-WAIT.
    pub(crate) time_wait: TimeWait,
}

/// What passed in a life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Segments received, also those not used.
    pub(crate) segments_in: u64,
    /// Segments sent, also those sent again.
    pub(crate) segments_out: u64,
    /// Bytes of data received, each once.
    pub(crate) bytes_in: u64,
    /// Bytes of data sent, each once.
    pub(crate) bytes_out: u64,
    /// What we sent again.
    pub(crate) retransmissions: Retransmissions,
    /// RSTs that were received and believed.
    pub(crate) resets_received: u64,
    /// RSTs sent, by reason.
    pub(crate) resets_sent: BTreeMap<ResetReason, u64>,
    /// Segments that were not used, by reason.
    pub(crate) discards: BTreeMap<DiscardReason, u64>,
}

/// Segments sent again, by what they carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retransmissions {
    /// SYNs.
    pub(crate) syn: u64,
    /// SYN,ACKs.
    pub(crate) syn_ack: u64,
    /// Data without FIN.
    pub(crate) data: u64,
    /// FINs, with data or without.
    pub(crate) fin: u64,
}

impl Retransmissions {
    /// All of them.
    pub(crate) const fn total(self) -> u64 {
        let Self {
            syn,
            syn_ack,
            data,
            fin,
        } = self;
        syn + syn_ack + data + fin
    }
}

/// How a connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseKind {
    /// FIN, ACK, FIN, ACK.
    FourSegments,
    /// The second FIN rode on the ACK of the first.
    ThreeSegments,
    /// Both FINs crossed.
    Simultaneous,
    /// By a RST.
    Reset,
    /// This end gave up without a word.
    Dropped,
    /// Not yet.
    Unfinished,
}

/// What a segment of the close says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseSign {
    /// A FIN.
    Fin,
    /// The first ACK of the other end's FIN.
    Ack,
    /// Both: the FIN rides on the ACK.
    FinAck,
    /// A RST.
    Rst,
}

/// A segment of the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CloseSegment {
    /// Which way it went.
    pub(crate) direction: Direction,
    /// What it says.
    pub(crate) sign: CloseSign,
    /// When.
    pub(crate) at: Instant,
    /// Bytes of data that a FIN carried.
    pub(crate) data: u32,
}

/// The close of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    /// How.
    pub(crate) kind: CloseKind,
    /// Its segments in their order, each once: what was sent again is counted apart.
    pub(crate) segments: Vec<CloseSegment>,
    /// Bytes of data that passed after the first FIN, either way.
    pub(crate) data_after_first_fin: u64,
    /// How often our FIN was sent again.
    pub(crate) fin_sent_again: u64,
    /// How often the peer's FIN came again.
    pub(crate) fin_received_again: u64,
    /// The cause that ended the life, once it has ended.
    pub(crate) cause: Option<Cause>,
    /// What an unfinished life waits for.
    pub(crate) waits_for: Option<&'static str>,
}

/// Who holds TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// This end.
    Us,
    /// The peer, for it closed first.
    Peer,
    /// Both ends: they closed at once.
    Both,
    /// Nobody: there was no orderly close.
    Nobody,
    /// Not decided: the close is unfinished.
    Undecided,
}

/// TIME-WAIT of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWait {
    /// Who holds it.
    pub(crate) holder: Holder,
    /// When this end entered it, if it did.
    pub(crate) since: Option<Instant>,
    /// Until when.
    pub(crate) until: Option<Until>,
}

/// The end of TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// It is over.
    Over(Instant, Cause),
    /// It will be over then, if no FIN comes again.
    Expected(Instant),
}
