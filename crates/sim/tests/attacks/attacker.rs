//! Attackers: what each sends in a millisecond, and how it answers.

use std::net::{Ipv4Addr, SocketAddrV4};

use estab_core::observe::{DiscardReason, ResetReason};
use estab_core::{Counters, Flags};

use crate::packet::Segment;
use crate::world::{CLIENTS, REQUEST, SERVER};

/// What somebody does to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// SYNs from addresses that nobody has.
    Syns,
    /// The same, full of data.
    SynData,
    /// ACKs for the listener that belong to nothing.
    Acks,
    /// RSTs and SYNs at the honest clients' connections, whose ports are known, with guessed numbers.
    Guesses,
    /// Handshakes that are finished, and then silence.
    Handshakes,
    /// Handshakes, and then single bytes with a hole before each.
    Holes,
    /// Handshakes, requests, and then a shut window.
    SlowReaders,
}

impl Attack {
    pub(crate) const ALL: [Self; 7] = [
        Self::Syns,
        Self::SynData,
        Self::Acks,
        Self::Guesses,
        Self::Handshakes,
        Self::Holes,
        Self::SlowReaders,
    ];

    /// Segments a millisecond, and after how many milliseconds there is one more.
    const fn rate(self) -> (u32, u32) {
        match self {
            Self::Syns | Self::Acks => (20, 1),
            Self::SynData | Self::Guesses => (5, 1),
            Self::Handshakes | Self::Holes | Self::SlowReaders => (0, 5),
        }
    }

    /// Whether it finishes handshakes.
    pub(crate) const fn has_addresses(self) -> bool {
        matches!(self, Self::Handshakes | Self::Holes | Self::SlowReaders)
    }

    /// How often the server has counted what names it.
    pub(crate) fn counted(self, counters: &Counters) -> u64 {
        let discarded = |reason| counters.discarded(reason);
        match self {
            Self::Syns | Self::SynData => counters.tcp_req_q_full_do_cookies,
            Self::Acks => discarded(DiscardReason::AckToListener),
            Self::Guesses => {
                discarded(DiscardReason::ResetOutside)
                    + discarded(DiscardReason::ResetInexact)
                    + discarded(DiscardReason::OutsideWindow)
                    + discarded(DiscardReason::SynInWindow)
            }
            // The application's patience is over.
            Self::Handshakes => counters.reset(ResetReason::Abort),
            Self::Holes => counters.tcp_ofo_queue + counters.tcp_ofo_drop,
            Self::SlowReaders => counters.tcp_win_probe,
        }
    }
}

/// A connection of an attacker's own.
struct Conquest {
    from: SocketAddrV4,
    seq: u32,
    ack: u32,
}

/// Somebody who does one thing.
pub(crate) struct Attacker {
    pub(crate) attack: Attack,
    /// The third number of its addresses.
    number: u8,
    random: fastrand::Rng,
    conquests: Vec<Conquest>,
    holes: u32,
}

impl Attacker {
    pub(crate) fn new(attack: Attack, number: u8, seed: u64) -> Self {
        Self {
            attack,
            number,
            random: fastrand::Rng::with_seed(seed),
            conquests: Vec::new(),
            holes: 0,
        }
    }

    pub(crate) fn is_at(&self, address: Ipv4Addr) -> bool {
        address.octets()[..3] == [198, 19, self.number]
    }

    /// What it sends in the `tick`th millisecond. `ports`: the honest clients'.
    pub(crate) fn act(&mut self, tick: u32, ports: &[u16], send: &mut impl FnMut(Segment)) {
        let (each, rest) = self.attack.rate();
        let count = each + u32::from(tick.is_multiple_of(rest));
        for _ in 0..count {
            let segment = self.opening(ports);
            send(segment);
        }
        if self.attack == Attack::Holes {
            self.holes += 2;
            // Each in its turn.
            for conquest in self.conquests.iter().skip(tick as usize % 8).step_by(8) {
                let beyond = 1 + self.holes % 60_000;
                send(conquest.segment(Flags::ACK, conquest.seq.wrapping_add(beyond), 1, 65_535));
            }
        }
    }

    /// The first segment of whatever it does.
    fn opening(&mut self, ports: &[u16]) -> Segment {
        let random = &mut self.random;
        let own = Ipv4Addr::new(198, 19, self.number, random.u8(..));
        let mut segment = Segment {
            from: SocketAddrV4::new(own, random.u16(1_024..)),
            to: SERVER,
            flags: Flags::SYN,
            seq: random.u32(..),
            ack: 0,
            wnd: 65_535,
            len: 0,
        };
        match self.attack {
            Attack::Acks => {
                segment.flags = Flags::ACK;
                segment.ack = random.u32(..);
            }
            Attack::SynData => segment.len = 1_000,
            Attack::Guesses => {
                let place = random.usize(..=ports.len());
                let port = ports.get(place).copied().unwrap_or(40_000);
                segment.from = SocketAddrV4::new(CLIENTS, port);
                segment.flags = if random.bool() {
                    Flags::RST
                } else {
                    Flags::SYN
                };
            }
            _ => {}
        }
        segment
    }

    /// A segment comes to one of its addresses.
    pub(crate) fn hear(&mut self, heard: &Segment, send: &mut impl FnMut(Segment)) {
        if !self.attack.has_addresses() || heard.flags.contains(Flags::RST) {
            return;
        }
        let mut conquest = Conquest {
            from: heard.to,
            seq: heard.ack,
            ack: heard.seq.wrapping_add(heard.len as u32),
        };
        if heard.flags.contains(Flags::SYN) {
            conquest.ack = heard.seq.wrapping_add(1);
            send(conquest.segment(Flags::ACK, conquest.seq, 0, 65_535));
            match self.attack {
                Attack::SlowReaders => conquest.request(send),
                Attack::Holes => self.conquests.push(conquest),
                _ => {}
            }
        } else if self.attack == Attack::SlowReaders && heard.len > 0 {
            // It has taken nothing, and there is no room.
            conquest.ack = heard.seq;
            send(conquest.segment(Flags::ACK, conquest.seq, 0, 0));
        }
    }
}

impl Conquest {
    fn segment(&self, flags: Flags, seq: u32, len: usize, wnd: u16) -> Segment {
        Segment {
            from: self.from,
            to: SERVER,
            flags,
            seq,
            ack: self.ack,
            wnd,
            len,
        }
    }

    /// A whole request, and no room for the answer.
    fn request(&self, send: &mut impl FnMut(Segment)) {
        const PIECE: usize = 500;
        for start in (0..REQUEST).step_by(PIECE) {
            let len = PIECE.min(REQUEST - start);
            let seq = self.seq.wrapping_add(start as u32);
            send(self.segment(Flags::ACK, seq, len, 0));
        }
        let end = self.seq.wrapping_add(REQUEST as u32);
        send(self.segment(Flags::ACK | Flags::FIN, end, 0, 0));
    }
}
