//! Comments that wait for the packet they belong to: the connection's next one out.
//!
//! A change of state by a call or a timer belongs to the packet it makes the stack send: the SYN of a connect, the FIN of
//! a close, the RST of an abort or of a timeout. So a note about a state other than CLOSED waits for any packet of its
//! connection. A note about CLOSED waits for a RST only, and not for long, as a RST goes out at once or never; and where
//! none is ever sent (the end of TIME-WAIT, an unanswered SYN, …), there is no note. A new life of the same four-tuple
//! forgets the notes of the old one.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab_core::observe::{Cause, LifeId, StateName, Transition};
use estab_core::{FourTuple, Instant};

/// Notes that wait at a time; the oldest gives way.
const NOTES: usize = 1024;

/// How long the end of a connection waits for its RST.
const RESET_WITHIN: Duration = Duration::from_secs(1);

/// A change of state in one line: `SYN-SENT → ESTABLISHED: SYN,ACK received (RFC 9293 §3.10.7.3)`.
pub(super) fn comment(transition: &Transition) -> String {
    let Transition {
        from, to, cause, ..
    } = transition;
    format!("{from} → {to}: {} ({})", cause.text(), cause.rule())
}

/// The notes that wait.
#[derive(Debug, Default)]
pub(super) struct Notes(VecDeque<Note>);

#[derive(Debug)]
struct Note {
    tuple: FourTuple,
    life: LifeId,
    awaits: Awaits,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum Awaits {
    Packet,
    ResetUntil(Instant),
}

impl Notes {
    /// Forgets what an earlier life of the same four-tuple left behind.
    pub(super) fn begin_life(&mut self, tuple: FourTuple, life: LifeId) {
        self.0
            .retain(|note| note.tuple != tuple || note.life == life);
    }

    /// Keeps a note for the connection's next packet out, if one is to be expected.
    pub(super) fn add(&mut self, transition: &Transition) {
        let awaits = match transition.to {
            StateName::Listen => return,
            StateName::Closed if ends_in_reset(transition.cause) => {
                Awaits::ResetUntil(transition.at + RESET_WITHIN)
            }
            StateName::Closed => {
                self.0.retain(|note| note.tuple != transition.tuple);
                return;
            }
            _ => Awaits::Packet,
        };
        if self.0.len() == NOTES {
            self.0.pop_front();
        }
        self.0.push_back(Note {
            tuple: transition.tuple,
            life: transition.life,
            awaits,
            text: comment(transition),
        });
    }

    /// Moves the notes that belong to a packet being sent into `comments`.
    pub(super) fn take(&mut self, now: Instant, packet: &[u8], comments: &mut Vec<String>) {
        if self.0.is_empty() {
            return;
        }
        let Some((tuple, reset)) = sender(packet) else {
            return;
        };
        self.0.retain_mut(|note| {
            if note.tuple != tuple {
                return true;
            }
            let belongs = match note.awaits {
                Awaits::Packet => true,
                Awaits::ResetUntil(until) => reset && now <= until,
            };
            if belongs {
                comments.push(std::mem::take(&mut note.text));
            }
            // A packet that is no RST, after the end, is one of another life.
            false
        });
    }
}

/// Whether a RST may tell the peer about an end of this cause.
const fn ends_in_reset(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::Close
            | Cause::SynRetries
            | Cause::TimeWaitExpired
            | Cause::TimeWaitEvicted
            | Cause::TimeWaitSkipped
    )
}

/// The four-tuple of a TCP packet as its sender names it, and whether it is a RST.
fn sender(packet: &[u8]) -> Option<(FourTuple, bool)> {
    const TCP: u8 = 6;
    const RST: u8 = 0x04;

    let (source, destination, tcp) = match packet.first()? >> 4 {
        4 => {
            let header = packet.get(..20)?;
            if header[9] != TCP {
                return None;
            }
            let length = usize::from(header[0] & 0x0f) * 4;
            let (source, rest) = header[12..].split_first_chunk::<4>()?;
            let destination = rest.first_chunk::<4>()?;
            let tcp = packet.get(length..)?;
            (IpAddr::from(*source), IpAddr::from(*destination), tcp)
        }
        6 => {
            let (header, tcp) = packet.split_first_chunk::<40>()?;
            if header[6] != TCP {
                return None;
            }
            let (source, rest) = header[8..].split_first_chunk::<16>()?;
            let destination = rest.first_chunk::<16>()?;
            (IpAddr::from(*source), IpAddr::from(*destination), tcp)
        }
        _ => return None,
    };
    let ports = tcp.first_chunk::<4>()?;
    let flags = tcp.get(13)?;
    let local = SocketAddr::new(source, u16::from_be_bytes([ports[0], ports[1]]));
    let remote = SocketAddr::new(destination, u16::from_be_bytes([ports[2], ports[3]]));
    Some((FourTuple::new(local, remote), flags & RST != 0))
}
