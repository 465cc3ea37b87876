//! A peer that sends crafted segments to a stack, and looks at each answer.
//!
//! The stack is at 198.18.0.1 and fd00:e57a:b::1, the peer at the address after it. Time is virtual. Every
//! packet the stack sends is parsed with its checksums verified. Sequence numbers of a [`Peer`] are those
//! after the handshake: `them` is what it sends next, `us` what it expects next.

mod acceptance;
mod active_open;
mod attacks;
mod backlog;
mod closing;
mod cookies;
mod deferred;
mod delivery;
mod duplicates;
mod ends;
mod floods;
mod held_ports;
mod hostile;
mod inspect;
mod limits;
mod listeners;
mod long_paths;
mod memory;
mod neglect;
mod network;
mod options;
mod orphans;
mod passive_open;
mod ports;
mod receiving;
mod recovery;
mod resets;
mod sending;
mod socket_options;
mod status;
mod time_wait;
mod time_wait_reuse;
mod timers;
mod urgent;
mod weaker;
mod windows;

use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::vec::Vec;

use super::{ConnectOptions, ListenOptions, ListenerId, SocketId, Stack};
use crate::observe::{
    Cause, Discard, DiscardReason, Observer, Refusal, RefusalReason, ResetReason, ResetSent, Seen,
    StateName, Transition,
};
use crate::wire::{self, Packet};
use crate::{
    Checksum, Config, CongestionState, Flags, FourTuple, Instant, Options, Secrets, Segment,
    SeqNumber, SocketOptions, Status, Timestamps,
};

const NONE: Flags = Flags::empty();
const F: Flags = Flags::FIN;
const S: Flags = Flags::SYN;
const R: Flags = Flags::RST;
const A: Flags = Flags::ACK;
const SA: Flags = S.union(A);
const FA: Flags = F.union(A);
const RA: Flags = R.union(A);
const PA: Flags = Flags::PSH.union(A);
const FPA: Flags = PA.union(F);

/// The port that tests listen on.
const PORT: u16 = 80;
/// The MSS that the peer offers.
const MSS: u16 = 1000;
/// The window that the peer offers.
const WINDOW: u16 = 50_000;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Which IP a test runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

use Family::{V4, V6};

impl Family {
    fn host(self, number: u8) -> IpAddr {
        match self {
            V4 => [198, 18, 0, number].into(),
            V6 => [0xfd00, 0xe57a, 0xb, 0, 0, 0, 0, u16::from(number)].into(),
        }
    }

    fn ours(self) -> IpAddr {
        self.host(1)
    }

    fn theirs(self) -> IpAddr {
        self.host(2)
    }
}

/// Runs a test over both families.
fn both(test: impl Fn(Family)) {
    test(V4);
    test(V6);
}

/// Remembers what it is told.
#[derive(Clone, Debug, Default)]
struct Recorder {
    transitions: Vec<Transition>,
    discards: Vec<Discard>,
    refusals: Vec<Refusal>,
    resets: Vec<ResetSent>,
    seen: Vec<Seen>,
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

/// The far end of one connection.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// As the stack sees it.
    tuple: FourTuple,
    us: SeqNumber,
    them: SeqNumber,
    /// TSval of the peer's next segment, if timestamps were agreed, and TSecr.
    ts: Option<Timestamps>,
}

/// A segment that the stack sent.
#[derive(Clone, Debug)]
struct Got {
    at: Instant,
    tuple: FourTuple,
    flags: Flags,
    seq: SeqNumber,
    ack: SeqNumber,
    wnd: u16,
    urgent: u16,
    options: Options,
    data: Vec<u8>,
    /// TTL or hop limit.
    hops: u8,
    /// Type of service or traffic class.
    class: u8,
}

/// The stack, the wire and the time.
struct Harness {
    family: Family,
    stack: Stack<Recorder>,
    now: Instant,
    /// Segments sent and not yet looked at.
    sent: VecDeque<Got>,
    /// ICMP messages sent and not yet looked at: whole packets.
    sent_icmp: VecDeque<Vec<u8>>,
    next_port: u16,
    /// The device takes nothing now.
    busy: bool,
}

impl Harness {
    fn new(family: Family) -> Self {
        Self::with(family, |_| ())
    }

    /// A stack whose settings differ from the defaults.
    fn with(family: Family, change: impl FnOnce(&mut Config)) -> Self {
        Self::starting_at(Instant::from_millis(5_000), family, change)
    }

