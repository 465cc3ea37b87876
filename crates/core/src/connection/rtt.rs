//! The retransmission timeout (RFC 6298).
//!
//! Which segments may be timed (Karn's algorithm, §3) is the caller's to know: it hands over
//! samples, from timestamps or from segments sent once.

use core::time::Duration;

use crate::config::RtoBounds;

/// G, the clock granularity, in microseconds.
const GRANULARITY: u32 = 1_000;
/// The longest sample kept, in microseconds; SRTT is held in eighths of one.
const LONGEST_SAMPLE: u32 = u32::MAX >> 4;
/// The timeout to start data with when the SYN's timer had expired (RFC 6298 §5.7).
const AFTER_SYN_TIMEOUT: u32 = 3_000_000;

/// The round-trip time of a connection, and the timeout that follows from it. In microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Rtt {
    /// SRTT in eighths, so that the filter loses no fraction; zero before the first sample.
    srtt_eighths: u32,
    /// RTTVAR in quarters.
    rttvar_quarters: u32,
    min_rtt: u32,
    latest: u32,
    /// RTO before back-off.
    rto: u32,
    min_rto: u32,
    max_rto: u32,
    /// How often RTO is doubled.
    doublings: u8,
    /// The least RTO is to be kept above SRTT.
    min_above_rtt: bool,
}

const _: () = assert!(size_of::<Rtt>() == 32);

impl Rtt {
    /// Before any sample.
    pub(crate) fn new(bounds: RtoBounds) -> Self {
        let max_rto = micros(bounds.max).max(1);
        let min_rto = micros(bounds.min).clamp(1, max_rto);
        Self {
            srtt_eighths: 0,
            rttvar_quarters: 0,
            min_rtt: 0,
            latest: 0,
            rto: micros(bounds.initial).clamp(min_rto, max_rto),
            min_rto,
            max_rto,
            doublings: 0,
            min_above_rtt: bounds.min_above_rtt,
        }
    }

    /// Takes a measurement, which also ends any back-off (RFC 6298 §2.2, §2.3, §5).
    pub(crate) fn sample(&mut self, rtt: Duration) {
        let rtt = micros(rtt).clamp(1, LONGEST_SAMPLE);
        if self.srtt_eighths == 0 {
            self.first_sample(rtt);
        } else {
            self.next_sample(rtt);
        }
        self.latest = rtt;
        // §2.3: RTO <- SRTT + max (G, K*RTTVAR), where K = 4.
        let granularity = if self.min_above_rtt {
            self.min_rto
        } else {
            GRANULARITY
        };
        let rto = self.srtt_eighths / 8 + self.rttvar_quarters.max(granularity);
        self.rto = rto.clamp(self.min_rto, self.max_rto);
        self.doublings = 0;
    }

    /// The timeout for what is sent now.
    pub(crate) fn rto(&self) -> Duration {
        let backed_off = u64::from(self.rto) << self.doublings;
        Duration::from_micros(backed_off.min(u64::from(self.max_rto)))
    }

    /// The timer expired: RTO <- RTO * 2 (RFC 6298 §5.5).
    pub(crate) fn back_off(&mut self) {
        self.doublings = (self.doublings + 1).min(31);
    }

    /// The path is alive after all: RTO is as last measured.
    pub(crate) fn reset_back_off(&mut self) {
        self.doublings = 0;
    }

    /// The handshake is over and the SYN's timer had expired: RTO is 3 s until the next sample
    /// (RFC 6298 §5.7).
    pub(crate) fn syn_was_retransmitted(&mut self) {
        self.rto = self.rto.max(AFTER_SYN_TIMEOUT).min(self.max_rto);
        self.doublings = 0;
    }

    /// How often it is doubled.
    pub(crate) fn doublings(&self) -> u8 {
        self.doublings
    }

