//! What each connection sends: bytes that follow from who sends them and where they stand, so that a byte of
//! another incarnation, or from another place, gives itself away.

use std::net::IpAddr;

use estab_core::{FourTuple, SeqNumber};

/// Spreads a number over all bits (SplitMix64's finalizer).
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One direction of one incarnation of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stream(u64);

impl Stream {
    /// What the end that calls the connection `tuple` sends, having begun with `iss`.
    pub(super) fn of(tuple: &FourTuple, iss: SeqNumber) -> Self {
        let host = |ip| match ip {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() as u64 ^ (1 << 63),
        };
        let ports = u64::from(tuple.local_port()) << 16 | u64::from(tuple.remote_port());
        let ends = mix(host(tuple.local().ip())) ^ host(tuple.remote().ip());
        Self(mix(ends) ^ mix(ports << 32 | u64::from(iss.0)))
    }

    fn word(self, index: u64) -> [u8; 8] {
        mix(self.0 ^ index).to_le_bytes()
    }

    /// The bytes from `position` on.
    pub(super) fn fill(self, position: u64, out: &mut [u8]) {
        let (mut index, mut skip) = (position / 8, (position % 8) as usize);
        let mut rest = out;
        while !rest.is_empty() {
            let word = &self.word(index)[skip..];
            let length = word.len().min(rest.len());
            rest[..length].copy_from_slice(&word[..length]);
            rest = &mut rest[length..];
            (index, skip) = (index + 1, 0);
        }
    }

    /// Where `bytes` are first not those from `position` on.
    pub(super) fn differs(self, position: u64, bytes: &[u8]) -> Option<u64> {
        let mut expected = [0; 1024];
        let mut at = position;
        for chunk in bytes.chunks(expected.len()) {
            let wanted = &mut expected[..chunk.len()];
            self.fill(at, wanted);
            if wanted != chunk {
                let same = wanted.iter().zip(chunk).take_while(|(a, b)| a == b);
                return Some(at + same.count() as u64);
            }
            at += chunk.len() as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(iss: u32) -> Stream {
        let tuple = FourTuple::new(([198, 18, 0, 1], 80).into(), ([198, 18, 0, 2], 99).into());
        Stream::of(&tuple, SeqNumber(iss))
    }

    #[test]
    fn any_piece_is_a_piece_of_the_whole() {
        let mut whole = [0; 3000];
        stream(7).fill(0, &mut whole);
        for (start, length) in [(0, 3000), (1, 20), (7, 9), (8, 8), (999, 2001)] {
            assert_eq!(
                stream(7).differs(start, &whole[start as usize..][..length]),
                None
            );
        }
    }

    #[test]
    fn another_incarnation_another_place_and_a_changed_byte_are_seen() {
        let mut bytes = [0; 64];
        stream(7).fill(100, &mut bytes);
        assert!(stream(8).differs(100, &bytes).is_some());
        assert!(stream(7).differs(101, &bytes).is_some());
        bytes[40] ^= 1;
        assert_eq!(stream(7).differs(100, &bytes), Some(140));
    }
}
