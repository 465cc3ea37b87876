//! Handshakes of one, two, three and four messages, as thin as they can be: what the real one is held against.
//!
//! A thin end follows RFC 9293 wherever the number of messages leaves it a choice: it answers a segment for no
//! connection by a RST, a suspicious one by an ACK, sends again what is not acknowledged, and gives up in the end. It
//! has no window, no options and no close. What differs is only when an end calls itself ESTABLISHED:
//!
//! | messages | the client | the server |
//! |---|---|---|
//! | 1: SYN | when it has sent it | when it comes; it has no ISN of its own to tell |
//! | 2: SYN; SYN,ACK | when the answer comes | when it has answered |
//! | 3: SYN; SYN,ACK; ACK | when the answer comes | when its answer is acknowledged |
//! | 4: SYN; SYN,ACK; ACK; ACK | when its acknowledgment is acknowledged | as with three |

use std::fmt::Write as _;
use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{Flags, Instant, SeqNumber};

use super::endpoint::{Endpoint, News, NewsKind, Read, View};
use super::packet::Packet;

/// Times anything is sent again before an end gives up.
const RETRIES: u8 = 3;

/// What an end knows of its connection.
#[derive(Clone, Debug)]
struct Known {
    state: StateName,
    /// Whether it waits for the fourth message: its own ACK is sent until it is answered.
    awaits_fourth: bool,
    iss: SeqNumber,
    irs: Option<SeqNumber>,
    snd_una: SeqNumber,
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    /// When something is sent again, and how often it was.
    timer: Option<(Instant, u8)>,
    written: Option<u8>,
    received: Vec<u8>,
}

/// An end that opens with so many messages.
#[derive(Clone, Debug)]
pub struct Thin {
    messages: u8,
    listens: bool,
    /// Tells this end's ISNs from the other's.
    salt: u32,
    known: Option<Known>,
    /// An application has accepted the connection, or begun it.
    held: bool,
    /// The connection ended under the application.
    ended: bool,
    out: Vec<Packet>,
    news: Vec<News>,
}

impl Thin {
    /// A client, or a server that listens, whose handshake has so many messages: one to four.
    #[must_use]
    pub fn new(messages: u8, listens: bool) -> Self {
        Self {
            messages: messages.clamp(1, 4),
            listens,
            salt: if listens { 0x8000_0000 } else { 0 },
            known: None,
            held: false,
            ended: false,
            out: Vec::new(),
            news: Vec::new(),
        }
    }

    /// The clock of RFC 9293 §3.4.1: 4 µs a step.
    pub(super) fn isn(&self, now: Instant) -> SeqNumber {
        SeqNumber(self.salt.wrapping_add((now.as_nanos() / 4_000) as u32))
    }

    fn send(&mut self, flags: Flags, seq: SeqNumber, ack: SeqNumber, data: &[u8]) {
        self.out.push(Packet::bare(flags, seq, ack, data));
    }

    /// The state without a connection.
    const fn idle(&self) -> StateName {
        if self.listens {
            StateName::Listen
        } else {
            StateName::Closed
        }
    }

    fn enter(&mut self, state: StateName, why: &'static str) {
        let idle = self.idle();
        let from = self.known.as_ref().map_or(idle, |known| known.state);
        if let Some(known) = &mut self.known {
            known.state = state;
        }
        self.tell(NewsKind::Change(from, state), why);
    }

    fn tell(&mut self, kind: NewsKind, why: &'static str) {
        let rule = "";
        self.news.push(News { kind, why, rule });
    }

    fn end(&mut self, why: &'static str) {
        let idle = self.idle();
        self.enter(idle, why);
        self.known = None;
        self.ended = self.held;
    }

    fn arm(&mut self, now: Instant, sent: u8) {
        if let Some(known) = &mut self.known {
            known.timer = Some((now + Duration::from_secs(1 << sent), sent));
        }
    }

    /// What the state sends, and sends again.
    fn send_own(&mut self) {
        let Some(known) = self.known.clone() else {
            return;
        };
        let Known {
            state,
            awaits_fourth,
            iss,
            snd_una,
            snd_nxt,
            rcv_nxt,
            written,
            ..
        } = known;
        match state {
            StateName::SynSent => self.send(Flags::SYN, iss, SeqNumber(0), &[]),
            StateName::SynReceived => self.send(Flags::SYN | Flags::ACK, iss, rcv_nxt, &[]),
            _ if awaits_fourth => self.send(Flags::ACK, snd_nxt, rcv_nxt, &[]),
            _ => {
                if let Some(byte) = written {
                    self.send(Flags::ACK, snd_una, rcv_nxt, &[byte]);
                }
            }
        }
    }

    fn acknowledge(&mut self) {
        if let Some(known) = &self.known {
            let (seq, ack) = (known.snd_nxt, known.rcv_nxt);
            self.send(Flags::ACK, seq, ack, &[]);
        }
    }

