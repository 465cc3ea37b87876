//! Whether packetdrill's first thread waits for the one that makes its blocking calls.

use std::fs;

/// A thread of this process, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(libc::pid_t);

/// The calling thread.
pub(crate) fn this_thread() -> ThreadId {
    // SAFETY: takes nothing, cannot fail.
    ThreadId(unsafe { libc::gettid() })
}

/// Whether a thread sleeps until another wakes it (`futex`, by which threads wait for one another): it is neither
/// about to go on, however busy the machine, nor does it wait for a command it has started. Where the kernel does not
/// tell, it is taken for asleep.
pub(crate) fn waits_for_another(thread: ThreadId) -> bool {
    let ThreadId(id) = thread;
    // `running`, or the call's number and its arguments (proc_pid_syscall(5)); -1 outside of a call.
    let Ok(text) = fs::read_to_string(format!("/proc/self/task/{id}/syscall")) else {
        return true;
    };
    let number = text.split_whitespace().next();
    number.and_then(|word| word.parse().ok()) == Some(libc::SYS_futex)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_runs_waits_for_nobody_and_who_receives_from_a_channel_does() {
        assert!(!waits_for_another(this_thread()));
        let (tell_id, id) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                tell_id.send(this_thread()).expect("it is received");
                held.recv()
            });
            let id = id.recv().expect("it is sent");
            while !waits_for_another(id) {
                thread::yield_now();
            }
            drop(release);
        });
    }
}
