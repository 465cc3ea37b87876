//! What must hold, whatever happens.

use std::time::Duration;

use estab_core::observe::StateName;
use estab_core::{FourTuple, ListenerStatus, Readiness, SeqNumber, Stack, Status, Timer};

use super::Failure;
use super::application::Outcome;
use super::coverage::Fate;
use super::lives::Lives;
use super::network::{Origin, Packet, falls_into};
use super::world::World;

/// How much later than asked for a timer may fire: a tick of the wheel.
const TICK: Duration = Duration::from_millis(1);

/// Looks at a connection before a suspicious packet reaches it.
pub(super) struct Before {
    in_segs: u64,
    echoes: u64,
    /// Only for forged segments.
    status: Option<Status>,
}

fn status_of(stack: &Stack<Lives>, tuple: &FourTuple) -> Option<Status> {
    let mut statuses = stack.statuses().into_iter();
    statuses.find(|status| status.tuple == *tuple && status.ended.is_none())
}

impl Before {
    pub(super) fn of(stack: &Stack<Lives>, packet: &Packet) -> Self {
        let header = packet.header.filter(|_| packet.origin == Origin::Forged);
        Self {
            in_segs: stack.counters().in_segs,
            echoes: stack.counters().icmp_echoes,
            status: header.and_then(|header| status_of(stack, &header.tuple.reversed())),
        }
    }

    /// Whether a forged segment was believed; an error if a damaged packet was.
    pub(super) fn compare(&self, stack: &Stack<Lives>, packet: &Packet) -> Result<bool, String> {
        let counters = stack.counters();
        match packet.origin {
            Origin::Genuine => Ok(false),
            Origin::Damaged => {
                if (counters.in_segs, counters.icmp_echoes) != (self.in_segs, self.echoes) {
                    return Err("a damaged packet was taken for a good one".into());
                }
                Ok(false)
            }
            Origin::Forged => Ok(self.was_believed(stack, packet)),
        }
    }

    fn was_believed(&self, stack: &Stack<Lives>, packet: &Packet) -> bool {
        let Some(header) = packet.header else {
            return false;
        };
        let Some(before) = &self.status else {
            // A SYN may have begun a connection, with options and data of its own.
            return status_of(stack, &header.tuple.reversed()).is_some();
        };
        let Some(after) = status_of(stack, &before.tuple) else {
            return true;
        };
        let numbers = |status: &Status| {
            (
                (status.life, status.state, status.rcv_nxt, status.snd_una),
                (status.out_of_order, status.bytes_received),
            )
        };
        let fin = header.flags.contains(estab_core::Flags::FIN);
        numbers(before) != numbers(&after)
            || (fin && falls_into(&header, before.rcv_nxt, before.rcv_wnd))
    }
}

/// Whether a packet is of an earlier incarnation and no receiver could know: its numbers fall into the new one's
/// window, and no timestamps tell old from new (RFC 9293 §3.4.3: only time does).
pub(super) fn is_ambiguous(world: &World, packet: &Packet) -> bool {
    let (Some(header), Some(iss)) = (packet.header, packet.iss) else {
        return false;
    };
    let tuple = header.tuple.reversed();
    let stack = &world.hosts[packet.to].stack;
    let Some((_, life)) = stack.observer().current(&tuple) else {
        return false;
    };
    // An old SYN never passes for data: RFC 9293 §3.5 has an answer to it in every state.
    let syn = header.flags.contains(estab_core::Flags::SYN);
    if syn || packet.origin != Origin::Genuine || life.irs.is_none_or(|irs| irs == iss) {
        return false;
    }
    let sender = world.hosts[packet.from].stack.observer();
    let new = sender
        .current(&header.tuple)
        .map(|(_, life)| life.opened_at);
    let older = new.is_some_and(|opened_at| packet.sent_at.as_millis() < opened_at.as_millis());
    let Some(status) = status_of(stack, &tuple) else {
        return false;
    };
    let told_apart = status.timestamps && older;
    let bare =
        matches!(status.state, StateName::TimeWait) || status.rcv_wnd == 0 && status.mss == 0;
    !bare && !told_apart && falls_into(&header, status.rcv_nxt, status.rcv_wnd)
}

