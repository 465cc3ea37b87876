//! What a host saw, so that it can be written as a capture when the experiment is over.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use estab_core::Instant;
use estab_core::observe::Transition;
use estab_device::{Capture, Device};

/// One thing a host saw.
#[derive(Clone, Debug)]
pub enum Record {
    /// A packet came.
    Received(Instant, Vec<u8>),
    /// A packet went.
    Sent(Instant, Vec<u8>),
    /// A state changed.
    Change(Transition),
}

/// A device that receives what it is given beforehand.
#[derive(Debug, Default)]
struct Replay {
    arriving: VecDeque<Vec<u8>>,
}

impl Device for Replay {
    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self, _now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        *packet = self.arriving.pop_front().ok_or(ErrorKind::WouldBlock)?;
        Ok(())
    }

    fn transmit(&mut self, _now: Instant, _packet: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Writes what a host saw as pcapng, with every change of state on the packet that made it. Virtual time begins on the
/// first day of 2025, and goes on from one scene to the next. Answers how many packets were written.
///
/// # Errors
/// Those of `into`.
pub fn write_capture(records: &[Record], into: impl Write) -> io::Result<u64> {
    let epoch = UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    let mut capture = Capture::new(Replay::default(), into, "lab", epoch)?;
    let mut packet = Vec::new();
    let mut count = 0;
    for (at, record) in going_on(records) {
        match record {
            Record::Received(_, bytes) => {
                capture.get_mut().arriving.push_back(bytes.clone());
                capture.receive(at, &mut packet)?;
                count += 1;
            }
            Record::Sent(_, bytes) => {
                capture.transmit(at, bytes)?;
                count += 1;
            }
            Record::Change(transition) => capture.annotate(transition),
        }
    }
    capture.flush();
    let status = capture.status();
    drop(capture);
    match status.take_error() {
        Some(error) => Err(error),
        None => Ok(count),
    }
}

/// How far one scene's last record is from the next one's first.
const BETWEEN_SCENES: Duration = Duration::from_secs(1);

/// Records with times that never go back, though the clock of each scene begins anew.
fn going_on(records: &[Record]) -> impl Iterator<Item = (Instant, &Record)> {
    let mut ahead = Duration::ZERO;
    let mut last = Instant::ZERO;
    records.iter().map(move |record| {
        let own = match record {
            Record::Received(at, _) | Record::Sent(at, _) => *at,
            Record::Change(transition) => transition.at,
        };
        if own + ahead < last {
            ahead = last + BETWEEN_SCENES - own;
        }
        last = own + ahead;
        (last, record)
    })
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::*;

    #[test]
    fn time_goes_on_from_scene_to_scene() {
        let outcome = find("old-duplicate").expect("it is there").run();
        let times: Vec<_> = going_on(&outcome.records).map(|(at, _)| at).collect();
        assert!(times.is_sorted());
        let (first, last) = (times[0], times[times.len() - 1]);
        assert!(last - first > Duration::from_secs(61), "{:?}", last - first);
    }
}
