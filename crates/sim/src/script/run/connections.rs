//! Which connection a packet belongs to.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::ast::{Body, Direction, Packet, Sequence};
use super::ladder::RungKind;
use super::mapping::{Connection, Stage};
use super::report::Failure;
use super::wire::{Carried, Datagram, Segment};
use super::{Runner, SAME_MOMENT, hold_supported, icmp, text};

/// A packet that left.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Duration,
    pub(super) datagram: Datagram,
    pub(super) owner: Owner,
    /// Its place in the ladder, where its numbers may become better known.
    rung: usize,
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A connection of the script's.
    Connection(usize),
    /// Nobody's: ICMP, or a segment to where no connection is.
    Nobody,
}

impl Runner<'_> {
    /// The connection that a packet of the script is about. A packet to a listening socket makes a new one.
    pub(super) fn connection_for(&mut self, packet: &Packet) -> Result<usize, Failure> {
        hold_supported(packet)?;
        if let Some(known) = self.with_script_ports(packet) {
            return Ok(known);
        }
        if packet.direction == Direction::Inbound {
            self.reach_unopened(packet);
        }
        let Body::Tcp(tcp) = &packet.body else {
            let none = || Failure::new("there is no connection that this could be about");
            return self.under_test.ok_or_else(none);
        };
        let first_seq = match tcp.seq {
            Sequence::At { start, .. } => start,
            Sequence::Any { .. } => 0,
        };
        let stage = self.under_test.map(|place| self.connections[place].stage);
        let is_syn = tcp.flags.syn && !tcp.flags.ack;
        let opens_another = is_syn
            && packet.ports.is_some()
            && self
                .connections
                .iter()
                .any(|known| known.stage == Stage::Listening);
        match (packet.direction, stage) {
            (Direction::Inbound, None | Some(Stage::Listening)) => Ok(self.open(packet, first_seq)),
            (Direction::Inbound, _) if opens_another => Ok(self.open(packet, first_seq)),
            (Direction::Outbound, Some(Stage::Connecting)) if is_syn => {
                let place = self.under_test.unwrap_or_default();
                let connection = &mut self.connections[place];
                connection.stage = Stage::SynSent;
                connection.script_isn = first_seq;
                connection.script_ports = packet.ports;
                Ok(place)
            }
            _ => self
                .under_test
                .ok_or_else(|| Failure::new("there is no socket that could send this")),
        }
    }

    /// A socket that neither listens nor connects can be sent to, too: where it is bound.
    fn reach_unopened(&mut self, packet: &Packet) {
        let (remote, port) = (self.config.remote_ip(), self.next_port);
        let local = SocketAddr::new(self.config.local_ip(), self.config.bind_port);
        let (Some(place), Body::Tcp(tcp)) = (self.under_test, &packet.body) else {
            return;
        };
        let connection = &mut self.connections[place];
        if connection.stage != Stage::New {
            return;
        }
        if let (Sequence::At { start, .. }, None) = (tcp.seq, connection.remote) {
            connection.remote = Some(SocketAddr::new(remote, port));
            connection.local = Some(local);
            connection.remote_isn = start;
            self.next_port = self.next_port.wrapping_add(1).max(1024);
        }
    }

    fn with_script_ports(&self, packet: &Packet) -> Option<usize> {
        let (source, destination) = packet.ports?;
        let ports = match packet.direction {
            Direction::Inbound => (destination, source),
            Direction::Outbound => (source, destination),
        };
        self.connections
            .iter()
            .rposition(|known| known.script_ports == Some(ports))
    }

    /// The connection that the script opens with this packet.
    fn open(&mut self, packet: &Packet, isn: u32) -> usize {
        let (source, destination) = packet.ports.unwrap_or_default();
        let nonzero = |port: u16, otherwise: u16| if port == 0 { otherwise } else { port };
        let mut connection = Connection::new(Stage::PacketReceived);
        let remote_port = nonzero(source, self.next_port);
        self.next_port = self.next_port.wrapping_add(1).max(1024);
        connection.script_ports = packet.ports.map(|_| (destination, source));
        connection.remote = Some(SocketAddr::new(self.config.remote_ip(), remote_port));
        let local_port = nonzero(destination, self.config.bind_port);
        connection.local = Some(SocketAddr::new(self.config.local_ip(), local_port));
        connection.remote_isn = isn;
        self.add_connection(connection)
    }

    /// A new connection, which packets of the script belong to from now on.
    pub(super) fn add_connection(&mut self, connection: Connection) -> usize {
        self.connections.push(connection);
        let place = self.connections.len() - 1;
        self.under_test = Some(place);
        place
    }

    /// The next packet that leaves until then, of whichever connection. The checksums are right.
    pub(super) fn next_seen(&mut self, until: Duration) -> Result<Option<Seen>, Failure> {
        let sent = match self.unread.pop_front() {
            Some(sent) => Some(sent),
            None => self.subject.next_packet(until),
        };
        self.listen_to_story();
        self.poll_blocking()?;
        let Some(sent) = sent else { return Ok(None) };
        let datagram = Datagram::parse(&sent.packet).map_err(|error| {
            Failure::new("the stack sent a packet that is wrong").seen(format!("a packet: {error}"))
        })?;
        let owner = self.owner(&datagram);
        if let (Owner::Connection(place), Some(segment)) = (owner, datagram.segment()) {
            self.learn(place, &datagram, segment);
        }
        let seen = Seen {
            at: sent.at,
            datagram,
            owner,
            rung: self.ladder.rungs.len(),
        };
        self.ladder
            .add(seen.at, RungKind::Outbound, self.describe(&seen));
        Ok(Some(seen))
    }

    /// Tells a packet again, once its ISN and its timestamp have been learnt.
    pub(super) fn tell_again(&mut self, seen: &Seen) {
        let text = self.describe(seen);
        if let Some(rung) = self.ladder.rungs.get_mut(seen.rung) {
            rung.text = text;
        }
    }

    fn owner(&self, datagram: &Datagram) -> Owner {
        let Some(segment) = datagram.segment() else {
            return Owner::Nobody;
        };
        let newest_first = || self.connections.iter().rev();
        let place = newest_first()
            .position(|known| known.sends(datagram, segment))
            .or_else(|| newest_first().position(|known| known.opens_with(datagram, segment)));
        place.map_or(Owner::Nobody, |place| {
            Owner::Connection(self.connections.len() - 1 - place)
        })
    }

    /// What a packet tells of its connection beside what the script says of it.
    fn learn(&mut self, place: usize, datagram: &Datagram, segment: &Segment) {
        let connection = &mut self.connections[place];
        if connection.opens_with(datagram, segment) {
            connection.local = Some(SocketAddr::new(datagram.source, segment.source_port));
            connection.live_isn = segment.seq;
        }
        if connection.stage == Stage::PacketReceived && segment.flags.syn {
            connection.live_isn = segment.seq;
        }
        if let Some(val) = super::stamps::val_of(&segment.options) {
            connection.stamps.latest = Some(val);
        }
    }

    /// A packet in the script's words and numbers.
    pub(super) fn describe(&self, seen: &Seen) -> String {
        match (&seen.datagram.carried, seen.owner) {
            (Carried::Tcp(segment), Owner::Connection(place)) => {
                let connection = &self.connections[place];
                let mut segment = connection.to_script(segment.clone(), false);
                super::stamps::to_script(&connection.stamps, &mut segment.options);
                let elsewhere = if self.under_test == Some(place) {
                    ""
                } else {
                    " (of another connection)"
                };
                format!("{}{elsewhere}", text::of(&segment))
            }
            (Carried::Tcp(segment), Owner::Nobody) => format!(
                "{} > {}: {} (of no connection; live numbers)",
                segment.source_port,
                segment.destination_port,
                text::of(segment)
            ),
            (Carried::Icmp(message), _) => {
                format!("icmp type_{} code_{}", message.kind, message.code)
            }
            (Carried::Other(protocol), _) => format!("IP protocol {protocol}"),
        }
    }

    /// Whether the script had to expect a packet. It cannot name connections other than the one under test, nor the
    /// neighbour discovery of a kernel.
    pub(super) fn must_be_expected(&self, seen: &Seen) -> bool {
        match (&seen.datagram.carried, seen.owner) {
            (Carried::Tcp(_), Owner::Nobody) => true,
            (Carried::Tcp(_), Owner::Connection(place)) => {
                self.under_test == Some(place) || self.connections[place].script_ports.is_some()
            }
            (Carried::Icmp(message), _) => icmp::is_error(message.kind, self.config.is_v6()),
            (Carried::Other(_), _) => false,
        }
    }

    /// A packet that left well before a time, and that no event will ask for, fails the script.
    pub(super) fn check_none_left_before(&mut self, time: Duration) -> Result<(), Failure> {
        if self.config.ignore_unread {
            return Ok(());
        }
        let slack = if self.config.strict {
            Duration::ZERO
        } else {
            SAME_MOMENT
        };
        let now = self.subject.now();
        let mut later = Vec::new();
        while let Some(sent) = self
            .unread
            .pop_front()
            .or_else(|| self.subject.next_packet(now))
        {
            if sent.at + slack < time {
                self.unread.push_front(sent);
                self.refuse_next(now)?;
            } else {
                later.push(sent);
            }
        }
        self.unread.extend(later);
        Ok(())
    }

    /// Looks at what has left by the end of the script: with `--strict`, nothing may have.
    pub(super) fn check_nothing_left(&mut self) -> Result<(), Failure> {
        let now = self.subject.now();
        loop {
            let left = self
                .unread
                .pop_front()
                .or_else(|| self.subject.next_packet(now));
            let Some(sent) = left else { return Ok(()) };
            self.unread.push_front(sent);
            if self.config.strict {
                self.refuse_next(now)?;
            } else {
                let seen = self.next_seen(now)?;
                let is_unexpected = seen.is_some_and(|seen| self.must_be_expected(&seen));
                self.unexpected += usize::from(is_unexpected);
            }
        }
    }

    /// Fails if the next packet is one that had to be expected; counts it if it may pass all the same.
    fn refuse_next(&mut self, now: Duration) -> Result<(), Failure> {
        let Some(seen) = self.next_seen(now)? else {
            return Ok(());
        };
        if !self.must_be_expected(&seen) {
            return Ok(());
        }
        if !self.config.strict && goes_on(&seen) {
            self.unexpected += 1;
            return Ok(());
        }
        let at = super::schedule::seconds(seen.at);
        let text = format!("{} at {at}", self.describe(&seen));
        Err(
            Failure::new("a packet left that the script does not expect")
                .expected("no packet before this")
                .seen(text),
        )
    }
}

/// Whether a segment belongs to a connection that goes on: data, its end, an acknowledgment. A script that expects
/// nothing more leaves these to the stack, as packetdrill does; a SYN, a RST or an ICMP error it does not.
fn goes_on(seen: &Seen) -> bool {
    let segment = seen.datagram.segment();
    segment.is_some_and(|segment| !(segment.flags.syn || segment.flags.rst))
}
