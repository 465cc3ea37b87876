//! SYN cookies (RFC 4987 §3.6): what a SYN told is not kept here but by its sender, in the sequence number and the
//! timestamp of our SYN,ACK, which its ACK brings back.
//!
//! ```text
//! with timestamps      ISN    MAC 28 bits | MSS 3 | epoch 1        TSval  clock 27 bits | window shift 4 | SACK 1
//! without              ISN    MAC 23 bits | window shift 4 | SACK 1 | MSS 3 | epoch 1
//! ```
//!
//! The MAC is SipHash-1-3 of the 4-tuple, the peer's ISN and every other bit of the cookie, with a key of the epoch. A
//! blind guess makes a connection once in 2^28 segments with timestamps, and in 2^23 without.
//!
//! An epoch lasts 64 s; cookies of the current one and of the one before are taken, each once.

use core::hash::Hasher;
use core::time::Duration;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::{FourTuple, Instant, Segment, SeqNumber};

/// What a cookie keeps of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) mss: u16,
    /// The peer's window shift, 0 to 14.
    pub(crate) shift: Option<u8>,
    pub(crate) sack: bool,
}

/// What the SYN,ACK says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub(crate) iss: SeqNumber,
    /// TSval, if timestamps are used: as the clock says, or up to 31 ms earlier.
    pub(crate) ts_value: Option<u32>,
}

/// The default of IPv4, without options (RFC 9293 §3.7.1, MUST-15), and less; that of IPv6; tunnels; Ethernet under
/// IPv6 and IPv4; jumbo frames.
const MSS: [u16; 8] = [48, 536, 1220, 1360, 1400, 1440, 1460, 8940];

const NO_SHIFT: u32 = 15;
/// The low bits of TSval that are not the clock's.
const TS_BITS: u32 = 0x1f;
/// The low bits of an ISN that are not the MAC's, with timestamps and without.
const BITS_WITH: u32 = 0xf;
const BITS_WITHOUT: u32 = 0x1ff;

/// log2 of an epoch's seconds.
const EPOCH_BITS: u32 = 6;

/// The longest that a cookie is good for.
pub(crate) const LIFETIME: Duration = Duration::from_secs(2 << EPOCH_BITS);

/// The keys, and what was seen of cookies of late.
#[derive(Clone)]
pub(crate) struct Cookies {
    master: [u8; 16],
    /// What the clock of all who share the key said, and when.
    clock: (Instant, Duration),
    epoch: u64,
    /// When the next one begins.
    turns_at: Instant,
    /// Of this epoch and the one before, by the number's last bit.
    keys: [[u8; 16]; 2],
    /// Cookies that made a connection, likewise.
    spent: [HashTable<u64>; 2],
    /// The last epoch in which one was sent.
    sent_in: Option<u64>,
    /// Others send cookies with this key, too.
    is_shared: bool,
}

impl Cookies {
    /// Cookies that nobody else sends.
    pub(crate) fn new(master: [u8; 16]) -> Self {
        let mut cookies = Self {
            master,
            clock: (Instant::ZERO, Duration::ZERO),
            epoch: 0,
            turns_at: Instant::ZERO,
            keys: [[0; 16]; 2],
            spent: [HashTable::new(), HashTable::new()],
            sent_in: None,
            is_shared: false,
        };
        cookies.make_keys();
        cookies
    }

    /// Goes on with a key that others have, too; `clock` is what theirs says at `now`.
    pub(crate) fn share(&mut self, now: Instant, master: [u8; 16], clock: Duration) {
        *self = Self::new(master);
        self.clock = (now, clock);
        self.is_shared = true;
    }

    /// Whether a cookie may come back: one was sent while it would still be good, or somebody else may have.
    pub(crate) fn are_expected(&mut self, now: Instant) -> bool {
        self.turn(now);
        self.is_shared || self.sent_in.is_some_and(|sent| sent + 1 >= self.epoch)
    }

    /// Whether one was ever sent.
    pub(crate) fn were_sent(&self) -> bool {
        self.sent_in.is_some()
    }

    /// The cookie for a SYN. `clock`: what our timestamp clock says, if the peer has timestamps and we use them.
    pub(crate) fn bake(
        &mut self,
        now: Instant,
        (tuple, irs): (&FourTuple, SeqNumber),
        offer: Offer,
        clock: Option<u32>,
    ) -> Cookie {
        self.turn(now);
        self.sent_in = Some(self.epoch);
        let shift = offer.shift.map_or(NO_SHIFT, u32::from);
        let options = shift << 1 | u32::from(offer.sack);
        let mss = MSS.iter().rposition(|mss| *mss <= offer.mss).unwrap_or(0);
        let low = (mss as u32) << 1 | (self.epoch & 1) as u32;
        let (bits, mask) = match clock {
            Some(_) => (low, BITS_WITH),
            None => (options << 4 | low, BITS_WITHOUT),
        };
        let mac = self.mac(tuple, irs, clock.map(|_| options), bits);
        Cookie {
            iss: SeqNumber(mac & !mask | bits),
            ts_value: clock.map(|clock| mark(clock, options)),
        }
    }

