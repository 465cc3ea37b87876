//! Congestion control behind one trait.
//!
//! A controller decides how much may be in flight and nothing else. When a segment is lost, what to
//! retransmit, and by how much duplicate acknowledgments inflate the window during recovery
//! (RFC 5681 §3.2) are the connection's to decide; it tells the controller what happened. All
//! windows are in bytes.

mod cubic;
mod new_reno;
mod window;

use core::fmt::Debug;
use core::time::Duration;

pub(crate) use cubic::Cubic;
pub(crate) use new_reno::NewReno;

use crate::Instant;

/// Which congestion control a connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// CUBIC (RFC 9438): fast on long paths, fair to Reno on short ones.
    #[default]
    Cubic,
    /// The algorithms of RFC 5681 with NewReno's recovery (RFC 6582).
    NewReno,
}

/// What a connection tells its congestion control, and asks it.
pub trait CongestionControl: Debug {
    /// cwnd: how many bytes may be in flight.
    fn window(&self) -> u32;

    /// ssthresh: below it the window grows by slow start.
    fn ssthresh(&self) -> u32;

    /// The sender maximum segment size is now `mss`: learned from the handshake or the path.
    fn set_mss(&mut self, mss: u32);

    /// `acked` bytes were acknowledged for the first time, outside of recovery. Unless the sender
    /// was `window_limited`, the window has not been tried and does not grow (RFC 7661 §4.3).
    fn on_ack(&mut self, now: Instant, acked: u32, srtt: Option<Duration>, window_limited: bool);

    /// Fast recovery begins, or the path says that it is congested, with `flight` bytes in flight:
    /// cwnd and ssthresh shrink (RFC 5681 §3.2).
    fn on_congestion(&mut self, now: Instant, flight: u32);

    /// Fast recovery is over: cwnd does not allow a burst (RFC 6582 §3.2 step 3).
    fn on_recovered(&mut self, now: Instant, flight: u32);

    /// The retransmission timer expired: cwnd is one segment. `first` says that it had not already
    /// expired for the same segment; only then does ssthresh shrink (RFC 5681 §3.1).
    fn on_timeout(&mut self, now: Instant, flight: u32, first: bool);

    /// Nothing was sent for longer than the retransmission timeout: cwnd is at most
    /// `restart_window` (RFC 5681 §4.1).
    fn on_idle(&mut self, restart_window: u32);
}

/// The congestion control of one connection.
#[derive(Clone, Debug)]
pub(crate) enum Congestion {
    Cubic(Cubic),
    NewReno(NewReno),
}

const _: () = assert!(size_of::<Congestion>() == 32);

impl Congestion {
    /// Bytes on the heap.
    pub(crate) fn bytes_held(&self) -> usize {
        match self {
            Self::Cubic(cubic) => cubic.bytes_held(),
            Self::NewReno(_) => 0,
        }
    }
}

impl Congestion {
    /// `algorithm` with an initial window of `initial` segments of `mss`.
    pub(crate) fn new(algorithm: Algorithm, mss: u32, initial: u8) -> Self {
        match algorithm {
            Algorithm::Cubic => Self::Cubic(Cubic::new(mss, initial)),
            Algorithm::NewReno => Self::NewReno(NewReno::new(mss, initial)),
        }
    }
}

/// IW, the initial window (RFC 6928 §2): ten segments, but of large ones no more than fit in 14,600
/// bytes, or two. Another number of segments is bounded likewise. It is also the restart window after an
/// idle period (RFC 5681 §4.1).
pub(crate) fn initial_window(mss: u32, segments: u8) -> u32 {
    let segments = u32::from(segments.max(1));
    (segments * mss).min((segments.min(2) * mss).max(segments * 1460))
}

macro_rules! chosen {
    ($congestion:expr, $control:ident => $call:expr) => {
        match $congestion {
            Congestion::Cubic($control) => $call,
            Congestion::NewReno($control) => $call,
        }
    };
}

impl CongestionControl for Congestion {
    fn window(&self) -> u32 {
        chosen!(self, control => control.window())
    }

    fn ssthresh(&self) -> u32 {
        chosen!(self, control => control.ssthresh())
    }

    fn set_mss(&mut self, mss: u32) {
        chosen!(self, control => control.set_mss(mss));
    }

    fn on_ack(&mut self, now: Instant, acked: u32, srtt: Option<Duration>, window_limited: bool) {
        chosen!(self, control => control.on_ack(now, acked, srtt, window_limited));
    }

    fn on_congestion(&mut self, now: Instant, flight: u32) {
        chosen!(self, control => control.on_congestion(now, flight));
    }

    fn on_recovered(&mut self, now: Instant, flight: u32) {
        chosen!(self, control => control.on_recovered(now, flight));
    }

    fn on_timeout(&mut self, now: Instant, flight: u32, first: bool) {
        chosen!(self, control => control.on_timeout(now, flight, first));
    }

