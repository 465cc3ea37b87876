//! A step of eight bytes: every eight bytes are one, and zeros are the most ordinary thing to do.
//!
//! | byte | a segment (kinds 0 to 5, modulo 16) | a call |
//! |---|---|---|
//! | 0 | kind | kind |
//! | 1 | which connection; from 128 on a new one | which socket |
//! | 2 | control bits | how |
//! | 3 | SEG.SEQ: how far from RCV.NXT | |
//! | 4 | SEG.ACK: how far from SND.NXT | |
//! | 5 | bytes of data | bytes |
//! | 6 | which options; bit 0: SEG.ACK counts from SND.UNA | |
//! | 7 | the window | how long |

use std::time::Duration;

/// A step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    pub(crate) who: u8,
    /// Control bits, or how a call is made.
    pub(crate) flags: u8,
    pub(crate) seq: u8,
    pub(crate) ack: u8,
    pub(crate) len: u8,
    pub(crate) bits: u8,
    pub(crate) wnd: u8,
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Segment,
    Listen,
    Connect,
    Accept,
    Read,
    Write,
    Shutdown,
    Close,
    Abort,
    Time,
    Odds,
}

impl From<[u8; 8]> for Step {
    fn from([kind, who, flags, seq, ack, len, bits, wnd]: [u8; 8]) -> Self {
        let kind = match kind % 16 {
            6 => Kind::Listen,
            7 => Kind::Connect,
            8 => Kind::Accept,
            9 => Kind::Read,
            10 => Kind::Write,
            11 => Kind::Shutdown,
            12 => Kind::Close,
            13 => Kind::Abort,
            14 => Kind::Time,
            15 => Kind::Odds,
            _ => Kind::Segment,
        };
        Self {
            kind,
            who,
            flags,
            seq,
            ack,
            len,
            bits,
            wnd,
        }
    }
}

impl Step {
    /// The data a segment has: to the byte when short, then in steps of 32.
    pub(crate) fn data_len(&self) -> u32 {
        let len = u32::from(self.len);
        if len < 128 { len } else { (len - 124) * 32 }
    }

    /// How many bytes a call reads or writes.
    pub(crate) fn call_len(&self) -> usize {
        usize::from(self.len) * 16 + usize::from(self.bits)
    }

    /// The window of a segment: to the byte when nearly shut.
    pub(crate) fn window(&self) -> u16 {
        let wnd = u16::from(self.wnd);
        if wnd < 16 { wnd } else { wnd << 8 }
    }

    /// From a millisecond to about 25 days.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis((1 << (self.wnd / 8)) * u64::from(1 + self.wnd % 8) / 8)
    }
}

/// A distance in one byte: to the number near zero, then in growing steps to half the circle.
pub(crate) fn distance(code: u8) -> u32 {
    let code = i32::from(code as i8);
    let size = code.unsigned_abs();
    let far = if size < 64 {
        size
    } else {
        // 64 codes for the powers from 2^6 to 2^31, with two steps between.
        let step = size - 64;
        let power = 6 + step * 25 / 64;
        ((1 << power) | ((step % 3) << (power - 2))).min(1 << 31)
    };
    if code < 0 { far.wrapping_neg() } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_reaches_from_a_byte_to_half_the_circle() {
        assert_eq!(distance(0), 0);
        assert_eq!(distance(1), 1);
        assert_eq!(distance(255), u32::MAX);
        assert_eq!(distance(128), 1 << 31);
        assert!(distance(100) > 1000 && distance(100) < 1 << 24);
    }

    #[test]
    fn time_reaches_from_nothing_to_weeks() {
        let step = |wnd| Step::from([14, 0, 0, 0, 0, 0, 0, wnd]).time();
        assert_eq!(step(0), Duration::ZERO);
        assert_eq!(step(7), Duration::from_millis(1));
        assert!(step(255) > Duration::from_secs(24 * 24 * 3600));
    }
}
