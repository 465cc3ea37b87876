//! Reno's windows (RFC 5681) with NewReno's end of recovery (RFC 6582).

use core::time::Duration;

use super::CongestionControl;
use super::window::Window;
use crate::Instant;

/// Additive increase of a segment a round trip, multiplicative decrease by half.
#[derive(Clone, Debug)]
pub(crate) struct NewReno {
    window: Window,
    /// Bytes acknowledged in congestion avoidance since cwnd last grew.
    bytes_acked: u32,
}

impl NewReno {
    /// With an initial window of `initial` segments of `mss`.
    pub(crate) fn new(mss: u32, initial: u8) -> Self {
        Self {
            window: Window::new(mss, initial),
            bytes_acked: 0,
        }
    }

    /// RFC 5681 §3.1: "When the number of bytes acknowledged reaches cwnd, then cwnd can be
    /// incremented by up to SMSS bytes."
    fn avoid_congestion(&mut self, acked: u32) {
        let cwnd = self.window.cwnd;
        self.bytes_acked = self.bytes_acked.saturating_add(acked.min(cwnd));
        if self.bytes_acked >= cwnd {
            self.bytes_acked -= cwnd;
            self.window.grow(self.window.mss());
        }
    }
}

impl CongestionControl for NewReno {
    fn window(&self) -> u32 {
        self.window.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.window.ssthresh
    }

    fn set_mss(&mut self, mss: u32) {
        self.window.set_mss(mss);
    }

    fn on_ack(&mut self, _: Instant, acked: u32, _: Option<Duration>, window_limited: bool) {
        if !window_limited {
            return;
        }
        let beyond = self.window.slow_start(acked);
        if beyond > 0 {
            self.avoid_congestion(beyond);
        }
    }

    fn on_congestion(&mut self, _: Instant, flight: u32) {
        self.window.reduce_ssthresh(flight / 2);
        self.window.cwnd = self.window.ssthresh;
        self.bytes_acked = 0;
    }

    fn on_recovered(&mut self, _: Instant, flight: u32) {
        self.window.recovered(flight);
    }

    fn on_timeout(&mut self, _: Instant, flight: u32, first: bool) {
        if first {
            self.window.reduce_ssthresh(flight / 2);
        }
        self.window.collapse();
        self.bytes_acked = 0;
    }

    fn on_idle(&mut self, restart_window: u32) {
        self.window.restart(restart_window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn ack(reno: &mut NewReno, bytes: u32) {
        reno.on_ack(Instant::ZERO, bytes, None, true);
    }

    #[test]
    fn congestion_avoidance_adds_a_segment_each_round_trip() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_congestion(Instant::ZERO, 40 * MSS);
        assert_eq!((reno.window(), reno.ssthresh()), (20 * MSS, 20 * MSS));
        for round in 20..30 {
            assert_eq!(reno.window(), round * MSS);
            (0..round * 2).for_each(|_| ack(&mut reno, MSS / 2));
        }
    }

    #[test]
    fn slow_start_after_a_timeout_ends_at_ssthresh() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_timeout(Instant::ZERO, 8 * MSS, true);
        ack(&mut reno, MSS);
        ack(&mut reno, 2 * MSS);
        assert_eq!(reno.window(), 4 * MSS);
        (0..3).for_each(|_| ack(&mut reno, MSS));
        assert_eq!(reno.window(), 4 * MSS);
        ack(&mut reno, MSS);
        assert_eq!(reno.window(), 5 * MSS);
    }

    #[test]
    fn a_window_never_falls_below_two_segments_by_loss() {
        let mut reno = NewReno::new(MSS, 10);
        reno.on_congestion(Instant::ZERO, MSS);
        assert_eq!(reno.window(), 2 * MSS);
    }
}
