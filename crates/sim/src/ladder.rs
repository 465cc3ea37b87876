//! A ladder: two ends, the segments between them, and what each end makes of them, as text for a terminal.
//!
//! ```
//! use estab_core::Instant;
//! use estab_sim::ladder::{Fate, Ladder, Side};
//!
//! let mut ladder = Ladder::new("client", "server");
//! ladder.segment(Instant::ZERO, Side::Left, "SYN seq 0", Fate::Lost);
//! ladder.note(Instant::from_millis(1000), Side::Left, "the SYN goes out again");
//! assert!(ladder.to_string().contains("SYN seq 0"));
//! ```

use std::fmt;
use std::time::Duration;

use estab_core::Instant;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Drawn at the left.
    Left,
    /// Drawn at the right.
    Right,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// The end across.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// 0 for the left, 1 for the right.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Delivered,
    /// The network loses it.
    Lost,
    /// A copy that the network made arrives.
    Duplicate,
    /// It comes from an earlier incarnation of the connection: nobody has sent it now.
    Old,
}

impl Fate {
    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Lost => "lost",
            Self::Duplicate => "duplicate",
            Self::Old => "old",
        }
    }
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When: of a segment, when it sets out.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A segment sets out from a side.
    Segment {
        /// The sender's side.
        from: Side,
        /// What it says.
        text: String,
        /// What becomes of it.
        fate: Fate,
    },
    /// The state of a side changes.
    Change {
        /// Whose.
        side: Side,
        /// The state left.
        from: String,
        /// The state entered.
        to: String,
        /// Why.
        why: String,
    },
    /// Anything else there is to say.
    Note {
        /// About whom.
        side: Side,
        /// What.
        text: String,
    },
}

/// Events of two ends in the order of time; shown by [`Display`](fmt::Display), at most [`Ladder::WIDTH`] columns wide.
#[derive(Clone, Debug)]
pub struct Ladder {
    names: [String; 2],
    /// The states before the first event.
    states: [String; 2],
    /// What a side is in when it has no connection, if that has another name than CLOSED.
    rests: [Option<String>; 2],
    origin: Option<Instant>,
    events: Vec<Event>,
}

impl Ladder {
    /// The columns of a line.
    pub const WIDTH: usize = 96;

    /// A ladder without events, and its ends' names.
    #[must_use]
    pub fn new(left: &str, right: &str) -> Self {
        Self {
            names: [left.to_owned(), right.to_owned()],
            states: [String::new(), String::new()],
            rests: [None, None],
            origin: None,
            events: Vec::new(),
        }
    }

    /// Says what state a side is in before anything happens.
    pub fn begin_in(&mut self, side: Side, state: impl fmt::Display) {
        self.states[side.index()] = state.to_string();
    }

    /// Says what a side is in whenever its connection is CLOSED: a server goes on to LISTEN.
    pub fn rests_in(&mut self, side: Side, state: impl fmt::Display) {
        self.rests[side.index()] = Some(state.to_string());
    }

    /// Counts time from `origin` instead of the first event.
    pub fn count_from(&mut self, origin: Instant) {
        self.origin = Some(origin);
    }

    /// A segment sets out from `from`.
    pub fn segment(&mut self, at: Instant, from: Side, text: impl Into<String>, fate: Fate) {
        let text = text.into();
        self.push(at, What::Segment { from, text, fate });
    }

    /// A state changes, and why.
    pub fn change(
        &mut self,
        at: Instant,
        side: Side,
        (from, to): (impl fmt::Display, impl fmt::Display),
        why: impl Into<String>,
    ) {
        let (from, to, why) = (from.to_string(), to.to_string(), why.into());
        self.push(
            at,
            What::Change {
                side,
                from,
                to,
                why,
            },
        );
    }

    /// Anything else there is to say about a side.
    pub fn note(&mut self, at: Instant, side: Side, text: impl Into<String>) {
        let text = text.into();
        self.push(at, What::Note { side, text });
    }

    fn push(&mut self, at: Instant, what: What) {
        self.events.push(Event { at, what });
    }

    /// The events in the order of their times; of one moment, in the order they were told.
    #[must_use]
    pub fn events(&self) -> Vec<&Event> {
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|event| event.at);
        events
    }

    /// The name of a side.
    #[must_use]
    pub fn name(&self, side: Side) -> &str {
        &self.names[side.index()]
    }

    /// The moment that is shown as zero.
    #[must_use]
    pub fn origin(&self) -> Instant {
        let first = self.events.iter().map(|event| event.at).min();
        self.origin.or(first).unwrap_or_default()
    }
}

