//! Where two performances of a plot part.

use std::fmt::{self, Display, Formatter};

use super::play::{Answer, Heard, Moment, Number};
use crate::script::ast::TcpOption;

/// What of a performance is not compared, and why. All of it is left out in this file.
pub const IGNORED: [(&str, &str); 8] = [
    (
        "windows",
        "they follow from buffer sizes, which RFC 9293 leaves to the implementation (§3.8.6)",
    ),
    (
        "PSH",
        "when it is set is advice to the receiver only (RFC 9293 §3.9.1.2)",
    ),
    (
        "when the first ACK of something leaves",
        "within 0.5 s each stack delays as it likes (RFC 9293 §3.8.6.3)",
    ),
    ("IP fields", "identification, TTL and TOS are not TCP's"),
    (
        "TSval, and the value of the window scale",
        "a clock of each stack's own, and its buffers",
    ),
    (
        "the order of options, and padding between them",
        "RFC 9293 §3.1 asks for none",
    ),
    (
        "timestamps on a RST",
        "RFC 7323 §5.2 has them there as a SHOULD, which Linux leaves out where no connection is left",
    ),
    (
        "how data is cut where it leaves in one moment",
        "segments of one stream with the same ACK are as one",
    ),
];

/// The first thing that two performances do differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The moment: 0 is the opening of the socket, then come the plot's steps, then what is left to do.
    pub moment: usize,
    /// The state of the socket before, in Linux's numbers, where both have the same.
    pub state: Option<i64>,
    /// What the first did.
    pub left: String,
    /// What the second did.
    pub right: String,
}

/// The first difference of two performances of a plot.
#[must_use]
pub fn difference(left: &[Moment], right: &[Moment]) -> Option<Difference> {
    let both = || {
        left.iter()
            .map(comparable)
            .zip(right.iter().map(comparable))
    };
    let moment = both().position(|(left, right)| !are_same(&left, &right))?;
    let (one, other) = both().nth(moment)?;
    let before = moment.checked_sub(1);
    let state = before.and_then(|before| {
        let state = left[before].state;
        state.filter(|_| state == right[before].state)
    });
    Some(Difference {
        moment,
        state,
        left: Shown(&one).to_string(),
        right: Shown(&other).to_string(),
    })
}

/// States are compared where both have a socket to ask.
fn are_same(left: &Moment, right: &Moment) -> bool {
    let states = left.state.zip(right.state);
    left.answer == right.answer
        && sound_same(&left.heard, &right.heard)
        && states.is_none_or(|(left, right)| left == right)
}

/// An ACK that one stack sends at once may be sent by the other a little later, or with the next segment.
fn sound_same(left: &[Heard], right: &[Heard]) -> bool {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let (one, other) = (left.peek().copied(), right.peek().copied());
        match (one, other) {
            (None, None) => return true,
            (Some(one), Some(other)) if are_alike(one, other) => {
                left.next();
                right.next();
            }
            (Some(one), Some(other)) if one.is_owed_ack && other.is_owed_ack => return false,
            (Some(one), _) if one.is_owed_ack => drop(left.next()),
            (_, Some(other)) if other.is_owed_ack => drop(right.next()),
            _ => return false,
        }
    }
}

/// What was the first ACK of something for one may be a repeated one for the other.
fn are_alike(left: &Heard, right: &Heard) -> bool {
    let is_owed_ack = right.is_owed_ack;
    *right
        == Heard {
            is_owed_ack,
            ..left.clone()
        }
}

/// A moment without what is ignored.
pub(super) fn comparable(moment: &Moment) -> Moment {
    let mut heard: Vec<Heard> = Vec::new();
    for segment in &moment.heard {
        let segment = without_ignored(segment.clone());
        match heard.last_mut() {
            Some(last) if continues(last, &segment) => {
                last.payload.extend(&segment.payload);
                last.flags = segment.flags;
            }
            _ => heard.push(segment),
        }
    }
    Moment {
        heard,
        ..moment.clone()
    }
}

fn without_ignored(mut segment: Heard) -> Heard {
    segment.flags.psh = false;
    segment
        .options
        .retain(|option| !matches!(option, TcpOption::Nop | TcpOption::Eol));
    if segment.flags.rst {
        let is_stamp = |option: &TcpOption| matches!(option, TcpOption::Timestamps { .. });
        segment.options.retain(|option| !is_stamp(option));
    }
    for option in &mut segment.options {
        if let TcpOption::WindowScale(shift) = option {
            *shift = 0;
        }
    }
    segment.options.sort_by_key(kind);
    segment
}

