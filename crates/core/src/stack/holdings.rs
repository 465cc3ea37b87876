//! What a stack holds at a moment: nothing, once everybody has gone.

use super::Stack;
use crate::connection::Connection;
use crate::observe::Observer;

/// What a stack holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Four-tuples in the table: connections in any state but LISTEN and CLOSED.
    pub connections: usize,
    /// Slots, those of ended connections whose socket is still held included.
    pub slots: usize,
    /// Connections in slots that no application owns any more: they end on their own.
    pub orphans: usize,
    /// Passive connections in SYN-RECEIVED.
    pub half_open: usize,
    /// Connections in TIME-WAIT.
    pub time_waits: usize,
    /// Listeners.
    pub listeners: usize,
    /// Local addresses and ports that connections hold.
    pub ports: usize,
    /// Answers that wait to be sent.
    pub replies: usize,
    /// Bytes written and not acknowledged, received and not read, out of order, and held from SYNs.
    pub bytes: usize,
}

impl Holdings {
    /// Whether the stack holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl<O: Observer> Stack<O> {
    /// What the stack holds now. Takes a look at every slot.
    pub fn holdings(&self) -> Holdings {
        let slots = self.connections.iter().map(|(_, connection)| connection);
        Holdings {
            connections: self.table.len(),
            slots: self.connections.len(),
            orphans: self.cx.orphans,
            half_open: self.syn_queue.len(),
            time_waits: self.time_wait.len(),
            listeners: self.listeners.len(),
            ports: self.ports.len(),
            replies: self.cx.replies(),
            bytes: slots.map(Connection::bytes).sum::<usize>() + self.syn_queue.early_bytes(),
        }
    }
}
