//! Differences between estab and Linux that are meant.
//!
//! A rule looks at what both did in the moment at which they part, and at the step that led to it. It has to
//! be narrow: what it lets pass is not looked at again.

use super::play::{Answer, Heard, Moment};
use super::plot::{Deed, Inbound, Plot, Step};
use crate::script::ast::TcpOption;

/// A difference that is meant.
pub struct Known {
    /// What it is, in a line.
    pub name: &'static str,
    /// Why estab does otherwise than Linux.
    pub reason: &'static str,
    applies: fn(&Found<'_>) -> bool,
}

/// The moment of a difference, on both sides, and what led to it.
struct Found<'a> {
    plot: &'a Plot,
    at: usize,
    estab: &'a Moment,
    linux: &'a Moment,
    /// The moments of estab's before it: all of them were the same on Linux.
    before: &'a [Moment],
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        name: "a SYN for a half-open connection resets it on Linux",
        reason: "RFC 9293 §3.10.7.4, fourth: a passive open returns to LISTEN without a word; a RST would refuse the \
                 new incarnation",
        applies: |found| {
            found.is_half_open()
                && found.arrival().is_some_and(|segment| segment.control.syn)
                && found.estab.heard.is_empty()
                && found.linux.heard.iter().all(|heard| heard.flags.rst)
        },
    },
    Known {
        name: "a wrong ACK outside the window resets a half-open connection on Linux",
        reason: "RFC 9293 §3.10.7.4, first: a segment outside the window is answered with an ACK; its ACK is looked at \
                 only if it is inside",
        applies: |found| {
            found.is_half_open()
                && found.estab.heard.iter().all(Heard::is_bare_ack)
                && found.linux.heard.iter().all(|heard| heard.flags.rst)
                && found.arrival().is_some_and(|segment| segment.control.ack)
        },
    },
    Known {
        name: "in a simultaneous open Linux offers options that the peer did not",
        reason: "RFC 7323 §2.2 and §3.2, RFC 2018 §2: a SYN-ACK may have them only if the SYN had",
        applies: |found| {
            let pair = found.estab.heard.iter().zip(&found.linux.heard);
            found.plot.is_active && found.estab.heard.len() == found.linux.heard.len() && { pair }
                .all(|(estab, linux)| {
                    estab.flags.syn
                        && estab.flags.ack
                        && linux.flags == estab.flags
                        && estab.options.iter().all(|option| {
                            linux.options.iter().any(|other| same_kind(option, other))
                        })
                })
        },
    },
    Known {
        name: "Linux repeats its SYN soon after a segment with a wrong ACK",
        reason: "it sets the timer to its least (tcp_rcv_synsent_state_process); RFC 9293 §3.10.7.3 only asks for the RST",
        applies: |found| {
            let mut linux = found.linux.heard.clone();
            let syns = linux
                .iter()
                .filter(|heard| heard.flags.syn && !heard.flags.ack)
                .count();
            linux.retain(|heard| !heard.flags.syn || heard.flags.ack);
            let sent_wrong_ack = found
                .arrivals()
                .any(|segment| segment.control.ack && segment.ack != 1);
            syns > 0 && found.plot.is_active && sent_wrong_ack && linux == found.estab.heard
        },
    },
    Known {
        name: "data on a SYN is kept",
        reason: "RFC 9293 §3.10.7.2: it is processed when the connection is established; Linux drops it but with TCP \
                 Fast Open",
        applies: |found| {
            found
                .arrivals()
                .any(|segment| segment.control.syn && (segment.len > 0 || segment.control.fin))
        },
    },
    Known {
        name: "a segment without the timestamp that was agreed on is dropped",
        reason: "RFC 7323 §3.2: it SHOULD be, without a word; Linux takes it",
        applies: |found| found.plot.offer.timestamps && found.arrivals().any(Inbound::lacks_stamp),
    },
    Known {
        name: "a segment without ACK, RST and SYN outside the window is answered",
        reason: "RFC 9293 §3.10.7.4, first: the sequence number is looked at before the ACK bit",
        applies: |found| {
            let is_bare = |segment: &Inbound| {
                !segment.control.ack && !segment.control.rst && !segment.control.syn
            };
            found.arrival().is_some_and(is_bare)
                && found.linux.heard.is_empty()
                && found.estab.heard.iter().all(Heard::is_bare_ack)
        },
    },
    Known {
        name: "Linux acknowledges once more after a segment it could not take",
        reason: "such a segment makes it acknowledge the next at once, though that brings nothing \
                 (tcp_send_dupack); no RFC asks for it",
        applies: |found| {
            let brings_nothing = |segment: &Inbound| {
                segment.len == 0 && !segment.control.syn && !segment.control.fin
            };
            found.estab.heard.is_empty()
                && found.linux.heard.iter().all(Heard::is_bare_ack)
                && found.arrival().is_some_and(brings_nothing)
                && found
                    .before
                    .iter()
                    .any(|moment| moment.heard.iter().any(Heard::is_bare_ack))
        },
    },
    Known {
        name: "data larger than a tiny window is sent in part",
        reason: "RFC 9293 §3.8.6.2.1 (3): half of the largest window seen is enough; Linux leaves it to its persist timer",
        applies: |found| {
            let is_small = |segment: &Inbound| segment.window < 1460;
            found.linux.heard.iter().all(Heard::is_bare_ack)
                && found
                    .estab
                    .heard
                    .iter()
                    .any(|heard| !heard.payload.is_empty())
                && found.arrivals().any(is_small)
        },
    },
    Known {
        name: "segments are not cut to fractions of the peer's window",
        reason: "Linux halves its segments when the largest window seen is small (tcp_bound_to_half_wnd); RFC 9293 has \
                 no such rule",
        applies: |found| {
            let bytes = |moment: &Moment| {
                moment
                    .heard
                    .iter()
                    .map(|heard| heard.payload.len())
                    .sum::<usize>()
            };
            let is_small = |segment: &Inbound| segment.window <= 1000;
            found.arrivals().any(is_small) && bytes(found.estab) > 0 && bytes(found.linux) > 0
        },
    },
    Known {
        name: "a call tells an error that Linux keeps for another",
        reason: "declared with the sockets: see the corpus",
        applies: |_| false,
    },
];

