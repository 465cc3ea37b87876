//! The SYN queue: passive connections in SYN-RECEIVED, at most 96 bytes each, with one FIFO per number of
//! SYN-ACKs sent, because all entries of a level wait equally long.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use super::listener::{ListenerId, Listening};
use crate::arena::Arena;
use crate::connection::state::{Rcv, Receiving, Sending, Snd, Synchronized};
use crate::connection::{CHALLENGE_INTERVAL, Handshake, PathSeen};
use crate::list::{Linked, Links, List};
use crate::observe::LifeId;
use crate::{Config, FourTuple, Instant, Secrets, SeqNumber};

/// What a SYN told, and what we answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) life: LifeId,
    pub(crate) tuple: FourTuple,
    pub(crate) listener: ListenerId,
    pub(crate) iss: SeqNumber,
    pub(crate) irs: SeqNumber,
    /// SEG.WND of the SYN.
    pub(crate) wnd: u16,
    pub(crate) peer_mss: u16,
    /// The peer's window shift, if it offered one and we scale.
    pub(crate) peer_shift: Option<u8>,
    pub(crate) sack: bool,
    /// Our window shift, which counts if the peer has one.
    pub(crate) shift: u8,
    /// The peer's timestamp, if it offered one and we use them.
    pub(crate) ts_recent: Option<u32>,
}

/// No window scaling was agreed.
const NO_SHIFT: u8 = 15;
const SACK: u8 = 1;
const TIMESTAMPS: u8 = 1 << 1;
/// The handshake is done, but nothing was said yet to a listener that waits for data.
const DEFERRED: u8 = 1 << 2;
/// When our SYN,ACK was sent is not known.
const UNTIMED: u8 = 1 << 3;

/// SYN-RECEIVED after a passive OPEN.
#[derive(Clone, Debug)]
pub(crate) struct SynReceived {
    tuple: FourTuple,
    pub(crate) iss: SeqNumber,
    pub(crate) irs: SeqNumber,
    ts_recent: u32,
    pub(crate) life: LifeId,
    pub(crate) listener: ListenerId,
    /// When the SYN-ACK goes out again, or the entry ends.
    pub(crate) deadline: Instant,
    links: Links,
    /// What few entries have, so that the others spend one word on it.
    rare: Option<Box<Rare>>,
    /// When it was last challenged, in milliseconds modulo 2^32, of which it lives to see few; zero is never.
    challenged: u32,
    peer_mss: u16,
    wnd: u16,
    /// The peer's window shift in the upper four bits, ours in the lower.
    shifts: u8,
    flags: u8,
    /// The handshake is done, but the accept queue has no place.
    held: bool,
    /// SYN-ACKs sent again, and not, because the peer was heard.
    pub(crate) retries: u8,
}

#[derive(Clone, Debug, Default)]
struct Rare {
    /// Data that came on the SYN.
    early: Vec<u8>,
    /// What our timestamp clock adds to the stack's, if a cookie began it elsewhere.
    offset: Option<NonZeroU32>,
}

const _: () = assert!(size_of::<Option<SynReceived>>() <= 96);

impl Listening {
    /// rcv SYN / snd SYN,ACK.
    pub(crate) fn syn_arrived(self, answer: Answer) -> SynReceived {
        let Answer {
            life,
            tuple,
            listener,
            iss,
            irs,
            wnd,
            peer_mss,
            peer_shift,
            sack,
            shift,
            ts_recent,
        } = answer;
        let flags = if sack { SACK } else { 0 } | if ts_recent.is_some() { TIMESTAMPS } else { 0 };
        SynReceived {
            tuple,
            iss,
            irs,
            ts_recent: ts_recent.unwrap_or(0),
            life,
            listener,
            deadline: Instant::ZERO,
            links: Links::default(),
            rare: None,
            challenged: 0,
            peer_mss,
            wnd,
            shifts: peer_shift.unwrap_or(NO_SHIFT) << 4 | shift,
            flags,
            held: false,
            retries: 0,
        }
    }
}

impl SynReceived {
    /// rcv ACK of SYN.
    pub(crate) fn syn_acked(self) -> Synchronized<Sending, Receiving> {
        let mut snd = Snd {
            una: self.iss + 1,
            nxt: self.iss + 1,
            ..Snd::new(self.iss)
        };
        snd.update_window(u32::from(self.wnd), self.irs, self.iss + 1);
        let rcv = Rcv {
            nxt: self.irs + 1,
            wnd: 0,
            irs: self.irs,
        };
        Synchronized {
            send: Sending { snd },
            receive: Receiving { rcv },
        }
    }

    /// rcv RST: back to LISTEN, which was never left (RFC 9293 Figure 5, Note 1).
    pub(crate) fn reset_arrived(self) -> Listening {
        Listening
    }

