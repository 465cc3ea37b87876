//! The internet checksum of RFC 9293 §3.1: the ones' complement of the ones' complement sum of all
//! 16-bit words, the last padded with a zero byte.

use core::net::IpAddr;

/// A checksum under way. Bytes may be added in pieces of any length: a piece that begins at an odd
/// place of the whole is counted as such.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    /// Sum of words as this machine reads them: ones' complement sums do not mind the byte order
    /// as long as the result is swapped back.
    words: u64,
    /// Whether an odd number of bytes was added so far.
    odd: bool,
}

impl Sum {
    /// The sum of the pseudo header (RFC 9293 §3.1), for `length` bytes of `protocol`. Addresses,
    /// protocol and length make the same sum in the layouts of IPv4 and of IPv6.
    pub(super) fn pseudo_header(
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        length: usize,
    ) -> Self {
        Self::default()
            .add_address(source)
            .add_address(destination)
            .add(&u32::from(protocol).to_be_bytes())
            .add(&(length as u32).to_be_bytes())
    }

    /// The sum with `bytes` after what was added before.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        let sum = words(bytes);
        let placed = if self.odd {
            u64::from(fold(sum).swap_bytes())
        } else {
            sum
        };
        Self {
            words: self.words + placed,
            odd: self.odd ^ (bytes.len() % 2 == 1),
        }
    }

    /// The value for the checksum field; zero if the bytes held a right checksum already.
    pub(super) fn finish(self) -> u16 {
        !u16::from_be(fold(self.words))
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.add(&v4.octets()),
            IpAddr::V6(v6) => self.add(&v6.octets()),
        }
    }
}

/// The plain sum of `bytes` in words of 32 bits, which is congruent to the sum in words of 16. A
/// packet is too short to overflow 64 bits.
fn words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let whole: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)))
        .sum();
    whole + u64::from(u32::from_ne_bytes(last))
}

/// Adds the carries back in until 16 bits are left.
const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The definition, word by word.
    fn plain(bytes: &[u8]) -> u16 {
        let sum = bytes.chunks(2).fold(0u32, |sum, word| {
            let word = [word[0], word.get(1).copied().unwrap_or(0)];
            let sum = sum + u32::from(u16::from_be_bytes(word));
            (sum & 0xffff) + (sum >> 16)
        });
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&bytes).finish(), !0xddf2);
    }

    #[test]
    fn no_bytes_sum_to_zero() {
        assert_eq!(Sum::default().finish(), 0xffff);
        assert_eq!(Sum::default().add(&[]).finish(), 0xffff);
    }

    #[test]
    fn the_longest_packet_does_not_overflow() {
        let bytes = std::vec![0xff; 65_535];
        assert_eq!(Sum::default().add(&bytes).finish(), plain(&bytes));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_sum_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            first: prop::sample::Index,
            second: prop::sample::Index,
        ) {
            let mut cuts = [first.index(bytes.len() + 1), second.index(bytes.len() + 1)];
            cuts.sort_unstable();
            let sum = Sum::default()
                .add(&bytes[..cuts[0]])
                .add(&bytes[cuts[0]..cuts[1]])
                .add(&bytes[cuts[1]..]);
            prop_assert_eq!(sum.finish(), plain(&bytes));
        }

        #[test]
        fn the_pseudo_header_of_ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, length: u16) {
            let mut header = Vec::new();
            header.extend(source);
            header.extend(destination);
            header.extend([0, protocol]);
            header.extend(length.to_be_bytes());
            let sum = Sum::pseudo_header(
                source.into(), destination.into(), protocol, usize::from(length),
            );
            prop_assert_eq!(sum.finish(), plain(&header));
        }
    }
}
