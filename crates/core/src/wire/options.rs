//! TCP options: RFC 9293 §3.1 and §3.2, RFC 7323 §2.2 and §3.2, RFC 2018 §2 and §3.

use alloc::vec::Vec;

use crate::{Options, SackBlock, SackBlocks, SeqNumber, Timestamps};

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

const TIMESTAMPS_LEN: u8 = 10;

/// The option space of the longest header: 15 words less the 5 of the fixed part.
const SPACE: usize = 40;

/// "Thus, the shift count MUST be limited to 14" (RFC 7323 §2.3).
const MAX_WINDOW_SCALE: u8 = 14;

/// Reads the options of a segment, `is_syn` if it has SYN: MSS, window scale and SACK-permitted
/// count only there.
///
/// There is no error: "TCP implementations MUST be prepared to handle an illegal option length
/// (e.g., zero)" (RFC 9293 §3.1, MUST-7); the reset suggested there would let one stray option end a
/// connection. An option whose kind is unknown, or whose length is not
/// its kind's, is skipped; a length that leads nowhere ends the list. Of repeated options the last
/// counts.
pub(super) fn parse(bytes: &[u8], is_syn: bool) -> Options {
    // What nearly every segment of a connection carries: RFC 7323 appendix A.
    if let [NOP, NOP, TIMESTAMPS, TIMESTAMPS_LEN, body @ ..] = bytes
        && let Ok(body) = body.try_into()
    {
        return Options {
            timestamps: Some(timestamps(body)),
            ..Options::default()
        };
    }
    // Linux's SYN, and that of whoever lays its options out alike.
    if let [
        MSS,
        4,
        high,
        low,
        SACK_PERMITTED,
        2,
        TIMESTAMPS,
        TIMESTAMPS_LEN,
        body @ ..,
        NOP,
        WINDOW_SCALE,
        3,
        shift,
    ] = bytes
        && let Ok(body) = body.try_into()
        && is_syn
    {
        return Options {
            mss: Some(u16::from_be_bytes([*high, *low])),
            window_scale: Some((*shift).min(MAX_WINDOW_SCALE)),
            sack_permitted: true,
            timestamps: Some(timestamps(body)),
            ..Options::default()
        };
    }
    let mut options = Options::default();
    let mut rest = bytes;
    while let [kind, after @ ..] = rest {
        rest = match *kind {
            END => break,
            NOP => after,
            kind => match split_body(after) {
                Some((body, next)) => {
                    read(&mut options, kind, body, is_syn);
                    next
                }
                None => break,
            },
        };
    }
    options
}

/// The bytes the options take in the header: a multiple of 4, at most 40.
pub(crate) fn encoded_len(options: &Options) -> usize {
    let blocks = fitting_blocks(options);
    len_without_sack(options) + if blocks == 0 { 0 } else { 4 + 8 * blocks }
}

/// Appends the options in the order and with the padding of Linux, so that every option lies on
/// a 4-byte boundary and a peer's fast path recognizes them. SACK blocks that do not fit are left out.
pub(super) fn write(out: &mut Vec<u8>, options: &Options) {
    let Options {
        mss,
        window_scale,
        sack_permitted,
        timestamps,
        sack,
    } = options;
    if let Some(mss) = mss {
        out.extend_from_slice(&[MSS, 4]);
        out.extend_from_slice(&mss.to_be_bytes());
    }
    if *sack_permitted && timestamps.is_some() {
        out.extend_from_slice(&[SACK_PERMITTED, 2]);
    } else if *sack_permitted {
        out.extend_from_slice(&[NOP, NOP, SACK_PERMITTED, 2]);
    } else if timestamps.is_some() {
        out.extend_from_slice(&[NOP, NOP]);
    }
    if let Some(Timestamps { value, echo }) = timestamps {
        out.extend_from_slice(&[TIMESTAMPS, TIMESTAMPS_LEN]);
        out.extend_from_slice(&value.to_be_bytes());
        out.extend_from_slice(&echo.to_be_bytes());
    }
    if let Some(shift) = window_scale {
        out.extend_from_slice(&[NOP, WINDOW_SCALE, 3, *shift]);
    }
    write_sack(out, sack, fitting_blocks(options));
}

