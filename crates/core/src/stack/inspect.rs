//! What tools ask that look at a stack as a whole: an explorer that must know whether it has been here before, a
//! measurement of memory.

use core::fmt;

use super::Stack;
use crate::connection::Connection;
use crate::demux::{SynReceived, TimeWait};
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
        for (index, connection) in &self.connections {
            let armed = self.wheel.deadline(index as u32);
            writeln!(out, "{index} {connection:?} {armed:?}")?;
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

    /// Bytes that connections in every state take: their entries, what hangs on these, and their places in the table.
    /// Room that the allocator or a table keeps in reserve is not counted.
    pub fn bytes_held(&self) -> usize {
        let slots = self.connections.iter().map(|(_, slot)| slot.bytes_held());
        let half_open = self.syn_queue.iter().map(SynReceived::bytes_held);
        let time_wait = self.time_wait.len() * size_of::<TimeWait>();
        slots.chain(half_open).sum::<usize>() + time_wait + self.table.bytes_held()
    }
}

impl Connection {
    fn bytes_held(&self) -> usize {
        size_of::<Self>() + self.buffered()
    }
}
