//! What every controller has in common: the variables of RFC 5681 and how events set them.

use core::num::NonZeroU8;

use super::initial_window;

/// No window is larger: RFC 7323 §2.3 lets a peer advertise less than 1 GiB.
pub(super) const LARGEST: u32 = 1 << 30;

/// The largest segment the option of RFC 9293 §3.2 can announce.
const LARGEST_MSS: u32 = u16::MAX as u32;

/// cwnd, ssthresh and SMSS.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) cwnd: u32,
    pub(super) ssthresh: u32,
    mss: u16,
    /// How many segments IW is.
    initial: NonZeroU8,
}

impl Window {
    pub(super) fn new(mss: u32, initial: u8) -> Self {
        let mss = mss.clamp(1, LARGEST_MSS);
        Self {
            cwnd: initial_window(mss, initial),
            // RFC 5681 §3.1: "to the size of the largest possible advertised window".
            ssthresh: LARGEST,
            mss: mss as u16,
            initial: NonZeroU8::new(initial).unwrap_or(NonZeroU8::MIN),
        }
    }

    pub(super) fn mss(&self) -> u32 {
        self.mss.into()
    }

    /// A connection that has not grown yet gets the initial window for `mss`. Later, smaller
    /// segments reduce cwnd by the ratio, "to prevent large bursts of smaller segments"
    /// (RFC 5681 §3.1).
    pub(super) fn set_mss(&mut self, mss: u32) {
        let mss = mss.clamp(1, LARGEST_MSS);
        if self.cwnd == initial_window(self.mss(), self.initial.get()) {
            self.cwnd = initial_window(mss, self.initial.get());
        } else if mss < self.mss() {
            let segments = u64::from(self.cwnd) * u64::from(mss);
            self.cwnd = (segments / u64::from(self.mss)) as u32;
        }
        self.cwnd = self.cwnd.max(mss);
        self.mss = mss as u16;
    }

    /// Below ssthresh, grows by the bytes acknowledged; answers how many were acknowledged beyond.
    ///
    /// Bytes are counted so that dividing acknowledgments gains nothing (RFC 5681 §3.1). There is
    /// no limit of one segment for each acknowledgment: like Linux, since a receiver with
    /// receive offload acknowledges dozens at once.
    pub(super) fn slow_start(&mut self, acked: u32) -> u32 {
        let grown = acked.min(self.ssthresh.saturating_sub(self.cwnd));
        self.cwnd += grown;
        acked - grown
    }

    /// Grows by `bytes`.
    pub(super) fn grow(&mut self, bytes: u32) {
        self.cwnd = self.cwnd.saturating_add(bytes).min(LARGEST);
    }

    /// ssthresh becomes `target`, but at least two segments (RFC 5681 §3.1, equation 4).
    pub(super) fn reduce_ssthresh(&mut self, target: u32) {
        self.ssthresh = target.clamp(2 * self.mss(), LARGEST);
    }

    /// LW, the loss window: one segment (RFC 5681 §3.1).
    pub(super) fn collapse(&mut self) {
        self.cwnd = self.mss();
    }

    /// RW, the restart window: never more than cwnd (RFC 5681 §4.1).
    pub(super) fn restart(&mut self, restart_window: u32) {
        self.cwnd = self.cwnd.min(restart_window.max(self.mss()));
    }

    /// cwnd = min (ssthresh, max(FlightSize, SMSS) + SMSS) (RFC 6582 §3.2 step 3).
    pub(super) fn recovered(&mut self, flight: u32) {
        let burst_free = flight.max(self.mss()).saturating_add(self.mss());
        self.cwnd = self.ssthresh.min(burst_free).max(self.mss());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segment_size_of_the_path_changes_the_window() {
        let mut window = Window::new(536, 10);
        window.set_mss(1460);
        assert_eq!(window.cwnd, 14_600);
        window.grow(14_600);
        window.set_mss(730);
        assert_eq!(window.cwnd, 14_600);
        window.grow(1);
        window.set_mss(1460);
        assert_eq!(window.cwnd, 14_601);
    }
}
