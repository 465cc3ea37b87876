//! The stack that packetdrill's two threads share, its virtual time and its descriptors.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::os::fd::IntoRawFd as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use estab_sim::script::{CallId, Sent, Subject};
use estab_sim::sockets::{Bench, Call, Errno, Fd, Output, Returned};

use crate::flags::Settings;
use crate::thread::{ThreadId, this_thread, waits_for_another};

/// The moment of the day at which virtual time starts: packetdrill takes a time of zero for none.
const START: Duration = Duration::from_secs(1_000_000);

/// How far the clock moves each time it is read. packetdrill spins on it, and would for ever.
const GLANCE: Duration = Duration::from_micros(1);

/// How long the thread of a call that has ended is waited for before time goes on.
const HANDOVER: Duration = Duration::from_millis(2);

/// How long a call in its own thread waits for time to pass before it looks whether anybody lets it. packetdrill
/// itself waits a second for such a call, then it ends.
const PATIENCE: Duration = Duration::from_millis(200);

/// Nothing comes any more if nothing has come in this time: timers that send nothing may go on for ever.
const HORIZON: Duration = Duration::from_secs(24 * 3600);

/// What `userdata` points to.
pub(crate) struct World {
    inside: Mutex<Inside>,
    /// Told whenever a blocked call may have ended.
    moved: Condvar,
    /// The thread that lets time pass: packetdrill's first.
    timekeeper: ThreadId,
}

pub(crate) struct Inside {
    bench: Bench,
    /// The descriptors packetdrill knows are the kernel's, so that nobody else gets their numbers. Those that are left
    /// at the end packetdrill closes itself.
    reserved: HashMap<c_int, Fd>,
    blocked: Vec<CallId>,
}

