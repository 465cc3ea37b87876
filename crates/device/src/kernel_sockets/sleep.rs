//! Whether a thread sleeps in a call: how a call that blocks is told from one that is about to end.

use std::fs;

/// A thread of this process, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadId(libc::pid_t);

/// The calling thread.
#[must_use]
pub fn this_thread() -> ThreadId {
    // SAFETY: takes nothing, cannot fail.
    ThreadId(unsafe { libc::gettid() })
}

/// Whether the thread sleeps in a call other than those that wait for another thread (`futex`, which locks and
/// channels use). A thread that is gone does not sleep.
#[must_use]
pub fn sleeps_in_a_call(thread: ThreadId) -> bool {
    let ThreadId(id) = thread;
    // `running`, or the call's number and its arguments (proc_pid_syscall(5)); -1 outside of a call.
    let Ok(text) = fs::read_to_string(format!("/proc/self/task/{id}/syscall")) else {
        return false;
    };
    let number = text.split_whitespace().next();
    let number: Option<libc::c_long> = number.and_then(|word| word.parse().ok());
    number.is_some_and(|number| number >= 0 && number != libc::SYS_futex)
}