    /// What the cookie that `segment` acknowledges keeps, if it is one of ours and good.
    pub(crate) fn check(&mut self, now: Instant, segment: &Segment<'_>) -> Option<Offer> {
        self.turn(now);
        let iss = (segment.ack - 1).0;
        let echo = segment.options.timestamps.map(|theirs| theirs.echo);
        let mask = if echo.is_some() {
            BITS_WITH
        } else {
            BITS_WITHOUT
        };
        let bits = iss & mask;
        let echoed = echo.map(|echo| echo & TS_BITS);
        let mac = self.mac(&segment.tuple, segment.seq - 1, echoed, bits);
        if (mac ^ iss) & !mask != 0 {
            return None;
        }
        let options = echoed.unwrap_or(bits >> 4);
        let shift = options >> 1;
        Some(Offer {
            mss: MSS[(bits >> 1 & 7) as usize],
            shift: (shift != NO_SHIFT).then_some(shift as u8),
            sack: options & 1 != 0,
        })
    }

    /// Takes a good cookie. Answers whether it is for the first time: a second is an old duplicate, or a replay, and
    /// would revive the connection with its data. `hash`: the tuple's. Of each epoch `limit` are remembered.
    pub(crate) fn spend(&mut self, hash: u64, iss: SeqNumber, limit: usize) -> bool {
        // An odd factor spreads the number over all bits; the tuple's hash is keyed.
        let key = hash ^ u64::from(iss.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let spent = &mut self.spent[(iss.0 & 1) as usize];
        if spent.find(key, |other| *other == key).is_some() {
            return false;
        }
        if spent.len() < limit {
            spent.insert_unique(key, key, |key| *key);
        }
        true
    }

    /// 32 bits of the MAC. `options`: those that the timestamp carries, if there is one.
    fn mac(&self, tuple: &FourTuple, irs: SeqNumber, options: Option<u32>, bits: u32) -> u32 {
        // The tag keeps the two kinds of cookies apart.
        let said = options.map_or(0, |options| options << 16 | 1 << 31) | bits;
        let (name, length) = tuple.hashed_bytes();
        let mut bytes = [0; 44];
        bytes[..4].copy_from_slice(&irs.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&said.to_be_bytes());
        bytes[8..].copy_from_slice(&name);
        let hasher = SipHasher13::new_with_key(&self.keys[(bits & 1) as usize]);
        hasher.hash(&bytes[..8 + length]) as u32
    }

    /// Lets time pass: an epoch may begin.
    fn turn(&mut self, now: Instant) {
        if now < self.turns_at {
            return;
        }
        let (then, clock) = self.clock;
        let elapsed = clock + (now - then);
        let epoch = elapsed.as_secs() >> EPOCH_BITS;
        let next = Duration::from_secs((epoch + 1) << EPOCH_BITS);
        self.turns_at = now + (next - elapsed);
        if epoch == self.epoch {
            return;
        }
        if epoch > self.epoch + 1 {
            self.spent[(epoch & 1) as usize ^ 1].clear();
        }
        self.spent[(epoch & 1) as usize].clear();
        self.epoch = epoch;
        self.make_keys();
    }

    fn make_keys(&mut self) {
        for epoch in [self.epoch.wrapping_sub(1), self.epoch] {
            let half = |half: u8| {
                let mut hasher = SipHasher13::new_with_key(&self.master);
                hasher.write_u64(epoch);
                hasher.write_u8(half);
                hasher.finish().to_le_bytes()
            };
            let mut key = [0; 16];
            key[..8].copy_from_slice(&half(0));
            key[8..].copy_from_slice(&half(1));
            self.keys[(epoch & 1) as usize] = key;
        }
    }
}

/// A TSval not later than `clock` whose low bits are `options`.
fn mark(clock: u32, options: u32) -> u32 {
    let value = clock & !TS_BITS | options;
    if value.wrapping_sub(clock) as i32 > 0 {
        value.wrapping_sub(TS_BITS + 1)
    } else {
        value
    }
}

/// What decides whether a cookie is taken, but for the keys.
impl core::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let sum = |spent: &HashTable<u64>| spent.iter().fold(0, |sum, key| sum ^ key);
        let [even, odd] = &self.spent;
        write!(
            f,
            "Cookies {:?} {:x} {:x}",
            self.sent_in,
            sum(even),
            sum(odd)
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::context::bare_segment;
    use crate::{Flags, Timestamps};

    fn tuple(port: u16) -> FourTuple {
        FourTuple::new(([198, 18, 0, 1], 80).into(), ([198, 18, 0, 2], port).into())
    }

    /// The ACK of a peer that got the SYN,ACK.
    fn ack_of(tuple: FourTuple, irs: SeqNumber, cookie: Cookie) -> Segment<'static> {
        let mut ack = bare_segment(tuple, irs + 1, cookie.iss + 1, Flags::ACK);
        ack.options.timestamps = cookie.ts_value.map(|echo| Timestamps { value: 7, echo });
        ack
    }

    const OFFER: Offer = Offer {
        mss: 1460,
        shift: Some(7),
        sack: true,
    };
    const NOW: Instant = Instant::from_millis(1_000_000);

