//! Segments as an attacker writes and reads them, over IPv4.

use std::net::SocketAddrV4;

use estab_core::Flags;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};

/// What a segment says that matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) wnd: u16,
    /// Bytes of data.
    pub(crate) len: usize,
}

impl Segment {
    /// Reads what a stack has written; `None` if it is no TCP over IPv4.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ip(packet).ok()?;
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) =
            (sliced.net, sliced.transport)
        else {
            return None;
        };
        let ip = ip.header();
        Some(Self {
            from: SocketAddrV4::new(ip.source_addr(), tcp.source_port()),
            to: SocketAddrV4::new(ip.destination_addr(), tcp.destination_port()),
            flags: Flags::from_bits_retain(tcp.slice()[13]),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            wnd: tcp.window_size(),
            len: tcp.payload().len(),
        })
    }

    /// The packet, with as many bytes of data.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut header = TcpHeader::new(self.from.port(), self.to.port(), self.seq, self.wnd);
        header.acknowledgment_number = self.ack;
        header.syn = self.flags.contains(Flags::SYN);
        header.ack = self.flags.contains(Flags::ACK);
        header.fin = self.flags.contains(Flags::FIN);
        header.rst = self.flags.contains(Flags::RST);
        let (from, to) = (self.from.ip().octets(), self.to.ip().octets());
        let mut packet = Vec::new();
        PacketBuilder::ipv4(from, to, 64)
            .tcp_header(header)
            .write(&mut packet, &vec![b'x'; self.len])
            .expect("a vector takes everything");
        packet
    }
}