/// The world behind `userdata`.
///
/// # Safety
/// `userdata` is what `packetdrill_interface_init` has put into the interface, and not freed yet.
pub(crate) unsafe fn world<'a>(userdata: *mut c_void) -> &'a World {
    // SAFETY: as above; the world is only ever shared, its inside is behind a lock.
    unsafe { &*userdata.cast::<World>() }
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Self {
        let inside = Inside {
            bench: settings.bench(),
            reserved: HashMap::new(),
            blocked: Vec::new(),
        };
        Self {
            inside: Mutex::new(inside),
            moved: Condvar::new(),
            timekeeper: this_thread(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a call and waits for its end. packetdrill makes calls that it expects to block from a thread of their
    /// own, and knows by that thread's sleep that one does; all others it makes from its first.
    pub(crate) fn call(&self, call: Call) -> Returned {
        let id = self.lock().bench.call(call);
        if this_thread() == self.timekeeper {
            self.let_pass_until_ended(id)
        } else {
            self.wait_until_ended(id)
        }
    }

    /// Lets time pass until a call has ended: it was not expected to block, and nobody else will. If nothing ever ends
    /// it, it answers as if a signal had.
    fn let_pass_until_ended(&self, id: CallId) -> Returned {
        let end = self.lock().bench.now() + HORIZON;
        loop {
            let mut inside = self.lock();
            if let Some(outcome) = inside.bench.outcome(id) {
                return outcome.returned;
            }
            if inside.step(end).is_none() {
                return Returned::error(Errno(libc::EINTR));
            }
            drop(inside);
            self.hand_over();
        }
    }

    /// Waits until packetdrill's first thread has let enough time pass. Where that waits for this one, with another
    /// call to make or with nothing more to do, time passes here.
    fn wait_until_ended(&self, id: CallId) -> Returned {
        let mut inside = self.lock();
        if inside.bench.outcome(id).is_none() {
            inside.blocked.push(id);
        }
        loop {
            if let Some(outcome) = inside.bench.outcome(id) {
                inside.blocked.retain(|other| *other != id);
                return outcome.returned;
            }
            let before = inside.bench.now();
            let waited = self.moved.wait_timeout(inside, PATIENCE);
            let (woken, quiet) = waited.unwrap_or_else(PoisonError::into_inner);
            inside = woken;
            let stands_still = quiet.timed_out() && inside.bench.now() == before;
            if stands_still && waits_for_another(self.timekeeper) {
                let end = before + HORIZON;
                while inside.bench.outcome(id).is_none() && inside.step(end).is_some() {}
            }
        }
    }

    /// The descriptor of ours that packetdrill knows by a number of the kernel's.
    pub(crate) fn fd(&self, theirs: c_int) -> Fd {
        // A number we never gave is no socket of ours: the call answers EBADF.
        self.lock().reserved.get(&theirs).copied().unwrap_or(-1)
    }

    /// Reserves a number of the kernel's for a new descriptor.
    pub(crate) fn reserve(&self, ours: Fd) -> Result<c_int, Errno> {
        let file = File::open("/dev/null")
            .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EMFILE)))?;
        let theirs = file.into_raw_fd();
        self.lock().reserved.insert(theirs, ours);
        Ok(theirs)
    }

    /// Gives a number back to the kernel.
    pub(crate) fn release(&self, theirs: c_int) {
        if self.lock().reserved.remove(&theirs).is_some() {
            // SAFETY: the number was reserved above and is given back once: it is no longer in the table.
            unsafe { libc::close(theirs) };
        }
    }

    /// A packet arrives.
    pub(crate) fn inject(&self, packet: &[u8]) {
        self.lock().bench.inject(packet);
        self.hand_over();
    }

    /// The next packet to leave and the time of day it left at, letting time pass until one does; `None` when
    /// none ever will.
    pub(crate) fn next_packet(&self) -> Option<Sent> {
        let end = self.lock().bench.now() + HORIZON;
        loop {
            let mut inside = self.lock();
            let now = inside.bench.now();
            if let Some(sent) = inside.bench.next_packet(now) {
                return Some(Sent {
                    at: sent.at + START,
                    ..sent
                });
            }
            inside.step(end)?;
            drop(inside);
            self.hand_over();
        }
    }

    /// Lets time pass.
    pub(crate) fn sleep(&self, time: Duration) {
        let end = self.lock().bench.now() + time;
        loop {
            let mut inside = self.lock();
            let now = inside.bench.now();
            if now >= end {
                return;
            }
            // Event by event, so that a call that ends is seen to end when it does.
            let next = inside.bench.next_deadline().unwrap_or(end);
            inside.bench.wait(next.clamp(now, end));
            drop(inside);
            self.hand_over();
        }
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Duration {
        let mut inside = self.lock();
        let now = inside.bench.now() + GLANCE;
        inside.bench.wait(now);
        now + START
    }

    /// Wakes the calls that wait, and gives the thread of one that has ended the time to say so.
    fn hand_over(&self) {
        let waiting = !self.lock().blocked.is_empty();
        if waiting {
            self.moved.notify_all();
            let before = self.lock().blocked.len();
            thread::sleep(Duration::from_micros(50));
            if self.lock().blocked.len() < before {
                thread::sleep(HANDOVER);
            }
        }
    }
}

impl Inside {
    /// Lets time pass to the next thing that happens by itself; `None` if nothing does before `end`.
    fn step(&mut self, end: Duration) -> Option<()> {
        let next = self.bench.next_deadline().filter(|next| *next <= end)?;
        self.bench.wait(next);
        Some(())
    }
}

/// What a call answers in C: the value, with `errno` set if it failed.
pub(crate) fn answer(returned: &Returned) -> isize {
    if let Some(errno) = returned.errno {
        // SAFETY: errno is this thread's own.
        unsafe { *libc::__errno_location() = errno.0 };
        return -1;
    }
    returned.value as isize
}

/// The bytes a call received.
pub(crate) fn received(returned: &Returned) -> (&[u8], i32) {
    match &returned.output {
        Output::Bytes(bytes, flags) => (bytes, *flags),
        _ => (&[], 0),
    }
}