/// Whether a packet completes a handshake whose child will wait for a place in the accept queue: nothing is seen to
/// change until there is one.
pub(super) fn completes_unseen(world: &World, packet: &Packet) -> bool {
    let Some(header) = packet.header else {
        return false;
    };
    let status = status_of(&world.hosts[packet.to].stack, &header.tuple.reversed());
    status.is_some_and(|status| {
        let numbers = (header.seq, header.ack) == (status.rcv_nxt, status.snd_nxt);
        status.state == StateName::SynReceived && numbers
    })
}

/// Lives that were just established: the other end must know the same two initial sequence numbers.
pub(super) fn agree(world: &mut World, number: usize) -> Result<(), Failure> {
    let established = std::mem::take(&mut world.hosts[number].stack.observer_mut().established);
    for id in established {
        let Some(life) = world.hosts[number].stack.observer().get(id).cloned() else {
            continue;
        };
        if life.tainted {
            continue;
        }
        let other = super::profile::host_of(life.tuple.remote().ip());
        let Some(other) = other.filter(|other| *other < world.hosts.len()) else {
            continue;
        };
        let tuple = life.tuple.reversed();
        let mut candidates = world.hosts[other].stack.observer().newest_first();
        let peer = candidates.find(|(_, theirs)| {
            // Who never sent a SYN,ACK of its own has not told its ISS: its twin's, made at the same moment, went out.
            let told = life.iss.is_none() || theirs.irs == life.iss;
            theirs.tuple == tuple && theirs.iss == life.irs && told
        });
        let peer = peer.map(|(id, theirs)| (id, theirs.tainted));
        drop(candidates);
        let by_cookie = life.irs.zip(life.iss).is_some_and(|numbers| {
            let cookies = &world.hosts[other].cookies;
            cookies.contains(&(tuple, numbers))
        });
        if peer.is_none() && by_cookie {
            // The other end agrees when it hears from this one.
            continue;
        }
        let Some((peer, tainted)) = peer else {
            let what = format!(
                "host {number}: {id} is established with ISS {:?} and IRS {:?}, which no life of host {other} \
                 ever agreed to",
                life.iss, life.irs
            );
            return Err(world.failure(Some(life.tuple), what));
        };
        let observer = world.hosts[number].stack.observer_mut();
        if let Some(life) = observer.get_mut(id) {
            life.peer = Some((other, peer));
            life.tainted |= tainted;
        }
        if let Some(theirs) = world.hosts[other].stack.observer_mut().get_mut(peer) {
            theirs.peer = Some((number, id));
        }
    }
    Ok(())
}

/// A child that waited for a place in an accept queue, and whose time is over, waited for good reason: a place that comes
/// free is taken at once.
pub(super) fn held_children(world: &World, number: usize) -> Result<(), Failure> {
    let stack = &world.hosts[number].stack;
    for tuple in &stack.observer().overflowed {
        let local = tuple.local();
        let listeners = stack.listeners().into_iter().filter(|listener| {
            let ip = listener.address.ip();
            let all = ip.is_unspecified() && (ip.is_ipv6() || local.is_ipv4());
            listener.address.port() == local.port() && (ip == local.ip() || all)
        });
        // Which of several it was that share the port is not told.
        let listeners: Vec<_> = listeners.collect();
        let free = |listener: &ListenerStatus| listener.accept_queue < listener.backlog;
        if !listeners.is_empty() && listeners.iter().all(free) {
            let what =
                format!("host {number}: a child was held although there is room: {listeners:?}");
            return Err(world.failure(Some(*tuple), what));
        }
    }
    Ok(())
}

