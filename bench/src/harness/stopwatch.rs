//! Time as a thread has it: what the machine gives to others meanwhile does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Measures the processor time of the calling thread, in the kernel and out of it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(cpu_time(ClockId::ThreadCPUTime))
    }

    /// What has been used since.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        cpu_time(ClockId::ThreadCPUTime).saturating_sub(self.0)
    }
}

/// The processor time of all threads of this process, those that have ended included.
pub(crate) fn process_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_takes_no_processor_time() {
        let watch = Stopwatch::start();
        std::thread::sleep(Duration::from_millis(50));
        assert!(watch.elapsed() < Duration::from_millis(25));
    }
}