fn kind(option: &TcpOption) -> u8 {
    match option {
        TcpOption::Mss(_) => 2,
        TcpOption::WindowScale(_) => 3,
        TcpOption::SackPermitted => 4,
        TcpOption::Sack(_) => 5,
        TcpOption::Timestamps { .. } => 8,
        _ => u8::MAX,
    }
}

/// Whether a segment carries on the data of the one before it.
fn continues(before: &Heard, segment: &Heard) -> bool {
    let end = i32::try_from(before.payload.len()).ok();
    let follows = match (before.seq, segment.seq, end) {
        (Number::Relative(start), Number::Relative(next), Some(len)) => {
            start.checked_add(len) == Some(next)
        }
        _ => false,
    };
    let is_plain = !before.flags.fin && !before.flags.syn && !before.flags.rst;
    let carries = !before.payload.is_empty() && (!segment.payload.is_empty() || segment.flags.fin);
    follows && is_plain && carries && before.ack == segment.ack && before.options == segment.options
}

struct Shown<'a>(&'a Moment);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Moment {
            answer,
            heard,
            state,
        } = self.0;
        let mut parts = Vec::new();
        parts.extend(answer.as_ref().map(Answer::to_string));
        parts.extend(heard.iter().map(Heard::to_string));
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        write!(f, "{}", parts.join("; "))?;
        match state {
            Some(state) => write!(f, " [{}]", state_name(*state)),
            None => Ok(()),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.errno {
            0 => write!(f, "= {}", self.value),
            errno => write!(f, "= -1 errno {errno}"),
        }
    }
}

impl Display for Heard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "> {} ", self.flags)?;
        let len = self.payload.len();
        match self.seq {
            Number::Relative(seq) => write!(f, "{seq}({len})")?,
            Number::Plain(seq) => write!(f, "{seq}!({len})")?,
            Number::Foreign => write!(f, "?({len})")?,
        }
        if self.flags.ack {
            write!(f, " ack {}", self.ack)?;
        }
        if self.options.is_empty() {
            return Ok(());
        }
        let options: Vec<_> = self.options.iter().map(ToString::to_string).collect();
        write!(f, " <{}>", options.join(","))
    }
}

/// The name of a state that `TCP_INFO` numbers.
fn state_name(state: i64) -> &'static str {
    const NAMES: [&str; 12] = [
        "?",
        "ESTAB",
        "SYN-SENT",
        "SYN-RECV",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "TIME-WAIT",
        "CLOSE",
        "CLOSE-WAIT",
        "LAST-ACK",
        "LISTEN",
        "CLOSING",
    ];
    usize::try_from(state)
        .ok()
        .and_then(|state| NAMES.get(state).copied())
        .unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::ast::TcpFlags;

    fn data(seq: i32, len: usize) -> Heard {
        Heard {
            flags: TcpFlags {
                ack: true,
                ..TcpFlags::default()
            },
            seq: Number::Relative(seq),
            ack: 1,
            payload: vec![7; len],
            options: Vec::new(),
            is_owed_ack: false,
        }
    }

    fn moment(heard: Vec<Heard>) -> Vec<Moment> {
        vec![Moment {
            heard,
            ..Moment::default()
        }]
    }

    #[test]
    fn how_data_is_cut_is_no_difference_but_a_hole_is() {
        let whole = moment(vec![data(1, 300)]);
        let mut last = data(201, 100);
        last.flags.psh = true;
        let cut = moment(vec![data(1, 200), last]);
        assert_eq!(difference(&whole, &cut), None);
        let hole = moment(vec![data(1, 200), data(202, 100)]);
        let found = difference(&whole, &hole).unwrap();
        assert_eq!(found.left, "> . 1(300) ack 1");
        assert_eq!(found.right, "> . 1(200) ack 1; > . 202(100) ack 1");
    }

    #[test]
    fn a_socket_that_only_one_can_be_asked_about_is_no_difference() {
        let mut with = moment(Vec::new());
        let without = with.clone();
        with[0].state = Some(1);
        assert_eq!(difference(&with, &without), None);
        let mut other = with.clone();
        other[0].state = Some(8);
        assert_eq!(
            difference(&with, &other).unwrap().right,
            "nothing [CLOSE-WAIT]"
        );
    }
}
