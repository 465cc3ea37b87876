//! The kernel's sockets as clients: many connections from one thread, or one that carries as much as it can.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{ANSWER, DISCARD, GENERATE, far};

/// Without an event for so long nothing more is to be expected.
const STALL: Duration = Duration::from_secs(2);

/// What came of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Connections that opened, carried a byte each way and closed.
    pub(crate) done: usize,
    /// Connections that were refused or reset.
    pub(crate) failed: usize,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// One connection under way.
struct Slot {
    socket: OwnedFd,
    asked: bool,
}

/// Opens connections for so long, that many at a time: each sends a byte, waits for one, and closes.
///
/// # Errors
/// The server has stalled.
pub(crate) fn connections(at_once: usize, time: Duration) -> anyhow::Result<Outcome> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    let mut slots: Vec<Option<Slot>> = (0..at_once).map(|_| None).collect();
    let mut outcome = Outcome::default();
    let mut turn = 0;
    let start = Instant::now();
    let mut begin = |place: usize, slots: &mut [Option<Slot>]| -> anyhow::Result<()> {
        slots[place] = Some(open(&queue, turn, place)?);
        turn += 1;
        Ok(())
    };
    for place in 0..at_once {
        begin(place, &mut slots)?;
    }
    let mut events = Vec::with_capacity(at_once);
    let limit = rustix::time::Timespec {
        tv_sec: STALL.as_secs() as i64,
        tv_nsec: 0,
    };
    while start.elapsed() < time {
        match epoll::wait(
            &queue,
            rustix::buffer::spare_capacity(&mut events),
            Some(&limit),
        ) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if events.is_empty() {
            bail!("stalled for {STALL:?} after {} connections", outcome.done);
        }
        for event in events.drain(..) {
            let place = event.data.u64() as usize;
            let Some(slot) = &mut slots[place] else {
                continue;
            };
            match slot.step() {
                Step::Waits => continue,
                Step::Done => outcome.done += 1,
                Step::Failed => outcome.failed += 1,
            }
            slots[place] = None;
            begin(place, &mut slots)?;
        }
    }
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

fn open(queue: &OwnedFd, turn: usize, place: usize) -> anyhow::Result<Slot> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match rustix::net::connect(&socket, &far(turn, ANSWER)) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error).context("the client cannot connect"),
    }
    let events = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
    epoll::add(queue, &socket, EventData::new_u64(place as u64), events)?;
    Ok(Slot {
        socket,
        asked: false,
    })
}

enum Step {
    Waits,
    Done,
    Failed,
}

impl Slot {
    fn step(&mut self) -> Step {
        if !self.asked {
            match rustix::net::send(&self.socket, b"?", SendFlags::NOSIGNAL) {
                Ok(_) => self.asked = true,
                Err(Errno::AGAIN | Errno::NOTCONN) => return Step::Waits,
                Err(_) => return Step::Failed,
            }
        }
        let mut byte = [0];
        match rustix::net::recv(&self.socket, &mut byte, RecvFlags::empty()) {
            Ok((1, _)) => Step::Done,
            Err(Errno::AGAIN) => Step::Waits,
            _ => Step::Failed,
        }
    }
}

/// Writes to the server for so long; answers the bytes it took.
pub(crate) fn push(time: Duration) -> anyhow::Result<u64> {
    let mut stream = stream(DISCARD)?;
    let data = vec![7; 64 * 1024];
    carry(time, || stream.write(&data))
}

/// Reads from the server for so long; answers the bytes it gave.
pub(crate) fn pull(time: Duration) -> anyhow::Result<u64> {
    let mut stream = stream(GENERATE)?;
    let mut scratch = vec![0; 64 * 1024];
    carry(time, || stream.read(&mut scratch))
}

fn stream(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&far(0, port).into(), STALL)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    Ok(stream)
}

fn carry(time: Duration, mut step: impl FnMut() -> std::io::Result<usize>) -> anyhow::Result<u64> {
    let start = Instant::now();
    let mut bytes = 0;
    while start.elapsed() < time {
        match step().with_context(|| format!("after {bytes} bytes"))? {
            0 => bail!("the server closed after {bytes} bytes"),
            count => bytes += count as u64,
        }
    }
    Ok(bytes)
}
