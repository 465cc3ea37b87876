//! The stack's randomness, handed over once. Same secrets, same clock, same packets: same answers.

use core::hash::Hasher;
use core::num::NonZeroU32;

use siphasher::sip::SipHasher13;

use crate::{FourTuple, Instant, SeqNumber};

/// Keys for everything an attacker must not predict. From the operating system in production, from a
/// seed in a simulation.
#[derive(Clone)]
pub struct Secrets {
    /// Keys the connection table, so that nobody can aim at one bucket.
    pub hash: [u8; 16],
    /// Keys initial sequence numbers (RFC 6528).
    pub isn: [u8; 16],
    /// Keys the timestamp offset of each connection (RFC 7323 §7.1).
    pub timestamp: [u8; 16],
    /// Keys the choice of ephemeral ports (RFC 6056).
    pub port: [u8; 16],
    /// Keys SYN cookies (RFC 4987 §3.6), as long as no shared key is loaded.
    pub cookie: [u8; 16],
}

impl Secrets {
    /// Secrets that follow from `seed`: for simulations and tests only.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let key = |purpose: u8| {
            let mut hasher = SipHasher13::new_with_keys(seed, u64::from(purpose));
            hasher.write_u8(purpose);
            let low = hasher.finish();
            hasher.write_u8(purpose);
            let mut key = [0; 16];
            key[..8].copy_from_slice(&low.to_le_bytes());
            key[8..].copy_from_slice(&hasher.finish().to_le_bytes());
            key
        };
        Self {
            hash: key(1),
            isn: key(2),
            timestamp: key(3),
            port: key(4),
            cookie: key(5),
        }
    }

    /// The key of the connection table.
    pub(crate) fn table_hash(&self, tuple: &FourTuple) -> u64 {
        keyed(&self.hash, tuple)
    }

    /// ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a 4 µs clock (RFC 6528 §3).
    pub(crate) fn initial_sequence_number(&self, tuple: &FourTuple, now: Instant) -> SeqNumber {
        let m = (now.as_nanos() / 4_000) as u32;
        SeqNumber(m.wrapping_add(keyed(&self.isn, tuple) as u32))
    }

    /// TSval: a millisecond clock with an offset of the connection's own (RFC 7323 §5.4, §7.1).
    pub(crate) fn timestamp(&self, tuple: &FourTuple, now: Instant) -> u32 {
        let offset = self.timestamp_offset(tuple).get();
        offset.wrapping_add(now.as_millis() as u32)
    }

    /// What [`timestamp`](Self::timestamp) adds to the clock for this connection.
    pub(crate) fn timestamp_offset(&self, tuple: &FourTuple) -> NonZeroU32 {
        let hash = keyed(&self.timestamp, tuple) as u32;
        NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN)
    }

    /// Where the search for an ephemeral port begins, and which counter it uses (RFC 6056 §3.3.4).
    pub(crate) fn port_hashes(&self, portless: &FourTuple) -> (u32, u32) {
        let hash = keyed(&self.port, portless);
        (hash as u32, (hash >> 32) as u32)
    }
}

impl core::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

fn keyed(key: &[u8; 16], tuple: &FourTuple) -> u64 {
    let hasher = SipHasher13::new_with_key(key);
    let (bytes, length) = tuple.hashed_bytes();
    hasher.hash(&bytes[..length])
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn tuple(port: u16) -> FourTuple {
        FourTuple::new(([198, 18, 0, 1], 80).into(), ([198, 18, 0, 2], port).into())
    }

    #[test]
    fn sequence_numbers_grow_with_time_and_differ_by_connection() {
        let secrets = Secrets::from_seed(7);
        let now = Instant::from_millis(1000);
        let first = secrets.initial_sequence_number(&tuple(1), now);
        let later = secrets.initial_sequence_number(&tuple(1), now + Duration::from_millis(4));
        assert_eq!(later - first, 1000, "250,000 a second");
        assert_ne!(first, secrets.initial_sequence_number(&tuple(2), now));
        let other = Secrets::from_seed(8);
        assert_ne!(first, other.initial_sequence_number(&tuple(1), now));
    }
}
