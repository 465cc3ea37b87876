//! An in-memory link: what one end sends, the other receives.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use estab_core::Instant;

use crate::Device;

/// A link between two stacks that holds up to `capacity_packets` packets in each direction.
#[must_use]
pub fn pair(mtu: usize, capacity_packets: usize) -> (Memory, Memory) {
    let ends = Arc::new(Mutex::new([End::default(), End::default()]));
    let memory = |side| Memory {
        ends: Arc::clone(&ends),
        side,
        mtu,
        capacity: capacity_packets,
    };
    (memory(0), memory(1))
}

/// One end of an in-memory link; made by [`pair`].
///
/// When one end is dropped, the other goes on like a cable of which the far end is pulled: its packets vanish.
#[derive(Debug)]
pub struct Memory {
    ends: Arc<Mutex<[End; 2]>>,
    side: usize,
    mtu: usize,
    capacity: usize,
}

#[derive(Debug, Default)]
struct End {
    /// Packets on their way to this end.
    arriving: VecDeque<Vec<u8>>,
    /// Buffers to be used again by the sender of those packets.
    spare: Vec<Vec<u8>>,
    /// The task to wake when a packet arrives.
    reader: Option<Waker>,
    /// A packet of this end was refused because the other end was full.
    refused: bool,
    /// The other end has made room since.
    has_room: bool,
    gone: bool,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, [End; 2]> {
        // Nothing panics while it holds the lock, and no state in between is visible if something did.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of both is this side's and which the other's.
fn sides(ends: &mut [End; 2], side: usize) -> (&mut End, &mut End) {
    let [first, second] = ends;
    if side == 0 {
        (first, second)
    } else {
        (second, first)
    }
}

impl Device for Memory {
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, _now: Instant, packet: &mut Vec<u8>) -> io::Result<()> {
        let waker = {
            let mut ends = self.lock();
            let (here, there) = sides(&mut ends, self.side);
            let arrived = here.arriving.pop_front();
            let mut arrived = arrived.ok_or(io::ErrorKind::WouldBlock)?;
            std::mem::swap(packet, &mut arrived);
            here.spare.push(arrived);
            if there.refused {
                there.refused = false;
                there.has_room = true;
                there.reader.take()
            } else {
                None
            }
        };
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn transmit(&mut self, _now: Instant, packet: &[u8]) -> io::Result<()> {
        if packet.len() > self.mtu {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a packet larger than the mtu",
            ));
        }
        let waker = {
            let mut ends = self.lock();
            let (here, there) = sides(&mut ends, self.side);
            if there.gone {
                return Ok(());
            }
            if there.arriving.len() >= self.capacity {
                here.refused = true;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut buffer = there.spare.pop().unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(packet);
            there.arriving.push_back(buffer);
            there.reader.take()
        };
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Also ready, once, when a transmission was refused and there is room again: nothing else tells the sender.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ends = self.lock();
        let (here, _) = sides(&mut ends, self.side);
        if !here.arriving.is_empty() || std::mem::take(&mut here.has_room) {
            return Poll::Ready(Ok(()));
        }
        match &mut here.reader {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut ends = self.lock();
        let (here, there) = sides(&mut ends, self.side);
        here.gone = true;
        here.arriving.clear();
        here.spare.clear();
        let waker = if there.refused {
            there.refused = false;
            there.has_room = true;
            there.reader.take()
        } else {
            None
        };
        drop(ends);
        waker.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct CountWakes(AtomicUsize);

    impl Wake for CountWakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    const NOW: Instant = Instant::ZERO;

    fn would_block(result: io::Result<()>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn what_one_end_sends_the_other_receives_in_order() {
        let (mut a, mut b) = pair(1500, 8);
        let mut packet = vec![9; 3];
        assert!(would_block(b.receive(NOW, &mut packet)));
        a.transmit(NOW, &[1]).unwrap();
        a.transmit(NOW, &[2, 2]).unwrap();
        b.transmit(NOW, &[3]).unwrap();
        b.receive(NOW, &mut packet).unwrap();
        assert_eq!(packet, [1]);
        b.receive(NOW, &mut packet).unwrap();
        assert_eq!(packet, [2, 2]);
        a.receive(NOW, &mut packet).unwrap();
        assert_eq!(packet, [3]);
        assert!(would_block(a.receive(NOW, &mut packet)));
    }

    #[test]
    fn a_full_link_refuses_and_tells_when_there_is_room() {
        let (mut a, mut b) = pair(1500, 2);
        let wakes = Arc::new(CountWakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        a.transmit(NOW, &[1]).unwrap();
        a.transmit(NOW, &[2]).unwrap();
        assert!(would_block(a.transmit(NOW, &[3])));
        assert!(a.poll_readable(&mut cx).is_pending());
        let mut packet = Vec::new();
        b.receive(NOW, &mut packet).unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(a.poll_readable(&mut cx).is_ready());
        assert!(a.poll_readable(&mut cx).is_pending());
        a.transmit(NOW, &[3]).unwrap();
        for expected in [2, 3] {
            b.receive(NOW, &mut packet).unwrap();
            assert_eq!(packet, [expected]);
        }
    }

    #[test]
    fn a_packet_wakes_the_task_that_waits_in_another_thread() {
        let (mut a, mut b) = pair(1500, 2);
        let wakes = Arc::new(CountWakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        assert!(b.poll_readable(&mut cx).is_pending());
        std::thread::spawn(move || a.transmit(NOW, &[1]).unwrap())
            .join()
            .unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(b.poll_readable(&mut cx).is_ready());
    }

    #[test]
    fn packets_for_a_dropped_end_vanish_and_those_it_sent_still_arrive() {
        let (mut a, mut b) = pair(1500, 1);
        b.transmit(NOW, &[7]).unwrap();
        drop(b);
        for _ in 0..5 {
            a.transmit(NOW, &[1]).unwrap();
        }
        let mut packet = Vec::new();
        a.receive(NOW, &mut packet).unwrap();
        assert_eq!(packet, [7]);
        assert!(would_block(a.receive(NOW, &mut packet)));
    }

    #[test]
    fn a_packet_larger_than_the_mtu_is_an_error() {
        let (mut a, _b) = pair(4, 1);
        let error = a.transmit(NOW, &[0; 5]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
