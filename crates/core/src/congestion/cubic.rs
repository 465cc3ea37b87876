//! CUBIC (RFC 9438, which replaces RFC 8312), in integers.
//!
//! Windows are in bytes and times in milliseconds: C, 0.4 segments/s³, is `4 * SMSS / 10^10`
//! bytes/ms³. Not here: HyStart++ (RFC 9406), and undoing a reduction found to be spurious
//! (RFC 9438 §4.9).

use alloc::boxed::Box;
use core::time::Duration;

use super::CongestionControl;
use super::window::{LARGEST, Window};
use crate::Instant;

/// The furthest from K that the curve is followed, in milliseconds: almost nine minutes, so that
/// its cube fits. By then it has left any real window far behind.
const HORIZON: u64 = 1 << 19;

/// Grows along a cubic of the time since the last reduction, flat around the window it happened at.
#[derive(Clone, Debug)]
pub(crate) struct Cubic {
    window: Window,
    /// W_max: the plateau; zero if the next one is where congestion avoidance begins.
    w_max: u32,
    /// cwnd before the last reduction.
    cwnd_prior: u32,
    /// Only once a loss or the path's capacity has ended slow start.
    epoch: Option<Box<Epoch>>,
}

/// A stage of congestion avoidance.
#[derive(Clone, Debug)]
struct Epoch {
    /// t: how long the window has been tried in this stage (RFC 9438 §4.2 leaves out the rest).
    elapsed: Duration,
    /// The last acknowledgment, and whether the window was tried then.
    latest: Instant,
    was_limited: bool,
    /// K, in milliseconds: when the curve reaches `w_max`.
    k: u32,
    w_max: u32,
    /// W_est: the window Reno would have.
    w_est: u32,
    /// What `w_est` is owed, in bytes times 17 times cwnd.
    est_owed: u64,
    /// What cwnd is owed, in bytes times cwnd.
    owed: u64,
}

