//! What tools ask that look at a stack as a whole: an explorer that must know whether it has been here before, a
//! measurement of memory.

use core::fmt;

use super::Stack;
use crate::demux::TimeWait;
use crate::observe::Observer;

impl<O: Observer> Stack<O> {
    /// Writes everything about connections and listeners that decides what the stack does next, as text: each
    /// variable by its name. Two stacks with the same settings and secrets that write the same go on alike.
    ///
    /// Left out are settings, secrets, counters and the observer, and what is only ever between two calls: events not
    /// asked for and packets not sent.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_state(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (index, connection) in self.connections.iter() {
            writeln!(out, "{index} {connection:?}")?;
        }
        for entry in self.syn_queue.iter() {
            writeln!(out, "{entry:?}")?;
        }
        for entry in self.time_wait.iter() {
            // Its clock is 32 bits of its own; the moment it stands for is comparable.
            let TimeWait {
                snd_nxt,
                rcv_nxt,
                life,
                ..
            } = entry;
            let (recent, end) = (entry.ts_recent(), entry.ends_at(self.cx.now));
            writeln!(
                out,
                "TimeWait {life:?} {snd_nxt:?} {rcv_nxt:?} {recent:?} {end:?}"
            )?;
        }
        for listener in self.listeners.iter() {
            writeln!(out, "Listener {:?} {:?}", listener.queue, listener.held)?;
        }
        if self.cookies.were_sent() {
            writeln!(out, "{:?}", self.cookies)?;
        }
        Ok(())
    }
}
