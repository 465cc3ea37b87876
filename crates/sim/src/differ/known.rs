//! Differences between estab and Linux that are meant.
//!
//! A rule looks at what both did in the moment at which they part, and at the step that led to it. It has to
//! be narrow: what it lets pass is not looked at again.

use super::compare::comparable;
use super::play::{Heard, Moment};
use super::plot::{Deed, Inbound, Plot, Stamp, Step};
use crate::script::ast::TcpOption;

/// Linux's number for the state.
const SYN_RECEIVED: i64 = 3;

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
        name: "segments that cannot be taken are not answered equally often",
        reason: "both answer at most once in 500 ms (RFC 5961 §7), but do not count the same segments; and after one of \
                 them Linux acknowledges the next segment at once, whatever it is (tcp_send_dupack)",
        applies: |found| {
            let is_silent = found.estab.heard.is_empty() || found.linux.heard.is_empty();
            is_silent
                && found.both().all(Heard::is_bare_ack)
                && found.arrival().is_some()
                && found
                    .before
                    .iter()
                    .any(|moment| moment.heard.iter().any(Heard::is_bare_ack))
        },
    },
    Known {
        name: "a segment whose data ends at the left edge of the window is not taken",
        reason: "RFC 9293 §3.10.7.4, first: its last byte must be inside; Linux looks at the number behind it, and so \
                 goes on to its ACK or RST",
        applies: |found| {
            let heard = found
                .before
                .iter()
                .flat_map(|moment| &moment.heard)
                .chain(found.both());
            let acked: Vec<u32> = heard
                .filter(|heard| heard.flags.ack)
                .map(|heard| heard.ack)
                .collect();
            let is_at_edge =
                |segment: &Inbound| segment.end() != segment.seq && acked.contains(&segment.end());
            found.arrival().is_some_and(is_at_edge) && found.both().all(Heard::is_bare_ack)
        },
    },
    Known {
        name: "the ACK of a handshake may echo the timestamp of an ACK",
        reason: "Linux takes it only if it echoes that of a SYN-ACK; RFC 7323 has no such rule",
        applies: |found| {
            let said_more = found
                .before
                .iter()
                .any(|moment| moment.heard.iter().any(Heard::is_bare_ack));
            found.plot.offer.timestamps && found.is_half_open() && said_more
        },
    },
    Known {
        name: "into a window that is small another amount is sent, and taken from the application",
        reason: "RFC 9293 §3.8.6.2.1: half of the largest window seen is enough, less waits; Linux cuts segments to half \
                 of that window, and leaves what does not fit to its persist timer",
        applies: |found| {
            let writes = matches!(found.step(), Some(Step::Do(Deed::Write(_))));
            let is_small = |segment: &Inbound| segment.window <= 1000;
            found.arrivals().any(is_small) && (writes || found.is_about_data())
        },
    },
    Known {
        name: "in SYN-RECEIVED of a simultaneous open a FIN is sent at once",
        reason: "RFC 9293 §3.10.4: it is when nothing else is to be sent; on Linux it waits for the end of the handshake",
        applies: |found| {
            let is_close = matches!(
                found.step(),
                Some(Step::Do(Deed::Shutdown(1 | 2) | Deed::Close))
            );
            let is_fin = |heard: &Heard| heard.flags.fin && heard.payload.is_empty();
            is_close
                && found.plot.is_active
                && found.estab.heard.iter().all(is_fin)
                && found.linux.heard.is_empty()
                && found.linux.state.is_none_or(|state| state == SYN_RECEIVED)
        },
    },
    Known {
        name: "a FIN without data has no SACK block",
        reason: "RFC 2018 §3 reports data; a FIN that is ahead is kept all the same",
        applies: |found| {
            let has_none = |option: &TcpOption| !matches!(option, TcpOption::Sack(_));
            found.arrivals().any(|segment| segment.control.fin)
                && found.are_same_but_for(|heard| heard.options.retain(has_none))
        },
    },
    Known {
        name: "SACK blocks leave at other moments",
        reason: "RFC 2018 §4 has them in ACKs of out-of-order data, which estab sends as such and at once: data and RSTs \
                 have none, and what was reported of a duplicate is not reported again by a later ACK",
        applies: |found| {
            let has_none = |option: &TcpOption| !matches!(option, TcpOption::Sack(_));
            let bytes = |moment: &Moment| {
                let all = moment.heard.iter().filter(|heard| !heard.is_bare_ack());
                all.map(|heard| heard.payload.len()).sum::<usize>()
            };
            let has_blocks = |heard: &Heard| !heard.options.iter().all(has_none);
            let on_others = found
                .linux
                .heard
                .iter()
                .any(|heard| !heard.is_bare_ack() && has_blocks(heard));
            let said_before = found.arrivals().any(|segment| segment.len > 0)
                && found.are_same_but_for(|heard| heard.options.retain(has_none))
                && found.estab.heard.iter().all(|heard| !has_blocks(heard));
            bytes(found.estab) == bytes(found.linux) && (on_others || said_before)
        },
    },
    Known {
        name: "what a peer sends behind its FIN, or in place of it, is handled in other ways",
        reason: "RFC 9293 §3.10.7.4, seventh: it should not occur, and is ignored; Linux takes such data, or resets",
        applies: |found| {
            let fins: Vec<u32> = found
                .arrivals()
                .filter(|segment| segment.control.fin)
                .map(Inbound::end)
                .collect();
            let last = fins.iter().min().copied();
            last.is_some_and(|last| {
                found.arrivals().any(|segment| {
                    segment.end() != last && segment.end().wrapping_sub(last).cast_signed() > 0
                })
            }) || fins.iter().any(|fin| Some(*fin) != last)
        },
    },
    Known {
        name: "the congestion window counts bytes",
        reason: "RFC 5681 §2; Linux counts segments, so that small ones fill it sooner",
        applies: |found| {
            let is_call = matches!(found.step(), Some(Step::Do(_)));
            is_call && found.is_about_data() && found.writes() > 1
        },
    },
    Known {
        name: "a RST that ends left of the window is dropped",
        reason: "RFC 9293 §3.10.7.4, first: outside the window it is, without a word; Linux's test of the left edge is \
                 looser, and so it challenges",
        applies: |found| {
            found.arrival().is_some_and(|segment| segment.control.rst)
                && found.estab.heard.is_empty()
                && found.linux.heard.iter().all(Heard::is_bare_ack)
        },
    },
    Known {
        name: "an abort in CLOSING or LAST-ACK says nothing",
        reason: "RFC 9293 §3.10.5: both ends have sent their FIN, and the TCB is deleted; Linux resets if data is unread",
        applies: |found| {
            matches!(found.step(), Some(Step::Do(Deed::Abort | Deed::Close)))
                && found.estab.heard.is_empty()
                && found.linux.heard.iter().all(|heard| heard.flags.rst)
                && found.arrivals().any(|segment| segment.control.fin)
        },
    },
    Known {
        name: "FIN-WAIT-2 after a close answers what it cannot take, and tells of duplicates",
        reason: "RFC 9293 §3.10.7.4, second and fifth; Linux keeps it in the form of TIME-WAIT, which looks at less",
        applies: |found| {
            let closes = |step: &Step| matches!(step, Step::Do(Deed::Close));
            found.plot.steps.iter().take(found.at).any(closes)
                && found.arrival().is_some()
                && found.both().all(Heard::is_bare_ack)
                && found.linux.heard.len() <= found.estab.heard.len()
        },
    },
    Known {
        name: "every repeated SYN is answered",
        reason: "RFC 9293 §3.10.7.4, first; Linux answers once in 500 ms",
        applies: |found| {
            let is_syn_ack = |heard: &Heard| heard.flags.syn && heard.flags.ack;
            found.arrival().is_some_and(|segment| segment.control.syn)
                && found.is_half_open()
                && found.estab.heard.iter().all(is_syn_ack)
                && found.linux.heard.is_empty()
        },
    },
    Known {
        name: "an old timestamp is answered, but spares a RST",
        reason: "RFC 7323 §5.3, R1: it is acknowledged, unless it is of a RST, which is not held against it; Linux says \
                 nothing to an ACK that may only be late (tcp_disordered_ack), drops a RST in SYN-RECEIVED, and answers \
                 a repeated SYN with an ACK",
        applies: |found| {
            let is_old = |segment: &Inbound| segment.stamp == Stamp::Old;
            let is_now = found.arrival().is_some_and(is_old)
                && found.both().all(|heard| heard.payload.is_empty());
            let has_been = found.arrivals().any(is_old)
                && (found.is_half_open() || found.linux.heard.is_empty());
            found.plot.offer.timestamps && (is_now || has_been)
        },
    },
    Known {
        name: "in TIME-WAIT a segment without ACK is dropped",
        reason: "RFC 9293 §3.10.7.4, fifth",
        applies: |found| {
            found.arrival().is_some_and(|segment| {
                !segment.control.ack && !segment.control.syn && !segment.control.rst
            }) && found.estab.heard.is_empty()
                && found.linux.heard.iter().all(Heard::is_bare_ack)
        },
    },
    Known {
        name: "what nobody will read resets at other moments",
        reason: "RFC 9293 §3.6.1 has the RST for data after CLOSE; on Linux SHUT_RDWR counts as one, a FIN that is ahead \
                 as data, and a SYN as a reason once it keeps FIN-WAIT-2 like TIME-WAIT",
        applies: |found| {
            let shut = |step: &Step| matches!(step, Step::Do(Deed::Shutdown(0 | 2) | Deed::Close));
            found.plot.steps.iter().take(found.at).any(shut)
                && (found.linux.heard.iter().any(|heard| heard.flags.rst)
                    || found.arrival().is_none())
                && found.estab.heard.iter().all(Heard::is_bare_ack)
        },
    },
    Known {
        name: "another timestamp is echoed",
        reason: "RFC 7323 §4.3: which one depends on the last ACK sent, and so on which ACKs were delayed",
        applies: |found| {
            let forget = |heard: &mut Heard| {
                for option in &mut heard.options {
                    if let TcpOption::Timestamps { ecr, .. } = option {
                        *ecr = None;
                    }
                }
            };
            found.plot.offer.timestamps && found.are_same_but_for(forget)
        },
    },
    Known {
        name: "an ACK older than the connection is taken for an old one",
        reason: "RFC 5961 §5.2 bounds it by the largest window seen; Linux also by what was ever acknowledged",
        applies: |found| {
            found
                .arrivals()
                .any(|segment| segment.control.ack && segment.ack.wrapping_sub(1).cast_signed() < 0)
        },
    },
];