    fn starting_at(now: Instant, family: Family, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            addresses: [V4.ours(), V6.ours()].into(),
            ..Config::default()
        };
        change(&mut config);
        let secrets = Secrets::from_seed(42);
        Self {
            family,
            stack: Stack::new(config, secrets, Recorder::default(), now),
            now,
            sent: VecDeque::new(),
            sent_icmp: VecDeque::new(),
            next_port: 20_000,
            busy: false,
        }
    }

    // The wire.

    /// Hands the stack raw bytes.
    fn receive(&mut self, packet: &[u8]) {
        self.stack.receive(self.now, packet, Checksum::Unknown);
        self.transmit();
    }

    fn send_segment(&mut self, segment: &Segment<'_>) {
        let mut packet = Vec::new();
        wire::write_segment(&mut packet, segment, [], 7, wire::TREATMENT);
        self.receive(&packet);
    }

    /// The peer sends a segment, edited by `edit`.
    fn send_with(
        &mut self,
        peer: &Peer,
        flags: Flags,
        (seq, ack): (SeqNumber, SeqNumber),
        data: &[u8],
        edit: impl FnOnce(&mut Segment<'_>),
    ) {
        let mut segment = Segment {
            tuple: peer.tuple.reversed(),
            seq,
            ack,
            wnd: WINDOW,
            flags,
            urgent: 0,
            options: Options {
                timestamps: peer.ts,
                ..Options::default()
            },
            payload: data,
        };
        edit(&mut segment);
        self.send_segment(&segment);
    }

    /// The peer sends a segment.
    fn send(
        &mut self,
        peer: &Peer,
        flags: Flags,
        seq: SeqNumber,
        ack: SeqNumber,
        data: impl AsRef<[u8]>,
    ) {
        self.send_with(peer, flags, (seq, ack), data.as_ref(), |_| ());
    }

    /// The peer sends a SYN from a new port.
    fn syn(&mut self, seq: u32) -> Peer {
        self.syn_with(seq, |_| ())
    }

    fn syn_with(&mut self, seq: u32, edit: impl FnOnce(&mut Segment<'_>)) -> Peer {
        let peer = self.new_peer(PORT, seq);
        let numbers = (peer.them - 1, SeqNumber(0));
        self.send_with(&peer, S, numbers, b"", |segment| {
            segment.options.mss = Some(MSS);
            edit(segment);
        });
        peer
    }

    /// A peer that has sent nothing yet; its first number will be `seq`.
    fn new_peer(&mut self, port: u16, seq: u32) -> Peer {
        self.next_port += 1;
        let ours = SocketAddr::new(self.family.ours(), port);
        let theirs = SocketAddr::new(self.family.theirs(), self.next_port);
        Peer {
            tuple: FourTuple::new(ours, theirs),
            us: SeqNumber(0),
            them: SeqNumber(seq) + 1,
            ts: None,
        }
    }

    fn transmit(&mut self) {
        // The account of memory is what a count would find, after whatever a test has done.
        assert_eq!(self.stack.bytes_held(), self.stack.count_bytes());
        if self.busy {
            return;
        }
        let Self {
            stack,
            sent,
            sent_icmp,
            now,
            ..
        } = self;
        stack.transmit(
            *now,
            &mut |packet: &[u8]| match wire::parse(packet, Checksum::Unknown) {
                Ok(Packet::Tcp(segment)) => sent.push_back(Got {
                    at: *now,
                    tuple: segment.tuple.reversed(),
                    flags: segment.flags,
                    seq: segment.seq,
                    ack: segment.ack,
                    wnd: segment.wnd,
                    urgent: segment.urgent,
                    options: segment.options,
                    data: segment.payload.into(),
                    hops: packet[if packet[0] >> 4 == 4 { 8 } else { 7 }],
                    class: match packet[0] >> 4 {
                        4 => packet[1],
                        _ => packet[0] << 4 | packet[1] >> 4,
                    },
                }),
                _ => sent_icmp.push_back(packet.into()),
            },
        );
    }

    /// The next segment the stack sent, if there is one.
    fn next(&mut self) -> Option<Got> {
        self.transmit();
        self.sent.pop_front()
    }

    /// The next segment has exactly these control bits (PSH aside) and numbers.
    #[track_caller]
    fn expect(&mut self, flags: Flags, seq: SeqNumber, ack: SeqNumber) -> Got {
        let got = self.next().expect("a segment");
        let (bits, wanted) = (got.flags - Flags::PSH, flags - Flags::PSH);
        assert_eq!((bits, got.seq, got.ack), (wanted, seq, ack), "{got:?}");
        got
    }

    /// The next segment is a bare ACK for everything up to `ack`.
    #[track_caller]
    fn expect_ack(&mut self, peer: &Peer, ack: SeqNumber) -> Got {
        let got = self.expect(A, peer.us, ack);
        assert!(got.data.is_empty(), "{got:?}");
        got
    }

    /// The next segment carries `data` at `seq`.
    #[track_caller]
    fn expect_data(&mut self, seq: SeqNumber, data: &[u8]) -> Got {
        let got = self.next().expect("a segment");
        assert_eq!((got.seq, &got.data[..]), (seq, data), "{got:?}");
        got
    }

    /// Nothing was sent.
    #[track_caller]
    fn expect_silence(&mut self) {
        if let Some(got) = self.next() {
            panic!("a segment nobody expected: {got:?}");
        }
    }

    /// Everything sent and not yet looked at.
    fn drain(&mut self) -> Vec<Got> {
        self.transmit();
        self.sent.drain(..).collect()
    }

    // Time.

    /// Lets time pass, with every timer at its moment.
    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        for step in 0.. {
            assert!(step < 20_000, "a timer that is always due");
            self.transmit();
            match self.stack.next_deadline().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.stack.advance(self.now);
        }
        self.now = end;
        self.stack.advance(end);
        self.transmit();
    }

    /// The times, in milliseconds from `start`, at which segments with all of `flags` went out; everything
    /// is taken from the wire.
    fn times_of(&mut self, flags: Flags, start: Instant) -> Vec<u64> {
        let matching = self
            .drain()
            .into_iter()
            .filter(|got| got.flags.contains(flags));
        matching
            .map(|got| (got.at - start).as_millis() as u64)
            .collect()
    }

    // The application.

    fn listen(&mut self) -> ListenerId {
        self.listen_with(|_| ())
    }

    fn listen_with(&mut self, change: impl FnOnce(&mut ListenOptions)) -> ListenerId {
        let mut options = ListenOptions::new(SocketAddr::new(self.family.ours(), PORT));
        change(&mut options);
        self.stack.listen(self.now, options).expect("a free port")
    }

    fn accept(&mut self, listener: ListenerId) -> Option<SocketId> {
        let socket = self.stack.accept(self.now, listener).expect("a listener");
        self.transmit();
        socket
    }

    /// Connects to the peer's port 7; the SYN is taken from the wire.
    fn connect(&mut self) -> (Peer, SocketId, Got) {
        self.connect_with(SocketOptions::default())
    }

    fn connect_with(&mut self, socket: SocketOptions) -> (Peer, SocketId, Got) {
        let remote = SocketAddr::new(self.family.theirs(), 7);
        let options = ConnectOptions {
            socket,
            ..ConnectOptions::default()
        };
        let id = self
            .stack
            .connect(self.now, remote, options)
            .expect("a port");
        let syn = self.next().expect("a SYN");
        assert_eq!(syn.flags, S);
        let peer = Peer {
            tuple: syn.tuple,
            us: syn.seq + 1,
            them: SeqNumber(7001),
            ts: None,
        };
        (peer, id, syn)
    }

    fn write(&mut self, id: SocketId, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        let taken = self.stack.write(self.now, id, data);
        assert_eq!(taken, Ok(data.len()));
        self.transmit();
    }

    /// Everything that can be read now.
    fn read(&mut self, id: SocketId) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = self.stack.read(self.now, id, &mut buffer) {
            all.extend_from_slice(&buffer[..count]);
        }
        self.transmit();
        all
    }

    /// Reads up to `count` bytes.
    fn read_some(&mut self, id: SocketId, count: usize) -> Vec<u8> {
        let mut buffer = std::vec![0; count];
        let count = self.stack.read(self.now, id, &mut buffer).expect("data");
        self.transmit();
        buffer.truncate(count);
        buffer
    }

    fn shutdown(&mut self, id: SocketId, how: crate::Shutdown) {
        let now = self.now;
        self.stack.shutdown(now, id, how).expect("a connection");
        self.transmit();
    }

    fn close(&mut self, id: SocketId) {
        self.stack.close(self.now, id).expect("a socket");
        self.transmit();
    }

    fn abort(&mut self, id: SocketId) {
        self.stack.abort(self.now, id).expect("a socket");
        self.transmit();
    }

    // Connections in a state.

    /// A connection that the peer opened, accepted by the application. No option but MSS was agreed.
    fn accepted(&mut self) -> (Peer, SocketId) {
        self.accepted_with(|_| (), |_| ())
    }

    fn accepted_with(
        &mut self,
        listen: impl FnOnce(&mut ListenOptions),
        syn: impl FnOnce(&mut Segment<'_>),
    ) -> (Peer, SocketId) {
        let listener = self.listen_with(|options| {
            options.socket.reuse_address = true;
            listen(options);
        });
        let socket = self.accepted_by(listener, syn);
        self.stack.close_listener(self.now, listener).expect("it");
        socket
    }

    fn accepted_by(
        &mut self,
        listener: ListenerId,
        syn: impl FnOnce(&mut Segment<'_>),
    ) -> (Peer, SocketId) {
        let mut peer = self.syn_with(1000, syn);
        let answer = self.next().expect("a SYN,ACK");
        assert_eq!((answer.flags, answer.ack), (SA, peer.them));
        peer.us = answer.seq + 1;
        peer.ts = answer.options.timestamps.map(|theirs| Timestamps {
            value: theirs.echo,
            echo: theirs.value,
        });
        self.send(&peer, A, peer.them, peer.us, b"");
        let id = self.accept(listener).expect("a child");
        self.expect_silence();
        (peer, id)
    }

    /// A connection that the application opened; the peer's SYN,ACK is edited by `edit`.
    fn connected_with(&mut self, edit: impl FnOnce(&mut Segment<'_>)) -> (Peer, SocketId) {
        let (peer, id, _) = self.connect();
        self.send_with(&peer, SA, (peer.them - 1, peer.us), b"", |segment| {
            segment.options.mss = Some(MSS);
            edit(segment);
        });
        self.expect_ack(&peer, peer.them);
        (peer, id)
    }

    fn connected(&mut self) -> (Peer, SocketId) {
        self.connected_with(|_| ())
    }

    /// The peer acknowledges everything up to `ack`.
    fn ack(&mut self, peer: &Peer, ack: SeqNumber) {
        self.send(peer, A, peer.them, ack, b"");
    }

    /// The peer acknowledges up to `ack` and offers `wnd`.
    fn ack_window(&mut self, peer: &Peer, ack: SeqNumber, wnd: u16) {
        self.send_with(peer, A, (peer.them, ack), b"", |segment| segment.wnd = wnd);
    }

    // What is known.

    fn status(&self, id: SocketId) -> Status {
        self.stack.status(id).expect("a socket")
    }

    /// The state of a connection, CLOSED if there is none.
    fn state(&self, peer: &Peer) -> StateName {
        let all = self.stack.statuses();
        // A socket may still be held when its connection is in TIME-WAIT.
        let own = all.iter().rfind(|status| status.tuple == peer.tuple);
        own.map_or(StateName::Closed, |status| status.state)
    }

    fn record(&self) -> &Recorder {
        self.stack.observer()
    }

    /// The last change of state: whence, whither, why.
    fn last_transition(&self) -> (StateName, StateName, Cause) {
        let last = self.record().transitions.last().expect("a change of state");
        (last.from, last.to, last.cause)
    }

    /// Why this connection's last state was entered.
    #[track_caller]
    fn assert_entered(&self, peer: &Peer, state: StateName, cause: Cause) {
        let own = |event: &&Transition| event.tuple == peer.tuple;
        let last = self.record().transitions.iter().rfind(own);
        let last = last.expect("a change of state");
        assert_eq!((last.to, last.cause), (state, cause));
        assert_eq!(self.state(peer), state);
    }

    /// How often something was discarded for `reason`.
    fn discarded(&self, reason: DiscardReason) -> usize {
        let discards = &self.record().discards;
        let count = discards
            .iter()
            .filter(|event| event.reason == reason)
            .count();
        assert_eq!(self.stack.counters().discarded(reason), count as u64);
        count
    }

    fn refused(&self, reason: RefusalReason) -> usize {
        let refusals = &self.record().refusals;
        let count = refusals
            .iter()
            .filter(|event| event.reason == reason)
            .count();
        assert_eq!(self.stack.counters().refused(reason), count as u64);
        count
    }

    fn last_reset(&self) -> Option<ResetReason> {
        self.record().resets.last().map(|event| event.reason)
    }
}

/// `length` bytes that follow a pattern.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}