impl Cubic {
    /// With an initial window of `initial` segments of `mss`.
    pub(crate) fn new(mss: u32, initial: u8) -> Self {
        Self {
            window: Window::new(mss, initial),
            w_max: 0,
            cwnd_prior: 0,
            epoch: None,
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes_held(&self) -> usize {
        self.epoch.as_ref().map_or(0, |_| size_of::<Epoch>())
    }

    /// A window made smaller from outside begins a new stage, where the curve meets it.
    fn change(&mut self, change: impl FnOnce(&mut Window)) {
        let before = self.window.cwnd;
        change(&mut self.window);
        if self.window.cwnd < before {
            self.epoch = None;
        }
    }

    /// ssthresh = FlightSize * beta_cubic (RFC 9438 §4.6).
    fn reduce_ssthresh(&mut self, flight: u32) {
        self.cwnd_prior = self.window.cwnd;
        self.window.reduce_ssthresh(scale(flight, 7, 10));
        self.epoch = None;
    }

    fn avoid_congestion(&mut self, now: Instant, acked: u32, srtt: Duration) {
        let (cwnd, mss) = (self.window.cwnd, self.window.mss());
        let w_max = self.w_max;
        let epoch = self
            .epoch
            .get_or_insert_with(|| Box::new(Epoch::new(now, cwnd, w_max, mss)));
        let acked = acked.min(cwnd);
        epoch.advance_reno(acked, cwnd, mss, self.cwnd_prior);
        let bytes = if epoch.w_cubic(Duration::ZERO, mss) < epoch.w_est {
            // §4.3: "cwnd SHOULD be set to W_est at each reception of an ACK."
            epoch.w_est.saturating_sub(cwnd)
        } else {
            epoch.advance_cubic(acked, cwnd, epoch.w_cubic(srtt, mss))
        };
        self.window.grow(bytes);
    }
}

impl CongestionControl for Cubic {
    fn window(&self) -> u32 {
        self.window.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.window.ssthresh
    }

    fn set_mss(&mut self, mss: u32) {
        self.change(|window| window.set_mss(mss));
    }

    fn on_ack(&mut self, now: Instant, acked: u32, srtt: Option<Duration>, window_limited: bool) {
        if let Some(epoch) = &mut self.epoch {
            epoch.pass(now, window_limited);
        }
        if !window_limited {
            return;
        }
        let beyond = self.window.slow_start(acked);
        if beyond > 0 {
            self.avoid_congestion(now, beyond, srtt.unwrap_or_default());
        }
    }

    fn on_congestion(&mut self, _: Instant, flight: u32) {
        let cwnd = self.window.cwnd;
        // §4.7, fast convergence: a window below the last plateau makes room for newcomers.
        self.w_max = if cwnd < self.w_max {
            scale(cwnd, 17, 20)
        } else {
            cwnd
        };
        self.reduce_ssthresh(flight);
        self.window.cwnd = self.window.ssthresh;
    }

    fn on_recovered(&mut self, _: Instant, flight: u32) {
        self.change(|window| window.recovered(flight));
    }

    fn on_timeout(&mut self, _: Instant, flight: u32, first: bool) {
        if first {
            self.reduce_ssthresh(flight);
        }
        // §4.8: K is 0 and W_max is cwnd in the congestion avoidance that follows.
        self.w_max = 0;
        self.epoch = None;
        self.window.collapse();
    }

    fn on_idle(&mut self, restart_window: u32) {
        self.change(|window| window.restart(restart_window));
    }
}

impl Epoch {
    fn new(now: Instant, cwnd: u32, w_max: u32, mss: u32) -> Self {
        Self {
            elapsed: Duration::ZERO,
            latest: now,
            was_limited: true,
            k: k(w_max.saturating_sub(cwnd), mss),
            w_max: w_max.max(cwnd),
            w_est: cwnd,
            est_owed: 0,
            owed: 0,
        }
    }

    fn pass(&mut self, now: Instant, window_limited: bool) {
        if window_limited && self.was_limited {
            self.elapsed = self.elapsed.saturating_add(now - self.latest);
        }
        self.latest = now;
        self.was_limited = window_limited;
    }

    /// W_cubic(t + ahead) = C * (t + ahead - K)^3 + W_max (RFC 9438 §4.2).
    fn w_cubic(&self, ahead: Duration, mss: u32) -> u32 {
        let t = self.elapsed.saturating_add(ahead).as_millis();
        let t = u64::try_from(t).unwrap_or(u64::MAX);
        let from_k = t.abs_diff(self.k.into()).min(HORIZON);
        let bytes = from_k.pow(3) * 4 / 10_000 * u64::from(mss) / 1_000_000;
        let bytes = bytes.min(LARGEST.into()) as u32;
        if t < u64::from(self.k) {
            self.w_max.saturating_sub(bytes)
        } else {
            self.w_max.saturating_add(bytes).min(LARGEST)
        }
    }

    /// W_est grows by alpha_cubic segments a round trip: 3 * (1 - beta) / (1 + beta), which is
    /// 9/17, and 1 beyond the window before the reduction (RFC 9438 §4.3).
    fn advance_reno(&mut self, acked: u32, cwnd: u32, mss: u32, cwnd_prior: u32) {
        let seventeenths = if self.w_est < cwnd_prior { 9 } else { 17 };
        let unit = u64::from(cwnd) * 17;
        self.est_owed += u64::from(acked) * u64::from(mss) * seventeenths;
        let bytes = (self.est_owed / unit) as u32;
        self.w_est = self.w_est.saturating_add(bytes).min(LARGEST);
        self.est_owed %= unit;
    }

    /// Concave or convex, cwnd comes nearer to where the curve is a round trip later by
    /// (target - cwnd) / cwnd for each segment, but half of cwnd a round trip is the most
    /// (RFC 9438 §4.2, §4.4, §4.5). Answers by how much to grow.
    fn advance_cubic(&mut self, acked: u32, cwnd: u32, target: u32) -> u32 {
        let missing = target.clamp(cwnd, cwnd.saturating_add(cwnd / 2)) - cwnd;
        self.owed += u64::from(missing) * u64::from(acked);
        let bytes = (self.owed / u64::from(cwnd)) as u32;
        self.owed %= u64::from(cwnd);
        bytes.min(missing)
    }
}

/// K = cbrt((W_max - cwnd_epoch) / C), in milliseconds (RFC 9438 §4.2).
fn k(missing: u32, mss: u32) -> u32 {
    cube_root(u64::from(missing) * 2_500_000_000 / u64::from(mss))
}

/// The cube root, rounded down, by Newton's method from above.
fn cube_root(of: u64) -> u32 {
    let Some(bit) = of.checked_ilog2() else {
        return 0;
    };
    let mut root = 1u64 << (bit / 3 + 1);
    loop {
        let nearer = (2 * root + of / (root * root)) / 3;
        if nearer >= root {
            return root as u32;
        }
        root = nearer;
    }
}

fn scale(bytes: u32, by: u32, of: u32) -> u32 {
    (u64::from(bytes) * u64::from(by) / u64::from(of)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1460;

    /// A sender that always fills its window, on a path without loss.
    struct Path {
        cubic: Cubic,
        now: Instant,
        rtt: Duration,
    }

    impl Path {
        fn reduced_at(segments: u32, rtt_ms: u64) -> Self {
            let mut cubic = Cubic::new(MSS, 10);
            cubic.window.cwnd = segments * MSS;
            cubic.on_congestion(Instant::ZERO, segments * MSS);
            let rtt = Duration::from_millis(rtt_ms);
            Self {
                cubic,
                now: Instant::ZERO,
                rtt,
            }
        }

        /// A round trip, with an acknowledgment for every two segments.
        fn round(&mut self) {
            let acks = (self.cubic.window() / (2 * MSS)).max(1);
            for _ in 0..acks {
                let acked = self.cubic.window() / acks;
                self.cubic.on_ack(self.now, acked, Some(self.rtt), true);
                self.now += self.rtt / acks;
            }
        }

        fn run(&mut self, time: Duration) {
            let until = self.now + time;
            while self.now < until {
                self.round();
            }
        }

        fn segments(&self) -> u32 {
            self.cubic.window() / MSS
        }
    }

    #[test]
    fn the_curve_is_concave_up_to_w_max_at_k_and_convex_beyond() {
        let mut path = Path::reduced_at(1000, 100);
        assert_eq!(path.segments(), 700);
        // K = cbrt(1000 * (1 - 0.7) / 0.4) s.
        assert_eq!(k(300 * MSS, MSS), 9085);
        let mut previous = 700;
        for growth in [205..215, 75..85, 5..15, 5..20, 75..95, 215..240] {
            path.run(Duration::from_millis(9085 / 3));
            let from_k = (path.now - Instant::ZERO).as_secs_f64() - 9.085;
            let curve = 1000.0 + 0.4 * from_k * from_k * from_k;
            assert!((f64::from(path.segments()) - curve).abs() < 0.01 * curve);
            assert!(growth.contains(&(path.segments() - previous)));
            previous = path.segments();
        }
    }

    #[test]
    fn on_a_short_path_it_grows_as_reno_would() {
        let mut path = Path::reduced_at(20, 2);
        assert_eq!(path.segments(), 14);
        (0..10).for_each(|_| path.round());
        // Nine seventeenths of a segment a round trip, and a segment from the old window on.
        assert!((18..=19).contains(&path.segments()), "{}", path.segments());
        (0..4).for_each(|_| path.round());
        let before = path.segments();
        (0..10).for_each(|_| path.round());
        assert!((8..=10).contains(&(path.segments() - before)));
    }

    #[test]
    fn a_window_that_falls_makes_room() {
        let mut cubic = Path::reduced_at(100, 10).cubic;
        assert_eq!(cubic.w_max, 100 * MSS);
        cubic.on_congestion(Instant::ZERO, 70 * MSS);
        assert_eq!(cubic.w_max, scale(70 * MSS, 85, 100));
        assert_eq!(cubic.window(), 49 * MSS);
    }

    #[test]
    fn time_without_a_full_window_does_not_count() {
        let mut path = Path::reduced_at(1000, 100);
        path.round();
        let elapsed = |path: &Path| path.cubic.epoch.as_ref().map(|epoch| epoch.elapsed);
        let before = elapsed(&path);
        path.now += Duration::from_secs(3600);
        path.cubic.on_ack(path.now, MSS, Some(path.rtt), false);
        path.now += Duration::from_secs(3600);
        path.cubic.on_ack(path.now, MSS, Some(path.rtt), true);
        assert_eq!(elapsed(&path), before);
    }

    #[test]
    fn after_a_timeout_the_plateau_is_where_slow_start_ends() {
        let mut path = Path::reduced_at(1000, 100);
        path.cubic.on_timeout(path.now, 700 * MSS, true);
        assert_eq!(path.cubic.ssthresh(), 490 * MSS);
        while path.cubic.epoch.is_none() {
            path.round();
        }
        let epoch = path.cubic.epoch.as_ref().expect("in congestion avoidance");
        assert_eq!((epoch.k, epoch.w_max), (0, 490 * MSS));
    }

    #[test]
    fn hours_and_gibibytes_do_not_overflow() {
        let mut path = Path::reduced_at(LARGEST / MSS, 100);
        for _ in 0..100 {
            path.now += Duration::from_secs(3600);
            path.cubic.on_ack(path.now, LARGEST, Some(path.rtt), true);
        }
        assert_eq!(path.cubic.window(), LARGEST);
    }

    #[test]
    fn cube_roots_are_rounded_down() {
        for root in [0u64, 1, 2, 3, 10, 9085, 524_287, 1_389_000, 2_642_244] {
            let cube = root.pow(3);
            assert_eq!(u64::from(cube_root(cube)), root);
            assert_eq!(u64::from(cube_root(cube + root)), root);
            assert_eq!(u64::from(cube_root(cube.max(1) - 1)), root.max(1) - 1);
        }
        assert_eq!(cube_root(u64::MAX), 2_642_245);
    }
}