fn write_sack(out: &mut Vec<u8>, sack: &SackBlocks, count: usize) {
    if count == 0 {
        return;
    }
    out.extend_from_slice(&[NOP, NOP, SACK, 2 + 8 * count as u8]);
    for SackBlock { left, right } in sack.iter().take(count) {
        out.extend_from_slice(&left.0.to_be_bytes());
        out.extend_from_slice(&right.0.to_be_bytes());
    }
}

fn len_without_sack(options: &Options) -> usize {
    let timestamps_and_permission = match (options.timestamps, options.sack_permitted) {
        (Some(_), _) => 12,
        (None, true) => 4,
        (None, false) => 0,
    };
    let mss = if options.mss.is_some() { 4 } else { 0 };
    let window_scale = if options.window_scale.is_some() { 4 } else { 0 };
    mss + timestamps_and_permission + window_scale
}

/// How many SACK blocks there is room for: three beside timestamps, else four (RFC 2018 §3).
fn fitting_blocks(options: &Options) -> usize {
    let room = SPACE - len_without_sack(options);
    options.sack.len().min((room - 4) / 8)
}

/// Splits what follows a kind into the option's body and the next option; `None` if the length
/// cannot be followed.
fn split_body(after_kind: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = after_kind.split_first()?;
    rest.split_at_checked(usize::from(*length).checked_sub(2)?)
}

fn read(options: &mut Options, kind: u8, body: &[u8], is_syn: bool) {
    match (kind, body) {
        (MSS, &[high, low]) if is_syn => options.mss = Some(u16::from_be_bytes([high, low])),
        (WINDOW_SCALE, &[shift]) if is_syn => {
            options.window_scale = Some(shift.min(MAX_WINDOW_SCALE));
        }
        (SACK_PERMITTED, []) if is_syn => options.sack_permitted = true,
        (TIMESTAMPS, body) => {
            if let Ok(body) = body.try_into() {
                options.timestamps = Some(timestamps(body));
            }
        }
        (SACK, body) => {
            if let (blocks @ [_, ..], []) = body.as_chunks::<8>() {
                options.sack = sack_blocks(blocks);
            }
        }
        _ => {}
    }
}

fn timestamps(body: &[u8; 8]) -> Timestamps {
    let (value, echo) = halves(body);
    Timestamps { value, echo }
}

/// The first four blocks; a fifth has no room in a header.
fn sack_blocks(bodies: &[[u8; 8]]) -> SackBlocks {
    let mut blocks = SackBlocks::default();
    for body in bodies {
        let (left, right) = halves(body);
        blocks.push(SackBlock {
            left: SeqNumber(left),
            right: SeqNumber(right),
        });
    }
    blocks
}

