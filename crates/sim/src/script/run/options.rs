//! TCP options, from and to bytes, and which of a segment's are as expected.

use super::super::ast::TcpOption;

/// The options in a header. What cannot be read is kept as [`TcpOption::Other`].
pub(super) fn parse(mut bytes: &[u8]) -> Vec<TcpOption> {
    let mut options = Vec::new();
    while let Some((&kind, behind)) = bytes.split_first() {
        match kind {
            0 => {
                options.push(TcpOption::Eol);
                bytes = behind;
            }
            1 => {
                options.push(TcpOption::Nop);
                bytes = behind;
            }
            _ => {
                let len = behind.first().map_or(0, |&len| usize::from(len));
                let Some(data) = bytes.get(2..len) else {
                    let data = behind.to_vec();
                    options.push(TcpOption::Other { kind, data });
                    break;
                };
                options.push(read(kind, data));
                bytes = &bytes[len..];
            }
        }
    }
    options
}

fn read(kind: u8, data: &[u8]) -> TcpOption {
    let words = || {
        data.chunks_exact(4)
            .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
            .collect::<Vec<_>>()
    };
    match (kind, data.len()) {
        (2, 2) => TcpOption::Mss(u16::from_be_bytes([data[0], data[1]])),
        (3, 1) => TcpOption::WindowScale(data[0]),
        (4, 0) => TcpOption::SackPermitted,
        (5, 8 | 16 | 24 | 32) => {
            let blocks = words();
            TcpOption::Sack(
                blocks
                    .chunks_exact(2)
                    .map(|edge| (edge[0], edge[1]))
                    .collect(),
            )
        }
        (8, 8) => TcpOption::Timestamps {
            val: words().first().copied(),
            ecr: words().get(1).copied(),
        },
        (34, _) => TcpOption::FastOpen {
            experimental: false,
            cookie: data.to_vec(),
        },
        (254, 2..) if data.starts_with(&[0xf9, 0x89]) => TcpOption::FastOpen {
            experimental: true,
            cookie: data[2..].to_vec(),
        },
        _ => TcpOption::Other {
            kind,
            data: data.to_vec(),
        },
    }
}

