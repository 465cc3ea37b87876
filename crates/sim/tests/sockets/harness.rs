//! A bench, and the peer at the other end of its wire, segment by segment.
//!
//! Sequence numbers count from both ends' SYNs: ours is 0, the first byte of data 1.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use estab_sim::script::{CallId, Outcome, Subject};
use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Bench, BenchSettings, Call, Errno, Fd, OptionValue, Output, Profile};

pub(crate) const US: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
pub(crate) const THEM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const OUR_PORT: u16 = 8080;
pub(crate) const THEIR_PORT: u16 = 54_321;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn ours() -> SocketAddr {
    SocketAddr::from((US, OUR_PORT))
}

pub(crate) fn theirs() -> SocketAddr {
    SocketAddr::from((THEM, THEIR_PORT))
}

/// A segment that left, its numbers counted from the SYNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seg {
    pub(crate) at: Duration,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) options: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// A bench with one peer.
pub(crate) struct Story {
    pub(crate) bench: Bench,
    /// The stack's first sequence number and ours.
    iss: u32,
    irs: u32,
    our_port: u16,
    their_port: u16,
    /// The urgent pointer of the peer's next segment.
    urgent: u16,
}

impl Story {
    pub(crate) fn linux() -> Self {
        Self::of(Profile::linux())
    }

    pub(crate) fn freebsd() -> Self {
        Self::of(Profile::freebsd())
    }

    pub(crate) fn of(profile: Profile) -> Self {
        Self {
            bench: Bench::new(profile, &BenchSettings::new()),
            iss: 0,
            irs: 5_000,
            our_port: OUR_PORT,
            their_port: THEIR_PORT,
            urgent: 0,
        }
    }

    // Calls.

    pub(crate) fn start(&mut self, call: Call) -> CallId {
        self.bench.call(call)
    }

    pub(crate) fn ended(&mut self, id: CallId) -> Option<Outcome> {
        self.bench.outcome(id)
    }

    /// A call that must not block.
    pub(crate) fn call(&mut self, call: Call) -> Result<(i64, Output), Errno> {
        let id = self.start(call.clone());
        let outcome = self.ended(id);
        let returned = outcome
            .unwrap_or_else(|| panic!("{call:?} blocks"))
            .returned;
        match returned.errno {
            Some(errno) => {
                assert_eq!(returned.value, -1);
                Err(errno)
            }
            None => Ok((returned.value, returned.output)),
        }
    }

    fn value(&mut self, call: Call) -> Result<i64, Errno> {
        self.call(call).map(|(value, _)| value)
    }

    pub(crate) fn socket(&mut self) -> Fd {
        self.socket_of(SOCK_STREAM)
    }

    pub(crate) fn nonblocking(&mut self) -> Fd {
        self.socket_of(SOCK_STREAM | SOCK_NONBLOCK)
    }

    fn socket_of(&mut self, kind: i32) -> Fd {
        let fd = self.value(Call::Socket {
            domain: AF_INET,
            kind,
            protocol: IPPROTO_TCP,
        });
        fd.unwrap() as Fd
    }

    pub(crate) fn bind(&mut self, fd: Fd, address: impl Into<SocketAddr>) -> Result<i64, Errno> {
        let address = address.into();
        self.value(Call::Bind { fd, address })
    }

    pub(crate) fn listen(&mut self, fd: Fd, backlog: i32) -> Result<i64, Errno> {
        self.value(Call::Listen { fd, backlog })
    }

    pub(crate) fn accept(&mut self, fd: Fd) -> Result<Fd, Errno> {
        self.value(Call::Accept { fd, flags: 0 }).map(|fd| fd as Fd)
    }

    pub(crate) fn connect(&mut self, fd: Fd) -> Result<i64, Errno> {
        self.value(Call::Connect {
            fd,
            address: Some(theirs()),
        })
    }