    fn refuse(&mut self, packet: &Packet, why: &'static str) {
        if packet.has(Flags::RST) {
            return;
        }
        self.tell(NewsKind::Reset, why);
        if packet.has(Flags::ACK) {
            self.send(Flags::RST, packet.ack, SeqNumber(0), &[]);
        } else {
            let end = packet.seq + packet.len();
            self.send(Flags::RST | Flags::ACK, SeqNumber(0), end, &[]);
        }
    }

    fn listen_arrival(&mut self, now: Instant, packet: &Packet) {
        if packet.flags != Flags::SYN {
            return self.refuse(packet, "a segment for no connection");
        }
        let iss = self.isn(now);
        self.known = Some(Known {
            state: self.idle(),
            awaits_fourth: false,
            iss,
            irs: Some(packet.seq),
            snd_una: iss,
            snd_nxt: iss + 1,
            rcv_nxt: packet.seq + 1,
            timer: None,
            written: None,
            received: Vec::new(),
        });
        match self.messages {
            1 => self.enter(StateName::Established, "a SYN is all there is"),
            2 => {
                self.enter(StateName::Established, "SYN received, and answered");
                self.answer_syn();
            }
            _ => {
                self.enter(StateName::SynReceived, "SYN received");
                self.send_own();
                self.arm(now, 0);
            }
        }
    }

    fn answer_syn(&mut self) {
        if let Some(known) = &self.known {
            let (iss, rcv_nxt) = (known.iss, known.rcv_nxt);
            self.send(Flags::SYN | Flags::ACK, iss, rcv_nxt, &[]);
        }
    }

    fn syn_sent_arrival(&mut self, now: Instant, packet: &Packet, iss: SeqNumber) {
        let acknowledges = packet.has(Flags::ACK) && packet.ack == iss + 1;
        if packet.has(Flags::RST) {
            if acknowledges {
                self.end("RST received in answer to our SYN");
            }
            return;
        }
        if packet.has(Flags::ACK) && !acknowledges {
            return self.refuse(packet, "an ACK that does not acknowledge our SYN");
        }
        if packet.flags != Flags::SYN | Flags::ACK {
            return;
        }
        let Some(known) = &mut self.known else { return };
        known.irs = Some(packet.seq);
        known.rcv_nxt = packet.seq + 1;
        known.snd_una = iss + 1;
        known.timer = None;
        match self.messages {
            4 => {
                known.awaits_fourth = true;
                // Not sure yet: the name is the nearest that Figure 5 has.
                self.enter(
                    StateName::SynReceived,
                    "SYN,ACK received; its ACK is not acknowledged",
                );
                self.acknowledge();
                self.arm(now, 0);
            }
            3 => {
                self.enter(StateName::Established, "SYN,ACK received");
                self.acknowledge();
            }
            _ => self.enter(StateName::Established, "SYN,ACK received"),
        }
    }

    fn syn_received_arrival(&mut self, packet: &Packet, known: &Known) {
        if packet.has(Flags::RST) {
            if packet.seq == known.rcv_nxt {
                self.end("RST received");
            }
        } else if packet.has(Flags::SYN) && !packet.has(Flags::ACK) {
            match known.irs == Some(packet.seq) {
                true => self.send_own(),
                false => self.end("another SYN received"),
            }
        } else if !packet.has(Flags::ACK) || packet.ack != known.iss + 1 {
            self.refuse(packet, "an ACK that does not acknowledge our SYN");
        } else if packet.seq == known.rcv_nxt {
            self.synchronize(packet);
        }
    }

    /// The server's SYN is acknowledged.
    fn synchronize(&mut self, packet: &Packet) {
        if let Some(known) = &mut self.known {
            known.snd_una = known.iss + 1;
            known.timer = None;
        }
        self.enter(StateName::Established, "our SYN is acknowledged");
        if self.messages == 4 {
            self.acknowledge();
        }
        if !packet.data.is_empty() {
            self.established_arrival(packet);
        }
    }

    fn established_arrival(&mut self, packet: &Packet) {
        let Some(known) = &mut self.known else { return };
        if packet.has(Flags::RST) {
            if packet.seq == known.rcv_nxt {
                self.end("RST received");
            }
            return;
        }
        if packet.has(Flags::SYN) {
            let again = self.messages == 2 && self.listens && known.irs == Some(packet.seq);
            return match again {
                // It may not have heard our answer.
                true => self.answer_syn(),
                false => self.acknowledge(),
            };
        }
        // With one message the server has told no ISN: there is nothing to acknowledge.
        let beyond = packet.ack.distance_from(known.snd_nxt) > 0;
        if self.messages > 1 && beyond {
            return self.acknowledge();
        }
        if packet.ack.distance_from(known.snd_una) > 0 && !beyond {
            known.snd_una = packet.ack;
            if known.snd_una == known.snd_nxt {
                known.written = None;
                known.timer = None;
            }
        }
        if packet.data.is_empty() {
            // The third message again: the fourth was lost.
            if self.messages == 4 && self.listens && known.written.is_none() {
                let is_third = packet.seq == known.rcv_nxt && packet.ack == known.snd_nxt;
                if is_third {
                    self.acknowledge();
                }
            }
        } else {
            if packet.seq == known.rcv_nxt {
                known.received.extend_from_slice(&packet.data);
                known.rcv_nxt += packet.len();
            }
            self.acknowledge();
        }
    }

