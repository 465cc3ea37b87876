//! Segments as a script writes them.

use super::super::ast::TcpFlags;
use super::options;
use super::wire::Segment;

/// `P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 1 ecr 2>`
pub(super) fn of(segment: &Segment) -> String {
    let end = segment
        .seq
        .wrapping_add(u32::try_from(segment.payload.len()).unwrap_or(u32::MAX));
    let mut text = format!(
        "{} {}:{end}({})",
        flags(segment.flags),
        segment.seq,
        segment.payload.len()
    );
    if segment.flags.ack {
        text += &format!(" ack {}", segment.ack);
    }
    text += &format!(" win {}", segment.window);
    if segment.flags.urg {
        text += &format!(" urg {}", segment.urgent);
    }
    if !segment.options.is_empty() {
        text += &format!(" {}", options::to_text(&segment.options));
    }
    text
}

/// `SEW`, `P.`, `-`
pub(super) fn flags(flags: TcpFlags) -> String {
    let TcpFlags {
        fin,
        syn,
        rst,
        psh,
        ack,
        urg,
        ece,
        cwr,
        ae,
        ace,
    } = flags;
    let letters = [
        (syn, 'S'),
        (fin, 'F'),
        (rst, 'R'),
        (psh, 'P'),
        (urg, 'U'),
        (ece, 'E'),
        (cwr, 'W'),
        (ae, 'A'),
        (ack, '.'),
    ];
    let mut text: String = letters
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, letter)| letter)
        .collect();
    if let Some(count) = ace {
        text += &count.to_string();
    }
    if text.is_empty() {
        text.push('-');
    }
    text
}
