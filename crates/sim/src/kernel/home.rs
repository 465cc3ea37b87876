//! The thread that lives in the namespace, and does there what it is asked to.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use estab_device::kernel_sockets::leave_the_network;

use super::KernelError;

type Job = Box<dyn FnOnce() + Send>;

/// A thread in a network of its own. It ends, and the network with it, when this value is dropped.
pub(super) struct Home {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Home {
    pub(super) fn new() -> Result<Self, KernelError> {
        let (jobs, inbox) = channel::<Job>();
        let thread = thread::Builder::new()
            .name("namespace".to_owned())
            .spawn(move || inbox.into_iter().for_each(|job| job()))
            .map_err(KernelError::Thread)?;
        let home = Self {
            jobs: Some(jobs),
            thread: Some(thread),
        };
        home.run(leave_the_network)
            .map_err(KernelError::Namespace)?;
        Ok(home)
    }

    /// Does something in the namespace, and waits for it.
    pub(super) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let job = Box::new(move || {
            // Who asks waits for the answer.
            let _ = answer.send(job());
        });
        let jobs = self
            .jobs
            .as_ref()
            .expect("there until the value is dropped");
        jobs.send(job)
            .expect("the thread lives as long as its home");
        answered.recv().expect("the thread answers every question")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