/// The bytes of options.
///
/// # Errors
/// Why they cannot be written: an MD5 digest needs a key, and a header ends at four bytes.
pub(super) fn to_bytes(options: &[TcpOption]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for option in options {
        let mut put = |kind: u8, data: &[u8]| -> Result<(), String> {
            let len = u8::try_from(data.len() + 2).map_err(|_| "an option is too long")?;
            bytes.extend_from_slice(&[kind, len]);
            bytes.extend_from_slice(data);
            Ok(())
        };
        match option {
            TcpOption::Eol => bytes.push(0),
            TcpOption::Nop => bytes.push(1),
            TcpOption::Mss(mss) => put(2, &mss.to_be_bytes())?,
            TcpOption::WindowScale(shift) => put(3, &[*shift])?,
            TcpOption::SackPermitted => put(4, &[])?,
            TcpOption::Sack(blocks) => {
                let edges = blocks.iter().flat_map(|&(left, right)| [left, right]);
                put(5, &edges.flat_map(u32::to_be_bytes).collect::<Vec<_>>())?;
            }
            TcpOption::Timestamps { val, ecr } => {
                let values = [val.unwrap_or(0), ecr.unwrap_or(0)];
                put(8, &values.map(u32::to_be_bytes).concat())?;
            }
            TcpOption::FastOpen {
                experimental: false,
                cookie,
            } => put(34, cookie)?,
            TcpOption::FastOpen {
                experimental: true,
                cookie,
            } => put(254, &[&[0xf9, 0x89], cookie.as_slice()].concat())?,
            TcpOption::Md5(_) => return Err("not supported: the MD5 option".to_owned()),
            TcpOption::Other { kind, data } => put(*kind, data)?,
            TcpOption::Raw(raw) => bytes.extend_from_slice(raw),
        }
    }
    if bytes.len() % 4 != 0 {
        return Err(format!(
            "the TCP options are {} bytes long; pad them to a multiple of 4 with nop or eol",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// How options are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Each in its place, padding included: Linux's scripts, as packetdrill has it.
    Exact,
    /// In any order, whatever the padding.
    AnySet,
}

/// Whether the options seen are those expected. The values of timestamps are compared elsewhere.
pub(super) fn are_as_expected(expected: &[TcpOption], seen: &[TcpOption], order: Order) -> bool {
    let same = |a: &TcpOption, b: &TcpOption| match (a, b) {
        (TcpOption::Timestamps { .. }, TcpOption::Timestamps { .. }) => true,
        (a, b) => a == b,
    };
    if let [TcpOption::Raw(raw)] = expected {
        return to_bytes(seen).is_ok_and(|seen| seen == *raw);
    }
    match order {
        Order::Exact => {
            expected.len() == seen.len() && expected.iter().zip(seen).all(|(a, b)| same(a, b))
        }
        Order::AnySet => {
            let expected = without_padding(expected);
            let mut seen = without_padding(seen);
            expected.len() == seen.len()
                && expected.iter().all(|wanted| {
                    let found = seen.iter().position(|option| same(wanted, option));
                    found.map(|place| seen.remove(place)).is_some()
                })
        }
    }
}

fn without_padding(options: &[TcpOption]) -> Vec<&TcpOption> {
    let is_padding = |option: &&TcpOption| matches!(option, TcpOption::Nop | TcpOption::Eol);
    options
        .iter()
        .filter(|option| !is_padding(option))
        .collect()
}

/// Options as a script writes them.
pub(super) fn to_text(options: &[TcpOption]) -> String {
    let all: Vec<String> = options.iter().map(one_to_text).collect();
    format!("<{}>", all.join(","))
}

fn one_to_text(option: &TcpOption) -> String {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let number = |value: &Option<u32>| value.map_or_else(|| "...".to_owned(), |v| v.to_string());
    match option {
        TcpOption::Mss(mss) => format!("mss {mss}"),
        TcpOption::Nop => "nop".to_owned(),
        TcpOption::Eol => "eol".to_owned(),
        TcpOption::WindowScale(shift) => format!("wscale {shift}"),
        TcpOption::SackPermitted => "sackOK".to_owned(),
        TcpOption::Sack(blocks) => {
            let blocks: Vec<String> = blocks.iter().map(|(l, r)| format!("{l}:{r}")).collect();
            format!("sack {}", blocks.join(" "))
        }
        TcpOption::Timestamps { val, ecr } => {
            format!("TS val {} ecr {}", number(val), number(ecr))
        }
        TcpOption::FastOpen {
            experimental,
            cookie,
        } => {
            let name = if *experimental { "FOEXP" } else { "FO" };
            format!("{name} {}", hex(cookie)).trim_end().to_owned()
        }
        TcpOption::Md5(digest) => format!("md5 {digest}"),
        TcpOption::Other { kind, data } => format!("gen-{kind} {}", hex(data)),
        TcpOption::Raw(raw) => hex(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<TcpOption> {
        vec![
            TcpOption::Mss(1460),
            TcpOption::SackPermitted,
            TcpOption::Timestamps {
                val: Some(100),
                ecr: Some(0),
            },
            TcpOption::Nop,
            TcpOption::WindowScale(7),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = to_bytes(&some()).expect("20 bytes");
        assert_eq!(bytes.len(), 20);
        assert_eq!(parse(&bytes), some());
        assert_eq!(
            to_text(&some()),
            "<mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>"
        );
    }

    #[test]
    fn a_length_beyond_the_header_ends_the_options() {
        let cut = TcpOption::Other {
            kind: 5,
            data: vec![18, 0],
        };
        assert_eq!(parse(&[5, 18, 0]), vec![cut]);
    }

    #[test]
    fn options_that_do_not_fill_four_bytes_are_refused() {
        let error = to_bytes(&[TcpOption::WindowScale(7)]).expect_err("3 bytes");
        assert!(error.contains("3 bytes long"), "{error}");
    }

    #[test]
    fn order_counts_unless_a_set_is_asked_for() {
        let mut other = some();
        other.swap(0, 4);
        assert!(!are_as_expected(&some(), &other, Order::Exact));
        assert!(are_as_expected(&some(), &other, Order::AnySet));
        other.push(TcpOption::Eol);
        assert!(are_as_expected(&some(), &other, Order::AnySet));
        other.push(TcpOption::Mss(1460));
        assert!(!are_as_expected(&some(), &other, Order::AnySet));
    }

    #[test]
    fn the_values_of_timestamps_are_left_to_their_own_check() {
        let seen = [TcpOption::Timestamps {
            val: Some(1),
            ecr: Some(2),
        }];
        assert!(are_as_expected(&[some()[2].clone()], &seen, Order::Exact));
    }
}