/// Which known one the first difference of two performances is; estab's are the first.
#[must_use]
pub fn known(plot: &Plot, at: usize, estab: &[Moment], linux: &[Moment]) -> Option<&'static Known> {
    let found = Found {
        plot,
        at,
        estab: estab.get(at)?,
        linux: linux.get(at)?,
        before: estab.get(..at)?,
    };
    KNOWN.iter().find(|known| (known.applies)(&found))
}

impl Found<'_> {
    /// The segment whose arrival was the step.
    fn arrival(&self) -> Option<&Inbound> {
        match self.plot.steps.get(self.at.checked_sub(1)?)? {
            Step::Arrive(segment) => Some(segment),
            Step::Do(_) => None,
        }
    }

    /// All segments that have arrived.
    fn arrivals(&self) -> impl Iterator<Item = &Inbound> {
        self.plot
            .steps
            .iter()
            .take(self.at)
            .filter_map(|step| match step {
                Step::Arrive(segment) => Some(segment),
                Step::Do(_) => None,
            })
    }

    /// Whether a SYN was answered, and no ACK has ended the handshake yet.
    fn is_half_open(&self) -> bool {
        let answered = self.before.iter().rposition(|moment| {
            let is_syn_ack = |heard: &Heard| heard.flags.syn && heard.flags.ack;
            moment.heard.iter().any(is_syn_ack)
        });
        let Some(answered) = answered else {
            return false;
        };
        let since = self
            .plot
            .steps
            .iter()
            .take(self.at.saturating_sub(1))
            .skip(answered);
        !{ since }.any(
            |step| matches!(step, Step::Arrive(segment) if segment.control.ack && segment.ack == 1),
        )
    }
}

impl Heard {
    /// An ACK and nothing else.
    fn is_bare_ack(&self) -> bool {
        self.flags.is_only_ack() && self.payload.is_empty()
    }
}

impl Inbound {
    fn lacks_stamp(&self) -> bool {
        self.stamp == super::plot::Stamp::Missing && !self.control.syn && !self.control.rst
    }
}

fn same_kind(left: &TcpOption, right: &TcpOption) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}
