//! Threads for calls that may block.
//!
//! A call has ended, or its thread sleeps in it: only then does [`Pool::begin`] return. So a call that ends at once
//! is never taken for one that blocks, however slow the machine is.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use estab_device::kernel_sockets::{ThreadId, sleeps_in_a_call, this_thread};

use super::clock::Clock;
use crate::script::{CallId, Outcome};
use crate::sockets::{Errno, Returned};

/// How often it is looked whether a thread sleeps.
const LOOK_AGAIN: Duration = Duration::from_micros(30);

/// Longer a call is not waited for, though its thread seems to run.
const PATIENCE: Duration = Duration::from_secs(1);

/// `EAGAIN`: of a call for which there is no thread, as `fork` says it.
const EAGAIN: Errno = Errno(11);

type Job = Box<dyn FnOnce() -> Returned + Send>;

/// Threads that make calls, as many as block at a time.
pub(super) struct Pool {
    clock: Arc<Clock>,
    workers: Vec<Worker>,
    ended: Arc<Ended>,
}

/// What came of the calls.
#[derive(Default)]
struct Ended {
    outcomes: Mutex<HashMap<CallId, Outcome>>,
    one_more: Condvar,
}

struct Worker {
    jobs: Sender<(CallId, Job)>,
    thread: ThreadId,
    /// The call it was given last.
    call: Option<CallId>,
}

impl Pool {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            workers: Vec::new(),
            ended: Arc::default(),
        }
    }

    /// Makes a call in a thread, and waits until it has ended or blocks.
    pub(super) fn begin(&mut self, id: CallId, job: impl FnOnce() -> Returned + Send + 'static) {
        let Some(at) = self.idle_worker() else {
            let returned = Returned::error(EAGAIN);
            let at = self.clock.now();
            self.ended.lock().insert(id, Outcome { returned, at });
            return;
        };
        let worker = &mut self.workers[at];
        worker.call = Some(id);
        let sent = worker.jobs.send((id, Box::new(job)));
        sent.expect("a worker lives as long as the pool");
        let thread = worker.thread;
        let until = self.clock.now() + PATIENCE;
        while !self.ended.within(id, LOOK_AGAIN) {
            if sleeps_in_a_call(thread) || self.clock.now() > until {
                return;
            }
        }
    }

    /// What came of a call that has ended.
    pub(super) fn outcome(&self, id: CallId) -> Option<Outcome> {
        self.ended.lock().get(&id).cloned()
    }

    /// A worker whose call has ended, or a new one.
    fn idle_worker(&mut self) -> Option<usize> {
        let outcomes = self.ended.lock();
        let is_idle = |worker: &Worker| worker.call.is_none_or(|call| outcomes.contains_key(&call));
        let idle = self.workers.iter().position(is_idle);
        drop(outcomes);
        idle.or_else(|| {
            let worker = Worker::start(Arc::clone(&self.clock), Arc::clone(&self.ended))?;
            self.workers.push(worker);
            Some(self.workers.len() - 1)
        })
    }
}

impl Worker {
    /// Starts one; it ends when its sender is gone and its last call has ended.
    fn start(clock: Arc<Clock>, ended: Arc<Ended>) -> Option<Self> {
        let (jobs, inbox) = channel::<(CallId, Job)>();
        let (tell, told) = channel();
        let work = move || {
            if tell.send(this_thread()).is_err() {
                return;
            }
            for (id, job) in inbox {
                let returned = job();
                let at = clock.now();
                ended.lock().insert(id, Outcome { returned, at });
                ended.one_more.notify_all();
            }
        };
        let builder = thread::Builder::new().name("call".to_owned());
        builder.spawn(work).ok()?;
        Some(Self {
            jobs,
            thread: told.recv().ok()?,
            call: None,
        })
    }
}

impl Ended {
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Outcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call has ended, or does within this time.
    fn within(&self, id: CallId, time: Duration) -> bool {
        let outcomes = self.lock();
        let pending = |outcomes: &mut HashMap<_, _>| !outcomes.contains_key(&id);
        let waited = self.one_more.wait_timeout_while(outcomes, time, pending);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
