//! The peer: segments that are nearly right for a connection, and what comes back.

use std::net::SocketAddr;

use estab_core::observe::StateName;
use estab_core::{
    Checksum, Flags, FourTuple, Options, SackBlock, Segment, SeqNumber, Status, Timestamps, fuzzing,
};

use super::step::distance;
use super::{PORT, REMEMBERED, Sent, Step, World, key, theirs};
use crate::checksum;

impl World {
    /// Sends a segment that is right for its connection but for what the step says.
    pub(super) fn send_near(&mut self, step: &Step) {
        let statuses = self.stack.statuses();
        let known = (step.who < 0x80 && !statuses.is_empty())
            .then(|| &statuses[usize::from(step.who) % statuses.len()]);
        let tuple = known.map_or_else(|| self.new_tuple(step.who), |status| status.tuple);
        let flags = Flags::from_bits_retain(step.flags);
        // In SYN-SENT nothing of the peer is known yet.
        let unknown = known.is_none_or(|status| status.state == StateName::SynSent);
        let next = match known {
            Some(status) if !unknown => status.rcv_nxt,
            _ => SeqNumber(self.settings.irs()),
        };
        let seq = next + distance(step.seq);
        let acked = known.map_or(SeqNumber(0), |status| {
            if step.bits & 1 == 0 {
                status.snd_nxt
            } else {
                status.snd_una
            }
        });
        let ack = acked + distance(step.ack);
        let first = seq + u32::from(flags.contains(Flags::SYN));
        let data: Vec<u8> = (0..step.data_len())
            .map(|place| theirs((first + place).0))
            .collect();
        let segment = Segment {
            tuple: tuple.reversed(),
            seq,
            ack,
            wnd: step.window(),
            flags,
            urgent: u16::from(step.len),
            options: self.options(step, known, &tuple),
            payload: &data,
        };
        let mut packet = fuzzing::write(&segment, &[]);
        if let Some(options) = &self.raw_options {
            packet = with_raw_options(&packet, &data, options);
        }
        self.inject(packet);
    }

    /// A connection that there need not be: to the listener, or to a port where nobody listens.
    fn new_tuple(&self, who: u8) -> FourTuple {
        let port = PORT + u16::from(who >> 2 & 1);
        let local = SocketAddr::new(self.settings.ours(), port);
        let remote = SocketAddr::new(self.settings.theirs(), 20_000 + u16::from(who & 3));
        FourTuple::new(local, remote)
    }

    fn options(&mut self, step: &Step, known: Option<&Status>, tuple: &FourTuple) -> Options {
        let bit = |number: u8| step.bits & (1 << number) != 0;
        let syn = step.flags & Flags::SYN.bits() != 0;
        let mut options = Options::default();
        if syn {
            let mss = 1_000_u16.wrapping_add(distance(step.ack) as u16);
            options.mss = bit(1).then_some(mss);
            options.window_scale = bit(2).then_some(step.wnd % 16);
            options.sack_permitted = bit(3);
        } else {
            for (number, block) in (1..4).filter(|number| bit(*number)).enumerate() {
                let una = known.map_or(SeqNumber(0), |status| status.snd_una);
                let left = una + distance(step.ack) + 64 * (number as u32 + u32::from(block));
                let right = left + u32::from(step.len) + 1;
                options.sack.push(SackBlock { left, right });
            }
        }
        let (value, ours) = self.timestamps.entry(key(tuple)).or_default();
        // A half-open connection does not tell; our SYN,ACK does.
        let half_open = known.is_some_and(|status| status.state == StateName::SynReceived);
        let told = known.is_some_and(|status| status.timestamps);
        let agreed = !syn && (told || half_open && ours.is_some());
        if agreed != bit(4) {
            let value_now = value.wrapping_add(if bit(5) { distance(step.seq) } else { 1 });
            if !bit(6) {
                *value = value_now;
            }
            options.timestamps = Some(Timestamps {
                value: value_now,
                echo: ours.unwrap_or_default(),
            });
        }
        options
    }

    /// A packet of the last ones comes again with a byte changed.
    pub(super) fn garble(&mut self, step: &Step) {
        let Some(packet) = self.injected.back() else {
            return;
        };
        let mut packet = packet.clone();
        let place = usize::from(step.seq) % packet.len();
        packet[place] ^= step.bits;
        if step.len > 0 {
            packet.truncate(usize::from(step.len));
        }
        // The checksum is vouched for: the parser's worst day.
        self.garbled = true;
        self.stack.receive(self.now, &packet, Checksum::Verified);
    }

    /// Hands the stack a segment. What comes back is bounded by what waits to be sent, and a RST is never
    /// answered by another.
    pub(super) fn inject(&mut self, packet: Vec<u8>) {
        self.flush();
        let waiting: usize = self
            .stack
            .statuses()
            .iter()
            .map(|status| status.unacknowledged)
            .sum();
        self.stack.receive(self.now, &packet, Checksum::Unknown);
        let sent = self.flush();
        let Sent {
            packets,
            data,
            resets,
        } = sent;
        assert!(data <= waiting, "{sent:?} of {waiting}");
        assert!(packets <= data + 2, "{sent:?} of {waiting}");
        if let Ok(Some(segment)) = fuzzing::parse(&packet, Checksum::Unknown) {
            let is_reset = segment.has(Flags::RST);
            assert!(!is_reset || resets == 0, "a RST answered by a RST");
            assert!(!is_reset || packets <= 1, "a RST answered by {sent:?}");
        }
        if self.injected.len() == REMEMBERED {
            self.injected.pop_front();
        }
        self.injected.push_back(packet);
    }
}

/// The packet with other options: any bytes, padded to whole words.
fn with_raw_options(packet: &[u8], data: &[u8], options: &[u8]) -> Vec<u8> {
    let is_v4 = packet[0] >> 4 == 4;
    let ip = if is_v4 { 20 } else { 40 };
    let mut tcp = packet[ip..ip + 20].to_vec();
    tcp.extend(options);
    tcp.resize(tcp.len().next_multiple_of(4), 0);
    tcp[12] = (tcp.len() as u8 / 4) << 4;
    tcp.extend(data);
    let mut changed = packet[..ip].to_vec();
    if is_v4 {
        changed[2..4].copy_from_slice(&((ip + tcp.len()) as u16).to_be_bytes());
        checksum::repair_ipv4(&mut changed);
    } else {
        changed[4..6].copy_from_slice(&(tcp.len() as u16).to_be_bytes());
    }
    checksum::fill(&changed, &mut tcp, 16);
    changed.extend(tcp);
    changed
}
