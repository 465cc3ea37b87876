//! An application on one socket: what it writes, how it reads, when and how it ends.

use std::time::Duration;

use estab_core::error::{ReadError, WriteError};
use estab_core::observe::{Cause, StateName};
use estab_core::{Delivery, FourTuple, Instant, Readiness, Shutdown, SocketId, Stack};

use super::draw::Draw;
use super::lives::Lives;
use super::profile::Profile;
use super::stream::Stream;

/// How an application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Eager,
    /// A piece, then a pause.
    Slow(Duration),
    Never,
}

/// When it gives its socket up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Shuts down its sending side when all is written, closes at the peer's end of file.
    HalfClose,
    /// The same, but both sides are shut down.
    ShutBoth,
    /// Shuts down its sending side when all is written, drains what the peer still sends, and closes when all is
    /// acknowledged and the peer has finished, or after so long.
    Graceful(Duration),
    /// Closes when all is written and the peer has finished.
    AfterPeer,
    /// Closes when all is written, read or not.
    AfterWrite,
    /// Closes at a time, wherever it is.
    At(Instant),
    /// Aborts at a time.
    AbortAt(Instant),
    Never,
}

/// What it means to do.
#[derive(Clone, Copy, Debug)]
struct Plan {
    write: u64,
    piece: usize,
    pace: Duration,
    reader: Reader,
    ending: Ending,
    /// Closes also while it is still connecting.
    hasty: bool,
    /// How often it changes its options, looks without taking, and the like.
    whims: f64,
}

/// What a socket told that must be held against the other end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// End of file, so many bytes after the beginning.
    EndOfFile(SocketId, u64),
    /// The connection ended for a cause.
    Ended(SocketId, Cause),
    /// So many bytes were written, and of them and the FIN so much was acknowledged.
    Delivered(SocketId, u64, Delivery),
}

impl Outcome {
    pub(super) fn id(&self) -> SocketId {
        match self {
            Self::EndOfFile(id, _) | Self::Ended(id, _) | Self::Delivered(id, ..) => *id,
        }
    }
}

/// An application and its socket.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) id: SocketId,
    pub(super) tuple: FourTuple,
    plan: Plan,
    pub(super) written: u64,
    pub(super) read: u64,
    next_write: Instant,
    next_read: Instant,
    /// Its sending side is shut down.
    finished: bool,
    shut_read: bool,
    end_of_file: bool,
    /// When it last asked the stack for something.
    pub(super) called_at: Instant,
    /// It was told that the connection ended.
    pub(super) ended: bool,
    pub(super) closed: bool,
    /// Its graceful close is over by then.
    graceful_until: Option<Instant>,
    /// Closes by then, whatever the plan says.
    close_by: Option<Instant>,
    /// What it waits to be told.
    pub(super) awaits: Readiness,
    /// When it is to run again.
    pub(super) wakes_at: Option<Instant>,
}

/// What an application works with.
pub(super) struct Desk<'a> {
    pub(super) stack: &'a mut Stack<Lives>,
    pub(super) draw: &'a mut Draw,
    pub(super) now: Instant,
    pub(super) scratch: &'a mut [u8],
    pub(super) outcomes: &'a mut Vec<Outcome>,
}

impl Plan {
    fn draw(draw: &mut Draw, profile: &Profile, now: Instant) -> Self {
        let most = profile.bulk;
        let write = match draw.range(0..=9) {
            _ if profile.holes || profile.reincarnates => most,
            0 | 1 => 0,
            2..=6 => draw.scale(1..=4_000.min(most)),
            7 | 8 => draw.scale(1..=40_000.min(most)),
            _ => draw.scale(1..=most),
        };
        let mut piece = draw.scale(1..=16_384) as usize;
        if piece as u64 * 300 < write {
            piece = (write / 300) as usize;
        }
        let paced = draw.chance(0.35) && !profile.holes && !profile.reincarnates;
        let pace = if paced {
            draw.time(500..=2_000_000)
                .min(profile.storm / (write / piece as u64 + 1) as u32)
        } else {
            Duration::ZERO
        };
        let reader = match draw.range(0..=9) {
            _ if profile.holes => Reader::Eager,
            0..=6 => Reader::Eager,
            7 | 8 => Reader::Slow(draw.time(1_000..=1_000_000)),
            _ => Reader::Never,
        };
        let at = now + draw.within(profile.storm / 2);
        let ending = match draw.range(0..=19) {
            _ if profile.holes => Ending::HalfClose,
            0..=16 if profile.reincarnates => Ending::AbortAt(now + draw.time(10_000..=400_000)),
            0..=4 => Ending::HalfClose,
            5..=7 => Ending::Graceful(draw.time(10_000..=30_000_000)),
            8..=11 => Ending::AfterPeer,
            12 | 13 => Ending::AfterWrite,
            14 | 15 => Ending::At(at),
            16 => Ending::AbortAt(at),
            17 => Ending::ShutBoth,
            _ => Ending::Never,
        };
        let whims = draw.pick(&[0.0, 0.0, 0.05]);
        Self {
            write,
            piece,
            pace,
            reader,
            ending,
            hasty: draw.chance(0.1),
            whims,
        }
    }
}

