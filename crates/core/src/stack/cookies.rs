//! SYN cookies (RFC 4987 §3.6): a SYN is answered without a trace of it, and an ACK makes the connection.

use core::num::NonZeroU32;
use core::time::Duration;

use super::Stack;
use super::admission::Room;
use super::handshake::{accepted, syn_ack};
use crate::config::SynCookies;
use crate::connection::{receive_shift, usable_mss};
use crate::context::Reply;
use crate::demux::{Answer, COOKIE_LIFETIME, ListenerId, Offer, SynReceived};
use crate::observe::{Cause, Direction, Observer, ResetReason, StateName};
use crate::{Instant, Segment, Timestamps};

impl<O: Observer> Stack<O> {
    /// Shares SYN cookies with the other machines behind an address: each finishes the handshakes that any of them
    /// began, if all have loaded the same `key` and agree on time and settings. `clock` is what a clock they share,
    /// such as the time since 1970, says at `now`; a difference of seconds does no harm. Cookies sent with another key
    /// before are no longer good.
    ///
    /// An ACK is then checked whether or not this stack sent a cookie. That a cookie is taken only once holds for
    /// each machine by itself.
    pub fn load_cookie_secret(&mut self, now: Instant, key: [u8; 16], clock: Duration) {
        self.set_now(now);
        self.cookies.share(self.cx.now, key, clock);
    }

    /// Answers a SYN, and keeps nothing.
    pub(super) fn answer_with_cookie(&mut self, id: ListenerId, segment: &Segment<'_>) {
        let Some(listener) = self.listeners.get_mut(id) else {
            return;
        };
        listener.tally.cookies_sent += 1;
        self.cx.counters.syncookies_sent += 1;
        let (options, config) = (&listener.options, &self.cx.config);
        let (tuple, now) = (segment.tuple, self.cx.now);
        let agreed = accepted(&segment.options, config, options);
        let offer = Offer {
            mss: usable_mss(segment.options.mss, tuple.is_ipv4()),
            shift: agreed.window_scale,
            sack: agreed.sack_permitted,
        };
        let clock = agreed
            .timestamps
            .map(|_| self.cx.secrets.timestamp(&tuple, now));
        let cookie = self.cookies.bake(now, (&tuple, segment.seq), offer, clock);
        let mut answer = syn_ack(config, options, (tuple, cookie.iss, segment.seq));
        answer.options.window_scale = offer.shift.map(|_| receive_shift(config, options));
        answer.options.sack_permitted = offer.sack;
        answer.options.timestamps = cookie.ts_value.map(|value| Timestamps {
            value,
            echo: agreed.timestamps.map_or(0, |theirs| theirs.value),
        });
        let treatment = config.treatment(Some(options));
        self.cx
            .reply(Reply::Segment(answer, None, false, treatment));
    }

