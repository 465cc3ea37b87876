//! Signals to this process. One that it was started to ignore, as by nohup, stays ignored, also by its children.

use std::fs;
use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// Signals to wait for, which end the process no more.
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// From here on, these signals are for [`next`](Self::next). Must be called inside the runtime.
    ///
    /// # Errors
    /// The kernel's own.
    pub(crate) fn catch(wanted: &[Signal]) -> io::Result<Self> {
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let is_caught = |signal: &&Signal| ignored & (1 << (**signal as i32 - 1)) == 0;
        let listen = |wanted: &Signal| Ok((*wanted, signal(SignalKind::from_raw(*wanted as i32))?));
        wanted
            .iter()
            .filter(is_caught)
            .map(listen)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The next one to come.
    pub(crate) async fn next(&mut self) -> Signal {
        std::future::poll_fn(|cx| {
            for (number, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The bits of the signals ignored, from proc(5)'s text.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\testab\nSigBlk:\t0000000000000004\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored(status), 0x1001);
        assert_eq!(ignored(""), 0);
    }
}