/// Which known one the first difference of two performances is; estab's are the first.
#[must_use]
pub fn known(plot: &Plot, at: usize, estab: &[Moment], linux: &[Moment]) -> Option<&'static Known> {
    let (ours, theirs) = (comparable(estab.get(at)?), comparable(linux.get(at)?));
    let found = Found {
        plot,
        at,
        estab: &ours,
        linux: &theirs,
        before: estab.get(..at)?,
    };
    KNOWN.iter().find(|known| (known.applies)(&found))
}

impl Found<'_> {
    /// Whether this is all the difference between them.
    fn are_same_but_for(&self, change: impl Fn(&mut Heard)) -> bool {
        let changed = |moment: &Moment| -> Vec<Heard> {
            let mut heard = moment.heard.clone();
            for segment in &mut heard {
                segment.is_owed_ack = false;
                change(segment);
            }
            heard
        };
        self.estab.answer == self.linux.answer && changed(self.estab) == changed(self.linux)
    }

    /// At which they part.
    fn step(&self) -> Option<&Step> {
        self.plot.steps.get(self.at.checked_sub(1)?)
    }

    /// All that left, here or there.
    fn both(&self) -> impl Iterator<Item = &Heard> {
        self.estab.heard.iter().chain(&self.linux.heard)
    }

    /// The segment whose arrival was the step.
    fn arrival(&self) -> Option<&Inbound> {
        match self.step()? {
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

    /// How often the application has written.
    fn writes(&self) -> usize {
        let is_write = |step: &&Step| matches!(step, Step::Do(Deed::Write(_)));
        self.plot
            .steps
            .iter()
            .take(self.at)
            .filter(is_write)
            .count()
    }

    /// Whether what left, or did not, was data.
    fn is_about_data(&self) -> bool {
        let bytes = |moment: &Moment| {
            moment
                .heard
                .iter()
                .map(|heard| heard.payload.len())
                .sum::<usize>()
        };
        let fins = |moment: &Moment| moment.heard.iter().filter(|heard| heard.flags.fin).count();
        (bytes(self.estab), fins(self.estab)) != (bytes(self.linux), fins(self.linux))
    }

    /// Whether the application has yet to hear of the connection that answered a SYN last.
    fn is_half_open(&self) -> bool {
        let is_syn_ack = |heard: &Heard| heard.flags.syn && heard.flags.ack;
        let answered = |moment: &Moment| moment.heard.iter().any(is_syn_ack);
        let accepted = |at: &usize| {
            let step = at.checked_sub(1).and_then(|step| self.plot.steps.get(step));
            let is_accept = matches!(step, Some(Step::Do(Deed::Accept)));
            is_accept
                && self.before[*at]
                    .answer
                    .as_ref()
                    .is_some_and(|answer| answer.errno == 0)
        };
        let last_answered = self.before.iter().rposition(answered);
        let last_accepted = (0..self.before.len()).rev().find(accepted);
        !self.plot.is_active
            && last_answered.is_some_and(|at| last_accepted.is_none_or(|accepted| accepted < at))
    }
}

impl Heard {
    /// An ACK and nothing else.
    fn is_bare_ack(&self) -> bool {
        self.flags.is_only_ack() && self.payload.is_empty()
    }
}

impl Inbound {
    /// The sequence number behind it.
    fn end(&self) -> u32 {
        let controls = u32::from(self.control.syn) + u32::from(self.control.fin);
        self.seq.wrapping_add(u32::from(self.len) + controls)
    }

    fn lacks_stamp(&self) -> bool {
        self.stamp == Stamp::Missing && !self.control.rst
    }
}

fn same_kind(left: &TcpOption, right: &TcpOption) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}
