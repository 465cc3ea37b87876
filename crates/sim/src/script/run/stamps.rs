//! Timestamp options of segments: found, mapped, and added where the script has none.

use std::time::Duration;

use super::super::ast::{TcpFlags, TcpOption};
use super::mapping::{Connection, Stage, Stamps};

/// The bytes timestamps take of a header, padded.
pub(super) const LEN: u16 = 12;

/// The TSval in options.
pub(super) fn val_of(options: &[TcpOption]) -> Option<u32> {
    options.iter().find_map(|option| match option {
        TcpOption::Timestamps { val, .. } => *val,
        _ => None,
    })
}

/// Whether there is a timestamps option.
pub(super) fn are_in(options: &[TcpOption]) -> bool {
    let is_stamp = |option: &TcpOption| matches!(option, TcpOption::Timestamps { .. });
    options.iter().any(is_stamp)
}

/// Puts the stack's TSval into the script's numbers, as far as they are known.
pub(super) fn to_script(stamps: &Stamps, options: &mut [TcpOption]) {
    for option in options {
        if let TcpOption::Timestamps { val: Some(val), .. } = option {
            *val = stamps.to_script(*val);
        }
    }
}

/// Gives a segment of the script timestamps, if the connection is to have some that the script does not know of:
/// from a SYN on, or from a SYN-ACK that answers a SYN with timestamps.
pub(super) fn add(
    connection: &mut Connection,
    flags: TcpFlags,
    options: &mut Vec<TcpOption>,
    now: Duration,
) {
    if flags.syn && !are_in(options) {
        let is_passive = matches!(connection.stage, Stage::PacketReceived | Stage::SynAckSent);
        let answers = !is_passive && connection.stamps.latest.is_some();
        connection.stamps.is_added |= (is_passive && !flags.ack) || answers;
    }
    if !connection.stamps.is_added || are_in(options) {
        return;
    }
    for option in options.iter_mut() {
        match option {
            // What the script's segments may carry stays what the script says.
            TcpOption::Mss(mss) => *mss = mss.saturating_add(LEN),
            TcpOption::Sack(blocks) => blocks.truncate(3),
            _ => {}
        }
    }
    options.retain(|option| !matches!(option, TcpOption::Nop | TcpOption::Eol));
    options.push(TcpOption::Timestamps {
        val: Some(clock(now)),
        ecr: Some(connection.stamps.latest.filter(|_| flags.ack).unwrap_or(0)),
    });
    pad(options);
}

/// Fills up to four bytes with NOPs.
fn pad(options: &mut Vec<TcpOption>) {
    for _ in 0..3 {
        match super::options::to_bytes(options) {
            Ok(_) => break,
            Err(_) => options.insert(0, TcpOption::Nop),
        }
    }
}

/// The clock of the script's side: milliseconds, from a value that is none of the script's.
#[allow(clippy::cast_possible_truncation, reason = "timestamps wrap")]
const fn clock(now: Duration) -> u32 {
    1_000_000_u32.wrapping_add(now.as_millis() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(syn: bool, ack: bool) -> TcpFlags {
        TcpFlags {
            syn,
            ack,
            ..TcpFlags::default()
        }
    }

    #[test]
    fn a_connection_has_added_timestamps_from_its_syn_on() {
        let mut connection = Connection::new(Stage::PacketReceived);
        let mut syn = vec![
            TcpOption::Mss(1000),
            TcpOption::SackPermitted,
            TcpOption::Eol,
            TcpOption::Eol,
        ];
        add(
            &mut connection,
            flags(true, false),
            &mut syn,
            Duration::from_millis(5),
        );
        assert_eq!(
            super::super::options::to_text(&syn),
            "<mss 1012,sackOK,TS val 1000005 ecr 0>"
        );
        connection.stamps.latest = Some(77);
        let mut ack = Vec::new();
        add(
            &mut connection,
            flags(false, true),
            &mut ack,
            Duration::from_millis(9),
        );
        assert_eq!(val_of(&ack), Some(1_000_009));
        assert!(matches!(
            ack.last(),
            Some(TcpOption::Timestamps { ecr: Some(77), .. })
        ));
    }

    #[test]
    fn a_script_that_has_its_own_keeps_them() {
        let mut connection = Connection::new(Stage::PacketReceived);
        let own = TcpOption::Timestamps {
            val: Some(1),
            ecr: Some(0),
        };
        let mut syn = vec![TcpOption::Nop, TcpOption::Nop, own.clone()];
        add(
            &mut connection,
            flags(true, false),
            &mut syn,
            Duration::ZERO,
        );
        assert_eq!(syn, [TcpOption::Nop, TcpOption::Nop, own]);
        let mut bare = Vec::new();
        add(
            &mut connection,
            flags(false, true),
            &mut bare,
            Duration::ZERO,
        );
        assert_eq!(bare, []);
    }

    #[test]
    fn a_syn_ack_gets_some_only_if_the_syn_had_some() {
        let mut without = Connection::new(Stage::SynAcked);
        let mut options = Vec::new();
        add(
            &mut without,
            flags(true, true),
            &mut options,
            Duration::ZERO,
        );
        assert_eq!(options, []);
        let mut with = Connection::new(Stage::SynAcked);
        with.stamps.latest = Some(9);
        add(&mut with, flags(true, true), &mut options, Duration::ZERO);
        assert!(are_in(&options));
    }
}
