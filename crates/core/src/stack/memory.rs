//! What a stack takes of its memory budget.

use super::Stack;
use crate::connection::Connection;
use crate::demux::{SynReceived, TimeWait};
use crate::memory::{Memory, MemoryLevel, MemoryStatus, guaranteed};
use crate::observe::Observer;
use crate::wire;

impl<O: Observer> Stack<O> {
    /// Bytes that connections in every state take: their entries, what hangs on these, and their places in the table.
    /// Room that the allocator or a chunk keeps in reserve is not counted.
    pub fn bytes_held(&self) -> usize {
        self.entries_held() + self.cx.memory.held()
    }

    /// How much of the memory budget is used, and what follows.
    ///
    /// What was allowed before memory came short is never taken back, and each connection goes on with its guaranteed
    /// share. So `used` may exceed `budget`: by what the buffers of two segments each way take for every connection,
    /// the room to which one buffer's growth doubles it, and the handshakes under way. Chunks of slots that are not
    /// full are not in it, nor are the few boxes kept for the next exchange (about 170 KB at most), nor the buffers'
    /// spare chunks (1 MiB at most, and none while memory is short).
    pub fn memory(&self) -> MemoryStatus {
        let (memory, budget) = (&self.cx.memory, self.cx.config.memory);
        let others = self.entries_held() + self.cx.reply_bytes();
        let segment = self.cx.config.mtu.saturating_sub(wire::header_len(true));
        let segment = u16::try_from(segment).unwrap_or(u16::MAX);
        MemoryStatus {
            used: others + memory.held(),
            budget,
            level: memory.level(),
            holders: memory.holders(),
            fair_share: Memory::fair_share(others, budget, memory.holders()),
            guaranteed_share: guaranteed(segment) as usize,
        }
    }

    /// What slots and entries take, with their places in the table.
    fn entries_held(&self) -> usize {
        self.connections.len() * size_of::<Connection>()
            + self.syn_queue.len() * size_of::<SynReceived>()
            + self.syn_queue.early_bytes()
            + self.time_wait.len() * size_of::<TimeWait>()
            + self.table.bytes_held()
    }

    /// Works out how near the budget is.
    pub(super) fn weigh(&mut self) {
        let others = self.entries_held() + self.cx.reply_bytes();
        if self.cx.memory.weigh(others, self.cx.config.memory) {
            self.cx.counters.tcp_memory_pressures += 1;
        }
        if self.cx.memory.level() > MemoryLevel::Low {
            self.cx.spares.chunks.clear();
        }
    }

    /// Whether no connection may begin.
    pub(super) fn is_memory_spent(&mut self) -> bool {
        self.weigh();
        self.cx.memory.level() == MemoryLevel::High
    }

    /// The same as [`bytes_held`](Self::bytes_held), counted anew.
    #[cfg(test)]
    pub(super) fn count_bytes(&self) -> usize {
        let slots = self.connections.iter();
        let slots = slots.map(|(_, slot)| size_of::<Connection>() + slot.buffered());
        let half_open = self
            .syn_queue
            .iter()
            .map(|entry| size_of::<SynReceived>() + entry.early_len());
        let time_wait = self.time_wait.iter().map(size_of_val);
        slots.chain(half_open).chain(time_wait).sum::<usize>() + self.table.bytes_held()
    }
}