    /// SRTT, after the first sample.
    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.measured(self.srtt_eighths / 8)
    }

    /// RTTVAR, after the first sample.
    pub(crate) fn rttvar(&self) -> Option<Duration> {
        self.measured(self.rttvar_quarters / 4)
    }

    /// The shortest sample.
    pub(crate) fn min_rtt(&self) -> Option<Duration> {
        self.measured(self.min_rtt)
    }

    /// The latest sample.
    pub(crate) fn latest(&self) -> Option<Duration> {
        self.measured(self.latest)
    }

    fn measured(&self, micros: u32) -> Option<Duration> {
        (self.srtt_eighths != 0).then(|| Duration::from_micros(micros.into()))
    }

    /// §2.2: SRTT <- R, RTTVAR <- R/2.
    fn first_sample(&mut self, rtt: u32) {
        self.srtt_eighths = rtt * 8;
        self.rttvar_quarters = rtt * 2;
        self.min_rtt = rtt;
    }

    /// §2.3: first RTTVAR, by a quarter of |SRTT - R'|, then SRTT, by an eighth of R'.
    fn next_sample(&mut self, rtt: u32) {
        let error = (self.srtt_eighths / 8).abs_diff(rtt);
        self.rttvar_quarters = self.rttvar_quarters - self.rttvar_quarters / 4 + error;
        self.srtt_eighths = self.srtt_eighths - self.srtt_eighths / 8 + rtt;
        self.min_rtt = self.min_rtt.min(rtt);
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn rtt() -> Rtt {
        Rtt::new(RtoBounds::default())
    }

    #[test]
    fn nothing_is_known_before_the_first_sample() {
        let rtt = rtt();
        assert_eq!(rtt.rto(), ms(1000));
        assert_eq!((rtt.srtt(), rtt.rttvar()), (None, None));
        assert_eq!((rtt.min_rtt(), rtt.latest()), (None, None));
    }

    #[test]
    fn samples_are_smoothed_as_rfc_6298_says() {
        let mut rtt = rtt();
        rtt.sample(ms(400));
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Some(ms(400)), Some(ms(200))));
        assert_eq!(rtt.rto(), ms(400 + 4 * 200));
        rtt.sample(ms(480));
        // RTTVAR = 3/4 * 200 + 1/4 * |400 - 480|, SRTT = 7/8 * 400 + 1/8 * 480.
        assert_eq!((rtt.srtt(), rtt.rttvar()), (Some(ms(410)), Some(ms(170))));
        assert_eq!(rtt.rto(), ms(410 + 4 * 170));
        assert_eq!(
            (rtt.min_rtt(), rtt.latest()),
            (Some(ms(400)), Some(ms(480)))
        );
    }

    #[test]
    fn a_steady_path_ends_at_the_bounds() {
        let mut rtt = rtt();
        for _ in 0..100 {
            rtt.sample(ms(10));
        }
        assert_eq!(rtt.srtt(), Some(ms(10)));
        assert_eq!(rtt.rto(), ms(200));
        for _ in 0..200 {
            rtt.sample(ms(300));
        }
        assert!(rtt.rto() >= ms(301) && rtt.rto() < ms(302), "{rtt:?}");
    }

    #[test]
    fn absurd_samples_do_not_overflow() {
        let mut rtt = rtt();
        for sample in [Duration::MAX, Duration::ZERO, Duration::MAX] {
            for _ in 0..100 {
                rtt.sample(sample);
                assert!(rtt.srtt().is_some());
                assert!((ms(200)..=ms(120_000)).contains(&rtt.rto()));
            }
        }
        assert_eq!(rtt.min_rtt(), Some(Duration::from_micros(1)));
    }

    #[test]
    fn the_timeout_doubles_up_to_its_bound() {
        let mut rtt = rtt();
        for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
            assert_eq!(rtt.rto(), ms(seconds * 1000));
            rtt.back_off();
        }
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), ms(120_000));
        rtt.reset_back_off();
        assert_eq!(rtt.rto(), ms(1000));
    }

    #[test]
    fn a_sample_ends_the_back_off() {
        let mut rtt = rtt();
        rtt.back_off();
        rtt.sample(ms(20));
        assert_eq!(rtt.rto(), ms(200));
    }

    #[test]
    fn the_least_may_be_kept_above_the_round_trip() {
        let bounds = RtoBounds {
            min_above_rtt: true,
            ..RtoBounds::default()
        };
        let mut rtt = Rtt::new(bounds);
        rtt.sample(ms(10));
        assert_eq!(rtt.rto(), ms(210));
        let mut rtt = Rtt::new(bounds);
        rtt.sample(ms(1000));
        assert_eq!(rtt.rto(), ms(3000));
        let mut rtt = Rtt::new(RtoBounds::default());
        rtt.sample(ms(10));
        assert_eq!(rtt.rto(), ms(200));
    }

    #[test]
    fn a_lost_syn_makes_data_start_cautiously() {
        let mut rtt = rtt();
        rtt.back_off();
        rtt.syn_was_retransmitted();
        assert_eq!(rtt.rto(), ms(3000));
        rtt.sample(ms(100));
        assert_eq!(rtt.rto(), ms(300));

        let short = RtoBounds {
            max: ms(2000),
            ..RtoBounds::default()
        };
        let mut rtt = Rtt::new(short);
        rtt.syn_was_retransmitted();
        assert_eq!(rtt.rto(), ms(2000));
    }
}
