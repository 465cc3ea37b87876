//! What was answered, in groups.

use std::collections::BTreeMap;
use std::time::Duration;

use estab::control::client::Answer;
use estab::control::record::{Limits, Origin, Socket};
use estab_core::observe::StateName;

use super::args::By;
use super::growth::Growth;

/// Everything there is to show.
#[derive(Debug)]
pub(super) struct Report {
    /// The worst first.
    pub(super) groups: Vec<Group>,
    pub(super) growth: Growth,
    pub(super) limits: Limits,
    /// What makes a group.
    pub(super) by: By,
    /// How old something must be to be shown.
    pub(super) older: Duration,
    /// Connections in all, and those in CLOSE-WAIT.
    pub(super) connections: usize,
    pub(super) close_waits: usize,
}

/// What the connections of a group have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) site: Option<String>,
    pub(super) label: Option<String>,
    pub(super) peer: Option<String>,
}

/// Connections of one key.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Key,
    /// Of those that were forgotten in CLOSE-WAIT; nothing is sampled by peer.
    pub(super) growth: Option<Growth>,
    /// What is the matter with them, the most frequent first.
    pub(super) kinds: Vec<Kind>,
}

/// Connections of one group with the same diagnosis.
#[derive(Debug)]
pub(super) struct Kind {
    /// The one that has been so for longest.
    pub(super) oldest: Socket,
    pub(super) count: usize,
}

impl Report {
    /// What of an answer is older than a time, in groups.
    pub(super) fn new(answer: &Answer, older: Duration, by: By) -> Self {
        let is_close_wait = |socket: &&Socket| socket.state == StateName::CloseWait;
        let found = answer.sockets.iter();
        let found = found.filter(|socket| socket.diagnosis.is_some());
        let mut groups: BTreeMap<Key, BTreeMap<String, Kind>> = BTreeMap::new();
        for socket in found {
            let diagnosis = socket.diagnosis.as_ref().map(|one| one.diagnosis.clone());
            let kinds = groups.entry(Key::of_socket(socket, by)).or_default();
            let kind = kinds.entry(diagnosis.unwrap_or_default());
            let kind = kind.or_insert_with(|| Kind {
                oldest: socket.clone(),
                count: 0,
            });
            kind.count += 1;
            if age_ns(socket) > age_ns(&kind.oldest) {
                kind.oldest = socket.clone();
            }
        }
        let growth_of = |key: &Key| {
            let own = |origin: &&Origin| Key::of_origin(origin, by) == *key;
            (by != By::Peer).then(|| Growth::of(answer.origins.iter().filter(own)))
        };
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|(key, kinds)| Group::new(growth_of(&key), key, kinds.into_values().collect()))
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count()));
        Self {
            groups,
            growth: Growth::of(answer.origins.iter()),
            limits: answer.limits.clone(),
            by,
            older,
            connections: answer.sockets.len(),
            close_waits: answer.sockets.iter().filter(is_close_wait).count(),
        }
    }
}

impl Group {
    fn new(growth: Option<Growth>, key: Key, mut kinds: Vec<Kind>) -> Self {
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        Self { key, growth, kinds }
    }

    pub(super) fn count(&self) -> usize {
        self.kinds.iter().map(|kind| kind.count).sum()
    }
}

impl Key {
    fn new(by: By, site: &Option<String>, label: &Option<String>, peer: Option<String>) -> Self {
        Self {
            site: site.clone().filter(|_| by == By::Site),
            label: label.clone().filter(|_| by != By::Peer),
            peer: peer.filter(|_| by == By::Peer),
        }
    }

    fn of_socket(socket: &Socket, by: By) -> Self {
        let peer = socket.remote.ip().to_string();
        Self::new(by, &socket.site, &socket.label, Some(peer))
    }

    fn of_origin(origin: &Origin, by: By) -> Self {
        Self::new(by, &origin.site, &origin.label, None)
    }
}

/// For how long it has been so: idle, or, if it is at work, in its state.
pub(super) fn age_ns(socket: &Socket) -> u64 {
    let diagnosis = socket.diagnosis.as_ref();
    if diagnosis.is_some_and(|one| one.trouble == "overload") {
        socket.age_ns
    } else {
        socket.idle_ns
    }
}