    pub(crate) fn tuple(&self) -> FourTuple {
        self.tuple
    }

    /// RCV.NXT.
    pub(crate) fn rcv_nxt(&self) -> SeqNumber {
        self.irs + 1
    }

    pub(crate) fn sack(&self) -> bool {
        self.flags & SACK != 0
    }

    pub(crate) fn ts_recent(&self) -> Option<u32> {
        (self.flags & TIMESTAMPS != 0).then_some(self.ts_recent)
    }

    pub(crate) fn peer_shift(&self) -> Option<u8> {
        Some(self.shifts >> 4).filter(|shift| *shift != NO_SHIFT)
    }

    /// Our window shift, if both scale.
    pub(crate) fn shift(&self) -> Option<u8> {
        self.peer_shift().map(|_| self.shifts & 0xf)
    }

    /// What our timestamp clock adds to the stack's.
    pub(crate) fn ts_offset(&self, secrets: &Secrets) -> NonZeroU32 {
        let given = self.rare.as_ref().and_then(|rare| rare.offset);
        given.unwrap_or_else(|| secrets.timestamp_offset(&self.tuple))
    }

    /// TSval of a moment.
    pub(crate) fn timestamp(&self, secrets: &Secrets, at: Instant) -> u32 {
        let offset = self.ts_offset(secrets).get();
        offset.wrapping_add(at.as_millis() as u32)
    }

    /// Its SYN,ACK was a cookie, sent at `at`, if that is known.
    pub(crate) fn was_answered_at(&mut self, at: Option<Instant>, config: &Config) {
        match at {
            Some(at) => self.deadline = at + wait(config, 0),
            None => self.flags |= UNTIMED,
        }
    }

    /// Goes on from a timestamp clock that is not ours.
    pub(crate) fn keep_clock(&mut self, offset: NonZeroU32) {
        self.rare.get_or_insert_default().offset = Some(offset);
    }

    /// The peer has acknowledged another SYN,ACK of ours, a cookie.
    pub(crate) fn adopt(&mut self, iss: SeqNumber) {
        self.iss = iss;
        self.flags |= UNTIMED;
    }

    /// Bytes of data that came on the SYN.
    pub(crate) fn early_len(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.early.len())
    }

    /// Takes the data that came on the SYN, if there was any.
    pub(crate) fn take_early(&mut self) -> Vec<u8> {
        let early = self.rare.as_mut().map(|rare| &mut rare.early);
        early.map(core::mem::take).unwrap_or_default()
    }

    /// The handshake is done, and the child waits for a place in the accept queue.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    /// The handshake is done, and the child waits for its peer to say something.
    pub(crate) fn is_deferred(&self) -> bool {
        self.flags & DEFERRED != 0 && !self.held
    }

    pub(crate) fn defer(&mut self) {
        self.flags |= DEFERRED;
    }

    /// Whether a suspicious segment may be answered: twice a second, as for a connection with a slot.
    pub(crate) fn may_challenge(&mut self, now: Instant) -> bool {
        let now = (now.as_millis() as u32).max(1);
        let since = now.wrapping_sub(self.challenged);
        if self.challenged != 0 && u128::from(since) < CHALLENGE_INTERVAL.as_millis() {
            return false;
        }
        self.challenged = now;
        true
    }

    /// When the SYN came: the deadlines so far, counted back.
    pub(crate) fn opened_at(&self, config: &Config) -> Instant {
        let waits = (1_u64 << (self.retries + 1)) - 1;
        let initial = config.rto.initial.as_nanos() as u64;
        Instant::from_nanos(
            self.deadline
                .as_nanos()
                .saturating_sub(initial.saturating_mul(waits)),
        )
    }

    /// What the connection that follows begins with.
    pub(crate) fn handshake(&self, config: &Config) -> Handshake {
        let opened_at = self.opened_at(config);
        // Neither a SYN-ACK sent twice nor the wait for a place or for data measures the path.
        let path = if self.flags & (UNTIMED | DEFERRED) != 0 {
            PathSeen::Unknown
        } else if self.retries == 0 && !self.is_held() {
            PathSeen::Measured(opened_at)
        } else {
            PathSeen::Lossy
        };
        Handshake {
            life: self.life,
            tuple: self.tuple,
            peer_mss: self.peer_mss,
            peer_shift: self.peer_shift(),
            shift: self.shifts & 0xf,
            sack: self.sack(),
            ts_recent: self.ts_recent(),
            opened_at,
            retries: self.retries,
            path,
        }
    }
}

/// Half-open connections, bounded by `Config::max_syn_received`.
#[derive(Clone, Debug)]
pub(crate) struct SynQueue {
    entries: Arena<SynReceived>,
    /// By SYN-ACKs sent again: each level is in the order of its deadlines.
    levels: Vec<List>,
    /// Bytes of data held from SYNs.
    early_bytes: usize,
}