fn halves(&[a, b, c, d, e, f, g, h]: &[u8; 8]) -> (u32, u32) {
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Any options that can stand on a SYN.
    pub(in crate::wire) fn any_options() -> impl Strategy<Value = Options> {
        let blocks = prop::collection::vec(any::<(u32, u32)>(), 0..=4);
        (
            any::<Option<u16>>(),
            prop::option::of(0..=MAX_WINDOW_SCALE),
            any::<bool>(),
            any::<Option<(u32, u32)>>(),
            blocks,
        )
            .prop_map(
                |(mss, window_scale, sack_permitted, times, blocks)| Options {
                    mss,
                    window_scale,
                    sack_permitted,
                    timestamps: times.map(|(value, echo)| Timestamps { value, echo }),
                    sack: sack_of(&blocks),
                },
            )
    }

    /// What is left of `options` once written: the blocks that fit.
    pub(in crate::wire) fn fitting(options: &Options) -> Options {
        let mut sack = SackBlocks::default();
        for block in options.sack.iter().take(fitting_blocks(options)) {
            sack.push(block);
        }
        Options { sack, ..*options }
    }

    fn sack_of(blocks: &[(u32, u32)]) -> SackBlocks {
        let mut sack = SackBlocks::default();
        for &(left, right) in blocks {
            sack.push(SackBlock {
                left: SeqNumber(left),
                right: SeqNumber(right),
            });
        }
        sack
    }

    fn written(options: &Options) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, options);
        out
    }

    const TIMES: Timestamps = Timestamps {
        value: 0x0102_0304,
        echo: 0x0506_0708,
    };
    const TIMES_BYTES: [u8; 10] = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn a_syn_is_laid_out_as_linux_does() {
        let all = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(TIMES),
            ..Options::default()
        };
        let expected = [&[2, 4, 5, 180, 4, 2], &TIMES_BYTES[..], &[1, 3, 3, 7]].concat();
        assert_eq!(written(&all), expected);
        let no_times = Options {
            timestamps: None,
            ..all
        };
        assert_eq!(written(&no_times), [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7]);
    }

    #[test]
    fn timestamps_and_sack_are_padded_in_front() {
        let options = Options {
            timestamps: Some(TIMES),
            sack: sack_of(&[(1, 2)]),
            ..Options::default()
        };
        let sack = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(
            written(&options),
            [&[1, 1], &TIMES_BYTES[..], &sack].concat()
        );
    }

    #[test]
    fn blocks_beyond_the_option_space_are_left_out() {
        let mut options = Options {
            sack: sack_of(&[(1, 2), (3, 4), (5, 6), (7, 8)]),
            ..Options::default()
        };
        assert_eq!(encoded_len(&options), 36);
        options.timestamps = Some(TIMES);
        assert_eq!(encoded_len(&options), 40);
        assert_eq!(parse(&written(&options), false).sack.len(), 3);
    }

    #[test]
    fn syn_options_count_only_on_a_syn() {
        let bytes = [2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 7];
        assert_eq!(parse(&bytes, false), Options::default());
        assert_eq!(parse(&bytes, true).mss, Some(1460));
    }

    #[test]
    fn a_window_scale_over_14_is_read_as_14() {
        assert_eq!(parse(&[3, 3, 15], true).window_scale, Some(14));
        assert_eq!(parse(&[3, 3, 255], true).window_scale, Some(14));
        assert_eq!(parse(&[3, 3, 0], true).window_scale, Some(0));
    }

    #[test]
    fn nothing_after_the_end_counts() {
        assert_eq!(parse(&[0, 2, 4, 5, 180], true), Options::default());
    }

    #[test]
    fn unknown_kinds_are_skipped_by_their_length() {
        let bytes = [254, 4, 0, 0, 30, 2, 2, 4, 5, 180];
        assert_eq!(parse(&bytes, true).mss, Some(1460));
    }

    #[test]
    fn a_length_that_leads_nowhere_ends_the_list() {
        for bad in [&[254, 0][..], &[254, 1], &[254, 200], &[254]] {
            let bytes = [&[2, 4, 5, 180], bad, &[3, 3, 7]].concat();
            let expected = Options {
                mss: Some(1460),
                ..Options::default()
            };
            assert_eq!(parse(&bytes[..4 + bad.len()], true), expected);
            if bad.len() > 1 {
                assert_eq!(parse(&bytes, true), expected);
            }
        }
    }

    #[test]
    fn a_known_kind_with_the_wrong_length_is_skipped() {
        let wrong: [&[u8]; 8] = [
            &[2, 3, 5],
            &[2, 5, 5, 180, 0],
            &[3, 2],
            &[4, 3, 0],
            &[8, 9, 1, 2, 3, 4, 5, 6, 7],
            &[5, 2],
            &[5, 9, 1, 2, 3, 4, 5, 6, 7],
            &[5, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        ];
        for option in wrong {
            let bytes = [option, &TIMES_BYTES].concat();
            let expected = Options {
                timestamps: Some(TIMES),
                ..Options::default()
            };
            assert_eq!(parse(&bytes, true), expected, "{option:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(options in any_options()) {
            let bytes = written(&options);
            prop_assert_eq!(bytes.len(), encoded_len(&options));
            prop_assert!(bytes.len().is_multiple_of(4) && bytes.len() <= SPACE);
            prop_assert_eq!(parse(&bytes, true), fitting(&options));
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..=40), is_syn: bool) {
            parse(&bytes, is_syn);
        }
    }
}
