//! What the application asks of a connection (RFC 9293 §3.9.1, §3.10).

use super::compact::CompactOptions;
use super::history::PastCall;
use super::state::State;
use super::{Call, CallResult, Connection, Owner};
use crate::SocketOptions;
use crate::buffer::SpareChunks;
use crate::context::Context;
use crate::error::{ReadError, ShutdownError, WriteError};
use crate::memory::Memory;
use crate::observe::{Cause, Observer, ResetReason};

/// Which direction an application gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Reads no more than what has arrived. The peer is not told; what it sends is acknowledged and kept as long as
    /// there is room, as Linux does.
    Read,
    /// Writes no more: what was written is sent, then a FIN (RFC 9293 §3.6).
    Write,
    /// Both.
    Both,
}

impl Connection {
    /// RECEIVE (RFC 9293 §3.10.3): `Ok(0)` is the end of file, or an empty `into`.
    pub(crate) fn read<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        into: &mut [u8],
    ) -> Result<usize, ReadError> {
        let result = self.take_bytes(&mut cx.spares.chunks, into);
        self.has_read = true;
        if matches!(result, Ok(0)) && !into.is_empty() {
            self.history.end_of_file_delivered = true;
        }
        if result.is_ok_and(|length| length > 0) {
            self.offer_larger_window(cx);
        }
        self.remember_read(cx, Call::Read, &result);
        result
    }

    fn remember_read<O: Observer>(
        &mut self,
        cx: &Context<O>,
        call: Call,
        result: &Result<usize, ReadError>,
    ) {
        let outcome = match result {
            Ok(length) => CallResult::Done(*length as u32), // no buffer is larger
            Err(ReadError::WouldBlock) => CallResult::WouldBlock,
            Err(_) => CallResult::Failed,
        };
        self.remember_call(cx, call, outcome);
    }

    fn take_bytes(
        &mut self,
        spares: &mut SpareChunks,
        into: &mut [u8],
    ) -> Result<usize, ReadError> {
        if self.has_bytes_to_deliver() {
            let most = into.len().min(self.receive.readable_at_once());
            let length = self.receive.busy.buffer.read(&mut into[..most], spares);
            self.receive.busy.urgent = self.receive.busy.urgent.saturating_sub(length as u32);
            return Ok(length);
        }
        self.read_nothing()
    }

    /// What a read answers when no byte waits.
    fn read_nothing(&mut self) -> Result<usize, ReadError> {
        let Some(state) = &self.state else {
            // The peer's FIN came before its RST: the stream had ended well.
            let ended = if self.receive.finished {
                None
            } else {
                self.error.take()
            };
            return ended.map_or(Ok(0), |cause| Err(ReadError::Ended(cause)));
        };
        if self.receive.shut || self.receive.finished {
            return Ok(0);
        }
        debug_assert!(state.can_receive() || matches!(state, State::SynSent(_)));
        Err(ReadError::WouldBlock)
    }

    /// Like `read`, but leaves the bytes.
    pub(crate) fn peek<O: Observer>(
        &mut self,
        cx: &Context<O>,
        into: &mut [u8],
    ) -> Result<usize, ReadError> {
        let result = if self.has_bytes_to_deliver() {
            let most = into.len().min(self.receive.readable_at_once());
            Ok(self.receive.busy.buffer.peek(&mut into[..most]))
        } else {
            self.read_nothing()
        };
        if matches!(result, Ok(0)) && !into.is_empty() {
            self.history.end_of_file_delivered = true;
        }
        self.remember_read(cx, Call::Peek, &result);
        result
    }

    /// Whether a read would find something.
    pub(crate) fn is_readable(&self) -> bool {
        self.has_ended()
            || self.receive.shut
            || self.receive.finished
            || self.has_bytes_to_deliver()
    }

    /// Data on a SYN is held back "until it is clear the data is valid", that is until our own SYN is
    /// acknowledged (RFC 9293 §3.5).
    pub(super) fn may_deliver(&self) -> bool {
        let snd = self.state.as_ref().and_then(State::snd);
        snd.is_none_or(|snd| !snd.syn_unacked())
    }

    fn has_bytes_to_deliver(&self) -> bool {
        !self.receive.busy.buffer.is_empty() && self.may_deliver()
    }

    /// Whether a write would find room or an error, and whether a connect is over.
    pub(crate) fn is_writable(&self, memory: &Memory) -> bool {
        self.state.as_ref().is_none_or(|state| {
            state.is_synchronized() && (!state.can_write() || self.send.is_writable(memory))
        })
    }

    /// The application has made room: the peer may have to hear of it (RFC 9293 §3.8.6.2.2).
    fn offer_larger_window<O: Observer>(&mut self, cx: &Context<O>) {
        let limit = self.receive.limit(&cx.memory);
        let wanted = self.state.as_ref().is_some_and(|state| {
            state.is_synchronized()
                && state.can_receive()
                && state
                    .rcv()
                    .is_some_and(|rcv| self.receive.wants_window_update(rcv, limit))
        });
        if wanted {
            self.receive.owe_ack_now();
        }
    }

    /// SEND (RFC 9293 §3.10.2): takes as much as there is room for.
    pub(crate) fn write<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        data: &[u8],
    ) -> Result<usize, WriteError> {
        let result = self.put_bytes(cx, data);
        let outcome = match result {
            Ok(length) => CallResult::Done(length as u32), // no buffer is larger
            Err(WriteError::WouldBlock) => CallResult::WouldBlock,
            Err(_) => CallResult::Failed,
        };
        self.remember_call(cx, Call::Write, outcome);
        result
    }

    fn put_bytes<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        data: &[u8],
    ) -> Result<usize, WriteError> {
        let Some(state) = &self.state else {
            let after_fin = self.receive.finished
                && matches!(self.ended, Some(Cause::Reset | Cause::ResetInWindow));
            let ended = self.error.take().filter(|_| !after_fin);
            return Err(ended.map_or(WriteError::Closed, WriteError::Ended));
        };
        if !state.can_write() {
            return Err(WriteError::Closed);
        }
        let room = self.send.room(&cx.memory);
        if room == 0 && !data.is_empty() {
            self.send.hold_back();
            return Err(WriteError::WouldBlock);
        }
        let length = room.min(data.len());
        self.send.busy.begin(&mut cx.spares.send);
        let work = &mut *self.send.busy;
        if work.buffer.is_empty() {
            work.waiting_since = cx.now;
        }
        work.buffer.push(&data[..length], &mut cx.spares.chunks);
        if !self.timers.retransmit.is_set() {
            self.arm_retransmission(cx.now);
        }
        Ok(length)
    }

    /// Half a CLOSE (RFC 9293 §3.6): the other direction goes on.
    pub(crate) fn shutdown<O: Observer>(
        &mut self,
        cx: &mut Context<O>,
        how: Shutdown,
    ) -> Result<(), ShutdownError> {
        self.remember_call(cx, Call::Shutdown(how), CallResult::Done(0));
        if self.state.is_none() {
            return Err(ShutdownError::NotConnected);
        }
        // Only a change is news: a caller may shut down again whenever it is told something.
        if matches!(how, Shutdown::Read | Shutdown::Both) && !self.receive.shut {
            self.receive.shut = true;
            self.readiness |= super::Readiness::READABLE;
        }
        if matches!(how, Shutdown::Write | Shutdown::Both)
            && self.state.as_ref().is_some_and(State::can_write)
        {
            self.finish(cx, Cause::ShutdownWrite);
        }
        Ok(())
    }

    /// Queues our FIN behind everything written.
    pub(crate) fn finish<O: Observer>(&mut self, cx: &mut Context<O>, cause: Cause) {
        let Some(state) = &self.state else { return };
        if !state.can_write() {
            return;
        }
        let Some(snd) = state.snd() else { return };
        let fin = self.send.data_end(snd);
        if self.send.busy.queue.is_empty() && self.send.busy.buffer.is_empty() {
            self.send.busy.waiting_since = cx.now;
        }
        self.transition(cx, cause, |state| state.close(fin));
        // Whoever waits to write more waits in vain.
        self.readiness |= super::Readiness::WRITABLE;
        if self.state.is_some() && !self.timers.retransmit.is_set() {
            self.arm_retransmission(cx.now);
        }
    }

    /// CLOSE (RFC 9293 §3.10.4) by an application that keeps no socket: the connection ends on its own.
    pub(crate) fn close<O: Observer>(&mut self, cx: &mut Context<O>) {
        self.remember_call(cx, Call::Close, CallResult::Done(0));
        self.say_farewell(cx);
        self.owner = Owner::Nobody;
        if self.state.is_some() {
            cx.orphans += 1;
            self.arm_orphan(cx);
        }
    }

    /// What a CLOSE sends: a FIN behind what was written, or a RST, which ends the connection at once.
    fn say_farewell<O: Observer>(&mut self, cx: &mut Context<O>) {
        let Some(state) = &self.state else { return };
        let known = !matches!(state, State::SynSent(_));
        if known && !self.receive.busy.buffer.is_empty() {
            // RFC 2525 §2.17: a FIN would say that all was read.
            return self.reset(cx, Cause::CloseUnread, ResetReason::CloseUnread);
        }
        if known && self.options.linger().is_some_and(|time| time.is_zero()) {
            return self.reset(cx, Cause::LingerZero, ResetReason::LingerZero);
        }
        if known && cx.orphans >= cx.config.max_orphans {
            cx.counters.tcp_abort_on_memory += 1;
            return self.reset(cx, Cause::OrphanLimit, ResetReason::OrphanLimit);
        }
        self.receive.shut = true;
        self.finish(cx, Cause::Close);
    }

    /// ABORT (RFC 9293 §3.10.5).
    pub(crate) fn abort<O: Observer>(&mut self, cx: &mut Context<O>, cause: Cause) {
        if self.state.is_some() {
            let reason = match cause {
                Cause::ListenerClosed => ResetReason::ListenerClosed,
                Cause::Shed | Cause::AcceptOverflow => ResetReason::AcceptOverflow,
                Cause::Shutdown => ResetReason::Shutdown,
                _ => ResetReason::Abort,
            };
            self.reset(cx, cause, reason);
        }
        self.owner = Owner::Nobody;
    }

    /// The options now in force.
    pub(crate) fn options(&self) -> SocketOptions {
        let (send, receive) = (self.send.capacity(), self.receive.capacity());
        self.options.expand(send, receive)
    }

    /// Changes the options. A smaller receive buffer takes effect as the application reads.
    pub(crate) fn set_options<O: Observer>(&mut self, cx: &Context<O>, options: SocketOptions) {
        let options = options.clamped();
        let has_more_room = self.receive.capacity() < options.receive_buffer;
        self.send.set_capacity(options.send_buffer);
        self.receive.set_capacity(options.receive_buffer);
        let limited = self.options.max_segment() != options.max_segment;
        // "Setting this option forces an explicit flush of pending output, even if TCP_CORK is currently set"
        // (Linux, tcp(7)).
        let waits = self.state.as_ref().and_then(State::snd);
        let waits = waits.is_some_and(|snd| snd.nxt.precedes(self.send.data_end(snd)));
        self.send.busy.uncorked |= waits && options.nodelay && !self.options.nodelay();
        self.receive.set_quick(options.quick_ack);
        self.options = CompactOptions::new(&options);
        if limited {
            self.set_segment_sizes();
        }
        if self.state.as_ref().is_some_and(State::is_synchronized) {
            self.keep_alive_probes = 0;
            self.arm_keep_alive(cx.now);
            if has_more_room {
                self.offer_larger_window(cx);
            }
        }
    }

    fn remember_call<O: Observer>(&mut self, cx: &Context<O>, call: Call, result: CallResult) {
        self.history.last_call = Some(PastCall::new(cx.now, call, result));
        if self.is_neglected {
            self.watch_close_wait(&cx.config);
        }
    }

    /// A child leaves the accept queue: from now on it is the application's.
    pub(crate) fn be_accepted<O: Observer>(&mut self, cx: &Context<O>) {
        self.owner = Owner::Application;
        self.remember_call(cx, Call::Accept, CallResult::Done(0));
        self.watch_close_wait(&cx.config);
        self.readiness |= super::Readiness::WRITABLE;
        if self.is_readable() {
            self.readiness |= super::Readiness::READABLE;
        }
    }
}
