//! A stack with its end of the wire.

use std::io::ErrorKind;

use estab_core::observe::{
    Discard, DiscardReason, LifeId, Observer, Refusal, ResetSent, Seen, StateName, Transition,
};
use estab_core::{Checksum, Config, Flags, Instant, Secrets, Stack, Transmit};
use estab_device::{Device, Impair, Memory};

/// Remembers everything it is told.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Every change of state, in order.
    pub transitions: Vec<Transition>,
    /// Every discard.
    pub discards: Vec<Discard>,
    /// Every refusal.
    pub refusals: Vec<Refusal>,
    /// Every RST sent.
    pub resets: Vec<ResetSent>,
    /// Every segment of a living connection.
    pub seen: Vec<Seen>,
}

impl Recorder {
    /// The states a life went through, the first one left included.
    #[must_use]
    pub fn path(&self, life: LifeId) -> Vec<StateName> {
        let own: Vec<_> = self
            .transitions
            .iter()
            .filter(|event| event.life == life)
            .collect();
        let first = own.first().map(|event| event.from);
        first
            .into_iter()
            .chain(own.iter().map(|event| event.to))
            .collect()
    }

    /// How often something was discarded for `reason`.
    #[must_use]
    pub fn discarded(&self, reason: DiscardReason) -> usize {
        self.discards
            .iter()
            .filter(|event| event.reason == reason)
            .count()
    }
}

impl Observer for Recorder {
    fn transition(&mut self, event: &Transition) {
        self.transitions.push(*event);
    }

    fn discard(&mut self, event: &Discard) {
        self.discards.push(*event);
    }

    fn refusal(&mut self, event: &Refusal) {
        self.refusals.push(*event);
    }

    fn reset(&mut self, event: &ResetSent) {
        self.resets.push(*event);
    }

    fn seen(&mut self, event: &Seen) {
        self.seen.push(*event);
    }
}

/// One end of the world.
pub struct Node {
    /// The stack.
    pub stack: Stack<Recorder>,
    /// Its end of the wire.
    pub device: Impair<Memory>,
    /// Chooses segments that the wire loses, by their control bits and bytes of data.
    lose: Option<Lose>,
    packet: Vec<u8>,
}

/// Answers whether the wire loses a segment with these control bits and this much data.
type Lose = Box<dyn FnMut(Flags, usize) -> bool>;

/// Hands packets to the wire, as long as it takes them.
struct Wire<'a> {
    device: &'a mut Impair<Memory>,
    lose: &'a mut Option<Lose>,
    now: Instant,
}

impl Transmit for Wire<'_> {
    fn transmit(&mut self, packet: &[u8]) {
        let (flags, len) = tcp_of(packet);
        if self.lose.as_mut().is_some_and(|lose| lose(flags, len)) {
            return;
        }
        // A full link loses the packet, as a full queue on the way would.
        let _ = self.device.transmit(self.now, packet);
    }
}

impl Node {
    pub(crate) fn new(config: Config, seed: u64, device: Impair<Memory>, now: Instant) -> Self {
        let secrets = Secrets::from_seed(seed);
        let stack = Stack::new(config, secrets, Recorder::default(), now);
        Self {
            stack,
            device,
            lose: None,
            packet: Vec::new(),
        }
    }

    /// From now on the wire loses the segments this end sends for which `lose` answers true.
    pub fn lose(&mut self, lose: impl FnMut(Flags, usize) -> bool + 'static) {
        self.lose = Some(Box::new(lose));
    }

    /// The wire loses the first segment this end sends with exactly these control bits, PSH aside.
    pub fn lose_first(&mut self, wanted: Flags) {
        let mut lost = false;
        self.lose(move |flags, _| {
            let hit = !lost && flags - Flags::PSH == wanted;
            lost |= hit;
            hit
        });
    }

    /// Takes what has arrived, fires what is due and sends what is to be sent. Answers whether anything
    /// arrived.
    pub(crate) fn pump(&mut self, now: Instant) -> bool {
        let mut busy = false;
        self.device.advance(now).expect("memory does not fail");
        loop {
            match self.device.receive(now, &mut self.packet) {
                Ok(()) => self.stack.receive(now, &self.packet, Checksum::Unknown),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("memory does not fail: {error}"),
            }
            busy = true;
        }
        self.stack.advance(now);
        self.flush(now);
        busy
    }

    /// Sends what is to be sent.
    pub fn flush(&mut self, now: Instant) {
        while self.stack.wants_to_transmit() {
            let (device, lose) = (&mut self.device, &mut self.lose);
            self.stack.transmit(now, &mut Wire { device, lose, now });
        }
    }

    /// When anything can happen next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.stack.next_deadline(), self.device.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// The control bits and the bytes of data of a packet that a stack has written.
fn tcp_of(packet: &[u8]) -> (Flags, usize) {
    let ip = if packet[0] >> 4 == 4 {
        usize::from(packet[0] & 15) * 4
    } else {
        40
    };
    let header = usize::from(packet[ip + 12] >> 4) * 4;
    (
        Flags::from_bits_retain(packet[ip + 13]),
        packet.len() - ip - header,
    )
}