    /// An ACK for a listener: if it brings back a cookie, it makes a connection. Answers whether it did. `hash`: the
    /// 4-tuple's.
    pub(super) fn take_cookie(&mut self, id: ListenerId, segment: &Segment<'_>, hash: u32) -> bool {
        if !self.expects_cookies() {
            return false;
        }
        if let Some(offer) = self.redeem(segment, hash) {
            self.open_with_cookie(id, offer, segment, hash);
            return true;
        }
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.tally.cookies_failed += 1;
            self.cx.counters.syncookies_failed += 1;
        }
        false
    }

    /// What the cookie keeps that a segment brings back, if it does, for the first time. `hash`: the 4-tuple's.
    fn redeem(&mut self, segment: &Segment<'_>, hash: u32) -> Option<Offer> {
        let offer = self.cookies.check(self.cx.now, segment)?;
        let most = self.cx.config.max_connections;
        let is_first = self.cookies.spend(hash, segment.ack - 1, most);
        is_first.then_some(offer)
    }

    /// A good cookie makes a connection.
    fn open_with_cookie(&mut self, id: ListenerId, offer: Offer, segment: &Segment<'_>, hash: u32) {
        if let Some(listener) = self.listeners.get_mut(id) {
            listener.tally.cookies_accepted += 1;
        }
        self.cx.counters.syncookies_recv += 1;
        let begun = self.begun(segment);
        let life = self.cx.next_life();
        let Some(listener) = self.listeners.get(id) else {
            return;
        };
        let scaled = u32::from(segment.wnd) << offer.shift.unwrap_or(0);
        // The entry that the SYN would have got.
        let mut entry = listener.state.syn_arrived(Answer {
            life,
            tuple: segment.tuple,
            listener: id,
            iss: segment.ack - 1,
            irs: segment.seq - 1,
            wnd: u16::try_from(scaled).unwrap_or(u16::MAX),
            peer_mss: offer.mss,
            peer_shift: offer.shift,
            sack: offer.sack,
            shift: receive_shift(&self.cx.config, &listener.options),
            ts_recent: segment.options.timestamps.map(|theirs| theirs.value),
        });
        match begun {
            Begun::Here(at) => entry.was_answered_at(Some(at), &self.cx.config),
            Begun::Elsewhere(offset) => {
                entry.was_answered_at(None, &self.cx.config);
                entry.keep_clock(offset);
            }
            Begun::Unknown => entry.was_answered_at(None, &self.cx.config),
        }
        self.complete_cookie(entry, segment, hash);
    }

    /// An ACK for an entry that another SYN has made. If it brings back a cookie, its sender has proved where it is; so
    /// has nobody for the entry, which gives way: otherwise a SYN in a client's name would keep the client out for as
    /// long as the entry lasts. Answers whether it was so.
    pub(super) fn replace_by_cookie(&mut self, index: u32, segment: &Segment<'_>) -> bool {
        let Some(entry) = self.syn_queue.get(index) else {
            return false;
        };
        let (id, is_own) = (entry.listener, entry.irs == segment.seq - 1);
        if is_own || entry.is_held() || !self.expects_cookies() {
            return false;
        }
        let hash = self.cx.secrets.table_hash(&segment.tuple);
        let Some(offer) = self.redeem(segment, hash) else {
            return false;
        };
        self.drop_half_open(index, Cause::OtherSyn);
        self.open_with_cookie(id, offer, segment, hash);
        true
    }

    /// An ACK of a cookie for a peer that has an entry by now, because its SYN came twice: the entry goes on with the
    /// cookie's numbers. Answers whether it is so.
    pub(super) fn adopt_cookie(&mut self, index: u32, segment: &Segment<'_>) -> bool {
        let irs = self.syn_queue.get(index).map(|entry| entry.irs);
        if irs != Some(segment.seq - 1) || !self.expects_cookies() {
            return false;
        }
        let hash = self.cx.secrets.table_hash(&segment.tuple);
        if self.redeem(segment, hash).is_none() {
            return false;
        }
        let begun = self.begun(segment);
        let Some(entry) = self.syn_queue.get_mut(index) else {
            return false;
        };
        entry.adopt(segment.ack - 1);
        if let Begun::Elsewhere(offset) = begun {
            entry.keep_clock(offset);
        }
        self.cx.counters.syncookies_recv += 1;
        if let Some(listener) = self.listeners.get_mut(entry.listener) {
            listener.tally.cookies_accepted += 1;
        }
        true
    }

    fn expects_cookies(&mut self) -> bool {
        match self.cx.config.syn_cookies {
            SynCookies::Off => false,
            SynCookies::Auto => self.cookies.are_expected(self.cx.now),
            SynCookies::Always => true,
        }
    }

    /// What the timestamp that a cookie brings back says of its beginning.
    fn begun(&self, segment: &Segment<'_>) -> Begun {
        let Some(theirs) = segment.options.timestamps else {
            return Begun::Unknown;
        };
        let now = self.cx.now;
        let clock = self.cx.secrets.timestamp(&segment.tuple, now);
        let ago = Duration::from_millis(u64::from(clock.wrapping_sub(theirs.echo)));
        if ago <= LATEST {
            return Begun::Here(Instant::from_nanos(
                now.as_nanos().saturating_sub(ago.as_nanos() as u64),
            ));
        }
        // Another machine's clock. Ours goes on from where no SYN,ACK that is still under way can be ahead of it.
        let value = theirs.echo.wrapping_add(LATEST.as_millis() as u32);
        let offset = value.wrapping_sub(now.as_millis() as u32);
        Begun::Elsewhere(NonZeroU32::new(offset).unwrap_or(NonZeroU32::MIN))
    }

    /// Goes the way of an entry of the SYN queue: by way of SYN-RECEIVED, to the same places.
    fn complete_cookie(&mut self, mut entry: SynReceived, segment: &Segment<'_>, hash: u32) {
        let (id, life, tuple) = (entry.listener, entry.life, segment.tuple);
        let len = segment.payload.len() as u32;
        self.cx.seen(life, segment, len, Direction::Received, false);
        let states = (StateName::Listen, StateName::SynReceived);
        self.cx.transition(life, tuple, states, Cause::Cookie);
        let waits = self.has_syn_room_for(id);
        if waits && self.defers(&entry, segment) {
            entry.defer();
            self.cx.counters.tcp_defer_accept_drop += 1;
            self.insert_half_open(entry, hash);
            return;
        }
        match self.room_for_child(id, tuple, life) {
            Room::Place => self.establish(entry, Some(segment)),
            Room::Wait if waits => {
                let index = self.insert_half_open(entry, hash);
                self.hold(index);
            }
            Room::Wait | Room::None => {
                self.reset_entry(entry, Cause::AcceptOverflow, ResetReason::AcceptOverflow);
            }
        }
    }

    fn has_syn_room_for(&self, id: ListenerId) -> bool {
        let listener = self.listeners.get(id);
        listener.is_some_and(|listener| self.has_syn_room(listener, false))
    }
}

/// No good cookie was sent longer ago; its timestamp may be older by a few milliseconds.
const LATEST: Duration = COOKIE_LIFETIME.saturating_add(Duration::from_millis(100));

/// When and where the SYN,ACK was sent that brought a cookie.
enum Begun {
    Here(Instant),
    /// By a machine whose timestamp clock is this much ahead of the stack's, at most.
    Elsewhere(NonZeroU32),
    /// The peer has no timestamps.
    Unknown,
}