/// What an application was told must be true at the other end.
pub(super) fn outcome(world: &World, number: usize, outcome: &Outcome) -> Result<(), Failure> {
    let (Outcome::EndOfFile(id, _) | Outcome::Ended(id, _)) = outcome;
    let observer = world.hosts[number].stack.observer();
    let Some(life) = observer.get(id.life()).filter(|life| !life.tainted) else {
        return Ok(());
    };
    let Some((host, peer)) = life.peer else {
        return Ok(());
    };
    let other = &world.hosts[host];
    let Some(theirs) = other.stack.observer().get(peer) else {
        return Ok(());
    };
    let written = other.application_of(peer.0).map_or(0, |peer| peer.written);
    let told_before = other_was_told(world, number, id.life().0);
    match outcome {
        Outcome::EndOfFile(_, read) if *read != written && !told_before => {
            let what = format!(
                "host {number}: {} reads end of file after {read} bytes, but {peer} of host {host} wrote {written}",
                id.life()
            );
            Err(world.failure(Some(life.tuple), what))
        }
        Outcome::Ended(_, cause) if theirs.fin_acked => {
            let what = format!(
                "host {number}: {} is told that the connection ended ({cause}), but {peer} of host {host} had its \
                 FIN acknowledged",
                id.life()
            );
            Err(world.failure(Some(life.tuple), what))
        }
        _ => Ok(()),
    }
}

/// Whether a write has told the end already: reads answer end of file then.
fn other_was_told(world: &World, number: usize, life: u32) -> bool {
    let application = world.hosts[number].application_of(life);
    application.is_some_and(|application| application.ended)
}

/// Everything that can be said about one host at a moment.
pub(super) fn look_closely(world: &mut World, number: usize) -> Result<(), Failure> {
    windows_never_shrink(world, number)?;
    let world = &*world;
    let host = &world.hosts[number];
    let fail = |tuple, what: String| Err(world.failure(tuple, format!("host {number}: {what}")));
    if let Err(what) = tables(&host.stack, host.has_handed_over) {
        return fail(None, what);
    }
    let sends = host.stack.wants_to_transmit();
    let deadline = host.stack.next_deadline();
    if sends && !host.waits_for_gate(world.now) {
        return fail(None, "it has something to send and does not".into());
    }
    for status in host.stack.statuses() {
        let tuple = Some(status.tuple);
        if let Err(what) = numbers(&host.stack, &status) {
            return fail(tuple, format!("{}: {what}: {status:?}", status.life));
        }
        if !sends && needs_timer(&status) && status.timer.is_none() {
            return fail(
                tuple,
                format!("{} waits for nothing: {status:?}", status.life),
            );
        }
        let late = |timer: &Timer| deadline.is_none_or(|deadline| deadline > timer.at + TICK);
        if status.timer.as_ref().is_some_and(late) {
            let what = format!("{} is woken at {deadline:?}: {status:?}", status.life);
            return fail(tuple, what);
        }
        if let Err(what) = both_ends(world, number, &status) {
            return fail(tuple, format!("{}: {what}: {status:?}", status.life));
        }
    }
    for application in host.applications.iter().filter(|app| !app.closed) {
        let Ok(readiness) = host.stack.readiness(application.id) else {
            return fail(
                Some(application.tuple),
                "a socket is gone that is held".into(),
            );
        };
        let missed = readiness & application.awaits;
        if missed != Readiness::empty() {
            let id = application.id.life();
            return fail(
                Some(application.tuple),
                format!("{id} was never told: {missed:?}"),
            );
        }
    }
    Ok(())
}

/// RFC 9293 §3.8.6: the right edge of the window never moves left.
fn windows_never_shrink(world: &mut World, number: usize) -> Result<(), Failure> {
    let stack = &mut world.hosts[number].stack;
    let mut broken = None;
    for status in stack.statuses() {
        let receives =
            status.mss > 0 && status.ended.is_none() && status.state != StateName::SynSent;
        let Some(life) = stack
            .observer_mut()
            .get_mut(status.life)
            .filter(|_| receives)
        else {
            continue;
        };
        let edge = status.rcv_nxt + status.rcv_wnd;
        if life.right_edge.is_some_and(|before| edge.precedes(before)) {
            broken = Some((
                status.tuple,
                format!("{:?} was offered: {status:?}", life.right_edge),
            ));
        }
        life.right_edge = Some(edge);
    }
    match broken {
        Some((tuple, what)) => Err(world.failure(Some(tuple), format!("host {number}: {what}"))),
        None => Ok(()),
    }
}

