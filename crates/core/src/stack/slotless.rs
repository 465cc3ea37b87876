//! ACKs for connections that have no slot: the half-open and those in TIME-WAIT.

use super::Stack;
use crate::context::{Reply, bare_segment};
use crate::observe::{LifeId, Observer};
use crate::{Flags, FourTuple, SeqNumber, SocketOptions, Timestamps};

/// What such an ACK says.
pub(super) struct SlotlessAck {
    pub(super) life: LifeId,
    pub(super) tuple: FourTuple,
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) wnd: u16,
    /// TS.Recent, if timestamps are in use.
    pub(super) echo: Option<u32>,
    /// The options of the listener, while it is known: TIME-WAIT keeps none.
    pub(super) socket: Option<SocketOptions>,
}

impl<O: Observer> Stack<O> {
    /// Sends it, within the budget of challenge ACKs (RFC 5961 §10).
    pub(super) fn challenge_without_slot(&mut self, ack: SlotlessAck) {
        if !self.cx.may_challenge() {
            self.cx.counters.tcp_ack_skipped_challenge += 1;
            return;
        }
        self.cx.counters.tcp_challenge_ack += 1;
        self.acknowledge_without_slot(ack);
    }

    /// Sends it.
    pub(super) fn acknowledge_without_slot(&mut self, ack: SlotlessAck) {
        let SlotlessAck {
            life,
            tuple,
            seq,
            ack,
            wnd,
            echo,
            socket,
        } = ack;
        let mut segment = bare_segment(tuple, seq, ack, Flags::ACK);
        segment.wnd = wnd;
        let value = self.cx.secrets.timestamp(&tuple, self.cx.now);
        segment.options.timestamps = echo.map(|echo| Timestamps { value, echo });
        let treatment = self.cx.config.treatment(socket.as_ref());
        self.cx
            .reply(Reply::Segment(segment, Some(life), false, treatment));
    }
}
