//! An observer that holds every change of state against the arrows, and knows where each life's streams begin.

use std::collections::{BTreeMap, VecDeque};

use estab_core::observe::{Cause, Direction, LifeId, Observer, Seen, StateName, Transition};
use estab_core::{ARROWS, Flags, SeqNumber};

/// Which changes of state an input has seen: whence, whither.
pub type Reached = std::collections::BTreeSet<(StateName, StateName)>;

#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) lives: BTreeMap<LifeId, Life>,
    /// Segments with a life that were sent and whose packets were not looked at yet.
    pub(crate) sent: VecDeque<Seen>,
    pub(crate) reached: Reached,
}

/// What is known of a life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) state: StateName,
    /// Of the last SYN that came, and of the one that was taken.
    last_syn: Option<SeqNumber>,
    pub(crate) irs: Option<SeqNumber>,
    pub(crate) iss: Option<SeqNumber>,
    /// Bytes the application wrote, and whether more may follow.
    pub(crate) written: u32,
    /// The furthest SND.UNA, RCV.NXT and right edge of the window that were seen.
    pub(crate) snd_una: Option<SeqNumber>,
    pub(crate) rcv_nxt: Option<SeqNumber>,
    pub(crate) edge: Option<SeqNumber>,
}

impl Life {
    fn new(state: StateName) -> Self {
        Self {
            state,
            last_syn: None,
            irs: None,
            iss: None,
            written: 0,
            snd_una: None,
            rcv_nxt: None,
            edge: None,
        }
    }
}

impl Witness {
    pub(crate) fn life(&mut self, life: LifeId) -> &mut Life {
        self.lives.get_mut(&life).expect("a life that began")
    }
}

impl Observer for Witness {
    fn transition(&mut self, event: &Transition) {
        let Transition {
            life,
            from,
            to,
            cause,
            ..
        } = *event;
        assert!(is_allowed(from, to, cause), "{from} to {to}: {cause}");
        let begins = matches!(from, StateName::Closed | StateName::Listen);
        let life = self.lives.entry(life).or_insert(Life::new(from));
        assert_eq!(life.state, from, "{to} was entered from elsewhere");
        assert!(
            begins || life.state != StateName::Closed,
            "a life after its end"
        );
        life.state = to;
        if matches!(from, StateName::Listen | StateName::SynSent) && to != StateName::Closed {
            life.irs = life.last_syn;
        }
        self.reached.insert((from, to));
    }

    fn seen(&mut self, event: &Seen) {
        let syn = event.flags.contains(Flags::SYN);
        match event.direction {
            Direction::Received if syn => {
                // A SYN for a listener is seen before its life begins.
                let life = self
                    .lives
                    .entry(event.life)
                    .or_insert(Life::new(StateName::Listen));
                life.last_syn = Some(event.seq);
            }
            Direction::Received => {}
            Direction::Sent => {
                if syn {
                    let life = self.life(event.life);
                    let iss = *life.iss.get_or_insert(event.seq);
                    assert_eq!(event.seq, iss, "a second initial sequence number");
                }
                self.sent.push_back(*event);
            }
        }
    }
}

/// An arrow of the figure, or an abrupt end.
fn is_allowed(from: StateName, to: StateName, cause: Cause) -> bool {
    let drawn = ARROWS
        .iter()
        .any(|arrow| (arrow.from, arrow.to) == (from, to) && arrow.causes.contains(&cause));
    drawn || (to == StateName::Closed && from != StateName::Closed)
}
