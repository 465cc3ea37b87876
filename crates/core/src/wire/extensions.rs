//! The extension headers of IPv6 (RFC 8200 §4): skipped, as far as a host may.

use etherparse::{IpNumber, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, ip_number};

use crate::observe::DiscardReason;

/// Walks the extension headers from `first` on, up to a header that is none: answers its protocol
/// and the bytes from there on.
pub(super) fn skip(first: IpNumber, payload: &[u8]) -> Result<(IpNumber, &[u8]), DiscardReason> {
    let (mut protocol, mut rest) = (first, payload);
    loop {
        protocol = match protocol {
            // Only directly after the IPv6 header (RFC 8200 §4.1).
            ip_number::IPV6_HOP_BY_HOP if rest.len() < payload.len() => {
                return Err(DiscardReason::IpHeader);
            }
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_DEST_OPTIONS => {
                let header = take_extension(&mut rest)?;
                check_options(&header.slice()[2..])?;
                header.next_header()
            }
            ip_number::IPV6_ROUTE => {
                let header = take_extension(&mut rest)?;
                // Segments left: the packet is on its way to another node (RFC 8200 §4.4).
                if header.slice()[3] != 0 {
                    return Err(DiscardReason::NotForUs);
                }
                header.next_header()
            }
            ip_number::IPV6_FRAG => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest)
                    .map_err(|_| DiscardReason::IpHeader)?;
                // An atomic fragment, offset zero and none to follow, is whole (RFC 8200 §4.5).
                if header.is_fragmenting_payload() {
                    return Err(DiscardReason::IpFragment);
                }
                rest = &rest[header.slice().len()..];
                header.next_header()
            }
            _ => return Ok((protocol, rest)),
        };
    }
}

fn take_extension<'a>(rest: &mut &'a [u8]) -> Result<Ipv6RawExtHeaderSlice<'a>, DiscardReason> {
    let header = Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|_| DiscardReason::IpHeader)?;
    *rest = &rest[header.slice().len()..];
    Ok(header)
}

/// An option we do not know may be skipped only if its two highest bits are zero (RFC 8200 §4.2);
/// of the options without them we need to know none.
fn check_options(mut options: &[u8]) -> Result<(), DiscardReason> {
    const PAD1: u8 = 0;
    const ACTION: u8 = 0b1100_0000;
    while let [kind, after @ ..] = options {
        options = match after {
            _ if *kind == PAD1 => after,
            [length, data @ ..] if kind & ACTION == 0 => data
                .get(usize::from(*length)..)
                .ok_or(DiscardReason::IpHeader)?,
            _ => return Err(DiscardReason::IpHeader),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use etherparse::ip_number::{IPV6_DEST_OPTIONS, IPV6_FRAG, IPV6_HOP_BY_HOP, IPV6_ROUTE, TCP};

    use super::*;

    /// Options of one PadN that fills a header of 8 bytes.
    const PADDED: [u8; 6] = [1, 4, 0, 0, 0, 0];
    const NO_SEGMENTS_LEFT: [u8; 6] = [0; 6];
    const ATOMIC: [u8; 6] = [0; 6];

    /// An extension header of 8 bytes before one of `next`.
    fn header(next: IpNumber, body: [u8; 6]) -> Vec<u8> {
        [&[next.0, 0][..], &body].concat()
    }

    #[test]
    fn a_packet_without_extensions_is_left_alone() {
        assert_eq!(skip(TCP, b"data"), Ok((TCP, &b"data"[..])));
        assert_eq!(skip(TCP, &[]), Ok((TCP, &[][..])));
    }

    #[test]
    fn a_chain_of_all_kinds_is_skipped() {
        let chain = [
            header(IPV6_DEST_OPTIONS, PADDED),
            header(IPV6_ROUTE, PADDED),
            header(IPV6_FRAG, NO_SEGMENTS_LEFT),
            header(IPV6_DEST_OPTIONS, ATOMIC),
            [&[TCP.0, 1][..], &[1, 12], &[0; 12]].concat(),
            b"data".to_vec(),
        ];
        assert_eq!(
            skip(IPV6_HOP_BY_HOP, &chain.concat()),
            Ok((TCP, &b"data"[..]))
        );
    }

    #[test]
    fn a_packet_with_segments_left_is_for_another_node() {
        let chain = header(TCP, [0, 1, 0, 0, 0, 0]);
        assert_eq!(skip(IPV6_ROUTE, &chain), Err(DiscardReason::NotForUs));
    }

    #[test]
    fn hop_by_hop_options_stand_first_or_nowhere() {
        let chain = [header(IPV6_HOP_BY_HOP, PADDED), header(TCP, PADDED)].concat();
        for first in [IPV6_HOP_BY_HOP, IPV6_DEST_OPTIONS] {
            assert_eq!(skip(first, &chain), Err(DiscardReason::IpHeader));
        }
    }

    #[test]
    fn options_that_must_be_known_are_refused() {
        for (kind, is_skipped) in [(5, true), (0x3e, true), (0x45, false), (0xc2, false)] {
            let chain = header(TCP, [kind, 4, 0, 0, 0, 0]);
            assert_eq!(
                skip(IPV6_DEST_OPTIONS, &chain).is_ok(),
                is_skipped,
                "{kind}"
            );
        }
    }

    #[test]
    fn options_past_their_header_are_refused() {
        for options in [[1, 5, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1], [1, 2, 0, 0, 1, 1]] {
            let chain = header(TCP, options);
            assert_eq!(
                skip(IPV6_DEST_OPTIONS, &chain),
                Err(DiscardReason::IpHeader)
            );
        }
    }

    #[test]
    fn fragments_are_refused() {
        for [high, low] in [[0, 1], [0, 8], [0xff, 0xf8]] {
            let chain = header(TCP, [high, low, 0, 0, 0, 1]);
            assert_eq!(skip(IPV6_FRAG, &chain), Err(DiscardReason::IpFragment));
        }
    }

    #[test]
    fn a_chain_cut_short_anywhere_is_refused() {
        let chain = [
            header(IPV6_FRAG, NO_SEGMENTS_LEFT),
            header(IPV6_DEST_OPTIONS, ATOMIC),
            [&[TCP.0, 1][..], &[1, 12], &[0; 12]].concat(),
        ]
        .concat();
        for length in 0..chain.len() {
            let cut = skip(IPV6_ROUTE, &chain[..length]);
            assert_eq!(cut, Err(DiscardReason::IpHeader), "{length}");
        }
        assert!(skip(IPV6_ROUTE, &chain).is_ok());
    }
}