struct Entries<'a>(&'a mut Arena<SynReceived>);

impl Linked for Entries<'_> {
    fn links(&mut self, index: u32) -> &mut Links {
        &mut self.0[index].links
    }
}

impl SynQueue {
    pub(crate) fn new(config: &Config) -> Self {
        let levels = usize::from(config.syn_ack_retries) + 1;
        Self {
            entries: Arena::new(),
            levels: core::iter::repeat_with(List::new).take(levels).collect(),
            early_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of data held from SYNs.
    pub(crate) fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    pub(crate) fn get(&self, index: u32) -> Option<&SynReceived> {
        self.entries.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut SynReceived> {
        self.entries.get_mut(index)
    }

    /// Whether the child that was put on the list of the held ones is still there.
    pub(crate) fn holds(&self, index: u32, life: LifeId) -> bool {
        self.get(index).is_some_and(|entry| entry.life == life)
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.iter().map(|(index, _)| index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SynReceived> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Entries of this listener.
    pub(crate) fn of(&self, listener: ListenerId) -> impl Iterator<Item = u32> + '_ {
        let own = self.entries.iter();
        own.filter(move |(_, entry)| entry.listener == listener)
            .map(|(index, _)| index)
    }

    /// Keeps data that came on a SYN, if there is room for it; the peer sends it again if not.
    pub(crate) fn keep_early(&mut self, index: u32, data: &[u8], limit: usize) {
        if data.is_empty() || self.early_bytes + data.len() > limit {
            return;
        }
        self.early_bytes += data.len();
        let rare = self.entries[index].rare.get_or_insert_default();
        rare.early = data.to_vec();
    }

    /// Adds an entry whose SYN-ACK goes out now.
    pub(crate) fn insert(&mut self, mut entry: SynReceived, now: Instant, config: &Config) -> u32 {
        entry.deadline = now + wait(config, 0);
        let index = self.entries.insert(entry);
        self.levels[0].push_back(&mut Entries(&mut self.entries), index);
        index
    }

    pub(crate) fn remove(&mut self, index: u32) -> SynReceived {
        let level = usize::from(self.entries[index].retries);
        self.levels[level].remove(&mut Entries(&mut self.entries), index);
        let entry = self.entries.remove(index);
        self.early_bytes -= entry.early_len();
        entry
    }

    /// An entry whose time is over, if there is one.
    pub(crate) fn expired(&self, now: Instant) -> Option<u32> {
        self.heads()
            .find(|(_, deadline)| *deadline <= now)
            .map(|(index, _)| index)
    }

    /// Moves an entry to the next level, if that is not beyond `most`. Answers whether there was one: if not, it has
    /// no more tries.
    pub(crate) fn back_off(&mut self, index: u32, most: u8, now: Instant, config: &Config) -> bool {
        let level = usize::from(self.entries[index].retries);
        if level + 1 >= self.levels.len() || level >= usize::from(most) {
            return false;
        }
        self.levels[level].remove(&mut Entries(&mut self.entries), index);
        let entry = &mut self.entries[index];
        entry.retries += 1;
        entry.deadline = now + wait(config, entry.retries);
        self.levels[level + 1].push_back(&mut Entries(&mut self.entries), index);
        true
    }

    /// Lets an entry wait from now on as long as one that has just come.
    pub(crate) fn restart(&mut self, index: u32, now: Instant, config: &Config) {
        let level = usize::from(self.entries[index].retries);
        self.levels[level].remove(&mut Entries(&mut self.entries), index);
        let entry = &mut self.entries[index];
        entry.retries = 0;
        entry.deadline = now + wait(config, 0);
        self.levels[0].push_back(&mut Entries(&mut self.entries), index);
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.heads().map(|(_, deadline)| deadline).min()
    }

    fn heads(&self) -> impl Iterator<Item = (u32, Instant)> + '_ {
        let heads = self.levels.iter().filter_map(List::front);
        heads.map(|index| (index, self.entries[index].deadline))
    }
}

/// After how many levels at least `time` has passed.
pub(crate) fn levels_within(config: &Config, time: Duration) -> u8 {
    let mut passed = Duration::ZERO;
    let levels = (0..=config.syn_ack_retries).take_while(|level| {
        let goes_on = passed < time;
        passed = passed.saturating_add(wait(config, *level));
        goes_on
    });
    levels.count() as u8
}

/// How long the SYN-ACK of a level waits for its ACK (RFC 6298 §5.5: doubled each time).
fn wait(config: &Config, retries: u8) -> Duration {
    let factor = 1_u32.checked_shl(u32::from(retries)).unwrap_or(u32::MAX);
    config
        .rto
        .initial
        .saturating_mul(factor)
        .min(config.rto.max)
}