    proptest! {
        #[test]
        fn everything_survives_but_the_mss_beyond_its_table(
            (irs, port, clock) in any::<(u32, u16, Option<u32>)>(),
            (mss, shift, sack) in (48_u16.., prop::option::of(0_u8..=14), any::<bool>()),
            later in 0_u64..128,
        ) {
            let mut cookies = Cookies::new([9; 16]);
            let (tuple, irs) = (tuple(port), SeqNumber(irs));
            let now = Instant::from_millis(0);
            let offer = Offer { mss, shift, sack };
            let cookie = cookies.bake(now, (&tuple, irs), offer, clock);
            prop_assert_eq!(cookie.ts_value.is_some(), clock.is_some());
            if let (Some(clock), Some(value)) = (clock, cookie.ts_value) {
                prop_assert!(clock.wrapping_sub(value) <= 31, "never ahead of the clock");
            }
            let then = now + Duration::from_secs(later);
            let kept = cookies.check(then, &ack_of(tuple, irs, cookie)).expect("it is good");
            prop_assert_eq!((kept.shift, kept.sack), (shift, sack));
            prop_assert!(kept.mss <= mss);
            let next = MSS.iter().find(|next| **next > kept.mss);
            prop_assert!(next.is_none_or(|next| *next > mss), "the largest not above");
        }

        #[test]
        fn any_other_ack_is_none(
            (clock, flip, place) in (any::<Option<u32>>(), 0_u32..32, 0_u8..4),
        ) {
            let mut cookies = Cookies::new([9; 16]);
            let irs = SeqNumber(77);
            let cookie = cookies.bake(NOW, (&tuple(1), irs), OFFER, clock);
            let mut ack = ack_of(tuple(1), irs, cookie);
            match (place, &mut ack.options.timestamps) {
                (0, _) => ack.ack = SeqNumber((ack.ack - 1).0 ^ 1 << flip) + 1,
                (1, _) => ack.seq = SeqNumber(ack.seq.0 ^ 1 << flip),
                (2, _) => ack.tuple = tuple(2),
                (_, Some(theirs)) => theirs.echo ^= 1 << (flip % 5),
                (_, none) => *none = Some(Timestamps { value: 1, echo: flip }),
            }
            prop_assert_eq!(cookies.check(NOW, &ack), None);
        }
    }

    #[test]
    fn a_cookie_is_good_for_one_epoch_more_and_expected_as_long() {
        let mut cookies = Cookies::new([9; 16]);
        assert!(!cookies.are_expected(NOW));
        let irs = SeqNumber(77);
        let ack = ack_of(
            tuple(1),
            irs,
            cookies.bake(NOW, (&tuple(1), irs), OFFER, None),
        );
        // 1000 s is 40 s into an epoch of 64 s.
        let last = NOW + Duration::from_secs(64 + 23);
        assert!(cookies.are_expected(last));
        assert_eq!(cookies.check(last, &ack), Some(OFFER));
        let end = last + Duration::from_secs(1);
        assert_eq!(cookies.check(end, &ack), None);
        assert!(!cookies.are_expected(end));
    }

    #[test]
    fn a_cookie_is_spent_once_and_memory_of_it_is_bounded() {
        let mut cookies = Cookies::new([9; 16]);
        let iss = SeqNumber(0x1234_5678);
        assert!(cookies.spend(5, iss, 1) && !cookies.spend(5, iss, 1));
        assert!(cookies.spend(6, iss, 1), "another connection's");
        assert!(cookies.spend(6, iss, 1), "no room to remember it");
        cookies.turn(Instant::from_millis(128_000));
        assert!(cookies.spent.iter().all(HashTable::is_empty));
    }

    #[test]
    fn who_shares_the_key_and_the_clock_takes_the_cookie() {
        let (mut one, mut other) = (Cookies::new([1; 16]), Cookies::new([2; 16]));
        let since_1970 = Duration::from_secs(1_800_000_000);
        let late = Instant::from_millis(50);
        one.share(NOW, [3; 16], since_1970);
        other.share(late, [3; 16], since_1970);
        let irs = SeqNumber(77);
        let ack = ack_of(
            tuple(1),
            irs,
            one.bake(NOW, (&tuple(1), irs), OFFER, Some(99)),
        );
        assert!(other.are_expected(late));
        assert_eq!(other.check(late, &ack), Some(OFFER));
        other.share(late, [4; 16], since_1970);
        assert_eq!(other.check(late, &ack), None);
    }

    /// With timestamps 28 of 32 bits are the MAC's, without 23: of so many guesses, the expected number hit.
    #[test]
    fn guesses_hit_as_rarely_as_promised() {
        let mut cookies = Cookies::new([9; 16]);
        let mut hits = 0;
        for guess in 0..1_u32 << 20 {
            let iss = guess.wrapping_mul(0x9e37_79b9);
            let ack = bare_segment(tuple(1), SeqNumber(1), SeqNumber(iss) + 1, Flags::ACK);
            hits += u32::from(cookies.check(NOW, &ack).is_some());
        }
        assert!(hits <= 3, "{hits} in 2^20, where 2^23 should make one");
    }
}