/// Tables are within the limits of the configuration.
fn tables(stack: &Stack<Lives>, has_handed_over: bool) -> Result<(), String> {
    let (held, config) = (stack.holdings(), stack.config());
    let limits = [
        ("slots", held.slots, config.max_connections),
        ("half-open", held.half_open, config.max_syn_received),
        ("TIME-WAIT", held.time_waits, config.max_time_wait),
        ("listeners", held.listeners, config.max_listeners),
        ("replies", held.replies, config.max_replies),
    ];
    for (name, count, limit) in limits {
        if count > limit {
            return Err(format!("{count} {name}, but the limit is {limit}"));
        }
    }
    let listeners = stack.listeners();
    let half_open: usize = listeners.iter().map(|listener| listener.half_open).sum();
    if half_open > held.half_open {
        return Err(format!(
            "listeners count {half_open} half-open children: {held:?}"
        ));
    }
    let refused: u64 = listeners.iter().map(|listener| listener.refused).sum();
    if refused > stack.counters().refusals.iter().sum() {
        return Err(format!("listeners refused {refused}, more than the stack"));
    }
    if let Some(listener) = listeners.iter().find(|own| own.held > own.half_open) {
        return Err(format!("more held than half-open: {listener:?}"));
    }
    let overflows = |listener: &&ListenerStatus| {
        // Those that took over from TIME-WAIT are let in beyond.
        let syns = listener.syn_backlog + stack.counters().tw_recycled as usize;
        let queues = listener.accept_queue > listener.backlog || listener.half_open > syns;
        queues && !has_handed_over
    };
    match listeners.iter().find(overflows) {
        Some(listener) => Err(format!("an accept queue overflows: {listener:?}")),
        None => Ok(()),
    }
}

/// Whether only a timer of its own can end this wait.
fn needs_timer(status: &Status) -> bool {
    let waits = matches!(
        status.state,
        StateName::SynSent
            | StateName::SynReceived
            | StateName::FinWait1
            | StateName::Closing
            | StateName::LastAck
            | StateName::TimeWait
    );
    let orphan = status.state == StateName::FinWait2 && !status.is_owned && !status.awaits_accept;
    status.ended.is_none()
        && (waits || orphan || status.snd_una != status.snd_nxt || status.unsent > 0)
}

/// A connection's numbers fit each other.
fn numbers(stack: &Stack<Lives>, status: &Status) -> Result<(), String> {
    let is_slot = status.mss > 0;
    if !is_slot || status.ended.is_some() {
        return Ok(());
    }
    let flight = status.snd_nxt.distance_from(status.snd_una);
    let config = stack.config();
    let checks = [
        (flight >= 0, "SND.UNA is beyond SND.NXT"),
        (
            status.in_flight <= flight as u32,
            "more is in flight than SND.UNA to SND.NXT",
        ),
        (
            status.unsent <= status.unacknowledged,
            "more unsent than unacknowledged",
        ),
        (status.cwnd > 0, "the congestion window is shut"),
        (
            status.mss >= 8 && status.mss <= status.path_mtu,
            "the MSS does not fit the path",
        ),
        (
            status.rto >= config.rto.min && status.rto <= config.rto.max,
            "the RTO is out of bounds",
        ),
        (
            status.first_closer.is_some() == (status.state > StateName::Established),
            "nobody, or somebody, has closed",
        ),
    ];
    match checks.iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err((*what).into()),
        None => Ok(()),
    }
}