    pub(crate) fn recv(&mut self, fd: Fd, len: usize, flags: i32) -> Result<Vec<u8>, Errno> {
        match self.call(Call::Receive { fd, len, flags })? {
            (value, Output::Bytes(bytes, _)) => {
                assert_eq!(value as usize, bytes.len());
                Ok(bytes)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn read(&mut self, fd: Fd) -> Result<Vec<u8>, Errno> {
        self.recv(fd, 10_000, MSG_DONTWAIT)
    }

    pub(crate) fn send(&mut self, fd: Fd, len: usize, flags: i32) -> Result<i64, Errno> {
        self.value(send_call(fd, len, flags))
    }

    pub(crate) fn write(&mut self, fd: Fd, len: usize) -> Result<i64, Errno> {
        self.send(fd, len, MSG_DONTWAIT)
    }

    pub(crate) fn shutdown(&mut self, fd: Fd, how: i32) -> Result<i64, Errno> {
        self.value(Call::Shutdown { fd, how })
    }

    pub(crate) fn close(&mut self, fd: Fd) -> Result<i64, Errno> {
        self.value(Call::Close { fd })
    }

    /// `revents`, without waiting.
    pub(crate) fn poll(&mut self, fd: Fd) -> i32 {
        let call = Call::Poll {
            fds: vec![(fd, 0x7fff)],
            timeout: Some(Duration::ZERO),
        };
        match self.call(call).unwrap().1 {
            Output::Events(events) => events[0].into(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn set(&mut self, fd: Fd, level: i32, name: i32, value: i32) -> Result<i64, Errno> {
        let value = OptionValue::Int(value);
        self.set_value(fd, level, name, value)
    }

    pub(crate) fn set_value(
        &mut self,
        fd: Fd,
        level: i32,
        name: i32,
        value: OptionValue,
    ) -> Result<i64, Errno> {
        self.value(Call::SetOption {
            fd,
            level,
            name,
            value,
        })
    }

    pub(crate) fn get_value(
        &mut self,
        fd: Fd,
        level: i32,
        name: i32,
    ) -> Result<OptionValue, Errno> {
        let len = 256;
        match self.call(Call::GetOption {
            fd,
            level,
            name,
            len,
        })? {
            (0, Output::Option(value)) => Ok(value),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn get(&mut self, fd: Fd, level: i32, name: i32) -> Result<i32, Errno> {
        match self.get_value(fd, level, name)? {
            OptionValue::Int(value) => Ok(value),
            other => panic!("{other:?}"),
        }
    }

    /// SO_ERROR.
    pub(crate) fn error(&mut self, fd: Fd) -> Option<Errno> {
        let number = self.get(fd, SOL_SOCKET, SO_ERROR).unwrap();
        Some(Errno(number)).filter(|errno| errno.0 != 0)
    }

    pub(crate) fn ioctl(&mut self, fd: Fd, request: i32) -> Result<i32, Errno> {
        let request = request as u64;
        match self.call(Call::Ioctl { fd, request })?.1 {
            Output::Int(value) => Ok(value),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn name(&mut self, fd: Fd, peer: bool) -> Result<SocketAddr, Errno> {
        match self.call(Call::Name { fd, peer })?.1 {
            Output::Address(address) => Ok(address),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn nonblock(&mut self, fd: Fd) {
        let command = F_SETFL;
        let argument = O_NONBLOCK;
        let call = Call::Fcntl {
            fd,
            command,
            argument,
        };
        assert_eq!(self.value(call), Ok(0));
    }

    // Whole stretches.

    /// A listener at [`ours`].
    pub(crate) fn listener(&mut self, backlog: i32) -> Fd {
        let fd = self.socket();
        self.set(fd, SOL_SOCKET, SO_REUSEADDR, 1).unwrap();
        self.bind(fd, ours()).unwrap();
        self.listen(fd, backlog).unwrap();
        fd
    }

    /// The peer opens a connection from a port of its own.
    pub(crate) fn handshake(&mut self, port: u16) {
        self.syn_from(port);
        let syn_ack = self.expect();
        assert_eq!((syn_ack.flags, syn_ack.ack), (SYN | ACK, 1));
        self.inject(ACK, 1, 1, &[]);
    }

    /// The peer's SYN from a port of its own.
    pub(crate) fn syn_from(&mut self, port: u16) {
        self.their_port = port;
        self.our_port = OUR_PORT;
        self.inject(SYN, 0, 0, &[]);
    }

    /// A listener and a connection accepted from it.
    pub(crate) fn accepted(&mut self) -> (Fd, Fd) {
        let listener = self.listener(1);
        self.handshake(THEIR_PORT);
        let fd = self.accept(listener).unwrap();
        self.nothing();
        (listener, fd)
    }

    /// A nonblocking socket whose SYN is on the wire.
    pub(crate) fn connecting(&mut self) -> Fd {
        let fd = self.nonblocking();
        assert_eq!(self.connect(fd), Err(Errno::EINPROGRESS));
        let syn = self.expect();
        assert_eq!((syn.flags, syn.seq), (SYN, 0));
        fd
    }

    /// A nonblocking socket whose connection is made.
    pub(crate) fn connected(&mut self) -> Fd {
        let fd = self.connecting();
        self.inject(SYN | ACK, 0, 1, &[]);
        let ack = self.expect();
        assert_eq!((ack.flags, ack.seq, ack.ack), (ACK, 1, 1));
        fd
    }

    // The wire.

    /// A segment arrives: numbers count from the SYNs.
    pub(crate) fn inject(&mut self, flags: u8, seq: u32, ack: u32, data: &[u8]) {
        self.inject_window(flags, seq, ack, 50_000, data);
    }

    /// Data arrives whose first `urgent` bytes are urgent.
    pub(crate) fn inject_urgent(&mut self, seq: u32, urgent: u16, data: &[u8]) {
        self.urgent = urgent;
        self.inject(URG | PSH | ACK, seq, 1, data);
    }

    pub(crate) fn inject_window(
        &mut self,
        flags: u8,
        seq: u32,
        ack: u32,
        window: u16,
        data: &[u8],
    ) {
        let options: &[u8] = if flags & SYN != 0 {
            &[2, 4, 0x05, 0xb4]
        } else {
            &[]
        };
        let ack = if flags & ACK != 0 {
            self.iss.wrapping_add(ack)
        } else {
            0
        };
        let mut tcp = Vec::new();
        tcp.extend(self.their_port.to_be_bytes());
        tcp.extend(self.our_port.to_be_bytes());
        tcp.extend(self.irs.wrapping_add(seq).to_be_bytes());
        tcp.extend(ack.to_be_bytes());
        tcp.push((5 + options.len() as u8 / 4) << 4);
        tcp.push(flags);
        tcp.extend(window.to_be_bytes());
        tcp.extend([0; 2]);
        tcp.extend(std::mem::take(&mut self.urgent).to_be_bytes());
        tcp.extend(options);
        tcp.extend(data);
        let sum = checksum(pseudo(6, tcp.len()), &tcp);
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        self.inject_ip(6, &tcp);
    }

    /// An ICMP "destination unreachable" about our segment at `seq`.
    pub(crate) fn unreachable(&mut self, code: u8, seq: u32) {
        let mut quoted = ip_header(6, 20, US, THEM);
        quoted.extend(self.our_port.to_be_bytes());
        quoted.extend(self.their_port.to_be_bytes());
        quoted.extend(self.iss.wrapping_add(seq).to_be_bytes());
        let mut icmp = vec![3, code, 0, 0, 0, 0, 0, 0];
        icmp.extend(quoted);
        let sum = checksum(0, &icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        self.inject_ip(1, &icmp);
    }

    fn inject_ip(&mut self, protocol: u8, body: &[u8]) {
        let mut packet = ip_header(protocol, body.len(), THEM, US);
        packet.extend(body);
        self.bench.inject(&packet);
    }

    /// The segment that has left already, or leaves within a minute.
    pub(crate) fn expect(&mut self) -> Seg {
        let until = self.bench.now() + secs(60);
        self.next(until).expect("a segment leaves")
    }

    pub(crate) fn next(&mut self, until: Duration) -> Option<Seg> {
        let sent = self.bench.next_packet(until)?;
        assert!(self.bench.faults().is_empty(), "{:?}", self.bench.faults());
        let (ip, tcp) = sent.packet.split_at(20);
        let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
        let header = usize::from(tcp[12] >> 4) * 4;
        let flags = tcp[13];
        if flags & SYN != 0 {
            self.our_port = u16::from_be_bytes([tcp[0], tcp[1]]);
            self.their_port = u16::from_be_bytes([tcp[2], tcp[3]]);
            self.iss = word(4);
        }
        let ack = if flags & ACK != 0 {
            word(8).wrapping_sub(self.irs)
        } else {
            0
        };
        Some(Seg {
            at: sent.at,
            flags,
            seq: word(4).wrapping_sub(self.iss),
            ack,
            window: u16::from_be_bytes([tcp[14], tcp[15]]),
            urgent: u16::from_be_bytes([tcp[18], tcp[19]]),
            ttl: ip[8],
            tos: ip[1],
            options: tcp[20..header].to_vec(),
            data: tcp[header..].to_vec(),
        })
    }

    /// Nothing leaves now.
    pub(crate) fn nothing(&mut self) {
        let now = self.bench.now();
        assert_eq!(self.next(now), None);
    }

    /// Everything that has left.
    pub(crate) fn everything(&mut self) -> Vec<Seg> {
        let now = self.bench.now();
        std::iter::from_fn(|| self.next(now)).collect()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.bench.now() + time;
        self.bench.wait(until);
    }
}

pub(crate) fn send_call(fd: Fd, len: usize, flags: i32) -> Call {
    Call::Send {
        fd,
        data: (0..len).map(|at| at as u8).collect(),
        flags,
        address: None,
    }
}

fn ip_header(protocol: u8, len: usize, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + len as u16).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(0, &header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn pseudo(protocol: u8, len: usize) -> u32 {
    let pair = |bytes: [u8; 4]| {
        u32::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            + u32::from(u16::from_be_bytes([bytes[2], bytes[3]]))
    };
    pair(US.octets()) + pair(THEM.octets()) + u32::from(protocol) + len as u32
}

fn checksum(start: u32, bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    let mut sum = start + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
