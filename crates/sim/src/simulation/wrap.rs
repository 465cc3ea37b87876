//! Clocks set so that a connection's numbers wrap while it lives.

use std::net::SocketAddr;
use std::time::Duration;

use estab_core::observe::Silent;
use estab_core::{Config, ConnectOptions, Instant, Secrets, Stack};
use etherparse::{TcpHeaderSlice, TcpOptionElement};

use super::actions::Action;
use super::draw::Draw;
use super::profile::{CLIENT_PORTS, Profile, SERVER_PORTS, v4};

/// Whose connection it is.
pub(super) const HOST: usize = 0;

/// Moves the beginning of a world so that the sequence numbers, or the timestamps, of one connection wrap soon after it
/// is opened. Answers when it is, and how.
pub(super) fn aim(
    draw: &mut Draw,
    profile: &mut Profile,
    secrets: &Secrets,
) -> Option<(Instant, Action)> {
    let sequence = draw.chance(0.5);
    if draw.chance(0.7) || profile.holes {
        return None;
    }
    let local = SocketAddr::new(v4(HOST).into(), CLIENT_PORTS[0]);
    let remote = SocketAddr::new(v4(1).into(), SERVER_PORTS[0]);
    let after = draw.within(profile.storm / 2);
    let (iss, timestamp) = first_numbers(secrets, local, remote, profile.start + after)?;
    let until_wrap = if sequence {
        // ISNs follow a clock of 4 µs (RFC 6528 §3).
        let before = draw.scale(1..=5_000) as u32;
        let ticks = 0_u32.wrapping_sub(iss).wrapping_sub(before);
        Duration::from_micros(u64::from(ticks) * 4)
    } else {
        let before = draw.scale(1..=20_000) as u32;
        let ticks = 0_u32.wrapping_sub(timestamp).wrapping_sub(before);
        Duration::from_millis(u64::from(ticks))
    };
    profile.start += until_wrap;
    let connect = Action::Connect {
        from: HOST,
        remote,
        local: Some(local),
    };
    Some((profile.start + after, connect))
}

/// The ISS and the timestamp that a connection has which is opened at a moment: a stack with the same secrets tells.
fn first_numbers(
    secrets: &Secrets,
    local: SocketAddr,
    remote: SocketAddr,
    now: Instant,
) -> Option<(u32, u32)> {
    let config = Config {
        addresses: vec![local.ip()],
        ..Config::default()
    };
    let mut stack = Stack::new(config, secrets.clone(), Silent, now);
    let options = ConnectOptions {
        local: Some(local),
        ..ConnectOptions::default()
    };
    stack.connect(now, remote, options).ok()?;
    let mut numbers = None;
    stack.transmit(now, &mut |packet: &[u8]| {
        let header = packet.get(20..).map(TcpHeaderSlice::from_slice);
        let Some(Ok(header)) = header else { return };
        let timestamp = header.options_iterator().find_map(|option| match option {
            Ok(TcpOptionElement::Timestamp(value, _)) => Some(value),
            _ => None,
        });
        numbers = timestamp.map(|timestamp| (header.sequence_number(), timestamp));
    });
    numbers
}