/// What one end says must fit what is known of its life and of the other end's.
fn both_ends(world: &World, number: usize, status: &Status) -> Result<(), String> {
    let host = &world.hosts[number];
    let Some(life) = host.stack.observer().get(status.life) else {
        return Err("a connection without a life".into());
    };
    let ended = if status.ended.is_some() {
        StateName::Closed
    } else {
        status.state
    };
    if ended != life.state && life.state != StateName::TimeWait {
        return Err(format!("its state was last told as {}", life.state));
    }
    if life.tainted || status.mss == 0 || status.ended.is_some() {
        return Ok(());
    }
    if let Some(application) = host.application_of(status.life.0) {
        let read = application.read + status.unread as u64;
        if read != status.bytes_received {
            return Err(format!("read and unread make {read} bytes"));
        }
        if application.written != status.bytes_acked + status.unacknowledged as u64 {
            return Err(format!("{} bytes were written", application.written));
        }
    }
    let (Some((other, peer)), Some(iss)) = (life.peer, life.iss) else {
        return Ok(());
    };
    let acked = status.snd_una - iss;
    let controls = u32::from(acked > 0) + u32::from(life.fin_acked);
    if u64::from(acked - controls.min(acked)) != status.bytes_acked & u64::from(u32::MAX) {
        return Err(format!("SND.UNA is {acked} past the ISS"));
    }
    let theirs = world.hosts[other].stack.observer().get(peer);
    let farthest = theirs
        .and_then(|theirs| theirs.acked)
        .unwrap_or(SeqNumber(0));
    if acked > 1 && farthest.precedes(status.snd_una) {
        return Err(format!(
            "{peer} of host {other} acknowledged no farther than {farthest:?}"
        ));
    }
    Ok(())
}

/// How long everything may take to end once the network has healed.
///
/// Applications close within 30 s. What was backed off is repeated within the largest RTO, and what is buffered is
/// sent, at worst one small window a delayed ACK: 600 s is ample. Orphans end after FIN-WAIT-2's own time or TIME-WAIT,
/// which an old duplicate may restart once. A half-open connection may be repeated for the whole of its back-off.
pub(super) fn bound(world: &mut World) -> Duration {
    let mut bound = Duration::from_secs(600) + world.network.longest_trip() * 20;
    let configs = world.hosts.iter().map(|host| host.stack.config());
    let of_config =
        |config: &estab_core::Config| config.rto.max * 5 + config.fin_wait_2 + config.time_wait * 2;
    bound += configs.map(of_config).max().unwrap_or_default();
    bound
}

/// The bound has passed.
pub(super) fn what_is_left(world: &World) -> Failure {
    let after = world.now - world.healed_at;
    for (number, host) in world.hosts.iter().enumerate() {
        if let Some(status) = host.stack.statuses().first() {
            let what = format!(
                "host {number}: {after:?} after the network healed {} is still there: {status:?}",
                status.life
            );
            return world.failure(Some(status.tuple), what);
        }
    }
    world.failure(None, "something happens still, but no connection is left")
}

/// Nothing will ever happen again: nothing may be left.
pub(super) fn everything_is_gone(world: &World) -> Result<(), Failure> {
    for (number, host) in world.hosts.iter().enumerate() {
        let stack = &host.stack;
        let (held, lives) = (stack.holdings(), stack.observer());
        if !held.is_empty() {
            let tuple = stack.statuses().first().map(|status| status.tuple);
            let what = format!(
                "host {number}: nothing will ever happen again, and it holds {held:?}: {:?}",
                stack.statuses()
            );
            return Err(world.failure(tuple, what));
        }
        if let Some((id, life)) = lives.living().next() {
            let what = format!(
                "host {number}: {id} never ended, it was last in {}",
                life.state
            );
            return Err(world.failure(Some(life.tuple), what));
        }
        if lives.listening() > 0 {
            return Err(world.failure(None, format!("host {number}: a listener never ended")));
        }
        let counters = stack.counters();
        let told = &lives.coverage;
        let equal = counters.discards[..] == told.discards[..]
            && counters.refusals[..] == told.refusals[..]
            && counters.resets[..] == told.resets[..];
        if !equal {
            let what = format!("host {number}: counters and events differ: {counters:?}");
            return Err(world.failure(None, what));
        }
        let opened = counters.active_opens + told.arrows[3];
        if opened != lives.len() as u64 {
            let what = format!(
                "host {number}: {opened} connections were opened, {} lived",
                lives.len()
            );
            return Err(world.failure(None, what));
        }
    }
    let carried = world.coverage.fates[Fate::Carried as usize];
    if carried > world.coverage.packets {
        return Err(world.failure(None, "more packets were carried than sent"));
    }
    Ok(())
}