impl Application {
    pub(super) fn draw(
        draw: &mut Draw,
        profile: &Profile,
        (id, tuple): (SocketId, FourTuple),
        now: Instant,
    ) -> Self {
        Self {
            id,
            tuple,
            plan: Plan::draw(draw, profile, now),
            written: 0,
            read: 0,
            next_write: now,
            next_read: now,
            finished: false,
            shut_read: false,
            end_of_file: false,
            called_at: now,
            ended: false,
            closed: false,
            graceful_until: None,
            close_by: None,
            awaits: Readiness::empty(),
            wakes_at: None,
        }
    }

    /// What it does, in words: for the ladder.
    pub(super) fn describe(&self) -> String {
        format!("{:?}", self.plan)
    }

    /// The end is near: it writes no more and closes before long.
    pub(super) fn wind_down(&mut self, draw: &mut Draw, now: Instant, patience: Duration) {
        self.plan.write = self.written;
        if self.plan.reader != Reader::Never || draw.chance(0.5) {
            self.plan.reader = Reader::Eager;
            self.next_read = now;
        }
        self.plan.ending = if draw.chance(0.3) {
            Ending::At(now)
        } else {
            Ending::HalfClose
        };
        self.close_by = Some(now + patience);
    }

    /// Does what can be done now. Answers what is wrong, if anything is.
    pub(super) fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), String> {
        if self.closed {
            return Ok(());
        }
        self.awaits = Readiness::empty();
        self.wakes_at = None;
        if desk.draw.chance(self.plan.whims) {
            self.follow_a_whim(desk);
        }
        self.write(desk)?;
        self.read(desk)?;
        self.come_to_an_end(desk)
    }

    fn wake_at(&mut self, at: Instant) {
        self.wakes_at = Some(self.wakes_at.map_or(at, |other| other.min(at)));
    }

    fn outward(&self, stack: &Stack<Lives>) -> Option<Stream> {
        let life = stack.observer().get(self.id.life())?;
        let before_syn = || stack.status(self.id).map(|status| status.snd_una);
        let iss = life.iss.or_else(before_syn)?;
        Some(Stream::of(&self.tuple, iss))
    }

    fn write(&mut self, desk: &mut Desk<'_>) -> Result<(), String> {
        while !self.finished && !self.ended && self.written < self.plan.write {
            if desk.now < self.next_write {
                self.wake_at(self.next_write);
                break;
            }
            let left = usize::try_from(self.plan.write - self.written).unwrap_or(usize::MAX);
            let length = self.plan.piece.min(left).min(desk.scratch.len());
            let piece = &mut desk.scratch[..length];
            let Some(stream) = self.outward(desk.stack) else {
                return Err("a connection has no initial sequence number".into());
            };
            stream.fill(self.written, piece);
            self.called_at = desk.now;
            match desk.stack.write(desk.now, self.id, piece) {
                Ok(taken) => {
                    self.written += taken as u64;
                    if taken == 0 || taken > length {
                        return Err(format!("write took {taken} of {length} bytes"));
                    }
                }
                Err(WriteError::WouldBlock) => {
                    self.awaits |= Readiness::WRITABLE;
                    break;
                }
                Err(WriteError::Ended(_)) => self.ended = true,
                Err(WriteError::Closed) => self.finished = true,
                Err(WriteError::Unknown(_)) => return Err("write does not know its socket".into()),
            }
            if !self.plan.pace.is_zero() {
                self.next_write = desk.now + self.plan.pace;
            }
        }
        Ok(())
    }

    fn read(&mut self, desk: &mut Desk<'_>) -> Result<(), String> {
        while !self.end_of_file && !self.ended && self.plan.reader != Reader::Never {
            if desk.now < self.next_read {
                self.wake_at(self.next_read);
                break;
            }
            let length = desk.draw.scale(1..=desk.scratch.len() as u64) as usize;
            let into = &mut desk.scratch[..length];
            self.called_at = desk.now;
            match desk.stack.read(desk.now, self.id, into) {
                Ok(0) => self.note_end_of_file(desk),
                Ok(taken) => self.check_bytes(desk, taken)?,
                Err(ReadError::WouldBlock) => {
                    self.awaits |= Readiness::READABLE;
                    break;
                }
                Err(ReadError::Ended(cause)) => {
                    self.ended = true;
                    desk.outcomes.push(Outcome::Ended(self.id, cause));
                }
                Err(ReadError::Unknown(_)) => return Err("read does not know its socket".into()),
            }
            if let Reader::Slow(pause) = self.plan.reader {
                self.next_read = desk.now + pause;
            }
        }
        Ok(())
    }

    fn note_end_of_file(&mut self, desk: &mut Desk<'_>) {
        self.end_of_file = true;
        if !self.shut_read {
            desk.outcomes.push(Outcome::EndOfFile(self.id, self.read));
        }
    }

    /// The bytes must be those that the peer of this very incarnation wrote at this place.
    fn check_bytes(&mut self, desk: &mut Desk<'_>, taken: usize) -> Result<(), String> {
        let start = self.read;
        self.read += taken as u64;
        let Some(life) = desk.stack.observer().get(self.id.life()) else {
            return Err("a socket without a life is read".into());
        };
        let Some(irs) = life.irs else {
            return Err("data is delivered before the peer's SYN".into());
        };
        if life.tainted {
            return Ok(());
        }
        let stream = Stream::of(&self.tuple.reversed(), irs);
        match stream.differs(start, &desk.scratch[..taken]) {
            Some(place) => Err(format!(
                "byte {place} of the stream is not the one that was written (read {start} to {})",
                self.read
            )),
            None => {
                desk.stack.observer_mut().coverage.bytes += taken as u64;
                Ok(())
            }
        }
    }

    fn come_to_an_end(&mut self, desk: &mut Desk<'_>) -> Result<(), String> {
        let now = desk.now;
        let done = self.written >= self.plan.write || self.finished;
        let done = done && (self.plan.hasty || !self.is_connecting(desk.stack));
        let late = self.close_by.is_some_and(|by| by <= now);
        if let Some(by) = self.close_by {
            self.wake_at(by.max(now));
        }
        let close = match self.plan.ending {
            _ if late => true,
            Ending::HalfClose | Ending::ShutBoth => {
                if done && !self.finished {
                    self.shut_down(desk);
                }
                self.ended || (self.finished && self.end_of_file)
            }
            Ending::Graceful(limit) => return self.close_gracefully(desk, done, limit),
            Ending::AfterPeer => self.ended || (done && self.end_of_file),
            Ending::AfterWrite => self.ended || done,
            Ending::At(at) => {
                self.wake_at(at);
                at <= now
            }
            Ending::AbortAt(at) => {
                self.wake_at(at);
                if at <= now {
                    self.closed = true;
                    let aborted = desk.stack.abort(now, self.id);
                    return aborted.map_err(|_| "abort does not know its socket".into());
                }
                false
            }
            Ending::Never => false,
        };
        if close {
            self.closed = true;
            let closed = desk.stack.close(now, self.id);
            return closed.map_err(|_| "close does not know its socket".into());
        }
        Ok(())
    }

    /// What `close_graceful` of the crate `estab` does.
    fn close_gracefully(
        &mut self,
        desk: &mut Desk<'_>,
        done: bool,
        limit: Duration,
    ) -> Result<(), String> {
        let now = desk.now;
        if !done && !self.ended {
            return Ok(());
        }
        let until = match self.graceful_until {
            Some(until) => until,
            None => {
                self.shut_down(desk);
                self.plan.reader = Reader::Eager;
                self.next_read = now;
                self.read(desk)?;
                *self.graceful_until.insert(now + limit)
            }
        };
        let delivery = desk.stack.delivery(self.id);
        let delivery = delivery.map_err(|_| "delivery does not know its socket")?;
        if delivery.ended.is_none() && now < until {
            if !delivery.fin_acknowledged {
                self.awaits |= Readiness::ACKNOWLEDGED;
            }
            self.wake_at(until);
            return Ok(());
        }
        let observer = desk.stack.observer_mut();
        observer.coverage.graceful[usize::from(!delivery.fin_acknowledged)] += 1;
        desk.outcomes
            .push(Outcome::Delivered(self.id, self.written, delivery));
        self.closed = true;
        let closed = if delivery.fin_acknowledged {
            desk.stack.close(now, self.id)
        } else {
            desk.stack.abort(now, self.id)
        };
        closed.map_err(|_| "a graceful close does not know its socket".into())
    }

    fn is_connecting(&self, stack: &Stack<Lives>) -> bool {
        let life = stack.observer().get(self.id.life());
        life.is_some_and(|life| life.state == StateName::SynSent)
    }

    fn shut_down(&mut self, desk: &mut Desk<'_>) {
        let how = if self.plan.ending == Ending::ShutBoth {
            self.shut_read = true;
            Shutdown::Both
        } else {
            Shutdown::Write
        };
        self.finished = true;
        self.called_at = desk.now;
        // It fails where the connection has ended, which a read will tell.
        let _ = desk.stack.shutdown(desk.now, self.id, how);
    }

    /// Things that a program may do at any time and that must not disturb.
    fn follow_a_whim(&mut self, desk: &mut Desk<'_>) {
        let Desk {
            stack, draw, now, ..
        } = desk;
        match draw.range(0..=3) {
            0 => {
                self.called_at = *now;
                let peeked = stack.peek(*now, self.id, &mut desk.scratch[..100]);
                self.ended |= matches!(peeked, Err(ReadError::Ended(_)));
            }
            1 => {
                self.shut_read = true;
                self.called_at = *now;
                let _ = stack.shutdown(*now, self.id, Shutdown::Read);
            }
            kind => {
                let Ok(mut options) = stack.options(self.id) else {
                    return;
                };
                options.nodelay = !options.nodelay;
                if kind == 3 {
                    options.send_buffer = draw.pick(&[2048, 65_536]);
                    options.receive_buffer = draw.pick(&[2048, 65_536]);
                }
                let _ = stack.set_options(*now, self.id, options);
            }
        }
    }
}
