//! What the explorer asks of an end: the real core gives it, and so do the thin models of other handshakes.

use estab_core::observe::StateName;
use estab_core::{Instant, SeqNumber};

use super::packet::Packet;

/// One end of a connection, with the socket that its application holds. A copy goes its own way.
pub trait Endpoint: Clone {
    /// Takes a segment from the wire.
    fn receive(&mut self, now: Instant, packet: &Packet);
    /// Lets time pass.
    fn advance(&mut self, now: Instant);
    /// When the next timer fires.
    fn next_deadline(&self) -> Option<Instant>;
    /// Hands over what is to be sent.
    fn transmit(&mut self, now: Instant, out: &mut Vec<Packet>);

    /// Active OPEN; answers whether it could begin.
    fn connect(&mut self, now: Instant) -> bool;
    /// Takes a connection from the accept queue; answers whether there was one.
    fn accept(&mut self, now: Instant) -> bool;
    /// Writes a byte; answers whether there was a connection to write to, or one that has ended.
    fn write(&mut self, now: Instant, byte: u8) -> bool;
    /// Reads a byte.
    fn read(&mut self, now: Instant) -> Read;
    /// Shuts the sending side down.
    fn shut_down(&mut self, now: Instant);
    /// Gives the socket up.
    fn close(&mut self, now: Instant);
    /// The host loses everything it knew and starts again, as after a power cut.
    fn restart(&mut self, now: Instant);

    /// The connection that there is, in any state but LISTEN and CLOSED.
    fn connection(&self) -> Option<View>;
    /// Whether nothing is held any more, not even for an application.
    fn is_empty(&self) -> bool;
    /// Writes everything that decides what this end does next, with times as `Instant(N)`, sequence numbers as
    /// `SeqNumber(N)` and lives as `LifeId(N)`.
    fn describe(&self, out: &mut String);
    /// What happened since this was asked last.
    fn take_news(&mut self) -> Vec<News>;
}

/// What a read finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A byte.
    Byte(u8),
    /// Nothing yet, or no connection.
    Nothing,
    /// The end of file, or of the connection.
    End,
}

/// What the properties look at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The state.
    pub state: StateName,
    /// SND.UNA, where it is kept.
    pub snd_una: Option<SeqNumber>,
    /// SND.NXT.
    pub snd_nxt: SeqNumber,
    /// RCV.NXT, once the peer's ISN is known.
    pub rcv_nxt: Option<SeqNumber>,
}

impl View {
    /// Whether both ends' ISNs are known and acknowledged, as far as this end knows (RFC 9293 §3.5).
    #[must_use]
    pub fn is_synchronized(&self) -> bool {
        use StateName::{Closed, Listen, SynReceived, SynSent};
        !matches!(self.state, Closed | Listen | SynSent | SynReceived)
    }
}

/// Something an end tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// What kind.
    pub kind: NewsKind,
    /// Why, in words.
    pub why: &'static str,
    /// The section that says so.
    pub rule: &'static str,
}

/// The kinds of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewsKind {
    /// The state changed.
    Change(StateName, StateName),
    /// A segment was not used.
    Discard,
    /// A RST was sent.
    Reset,
    /// What must never happen.
    Broken,
}
