//! What must hold at any moment, and of any packet the stack sends.

use estab_core::observe::StateName;
use estab_core::{Checksum, Flags, Segment, Status, fuzzing};

use super::settings::LARGEST;
use super::{Sent, Socket, World, key, ours};
use crate::headers;

impl World {
    /// Takes what the stack sends, and looks at each packet.
    pub(super) fn flush(&mut self) -> Sent {
        let mut sent = Sent::default();
        if self.busy {
            return sent;
        }
        let mut packets = Vec::new();
        self.stack
            .transmit(self.now, &mut |packet: &[u8]| packets.push(packet.to_vec()));
        assert!(
            !self.stack.wants_to_transmit(),
            "transmit did not send everything"
        );
        for packet in packets {
            sent.packets += 1;
            assert!(packet.len() <= self.stack.config().mtu, "{packet:x?}");
            headers::assert_checksums(&packet);
            let parsed = fuzzing::parse(&packet, Checksum::Unknown);
            if let Ok(Some(segment)) = parsed {
                sent.data += segment.payload.len();
                sent.resets += usize::from(segment.has(Flags::RST));
                self.check_sent(&segment);
                let tuple = segment.tuple.reversed();
                let ours = segment.options.timestamps.map(|ours| ours.value);
                self.timestamps.entry(key(&tuple)).or_default().1 = ours;
                self.last_sent.insert(key(&tuple), packet);
            }
        }
        let left = &self.stack.observer().sent;
        assert!(left.is_empty(), "told of, and not sent: {left:?}");
        sent
    }

    /// A segment belongs to a life and its data to what was written, or it is the answer to somebody unknown.
    fn check_sent(&mut self, segment: &Segment<'_>) {
        let witness = self.stack.observer_mut();
        let is_it = |seen: &&mut estab_core::observe::Seen| {
            let tuple = segment.tuple.reversed();
            (seen.tuple, seen.seq, seen.flags) == (tuple, segment.seq, segment.flags)
        };
        let Some(seen) = witness.sent.front_mut().filter(is_it).copied() else {
            assert!(segment.payload.is_empty(), "data of nobody: {segment:?}");
            return;
        };
        witness.sent.pop_front();
        let life = witness.life(seen.life);
        let Segment {
            seq,
            flags,
            payload,
            ..
        } = *segment;
        if flags.intersects(Flags::SYN | Flags::RST) {
            assert!(payload.is_empty(), "{segment:?}");
            return;
        }
        if payload.is_empty() && !flags.contains(Flags::FIN) {
            return;
        }
        let iss = life.iss.expect("data follows a SYN");
        let place = seq - (iss + 1);
        let end = place + payload.len() as u32;
        assert!(end <= life.written, "{segment:?} of {life:?}");
        for (byte, place) in payload.iter().zip(place..) {
            assert_eq!(*byte, ours(place), "the byte at {place} of {}", seen.life);
        }
        if flags.contains(Flags::FIN) {
            assert_eq!(end, life.written, "a FIN before the end: {segment:?}");
        }
    }

    /// The tables and each connection.
    pub(super) fn check(&mut self) {
        let (stack, config) = (&self.stack, self.stack.config());
        assert!(stack.slots() <= config.max_connections);
        assert!(stack.half_open() <= config.max_syn_received);
        assert!(stack.time_waits() <= config.max_time_wait);
        let listeners = stack.listeners();
        assert!(listeners.len() <= config.max_listeners);
        let statuses = stack.statuses();
        assert!(statuses.len() <= stack.slots() + stack.half_open() + stack.time_waits());
        for status in &statuses {
            self.check_status(status);
        }
        for Socket { id, read } in self.sockets.clone() {
            let status = self.stack.status(id).expect("a socket that is held");
            self.check_stream(&status, read);
        }
        while self.stack.next_event().is_some() {}
    }

    /// Sequence numbers only grow, and buffers are bounded.
    fn check_status(&mut self, status: &Status) {
        let state = status.state;
        let life = self.stack.observer_mut().life(status.life);
        if status.ended.is_some() || state == StateName::Closed {
            return;
        }
        assert_eq!(life.state, state, "{status:?}");
        let held = status.unread + status.out_of_order;
        assert!(
            held <= LARGEST + (1 << status.window_shifts.0),
            "{status:?}"
        );
        assert!(status.unacknowledged <= LARGEST, "{status:?}");
        assert!(status.window_shifts.0 <= 14 && status.window_shifts.1 <= 14);
        if matches!(state, StateName::SynSent | StateName::SynReceived) {
            // Our SYN may wait for a full device, or have found no room among the answers that wait for it.
            life.iss.get_or_insert(status.snd_una);
        }
        if state == StateName::SynSent || state == StateName::TimeWait {
            return;
        }
        let earlier = life.rcv_nxt.replace(status.rcv_nxt);
        let grows = earlier.is_none_or(|earlier| earlier.precedes_or_is(status.rcv_nxt));
        assert!(grows, "RCV.NXT goes back from {earlier:?}: {status:?}");
        let earlier = life.snd_una.replace(status.snd_una);
        let grows = earlier.is_none_or(|earlier| earlier.precedes_or_is(status.snd_una));
        assert!(grows, "SND.UNA goes back from {earlier:?}: {status:?}");
        let flight = status.snd_nxt.distance_from(status.snd_una);
        let most = status.unacknowledged as i32 + 2;
        assert!((0..=most).contains(&flight), "{flight}: {status:?}");
        if state != StateName::SynReceived {
            let edge = status.rcv_nxt + status.rcv_wnd;
            let earlier = life.edge.replace(edge);
            let grows = earlier.is_none_or(|earlier| earlier.precedes_or_is(edge));
            assert!(
                grows,
                "the window's edge goes back from {earlier:?}: {status:?}"
            );
        }
    }

    /// What the peer was told that we have is read, or can be read, but for its FIN.
    fn check_stream(&mut self, status: &Status, read: u32) {
        use StateName::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
        let fin = match status.state {
            Established | FinWait1 | FinWait2 => 0,
            CloseWait | Closing | LastAck => 1,
            _ => return,
        };
        let irs = self.stack.observer_mut().life(status.life).irs;
        let begin = irs.expect("a synchronized connection") + 1;
        let told = status.rcv_nxt - begin;
        assert_eq!(told, read + status.unread as u32 + fin, "{status:?}");
    }
}
