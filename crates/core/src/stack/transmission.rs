//! The way out: answers without a connection first, then the connections that have something to send, in
//! turn.

use alloc::vec::Vec;

use super::{ReadyLinks, Stack};
use crate::context::Reply;
use crate::observe::{Direction, Observer};
use crate::{Instant, wire};

/// Takes the packets that a stack sends.
pub trait Transmit {
    /// Whether it can take one more packet now.
    fn is_ready(&mut self) -> bool {
        true
    }

    /// Takes one IP packet.
    fn transmit(&mut self, packet: &[u8]);
}

impl<F: FnMut(&[u8])> Transmit for F {
    fn transmit(&mut self, packet: &[u8]) {
        self(packet);
    }
}

/// Segments one connection may send before the next has its turn.
const TURN: usize = 32;

impl<O: Observer> Stack<O> {
    /// Sends what is to be sent, as long as the device takes it.
    pub fn transmit(&mut self, now: Instant, device: &mut impl Transmit) {
        self.set_now(now);
        let mut packet = core::mem::take(&mut self.packet);
        while device.is_ready() && self.cx.has_replies() {
            let Some(reply) = self.cx.pop_reply() else {
                break;
            };
            self.write_reply(reply, &mut packet);
            device.transmit(&packet);
        }
        while device.is_ready() && !self.ready.is_empty() {
            let Some(index) = self.ready.pop_front(&mut ReadyLinks(&mut self.connections)) else {
                break;
            };
            self.take_turn(index, &mut packet, device);
        }
        self.packet = packet;
    }

    /// Whether [`transmit`](Self::transmit) would send something.
    pub fn wants_to_transmit(&self) -> bool {
        self.cx.has_replies() || !self.ready.is_empty()
    }

    fn take_turn(&mut self, index: u32, packet: &mut Vec<u8>, device: &mut impl Transmit) {
        let connection = &mut self.connections[index];
        connection.is_ready = false;
        for _ in 0..TURN {
            if !device.is_ready() || !connection.emit(&mut self.cx, packet) {
                break;
            }
            device.transmit(packet);
        }
        self.settle(index);
    }

    fn write_reply(&mut self, reply: Reply, packet: &mut Vec<u8>) {
        match reply {
            Reply::Segment(segment, life, again, treatment) => {
                wire::write_segment(packet, &segment, [], 0, treatment);
                let counters = &mut self.cx.counters;
                if again {
                    counters.retrans_segs += 1
                } else {
                    counters.out_segs += 1
                }
                if let Some(life) = life {
                    self.cx.seen(life, &segment, 0, Direction::Sent, again);
                }
            }
            Reply::Echo {
                source,
                destination,
                request,
            } => {
                let treatment = self.cx.config.treatment(None);
                wire::write_echo_reply(packet, source, destination, &request, treatment);
            }
        }
    }
}