    fn fourth_arrival(&mut self, packet: &Packet, known: &Known) {
        let answers = packet.ack == known.snd_nxt && packet.seq == known.rcv_nxt;
        if packet.has(Flags::SYN) {
            return self.acknowledge();
        }
        if packet.has(Flags::ACK) && answers && !packet.has(Flags::RST) {
            if let Some(known) = &mut self.known {
                known.awaits_fourth = false;
                known.timer = None;
            }
            self.enter(StateName::Established, "our ACK is acknowledged");
        }
        self.established_arrival(packet);
    }
}

impl Endpoint for Thin {
    fn receive(&mut self, now: Instant, packet: &Packet) {
        let Some(known) = self.known.clone() else {
            return if self.listens {
                self.listen_arrival(now, packet);
            } else {
                self.refuse(packet, "a segment for no connection");
            };
        };
        match known.state {
            StateName::SynSent => self.syn_sent_arrival(now, packet, known.iss),
            _ if known.awaits_fourth => self.fourth_arrival(packet, &known),
            StateName::SynReceived => self.syn_received_arrival(packet, &known),
            _ => self.established_arrival(packet),
        }
    }

    fn advance(&mut self, now: Instant) {
        let timer = self.known.as_ref().and_then(|known| known.timer);
        let Some((_, sent)) = timer.filter(|(at, _)| *at <= now) else {
            return;
        };
        if sent >= RETRIES {
            return self.end("sent again without an answer");
        }
        self.send_own();
        self.arm(now, sent + 1);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let timer = self.known.as_ref()?.timer?;
        Some(timer.0)
    }

    fn transmit(&mut self, _now: Instant, out: &mut Vec<Packet>) {
        out.append(&mut self.out);
    }

    fn connect(&mut self, now: Instant) -> bool {
        let iss = self.isn(now);
        self.known = Some(Known {
            state: self.idle(),
            awaits_fourth: false,
            iss,
            irs: None,
            snd_una: iss,
            snd_nxt: iss + 1,
            rcv_nxt: SeqNumber(0),
            timer: None,
            written: None,
            received: Vec::new(),
        });
        (self.held, self.ended) = (true, false);
        self.enter(StateName::SynSent, "the application connects");
        self.send_own();
        if self.messages == 1 {
            if let Some(known) = &mut self.known {
                known.snd_una = iss + 1;
            }
            self.enter(StateName::Established, "the SYN is sent, that is all");
        } else {
            self.arm(now, 0);
        }
        true
    }

    fn accept(&mut self, _now: Instant) -> bool {
        let ready = self.connection().is_some_and(|view| view.is_synchronized());
        let accepts = self.listens && !self.held && ready;
        if accepts {
            (self.held, self.ended) = (true, false);
        }
        accepts
    }

    fn write(&mut self, now: Instant, byte: u8) -> bool {
        if self.ended || !self.held {
            return true;
        }
        let Some(known) = &mut self.known else {
            return true;
        };
        if known.state != StateName::Established || known.written.is_some() {
            return false;
        }
        known.written = Some(byte);
        known.snd_nxt += 1;
        self.send_own();
        self.arm(now, 0);
        true
    }

    fn read(&mut self, _now: Instant) -> Read {
        if !self.held {
            return Read::Nothing;
        }
        match &mut self.known {
            Some(known) if !known.received.is_empty() => Read::Byte(known.received.remove(0)),
            Some(_) => Read::Nothing,
            None if self.ended => Read::End,
            None => Read::Nothing,
        }
    }

    fn shut_down(&mut self, _now: Instant) {}

    fn close(&mut self, _now: Instant) {
        if self.known.is_some() {
            self.end("the application gives it up without a word");
        }
        (self.held, self.ended) = (false, false);
    }

    fn restart(&mut self, _now: Instant) {
        *self = Self::new(self.messages, self.listens);
    }

    fn connection(&self) -> Option<View> {
        let known = self.known.as_ref()?;
        Some(View {
            state: known.state,
            // With one message nobody ever learns the server's ISN.
            snd_una: (self.messages > 1 || !self.listens).then_some(known.snd_una),
            snd_nxt: known.snd_nxt,
            rcv_nxt: known.irs.map(|_| known.rcv_nxt),
        })
    }

    fn is_empty(&self) -> bool {
        self.known.is_none()
    }

    fn describe(&self, out: &mut String) {
        let Self {
            known, held, ended, ..
        } = self;
        let _never = write!(out, "{known:?} {held} {ended}");
    }

    fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}
