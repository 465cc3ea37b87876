//! The processor time that client and server take together: that of this process, the kernel's work in its name included,
//! and of `ksoftirqd`, to which the kernel leaves the rest.

use std::fs;
use std::time::Duration;

use crate::harness::process_time;

/// A moment in the processor time of all that is involved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage(Duration);

impl Usage {
    pub(crate) fn now() -> Self {
        Self(process_time() + ksoftirqd())
    }

    pub(crate) fn since(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// What the threads of this name have taken since the machine was started.
fn ksoftirqd() -> Duration {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_it = |path: &std::path::Path| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("ksoftirqd/"))
    };
    let threads = pids.map(|entry| entry.path()).filter(|path| is_it(path));
    threads.filter_map(|path| ran(&path)).sum()
}

fn ran(process: &std::path::Path) -> Option<Duration> {
    let text = fs::read_to_string(process.join("schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
