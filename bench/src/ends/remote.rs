//! Peers made by hand: each is twelve bytes and writes segments as a Linux host would, with timestamps where the
//! stack agreed to them.

use std::net::Ipv4Addr;

use etherparse::{PacketBuilder, TcpOptionElement};

use super::{End, PORT, SERVER};

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// Ports that one address is used with.
const PORTS: u32 = 50_000;

/// What a peer knows of its connection.
#[derive(Clone, Copy, Default)]
struct Remote {
    snd_nxt: u32,
    rcv_nxt: u32,
    /// The stack's last timestamp; zero: it wants none.
    ts_recent: u32,
}

/// Peers, by number.
pub(crate) struct Remotes {
    /// The number of the first, so that several crowds do not meet.
    first: u32,
    all: Vec<Remote>,
    /// TSval, in milliseconds.
    pub(crate) clock: u32,
    packet: Vec<u8>,
}

impl Remotes {
    /// So many peers, none connected; the first has this number.
    pub(crate) fn new(first: u32, count: usize) -> Self {
        Self {
            first,
            all: vec![Remote::default(); count],
            clock: 1,
            packet: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The peers of a crowd that keeps nothing of its earlier ones go by the next numbers.
    pub(crate) fn move_on(&mut self) {
        self.first += self.all.len() as u32;
    }

    /// The SYN of a peer.
    pub(crate) fn syn(&mut self, index: usize) -> &[u8] {
        self.all[index] = Remote {
            snd_nxt: 1_000,
            rcv_nxt: 0,
            ts_recent: 0,
        };
        self.write(index, SYN, &[]);
        self.all[index].snd_nxt += 1;
        &self.packet
    }

    /// Learns from the stack's segment what to acknowledge.
    pub(crate) fn hear(&mut self, index: usize, packet: &[u8]) {
        let flags = packet[33];
        let header = 20 + usize::from(packet[32] >> 4) * 4;
        let length = (packet.len() - header) as u32;
        let seq = u32::from_be_bytes(packet[24..28].try_into().expect("four bytes"));
        let numbers = length + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let remote = &mut self.all[index];
        remote.rcv_nxt = seq.wrapping_add(numbers);
        if let Some(value) = timestamp(&packet[40..header]) {
            remote.ts_recent = value;
        }
    }

    /// An ACK without data.
    pub(crate) fn ack(&mut self, index: usize) -> &[u8] {
        self.write(index, ACK, &[]);
        &self.packet
    }

    /// A segment with data.
    pub(crate) fn data(&mut self, index: usize, data: &[u8]) -> &[u8] {
        self.write(index, ACK, data);
        self.all[index].snd_nxt = self.all[index].snd_nxt.wrapping_add(data.len() as u32);
        &self.packet
    }

    /// A FIN.
    pub(crate) fn fin(&mut self, index: usize) -> &[u8] {
        self.write(index, FIN | ACK, &[]);
        self.all[index].snd_nxt = self.all[index].snd_nxt.wrapping_add(1);
        &self.packet
    }

    /// Opens the connection of a peer.
    pub(crate) fn open(&mut self, index: usize, end: &mut impl End) {
        end.take(self.syn(index));
        self.listen_to(index, end);
        end.take(self.ack(index));
    }

    /// Hears all the stack has to say; every packet must be for this peer.
    pub(crate) fn listen_to(&mut self, index: usize, end: &mut impl End) {
        let mut heard = 0;
        end.give(&mut |packet| {
            self.hear(index, packet);
            heard += 1;
        });
        assert!(heard > 0, "the stack does not answer peer {index}");
    }

    /// A RST at exactly what the stack expects.
    pub(crate) fn reset(&mut self, index: usize) -> &[u8] {
        self.write(index, 4, &[]);
        &self.packet
    }

    fn write(&mut self, index: usize, flags: u8, data: &[u8]) {
        let remote = self.all[index];
        let (address, port) = self.address(index);
        let builder = PacketBuilder::ipv4(address.octets(), SERVER.octets(), 64);
        let mut builder = builder.tcp(port, PORT, remote.snd_nxt, 0xffff);
        if flags & ACK != 0 {
            builder = builder.ack(remote.rcv_nxt);
        }
        if flags & FIN != 0 {
            builder = builder.fin();
        }
        if flags & 4 != 0 {
            builder = builder.rst();
        }
        let stamp = TcpOptionElement::Timestamp(self.clock, remote.ts_recent);
        let noop = TcpOptionElement::Noop;
        let options: &[TcpOptionElement] = if flags & SYN != 0 {
            builder = builder.syn();
            let mss = TcpOptionElement::MaximumSegmentSize(1460);
            let scale = TcpOptionElement::WindowScale(7);
            &[
                mss,
                TcpOptionElement::SelectiveAcknowledgementPermitted,
                stamp,
                noop,
                scale,
            ]
        } else if remote.ts_recent != 0 {
            &[noop.clone(), noop, stamp]
        } else {
            &[]
        };
        let builder = builder.options(options).expect("the options fit");
        self.packet.clear();
        builder
            .write(&mut self.packet, data)
            .expect("a vector takes every byte");
    }

    fn address(&self, index: usize) -> (Ipv4Addr, u16) {
        let number = self.first + index as u32;
        let address = SERVER.to_bits() + 256 + number / PORTS;
        (
            Ipv4Addr::from_bits(address),
            (10_000 + number % PORTS) as u16,
        )
    }
}

/// The value of the timestamps option.
fn timestamp(mut options: &[u8]) -> Option<u32> {
    while let [kind, rest @ ..] = options {
        options = match (kind, rest) {
            (0, _) => return None,
            (1, rest) => rest,
            (8, [10, a, b, c, d, ..]) => return Some(u32::from_be_bytes([*a, *b, *c, *d])),
            (_, [length, ..]) => options.get(usize::from(*length).max(2)..)?,
            _ => return None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{estab, smol};
    use super::*;

    #[test]
    fn a_peer_made_by_hand_is_taken_for_one_by_both_stacks() {
        let mut remotes = Remotes::new(0, 3);
        let mut holder = estab::Holder::new();
        let mut node = smol::Holder::new(4096);
        for index in 0..3 {
            remotes.open(index, &mut holder);
            node.listen();
        }
        holder.serve();
        assert_eq!((holder.stack.len(), holder.stack.half_open()), (3, 0));
        let mut others = Remotes::new(0, 3);
        for index in 0..3 {
            others.open(index, &mut node);
            let handle = node.handles[index];
            assert!(node.node.socket(handle).may_recv(), "established");
        }
    }

    #[test]
    fn data_of_a_peer_is_read_and_acknowledged() {
        let mut remotes = Remotes::new(100, 1);
        let mut holder = estab::Holder::new();
        remotes.open(0, &mut holder);
        holder.serve();
        let packet = remotes.data(0, &[7; 64]).to_vec();
        holder.take(&packet);
        holder.serve();
        remotes.listen_to(0, &mut holder);
        assert_eq!(holder.stack.counters().discards.iter().sum::<u64>(), 0);
        assert_eq!(
            holder.stack.holdings().bytes,
            0,
            "the application has read it"
        );
    }

    #[test]
    fn peers_far_apart_have_different_addresses() {
        let remotes = Remotes::new(20_000_000, 1);
        assert_eq!(remotes.address(0), (Ipv4Addr::new(198, 18, 2, 145), 10_000));
        let crowd = Remotes::new(0, 2);
        assert_ne!(crowd.address(0), crowd.address(1));
    }
}