    fn on_idle(&mut self, restart_window: u32) {
        chosen!(self, control => control.on_idle(restart_window));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MSS: u32 = 1460;
    const RTT: Option<Duration> = Some(Duration::from_millis(100));

    fn both() -> [Congestion; 2] {
        [Algorithm::Cubic, Algorithm::NewReno].map(|it| Congestion::new(it, MSS, 10))
    }

    #[test]
    fn the_initial_window_is_that_of_rfc_6928() {
        assert_eq!(initial_window(536, 10), 5360);
        assert_eq!(initial_window(1460, 10), 14_600);
        assert_eq!(initial_window(4000, 10), 14_600);
        assert_eq!(initial_window(9000, 10), 18_000);
        assert_eq!(initial_window(65_535, 10), 131_070);
    }

    #[test]
    fn another_number_of_segments_is_bounded_likewise() {
        assert_eq!(initial_window(1460, 4), 5840);
        assert_eq!(initial_window(9000, 4), 18_000);
        assert_eq!(initial_window(9000, 1), 9000);
        assert_eq!(initial_window(9000, 0), 9000);
        assert_eq!(initial_window(536, 255), 255 * 536);
    }

    #[test]
    fn slow_start_doubles_the_window_each_round_trip() {
        for mut control in both() {
            for doublings in 0..6 {
                assert_eq!(control.window(), (10 * MSS) << doublings);
                for _ in 0..control.window() / MSS {
                    control.on_ack(Instant::ZERO, MSS, RTT, true);
                }
            }
        }
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        for mut control in both() {
            control.on_ack(Instant::ZERO, 5 * MSS, RTT, false);
            assert_eq!(control.window(), 10 * MSS);
            control.on_congestion(Instant::ZERO, 10 * MSS);
            let window = control.window();
            for second in 0..1000 {
                control.on_ack(Instant::from_millis(second * 1000), window, RTT, false);
            }
            assert_eq!(control.window(), window);
        }
    }

    #[test]
    fn a_timeout_leaves_one_segment_and_only_the_first_shrinks_ssthresh() {
        for mut control in both() {
            control.on_timeout(Instant::ZERO, 100 * MSS, true);
            let ssthresh = control.ssthresh();
            assert!((50 * MSS..=70 * MSS).contains(&ssthresh));
            control.on_timeout(Instant::ZERO, MSS, false);
            assert_eq!((control.window(), control.ssthresh()), (MSS, ssthresh));
            control.on_timeout(Instant::ZERO, MSS, true);
            assert_eq!((control.window(), control.ssthresh()), (MSS, 2 * MSS));
        }
    }

    #[test]
    fn an_idle_connection_starts_again_with_the_restart_window() {
        for mut control in both() {
            control.on_ack(Instant::ZERO, 8 * MSS, RTT, true);
            control.on_idle(initial_window(MSS, 10));
            assert_eq!(control.window(), 10 * MSS);
            control.on_timeout(Instant::ZERO, MSS, true);
            control.on_idle(initial_window(MSS, 10));
            assert_eq!(control.window(), MSS);
        }
    }

    #[test]
    fn leaving_recovery_does_not_allow_a_burst() {
        for mut control in both() {
            control.on_congestion(Instant::ZERO, 100 * MSS);
            let ssthresh = control.ssthresh();
            control.on_recovered(Instant::ZERO, 90 * MSS);
            assert_eq!(control.window(), ssthresh);
            control.on_recovered(Instant::ZERO, 3 * MSS);
            assert_eq!(control.window(), 4 * MSS);
            control.on_recovered(Instant::ZERO, 0);
            assert_eq!(control.window(), 2 * MSS);
            assert_eq!(control.ssthresh(), ssthresh);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Acks(u32, u64, bool),
        Congestion(u32),
        Recovered(u32),
        Timeout(u32, bool),
        Idle,
        Mss(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        let bytes = || prop_oneof![0..100_000u32, 0..1u32 << 30, Just(u32::MAX)];
        let ahead = prop_oneof![0..1000u64, 0..36_000_000u64, Just(u64::MAX)];
        prop_oneof![
            8 => (bytes(), ahead, any::<bool>()).prop_map(|(b, t, l)| Step::Acks(b, t, l)),
            1 => bytes().prop_map(Step::Congestion),
            1 => bytes().prop_map(Step::Recovered),
            1 => (bytes(), any::<bool>()).prop_map(|(b, first)| Step::Timeout(b, first)),
            1 => Just(Step::Idle),
            1 => (1..65_536u32).prop_map(Step::Mss),
        ]
    }

    proptest! {
        #[test]
        fn windows_stay_between_a_segment_and_a_gibibyte(
            steps in prop::collection::vec(step(), 0..100),
        ) {
            for mut control in both() {
                let (mut mss, mut now) = (MSS, Instant::ZERO);
                for step in steps.clone() {
                    match step {
                        Step::Acks(acked, ahead, limited) => {
                            now += Duration::from_millis(ahead);
                            let before = control.window();
                            control.on_ack(now, acked, RTT, limited);
                            prop_assert!(control.window() >= before);
                        }
                        Step::Congestion(flight) => {
                            control.on_congestion(now, flight);
                            prop_assert!(control.window() >= 2 * mss);
                            prop_assert_eq!(control.window(), control.ssthresh());
                        }
                        Step::Recovered(flight) => control.on_recovered(now, flight),
                        Step::Timeout(flight, first) => {
                            control.on_timeout(now, flight, first);
                            prop_assert_eq!(control.window(), mss);
                        }
                        Step::Idle => control.on_idle(initial_window(mss, 10)),
                        Step::Mss(new) => {
                            mss = new;
                            control.set_mss(mss);
                        }
                    }
                    prop_assert!((mss..=1 << 30).contains(&control.window()));
                }
            }
        }
    }
}
