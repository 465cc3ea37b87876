//! A TCP segment, parsed: what the stack reasons about.

use core::fmt;

use bitflags::bitflags;

use crate::{FourTuple, SeqNumber};

bitflags! {
    /// The control bits of RFC 9293 §3.1, in the order of the wire.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Flags: u8 {
        /// No more data from the sender.
        const FIN = 1;
        /// Synchronize sequence numbers.
        const SYN = 1 << 1;
        /// Reset the connection.
        const RST = 1 << 2;
        /// Push function.
        const PSH = 1 << 3;
        /// The acknowledgment field is significant.
        const ACK = 1 << 4;
        /// The urgent pointer field is significant.
        const URG = 1 << 5;
        /// ECN-Echo (RFC 3168).
        const ECE = 1 << 6;
        /// Congestion Window Reduced (RFC 3168).
        const CWR = 1 << 7;
    }
}

/// The timestamps option (RFC 7323 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the clock value being echoed; meaningful only with ACK.
    pub echo: u32,
}

impl Timestamps {
    /// How far TSval lies ahead of `recent`, negative if it is older: their order is a circle (RFC 7323 §5.2).
    pub(crate) const fn ahead_of(self, recent: u32) -> i32 {
        self.value.wrapping_sub(recent) as i32
    }
}

/// One SACK block: `left` is its first sequence number, `right` the one just past it (RFC 2018 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// The first sequence number of the block.
    pub left: SeqNumber,
    /// The sequence number after the last of the block.
    pub right: SeqNumber,
}

/// Up to four SACK blocks, as many as the option space holds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SackBlocks {
    /// Those beyond `count` are zero.
    blocks: [(u32, u32); 4],
    count: u8,
}

impl SackBlocks {
    /// Adds a block; answers whether there was room.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(place) = self.blocks.get_mut(usize::from(self.count)) else {
            return false;
        };
        *place = (block.left.0, block.right.0);
        self.count += 1;
        true
    }

    /// The blocks, in the order of the option.
    pub fn iter(&self) -> impl Iterator<Item = SackBlock> + '_ {
        let blocks = self.blocks.iter().take(self.len());
        blocks.map(|&(left, right)| SackBlock {
            left: SeqNumber(left),
            right: SeqNumber(right),
        })
    }

    /// How many blocks there are, 0 to 4.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Debug for SackBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

// Every segment that arrives is moved a few times: what is larger is moved by a call.
const _: () = assert!(size_of::<Segment<'_>>() <= 128);

/// The options estab understands. Anything else on the wire is skipped (RFC 9293 §3.1, MUST-6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size (kind 2); on SYN only.
    pub mss: Option<u16>,
    /// Window scale shift (kind 3); on SYN only. Values over 14 are read as 14 (RFC 7323 §2.3).
    pub window_scale: Option<u8>,
    /// SACK permitted (kind 4); on SYN only.
    pub sack_permitted: bool,
    /// Timestamps (kind 8).
    pub timestamps: Option<Timestamps>,
    /// SACK blocks (kind 5).
    pub sack: SackBlocks,
}

/// A segment with its addresses. `'a` borrows the packet it was parsed from or the data to send.
///
/// The payload may be longer than the MSS: a super-segment whose `gso_size` says where to cut it.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Seen from this end: `local` is estab's socket, also for an arriving segment.
    pub tuple: FourTuple,
    /// SEG.SEQ: of the SYN if there is one, else of the first payload byte.
    pub seq: SeqNumber,
    /// SEG.ACK: significant when `flags` has ACK.
    pub ack: SeqNumber,
    /// SEG.WND as on the wire, not yet scaled.
    pub wnd: u16,
    /// The control bits.
    pub flags: Flags,
    /// The urgent pointer: significant when `flags` has URG.
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// The data.
    pub payload: &'a [u8],
}

impl Segment<'_> {
    /// SEG.LEN: the sequence numbers the segment occupies, SYN and FIN included (RFC 9293 §3.3.1).
    #[must_use]
    pub fn len(&self) -> u32 {
        let controls =
            u32::from(self.flags.contains(Flags::SYN)) + u32::from(self.flags.contains(Flags::FIN));
        self.payload.len() as u32 + controls
    }

    /// Whether the segment occupies no sequence number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sequence number of the first payload byte.
    #[must_use]
    pub fn data_seq(&self) -> SeqNumber {
        self.seq + u32::from(self.flags.contains(Flags::SYN))
    }

    /// The sequence number just past the segment.
    #[must_use]
    pub fn end(&self) -> SeqNumber {
        self.seq + self.len()
    }

    /// Whether `flag` is set.
    #[must_use]
    pub fn has(&self, flag: Flags) -> bool {
        self.flags.contains(flag)
    }
}
