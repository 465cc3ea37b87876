//! The events an [`Observer`] is told.

use core::fmt;

use super::{Cause, DiscardReason, RefusalReason, ResetReason};
use crate::{Flags, FourTuple, Instant, SeqNumber};

/// The number of a connection's life, kept from its first SYN until its TIME-WAIT ends.
///
/// Numbers start at 1 and wrap after 2^32 - 1 connections. Listeners count down from the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LifeId(pub u32);

impl fmt::Display for LifeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The eleven states of RFC 9293 §3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateName {
    /// No connection: the absence of an entry.
    Closed,
    /// Waiting for a SYN.
    Listen,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered; the answer is not acknowledged yet.
    SynReceived,
    /// Data flows.
    Established,
    /// Our FIN is sent, or waits behind data to be sent, and is not acknowledged.
    FinWait1,
    /// Our FIN is acknowledged; the peer may still send.
    FinWait2,
    /// The peer has finished; our application has not closed yet.
    CloseWait,
    /// Both have sent a FIN; ours is not acknowledged.
    Closing,
    /// The peer finished first; our FIN is not acknowledged yet.
    LastAck,
    /// Both have finished; we wait for old duplicates to die.
    TimeWait,
}

impl StateName {
    /// Every state, in the order of RFC 9293 §3.3.2.
    pub const ALL: [Self; 11] = [
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
        Self::Closed,
    ];

    /// As RFC 9293 writes it: `FIN-WAIT-1`.
    #[must_use]
    pub const fn rfc(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    /// As `ss` writes it: `FIN-WAIT-1`, `SYN-RECV`, `ESTAB`, `UNCONN`.
    #[must_use]
    pub const fn ss(self) -> &'static str {
        match self {
            Self::Closed => "UNCONN",
            Self::SynReceived => "SYN-RECV",
            Self::Established => "ESTAB",
            other => other.rfc(),
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.rfc())
    }
}

/// A state changed. There is no other way to change one.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// Whose life.
    pub life: LifeId,
    /// The connection.
    pub tuple: FourTuple,
    /// The state it leaves.
    pub from: StateName,
    /// The state it enters.
    pub to: StateName,
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}

/// A packet, or a part of one, was not used.
#[derive(Clone, Copy, Debug)]
pub struct Discard {
    /// The connection it claims to belong to, where the headers could be read that far.
    pub tuple: Option<FourTuple>,
    /// The life of that connection, where there is one.
    pub life: Option<LifeId>,
    /// Why.
    pub reason: DiscardReason,
    /// When.
    pub at: Instant,
}

/// Somebody asked for a connection or a port and did not get it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The connection asked for, where it is known.
    pub tuple: Option<FourTuple>,
    /// Why.
    pub reason: RefusalReason,
    /// When.
    pub at: Instant,
}

/// A RST was sent.
#[derive(Clone, Copy, Debug)]
pub struct ResetSent {
    /// The connection.
    pub tuple: FourTuple,
    /// The life it ends, where there is one.
    pub life: Option<LifeId>,
    /// Why.
    pub reason: ResetReason,
    /// When.
    pub at: Instant,
}

/// Which way a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the wire to us.
    Received,
    /// From us to the wire.
    Sent,
}

/// A segment of a living connection passed, in or out.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Whose.
    pub life: LifeId,
    /// The connection.
    pub tuple: FourTuple,
    /// Which way.
    pub direction: Direction,
    /// Its control bits.
    pub flags: Flags,
    /// SEG.SEQ.
    pub seq: SeqNumber,
    /// SEG.ACK, significant with ACK.
    pub ack: SeqNumber,
    /// Bytes of data.
    pub len: u32,
    /// Sent before; only known of our own.
    pub retransmission: bool,
    /// When.
    pub at: Instant,
}

/// Is told everything that happens. Every method has an empty default, which costs nothing.
///
/// An observer cannot call the stack; it runs in the middle of it.
pub trait Observer {
    /// A state changed.
    fn transition(&mut self, _event: &Transition) {}
    /// A packet, or a part of one, was not used.
    fn discard(&mut self, _event: &Discard) {}
    /// A connection or a port was refused.
    fn refusal(&mut self, _event: &Refusal) {}
    /// A RST was sent.
    fn reset(&mut self, _event: &ResetSent) {}
    /// A segment of a living connection passed.
    fn seen(&mut self, _event: &Seen) {}
}

/// Observes nothing, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
