//! What a bad link does, and how often it has done it.

use std::time::Duration;

/// How bad a link is, in one direction. The default does nothing.
///
/// Probabilities go from 0 to 1. A packet meets them in the order loss, corruption, duplication; then its copies wait
/// for the link ([`rate`](Self::rate)), travel ([`delay`](Self::delay)), and may be held back at its end
/// ([`reorder`](Self::reorder)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// The probability that a packet is lost.
    pub loss: f64,
    /// The probability that a packet arrives twice.
    pub duplicate: f64,
    /// The probability that a packet is held back until one to three later ones have passed, or 10 ms.
    /// While three are held back, no other is.
    pub reorder: f64,
    /// The probability that one random bit of a packet is inverted.
    pub corrupt: f64,
    /// How long a packet travels.
    pub delay: Duration,
    /// A packet travels up to this much longer, at random; so packets overtake each other.
    pub jitter: Duration,
    /// Bits of IP packets the link carries in a second. `None`: any number.
    pub rate: Option<u64>,
    /// Packets that a link with a `rate` holds until it has sent them; it drops what arrives beyond.
    pub queue: usize,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue: 1000,
        }
    }
}

impl Impairment {
    /// Whether the values make sense.
    ///
    /// # Errors
    /// The first that does not.
    pub fn validate(&self) -> Result<(), ImpairmentError> {
        let probabilities = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
        ];
        for (name, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                return Err(ImpairmentError::Probability { name, value });
            }
        }
        if self.rate == Some(0) {
            return Err(ImpairmentError::ZeroRate);
        }
        if self.rate.is_some() && self.queue == 0 {
            return Err(ImpairmentError::ZeroQueue);
        }
        Ok(())
    }
}

/// Why an [`Impairment`] makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ImpairmentError {
    /// A probability is not one.
    #[error("{name} is a probability, from 0 to 1, and not {value}")]
    Probability {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// A link that carries nothing.
    #[error("a rate of zero carries nothing: lose everything instead, or leave the rate out")]
    ZeroRate,
    /// A link with a rate but no place for the packet being sent.
    #[error("a link with a rate needs a queue of at least one packet")]
    ZeroQueue,
}

/// What was done to the packets of one direction. Copies count on their own from where they are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came to the link.
    pub entered: u64,
    /// Packets and copies that left it, in whatever condition.
    pub left: u64,
    /// Packets dropped by the filter.
    pub filtered: u64,
    /// Packets lost by chance.
    pub lost: u64,
    /// Packets doubled.
    pub duplicated: u64,
    /// Packets held back.
    pub reordered: u64,
    /// Packets with an inverted bit.
    pub corrupted: u64,
    /// Packets dropped because the link's queue was full.
    pub overflowed: u64,
}
