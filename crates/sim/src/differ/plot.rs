//! What happens to a stack.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::script::ast::TcpFlags;

/// A story of one connection, as far as its peer and its application make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// Whether the stack opens the connection; else it listens.
    pub is_active: bool,
    /// Over which IP.
    pub is_v6: bool,
    /// What the peer's SYN offers.
    pub offer: Offer,
    /// One after the other.
    pub steps: Vec<Step>,
}

/// The options of a SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `mss`
    pub mss: Option<u16>,
    /// `wscale`
    pub window_scale: Option<u8>,
    /// `sackOK`
    pub sack: bool,
    /// `TS`; other segments then have it, too.
    pub timestamps: bool,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A segment arrives.
    Arrive(Inbound),
    /// The application does something.
    Do(Deed),
}

/// A segment of the peer's, in a script's numbers: its SYN has 0, the stack's SYN has 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Control bits.
    pub control: Control,
    /// SEG.SEQ
    pub seq: u32,
    /// SEG.ACK, of the stack's numbers.
    pub ack: u32,
    /// SEG.WND as on the wire.
    pub window: u16,
    /// Bytes of data.
    pub len: u16,
    /// The timestamp, if they were offered.
    pub stamp: Stamp,
}

/// Which timestamp a segment has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// A newer one than any before.
    #[default]
    Fresh,
    /// One older than all.
    Old,
    /// None.
    Missing,
}

/// The control bits a plot has a use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are the header's bits")]
pub struct Control {
    /// SYN
    pub syn: bool,
    /// ACK
    pub ack: bool,
    /// FIN
    pub fin: bool,
    /// RST
    pub rst: bool,
}

/// What an application does. Nothing blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `accept`
    Accept,
    /// `read` of so many bytes.
    Read(u16),
    /// `write` of so many bytes.
    Write(u16),
    /// `shutdown` with `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
    Shutdown(i32),
    /// `close`
    Close,
    /// `close` with a linger time of zero.
    Abort,
}

impl Control {
    /// From letters as scripts have them: `"S."`.
    #[must_use]
    pub fn from_letters(letters: &str) -> Self {
        Self {
            syn: letters.contains('S'),
            ack: letters.contains('.'),
            fin: letters.contains('F'),
            rst: letters.contains('R'),
        }
    }

    pub(super) fn flags(self) -> TcpFlags {
        let Self { syn, ack, fin, rst } = self;
        TcpFlags {
            syn,
            ack,
            fin,
            rst,
            ..TcpFlags::default()
        }
    }
}

impl Plot {
    /// The stack's port: another for every seed, so that one plot does not meet another's remains.
    pub(super) const LISTENING: u16 = 8080;
    /// The peer's port.
    pub(super) const REMOTE: u16 = 40_000;

    /// The stack's address.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        if self.is_v6 {
            Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 2).into()
        } else {
            Ipv4Addr::new(192, 168, 0, 2).into()
        }
    }

    /// The peer's.
    #[must_use]
    pub fn remote(&self) -> IpAddr {
        if self.is_v6 {
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()
        } else {
            Ipv4Addr::new(192, 0, 2, 1).into()
        }
    }
}

/// The byte at a place of either stream.
pub(super) fn byte_at(place: u32) -> u8 {
    // A prime, so that a stream displaced by any power of two is not equal to itself.
    u8::try_from(place % 251).unwrap_or_default()
}
