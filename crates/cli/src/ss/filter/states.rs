//! Sets of states, by ss's names.

use estab_core::observe::StateName;

/// A set of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct States(u16);

impl States {
    /// Every state.
    pub(crate) const ALL: Self = Self((1 << StateName::ALL.len()) - 1);
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// LISTEN.
    pub(crate) const LISTENING: Self = Self::one(StateName::Listen);
    /// What ss shows unless told otherwise.
    pub(crate) const DEFAULT: Self = Self::CONNECTED.without(Self::BUCKET);

    const CONNECTED: Self = Self::ALL
        .without(Self::LISTENING)
        .without(Self::one(StateName::Closed));
    const SYNCHRONIZED: Self = Self::CONNECTED.without(Self::one(StateName::SynSent));
    /// The states that have small entries of their own.
    const BUCKET: Self = Self::one(StateName::TimeWait).with(Self::one(StateName::SynReceived));
    const BIG: Self = Self::ALL.without(Self::BUCKET);

    /// What may stand after `state`, for error messages.
    pub(super) const NAMES: &str = "established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, \
         closed, close-wait, last-ack, listening, closing, all, connected, synchronized, bucket or big";

    const fn one(state: StateName) -> Self {
        Self(1 << state as u16)
    }

    /// Both sets.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set less another.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a state is in it.
    pub(crate) const fn contains(self, state: StateName) -> bool {
        self.0 & Self::one(state).0 != 0
    }

    /// The states of a name: ss's, or the RFC's.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let group = match name.as_str() {
            "all" => Self::ALL,
            "connected" => Self::CONNECTED,
            "synchronized" => Self::SYNCHRONIZED,
            "bucket" => Self::BUCKET,
            "big" => Self::BIG,
            "listening" => Self::LISTENING,
            "syn-rcv" => Self::one(StateName::SynReceived),
            "fin-wait1" => Self::one(StateName::FinWait1),
            "fin-wait2" => Self::one(StateName::FinWait2),
            "close" | "unconnected" => Self::one(StateName::Closed),
            _ => {
                let named = |state: &StateName| {
                    name.eq_ignore_ascii_case(state.ss()) || name.eq_ignore_ascii_case(state.rfc())
                };
                Self::one(StateName::ALL.into_iter().find(named)?)
            }
        };
        Some(group)
    }
}
