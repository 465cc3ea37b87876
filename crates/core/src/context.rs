//! What every part of the stack works with: the time, the settings, the counters, the observer and the
//! queue of answers that have no connection of their own.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::IpAddr;

use crate::connection::{Exit, Spare};
use crate::counters::Counters;
use crate::memory::Memory;
use crate::observe::{
    Cause, Direction, Discard, DiscardReason, LifeId, Observer, Refusal, RefusalReason,
    ResetReason, ResetSent, Seen, StateName, Transition,
};
use crate::wire::Treatment;
use crate::{
    Config, Flags, FourTuple, Instant, Options, Secrets, Segment, SeqNumber, SocketOptions,
    Timestamps,
};

/// An answer that waits for `transmit`.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A segment without data, the life it belongs to, whether it was sent before, and how IP is to treat it.
    Segment(Segment<'static>, Option<LifeId>, bool, Treatment),
    /// An echo reply to this request.
    Echo {
        source: IpAddr,
        destination: IpAddr,
        request: Box<[u8]>,
    },
}

impl Reply {
    fn bytes_held(&self) -> usize {
        let request = match self {
            Self::Segment(..) => 0,
            Self::Echo { request, .. } => request.len(),
        };
        size_of::<Self>() + request
    }
}

/// Answers that an empty queue may have room for.
const FEW_REPLIES: usize = 64;

/// The stack's surroundings, handed to every step.
#[derive(Clone, Debug)]
pub(crate) struct Context<O> {
    pub(crate) now: Instant,
    pub(crate) config: Config,
    pub(crate) secrets: Secrets,
    pub(crate) observer: O,
    pub(crate) counters: Counters,
    replies: VecDeque<Reply>,
    reply_bytes: usize,
    pub(crate) memory: Memory,
    challenges: ChallengeBudget,
    pub(crate) spares: Spare,
    /// Who has just left its state, and how.
    exit: Option<(LifeId, Exit)>,
    /// Connections that no application owns any more, bounded by `Config::max_orphans`.
    pub(crate) orphans: usize,
    lives: u32,
    listeners: u32,
}

impl<O: Observer> Context<O> {
    pub(crate) fn new(config: Config, secrets: Secrets, observer: O) -> Self {
        Self {
            now: Instant::ZERO,
            config,
            secrets,
            observer,
            counters: Counters::default(),
            replies: VecDeque::new(),
            reply_bytes: 0,
            memory: Memory::default(),
            challenges: ChallengeBudget::default(),
            spares: Spare::new(),
            exit: None,
            orphans: 0,
            lives: 0,
            listeners: 0,
        }
    }

    /// The number of a new life.
    pub(crate) fn next_life(&mut self) -> LifeId {
        self.lives = self.lives.wrapping_add(1).max(1);
        LifeId(self.lives)
    }

    /// The number of a listener's life: counted down from the other end, so that connections begin with 1.
    pub(crate) fn next_listener(&mut self) -> LifeId {
        self.listeners = self.listeners.wrapping_add(1);
        LifeId(u32::MAX - self.listeners)
    }

    pub(crate) fn transition(
        &mut self,
        life: LifeId,
        tuple: FourTuple,
        (from, to): (StateName, StateName),
        cause: Cause,
    ) {
        debug_assert!(
            crate::connection::arrows::allows(from, to, cause),
            "no arrow from {from} to {to} for: {cause}"
        );
        let event = Transition {
            life,
            tuple,
            from,
            to,
            cause,
            at: self.now,
        };
        self.observer.transition(&event);
    }

    /// A connection leaves its state. The stack acts on it before another is touched.
    pub(crate) fn leave(&mut self, life: LifeId, exit: Exit) {
        debug_assert!(self.exit.is_none(), "one exit after the other");
        self.exit = Some((life, exit));
    }

    /// How this connection has left its state, if that has just happened.
    pub(crate) fn take_exit(&mut self, life: LifeId) -> Option<Exit> {
        self.exit
            .take_if(|(left, _)| *left == life)
            .map(|(_, exit)| exit)
    }

    pub(crate) fn discard(
        &mut self,
        tuple: Option<FourTuple>,
        life: Option<LifeId>,
        reason: DiscardReason,
    ) {
        self.counters.discards[reason as usize] += 1;
        self.observer.discard(&Discard {
            tuple,
            life,
            reason,
            at: self.now,
        });
    }

    pub(crate) fn refuse(&mut self, tuple: Option<FourTuple>, reason: RefusalReason) {
        self.counters.refusals[reason as usize] += 1;
        self.observer.refusal(&Refusal {
            tuple,
            reason,
            at: self.now,
        });
    }

