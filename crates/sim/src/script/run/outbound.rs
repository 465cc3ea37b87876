//! Packets that the script expects of the stack.

use super::super::ast::{Body, Packet, Sequence, Tcp};
use super::connections::Seen;
use super::mapping::Stage;
use super::report::Failure;
use super::schedule::{Due, seconds};
use super::verify::{self, Actual};
use super::wire::Segment;
use super::{Runner, stamps, text};
use std::time::Duration;

impl Runner<'_> {
    pub(super) fn outbound(&mut self, packet: &Packet, due: &Due) -> Result<(), Failure> {
        let place = self.connection_for(packet)?;
        match &packet.body {
            Body::Tcp(tcp) => {
                let outcome = self.outbound_segment(packet, tcp, place, due);
                self.unless_fatal(outcome)
            }
            Body::Icmp(icmp) => self.outbound_icmp(icmp, due),
            Body::Udp(_) => Err(Failure::unsupported("UDP")),
        }
    }

    /// With `--non_fatal=packet` a wrong packet is only told.
    fn unless_fatal(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(failure) if self.config.non_fatal_packet && !failure.is_unsupported => {
                self.notes.push(format!("warning: {failure}"));
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn outbound_segment(
        &mut self,
        packet: &Packet,
        tcp: &Tcp,
        place: usize,
        due: &Due,
    ) -> Result<(), Failure> {
        let wanted = verify::to_text(tcp);
        let seen = self.collect(tcp, place, due).map_err(|mut failure| {
            failure.expected.get_or_insert_with(|| wanted.clone());
            failure
        })?;
        let Some((at, first, segment)) = seen else {
            let now = self.subject.now();
            return Err(Failure::new("the stack did not send this")
                .expected(format!("{wanted} at {}", seconds(due.at)))
                .seen(format!("nothing until {}", seconds(now))));
        };
        let mut segment = segment;
        self.map_stamps(tcp, place, &mut segment);
        self.tell_again(&first);
        let actual = Actual {
            datagram: &first.datagram,
            segment: &segment,
            connection: &mut self.connections[place],
        };
        let differences = verify::differences(packet, tcp, actual, due, self.config)?;
        if !differences.is_empty() {
            let mut failure = Failure::new("the stack sent something else")
                .expected(wanted)
                .seen(text::of(&segment));
            failure.differences = differences;
            return Err(failure);
        }
        due.check(at, self.config, "the outbound packet")
    }

    /// The segment that is expected, in the script's numbers. Several that follow each other and differ in nothing
    /// else are taken as the one they would have been if the wire could carry it.
    #[allow(
        clippy::type_complexity,
        reason = "when, the first packet, and the whole segment"
    )]
    fn collect(
        &mut self,
        tcp: &Tcp,
        place: usize,
        due: &Due,
    ) -> Result<Option<(Duration, Seen, Segment)>, Failure> {
        let patience = due.patience(self.subject.now());
        let is_ours = |runner: &Self, seen: &Seen| runner.is_of(seen, place);
        let Some(first) = self.next_expected(patience, is_ours)? else {
            return Ok(None);
        };
        let Some(live) = first.datagram.segment().cloned() else {
            return Ok(None);
        };
        self.learn_isn(tcp, place, &live);
        let keep_seq = tcp.unmapped_seq;
        let mut whole = self.connections[place].to_script(live.clone(), keep_seq);
        let mut at = first.at;
        let wanted = usize::from(match tcp.seq {
            Sequence::At { len, .. } | Sequence::Any { len } => len,
        });
        let mut piece = whole.payload.len();
        let may_continue = piece > 0 && verify::begins(tcp, &whole) && !self.config.strict_segments;
        while may_continue && whole.payload.len() < wanted {
            let Some(next) = self.next_expected(patience, is_ours)? else {
                break;
            };
            let Some(segment) = next.datagram.segment().cloned() else {
                break;
            };
            let segment = self.connections[place].to_script(segment, keep_seq);
            let is_last = segment.payload.len() >= wanted - whole.payload.len();
            if !verify::continues(&whole, &segment) || (segment.payload.len() != piece && !is_last)
            {
                return Err(Failure::new(
                    "the stack sent something else in the middle of a segment",
                )
                .expected(format!("the rest of {}", verify::to_text(tcp)))
                .seen(format!("{}, then {}", text::of(&whole), text::of(&segment))));
            }
            piece = segment.payload.len();
            at = next.at;
            whole = joined(whole, segment);
        }
        Ok(Some((at, first, whole)))
    }

    /// The next packet that is asked for. One that is not, and had to be expected, fails the script.
    pub(super) fn next_expected(
        &mut self,
        until: Duration,
        is_wanted: impl Fn(&Self, &Seen) -> bool,
    ) -> Result<Option<Seen>, Failure> {
        while let Some(seen) = self.next_seen(until)? {
            if is_wanted(self, &seen) {
                return Ok(Some(seen));
            }
            if self.must_be_expected(&seen) {
                let text = format!("{} at {}", self.describe(&seen), seconds(seen.at));
                return Err(Failure::new("the stack sent something else").seen(text));
            }
        }
        Ok(None)
    }

    /// A SYN-ACK tells the ISN of the stack's side.
    fn learn_isn(&mut self, tcp: &Tcp, place: usize, live: &Segment) {
        let connection = &mut self.connections[place];
        let expects_syn_ack = tcp.flags.syn && tcp.flags.ack;
        if !expects_syn_ack || !live.flags.syn {
            return;
        }
        let start = match tcp.seq {
            Sequence::At { start, .. } => Some(start),
            Sequence::Any { .. } => None,
        };
        match (connection.stage, connection.reopening.take(), start) {
            (Stage::PacketReceived, ..) => {
                connection.script_isn = start.unwrap_or(connection.script_isn);
                connection.live_isn = live.seq;
                connection.stage = Stage::SynAckSent;
            }
            // A SYN in an open connection may begin another on the same ports.
            (_, Some(remote_isn), Some(start)) if !tcp.unmapped_seq => {
                connection.script_isn = start;
                connection.live_isn = live.seq;
                connection.remote_isn = remote_isn;
                connection.content.is_unknown = true;
                connection.stage = Stage::SynAckSent;
            }
            _ => {}
        }
    }

    /// Puts TSval into the script's numbers, and takes away what `--with-timestamps` added.
    fn map_stamps(&mut self, tcp: &Tcp, place: usize, segment: &mut Segment) {
        use super::super::ast::TcpOption;
        let expected = tcp.options.as_deref().unwrap_or_default();
        let wanted = expected.iter().find_map(|option| match option {
            TcpOption::Timestamps { val, .. } => Some(*val),
            _ => None,
        });
        let stamps = &mut self.connections[place].stamps;
        for option in &mut segment.options {
            if let TcpOption::Timestamps { val: Some(val), .. } = option {
                *val = match wanted.flatten() {
                    Some(script) => stamps.learn(script, *val),
                    None => stamps.to_script(*val),
                };
            }
            // The MTU that bears added timestamps shows in the MSS.
            if let TcpOption::Mss(mss) = option
                && self.config.with_timestamps
                && expected.contains(&TcpOption::Mss(mss.saturating_sub(stamps::LEN)))
            {
                *mss -= stamps::LEN;
            }
        }
    }
}

/// Two segments as one: the later's header, the earlier's sequence number and CWR.
fn joined(earlier: Segment, later: Segment) -> Segment {
    let mut whole = Segment {
        seq: earlier.seq,
        payload: earlier.payload,
        ..later
    };
    whole.flags.cwr = earlier.flags.cwr;
    whole.payload.extend_from_slice(&later.payload);
    whole
}
