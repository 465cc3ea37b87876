//! One listener takes over from another.

use super::Stack;
use crate::Instant;
use crate::connection::Owner;
use crate::demux::ListenerId;
use crate::error::UnknownSocket;
use crate::observe::Observer;

impl<O: Observer> Stack<O> {
    /// Hands all children of a listener to another: those that wait for `accept`, behind those that wait there, those
    /// that wait for a place, and the half-open ones. Nobody is lost: where the other's queues are too short for all,
    /// they hold more than they may until enough have left. `from` goes on listening, with nobody waiting. The
    /// half-open ones go on with the options of `to`.
    ///
    /// Takes a look at every entry of the SYN queue.
    ///
    /// # Errors
    /// [`UnknownSocket`] if one of the two was closed; nothing is changed then.
    pub fn hand_over(
        &mut self,
        now: Instant,
        from: ListenerId,
        to: ListenerId,
    ) -> Result<(), UnknownSocket> {
        self.set_now(now);
        self.listeners.get(to).ok_or(UnknownSocket)?;
        let giver = self.listeners.get_mut(from).ok_or(UnknownSocket)?;
        if from == to {
            return Ok(());
        }
        let mut queue = core::mem::take(&mut giver.queue);
        let held = core::mem::take(&mut giver.held);
        let held_now = core::mem::take(&mut giver.held_now);
        let half_open = core::mem::take(&mut giver.half_open);
        let entries: alloc::vec::Vec<_> = self.syn_queue.of(from).collect();
        for index in entries {
            if let Some(entry) = self.syn_queue.get_mut(index) {
                entry.listener = to;
            }
        }
        while let Some(slot) = queue.pop_front(&mut super::AcceptLinks(&mut self.connections)) {
            self.connections[slot as usize].owner = Owner::AcceptQueue(to);
            self.enqueue(to, slot);
        }
        let taker = self.listeners.get_mut(to).ok_or(UnknownSocket)?;
        taker.held.extend(held);
        taker.held_now += held_now;
        taker.half_open += half_open;
        self.promote_held(to);
        Ok(())
    }
}