/// Columns: the time, a state, the arrow, a state.
const TIME: usize = 9;
const STATE: usize = 12;
const ARROW: usize = Ladder::WIDTH - TIME - 2 * STATE - 6;

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, right] = &self.names;
        let gap = Self::WIDTH - TIME - 2 - left.chars().count();
        writeln!(f, "{:>TIME$}  {left}{right:>gap$}", "seconds")?;
        let origin = self.origin();
        let mut states = self.states.clone();
        for event in self.events() {
            let since = seconds(event.at - origin);
            match &event.what {
                What::Segment { from, text, fate } => {
                    let [left, right] = &states;
                    let arrow = arrow(*from, text, *fate);
                    writeln!(
                        f,
                        "{since:>TIME$}  {left:<STATE$}  {arrow}  {right:>STATE$}"
                    )?;
                }
                What::Change {
                    side,
                    from,
                    to,
                    why,
                } => {
                    let rest = self.rests[side.index()].as_ref().filter(|_| to == "CLOSED");
                    states[side.index()].clone_from(rest.unwrap_or(to));
                    let text = format!("{from} → {to}: {why}");
                    self.write_note(f, &since, *side, &text)?;
                }
                What::Note { side, text } => self.write_note(f, &since, *side, text)?,
            }
        }
        Ok(())
    }
}

impl Ladder {
    fn write_note(
        &self,
        f: &mut fmt::Formatter<'_>,
        since: &str,
        side: Side,
        text: &str,
    ) -> fmt::Result {
        let room = Self::WIDTH - TIME - 2;
        // A note keeps off the other side's states: a ladder is read by columns.
        for (index, line) in wrap(text, room - 8).iter().enumerate() {
            let since = if index == 0 { since } else { "" };
            match side {
                Side::Left => writeln!(f, "{since:>TIME$}  {line}")?,
                Side::Right => writeln!(f, "{since:>TIME$}  {line:>room$}")?,
            }
        }
        Ok(())
    }
}

/// The line between the states.
fn arrow(from: Side, text: &str, fate: Fate) -> String {
    let (tail, mark, head) = match fate {
        Fate::Delivered => ("──", "", true),
        Fate::Lost => ("──", "✗ lost", false),
        Fate::Duplicate => ("── copy of", "", true),
        Fate::Old => ("≈≈ old", "", true),
    };
    let text: String = text.chars().take(ARROW - 16).collect();
    let (tip, fill) = if head { ("▶", "─") } else { (mark, "─") };
    let used = tail.chars().count() + text.chars().count() + tip.chars().count() + 2;
    let line = fill.repeat(ARROW.saturating_sub(used));
    match from {
        Side::Left => format!("{tail} {text} {line}{tip}"),
        Side::Right => {
            let tip = if head { "◀" } else { "lost ✗" };
            let tail = match fate {
                Fate::Duplicate => "copy of",
                Fate::Old => "old",
                _ => "",
            };
            let end = if fate == Fate::Old {
                "≈≈"
            } else {
                "──"
            };
            let gap = if tail.is_empty() { "" } else { " " };
            format!("{tip}{line} {tail}{gap}{text} {end}")
        }
    }
}

/// Seconds with milliseconds.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// Lines of at most `width` columns, broken between words.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always one");
        let length = last.chars().count();
        if length > 0 && length + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if length > 0 {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn handshake() -> Ladder {
        let mut ladder = Ladder::new("client", "server");
        ladder.begin_in(Side::Left, "SYN-SENT");
        ladder.begin_in(Side::Right, "LISTEN");
        ladder.segment(ms(500), Side::Left, "SYN seq 0", Fate::Delivered);
        ladder.segment(ms(510), Side::Right, "SYN,ACK seq 0 ack 1", Fate::Lost);
        ladder.change(
            ms(510),
            Side::Right,
            ("LISTEN", "SYN-RECEIVED"),
            "SYN received",
        );
        ladder.segment(ms(505), Side::Left, "SYN seq 9", Fate::Old);
        ladder.segment(ms(1500), Side::Right, "ACK", Fate::Duplicate);
        ladder
    }

    #[test]
    fn every_line_has_the_same_width_and_the_order_of_time() {
        let text = handshake().to_string();
        for line in text.lines() {
            assert_eq!(line.chars().count(), Ladder::WIDTH, "{line}");
        }
        let old = text.find("old SYN seq 9").unwrap();
        let lost = text.find("SYN,ACK seq 0 ack 1").unwrap();
        assert!(old < lost, "told later, but happened earlier");
    }

    #[test]
    fn an_arrow_shows_whence_whither_and_whether_it_arrives() {
        let text = handshake().to_string();
        let line = |what: &str| text.lines().find(|line| line.contains(what)).unwrap();
        assert!(line("SYN seq 0").starts_with("    0.000  SYN-SENT      ── SYN seq 0 ───"));
        assert!(line("SYN seq 0").ends_with("───▶        LISTEN"));
        assert!(line("SYN,ACK").contains("lost ✗───"));
        assert!(line("SYN seq 9").contains("≈≈ old SYN seq 9 ──"));
        assert!(line("copy").ends_with("─ copy of ACK ──  SYN-RECEIVED"));
    }

    #[test]
    fn a_long_note_is_wrapped_on_its_side() {
        let mut ladder = Ladder::new("a", "b");
        let text = "word ".repeat(40);
        ladder.note(ms(0), Side::Right, text.trim());
        let shown = ladder.to_string();
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.ends_with("word")));
    }
}
