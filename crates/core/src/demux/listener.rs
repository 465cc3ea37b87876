//! Listeners and their accept queues.

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::config::AcceptPolicy;
use crate::connection::state::Closed;
use crate::list::List;
use crate::observe::{LifeId, RefusalReason};
use crate::{Config, Instant, SocketOptions};

/// A handle to a listener: an index and the life it belongs to, so that an old handle finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId {
    pub(crate) index: u32,
    pub(crate) life: LifeId,
}

/// LISTEN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening;

impl Listening {
    /// CLOSE / delete TCB.
    pub(crate) fn close(self) -> Closed {
        Closed
    }
}

/// Which local addresses a listener answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    One(IpAddr),
    /// `0.0.0.0`.
    AllV4,
    /// `[::]`: IPv4, too, as on Linux by default.
    All,
}

impl Scope {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) if v4.is_unspecified() => Self::AllV4,
            IpAddr::V6(v6) if v6.is_unspecified() => Self::All,
            one => Self::One(one),
        }
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match self {
            Self::One(one) => one == address,
            Self::AllV4 => address.is_ipv4(),
            Self::All => true,
        }
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::One(one), scope) | (scope, Self::One(one)) => scope.contains(one),
            _ => true,
        }
    }
}

/// Somebody who waits for connections.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) state: Listening,
    pub(crate) life: LifeId,
    pub(crate) address: SocketAddr,
    pub(crate) scope: Scope,
    pub(crate) backlog: usize,
    /// As it was asked for.
    pub(crate) syn_backlog: Option<usize>,
    pub(crate) policy: AcceptPolicy,
    pub(crate) defer_accept: Option<Duration>,
    pub(crate) options: SocketOptions,
    /// Children ready to be accepted, linked through their slots.
    pub(crate) queue: List,
    /// Half-open children whose handshake is done and who wait for a place: index and life.
    pub(crate) held: VecDeque<(u32, LifeId)>,
    /// How many of these are still there.
    pub(crate) held_now: usize,
    /// Half-open children.
    pub(crate) half_open: usize,
    pub(crate) tally: Tally,
    /// An event tells that the queue is not empty.
    pub(crate) told: bool,
}

/// What happened at a listener how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) cookies_sent: u64,
    pub(crate) cookies_accepted: u64,
    pub(crate) cookies_failed: u64,
    pub(crate) refusals: [u64; RefusalReason::ALL.len()],
}

/// Half-open children that there may be at least, unless less is asked for.
const LEAST_SYN_BACKLOG: usize = 128;

impl Listener {
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= self.backlog
    }

    /// Half-open children that there may be.
    pub(crate) fn syn_backlog(&self) -> usize {
        let default = self.backlog.max(LEAST_SYN_BACKLOG);
        self.syn_backlog.unwrap_or(default).max(1)
    }

    /// How it is seen. `oldest`: since when the child waits that has waited longest.
    pub(crate) fn status(&self, oldest: Option<Instant>, config: &Config) -> ListenerStatus {
        let Tally {
            accepted,
            cookies_sent,
            cookies_accepted,
            cookies_failed,
            refusals,
        } = self.tally;
        ListenerStatus {
            life: self.life,
            address: self.address,
            accept_queue: self.queue.len(),
            backlog: self.backlog,
            policy: self.policy,
            oldest_opened_at: oldest,
            half_open: self.half_open,
            syn_backlog: self.syn_backlog().min(config.max_syn_received),
            held: self.held_now,
            accepted,
            cookies_sent,
            cookies_accepted,
            cookies_failed,
            refused: refusals.iter().sum(),
            refusals,
        }
    }
}

/// A listener as `ss -l` shows it.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    /// Its life.
    pub life: LifeId,
    /// The address it was bound to; unspecified for all.
    pub address: SocketAddr,
    /// Children that wait for `accept`. More than `backlog` only after another listener's were handed over.
    pub accept_queue: usize,
    /// How many may.
    pub backlog: usize,
    /// What happens when they do.
    pub policy: AcceptPolicy,
    /// When the SYN came of the child that has waited longest for `accept`.
    pub oldest_opened_at: Option<Instant>,
    /// Half-open children.
    pub half_open: usize,
    /// How many there may be, before SYNs are answered by cookies or not at all. Those that took over from
    /// TIME-WAIT, and those handed over, may exceed it.
    pub syn_backlog: usize,
    /// Children whose handshake is done and who wait for a place among those that wait for `accept`. They count as
    /// half-open.
    pub held: usize,
    /// Children accepted.
    pub accepted: u64,
    /// SYN cookies sent.
    pub cookies_sent: u64,
    /// SYN cookies that came back and were good.
    pub cookies_accepted: u64,
    /// ACKs that came while cookies were expected, and brought back none.
    pub cookies_failed: u64,
    /// SYNs and children refused, for any reason.
    pub refused: u64,
    /// The same by `RefusalReason as usize`.
    pub refusals: [u64; RefusalReason::ALL.len()],
}

impl ListenerStatus {
    /// How many SYNs and children were refused for `reason`.
    #[must_use]
    pub fn refused_for(&self, reason: RefusalReason) -> u64 {
        self.refusals[reason as usize]
    }
}