    pub(crate) fn seen(
        &mut self,
        life: LifeId,
        segment: &Segment<'_>,
        len: u32,
        direction: Direction,
        retransmission: bool,
    ) {
        let Segment {
            tuple,
            seq,
            ack,
            flags,
            ..
        } = *segment;
        let at = self.now;
        let event = Seen {
            life,
            tuple,
            direction,
            flags,
            seq,
            ack,
            len,
            retransmission,
            at,
        };
        self.observer.seen(&event);
    }

    /// Queues an answer. When too many wait, or memory is spent on an echo, it is not sent, and counted.
    pub(crate) fn reply(&mut self, reply: Reply) {
        let (tuple, life) = match &reply {
            Reply::Segment(segment, life, ..) => (Some(segment.tuple), *life),
            Reply::Echo { .. } => (None, None),
        };
        if self.replies.len() >= self.config.max_replies {
            return self.discard(tuple, life, DiscardReason::ReplyQueueFull);
        }
        let bytes = reply.bytes_held();
        if bytes > size_of::<Reply>() && self.memory.left() < self.reply_bytes + bytes {
            return self.discard(tuple, life, DiscardReason::NoMemory);
        }
        self.reply_bytes += bytes;
        self.replies.push_back(reply);
    }

    /// Bytes that waiting answers take.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    pub(crate) fn pop_reply(&mut self) -> Option<Reply> {
        let reply = self.replies.pop_front();
        self.reply_bytes -= reply.as_ref().map_or(0, Reply::bytes_held);
        if self.replies.is_empty() && self.replies.capacity() > FEW_REPLIES {
            self.replies = VecDeque::new();
        }
        reply
    }

    /// How many answers wait.
    pub(crate) fn replies(&self) -> usize {
        self.replies.len()
    }

    pub(crate) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Sends a RST that follows the rules of RFC 9293 §3.5.2 for a segment of no connection.
    /// `listener`: the options of the socket it came for, if there is one.
    pub(crate) fn reset_for(
        &mut self,
        segment: &Segment<'_>,
        reason: ResetReason,
        listener: Option<&SocketOptions>,
    ) {
        self.reset(None, rst_for(segment), reason, listener);
    }

    /// Sends a RST, by the options of the socket it is sent for.
    pub(crate) fn reset(
        &mut self,
        life: Option<LifeId>,
        rst: Segment<'static>,
        reason: ResetReason,
        socket: Option<&SocketOptions>,
    ) {
        self.counters.resets[reason as usize] += 1;
        self.counters.out_rsts += 1;
        self.observer.reset(&ResetSent {
            tuple: rst.tuple,
            life,
            reason,
            at: self.now,
        });
        let treatment = self.config.treatment(socket);
        self.reply(Reply::Segment(rst, life, false, treatment));
    }

    /// Whether one more challenge ACK may be sent, stack-wide (RFC 5961 §10).
    pub(crate) fn may_challenge(&mut self) -> bool {
        let limit = self.config.challenge_acks_per_second;
        self.challenges.take(self.now, limit)
    }
}

/// The RST that answers a segment (RFC 9293 §3.5.2), with its timestamp: "SEG.TSecr SHOULD be set to SEG.TSval from
/// the incoming segment and SEG.TSval SHOULD be set to zero" (RFC 7323 §5.2).
pub(crate) fn rst_for(segment: &Segment<'_>) -> Segment<'static> {
    let (seq, ack, flags) = if segment.has(Flags::ACK) {
        (segment.ack, SeqNumber(0), Flags::RST)
    } else {
        (SeqNumber(0), segment.end(), Flags::RST | Flags::ACK)
    };
    let mut rst = bare_segment(segment.tuple, seq, ack, flags);
    let answer = |theirs: Timestamps| Timestamps {
        value: 0,
        echo: theirs.value,
    };
    rst.options.timestamps = segment.options.timestamps.map(answer);
    rst
}

/// A segment without data, window and options.
pub(crate) fn bare_segment(
    tuple: FourTuple,
    seq: SeqNumber,
    ack: SeqNumber,
    flags: Flags,
) -> Segment<'static> {
    Segment {
        tuple,
        seq,
        ack,
        wnd: 0,
        flags,
        urgent: 0,
        options: Options::default(),
        payload: &[],
    }
}

/// So many a second, counted anew each second.
#[derive(Clone, Debug, Default)]
struct ChallengeBudget {
    second: u64,
    used: u32,
}

impl ChallengeBudget {
    fn take(&mut self, now: Instant, limit: u32) -> bool {
        let second = now.as_millis() / 1000;
        if second != self.second {
            *self = Self { second, used: 0 };
        }
        if self.used >= limit {
            return false;
        }
        self.used += 1;
        true
    }
}
