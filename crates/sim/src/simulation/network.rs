//! The network between the hosts: what it does with each packet.

use std::time::Duration;

use estab_core::{Instant, SeqNumber};

use super::coverage::Fate;
use super::draw::Draw;
use super::meddling::meddle;
use super::packet::{Header, Notice, damage, icmp_error};
use super::profile::{Profile, router};

/// Whether a packet is what a stack has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Genuine,
    Damaged,
    Forged,
}

/// A packet on its way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) origin: Origin,
    /// What it says, unless it is damaged or no TCP.
    pub(super) header: Option<Header>,
    /// Which incarnation sent it: its ISS.
    pub(super) iss: Option<SeqNumber>,
    pub(super) sent_at: Instant,
}

/// A direction between two hosts.
#[derive(Clone, Debug)]
pub(super) struct Path {
    delay: Duration,
    jitter: Duration,
    loss: f64,
    double: f64,
    old_duplicate: f64,
    damage: f64,
    reorder: f64,
    pub(super) meddle: f64,
    /// Every second segment is lost while this lasts: makes holes.
    pub(super) comb_until: Instant,
    comb: bool,
    pub(super) cut_until: Instant,
    pub(super) mtu: usize,
    /// A packet that is too big is answered.
    pub(super) tells: bool,
}

impl Path {
    fn draw(draw: &mut Draw, profile: &Profile) -> Self {
        let calm = profile.calm || profile.holes;
        let rate = |draw: &mut Draw, rates: &[f64]| if calm { 0.0 } else { draw.pick(rates) };
        let delay = if profile.holes {
            Duration::from_millis(50)
        } else if profile.reincarnates {
            draw.time(50..=5_000)
        } else {
            draw.time(50..=150_000)
        };
        let jitters = [Duration::ZERO, delay / 10, delay * 2];
        let mtus: &[usize] = if calm {
            &[65_535]
        } else {
            &[65_535, 65_535, 1500, 1400, 1280]
        };
        Self {
            delay,
            jitter: if calm {
                Duration::ZERO
            } else {
                draw.pick(&jitters)
            },
            loss: rate(draw, &[0.0, 0.0, 0.01, 0.05, 0.2, 0.5]),
            double: rate(draw, &[0.0, 0.0, 0.02, 0.2]),
            old_duplicate: rate(draw, &[0.0, 0.0, 0.02, 0.1]),
            damage: rate(draw, &[0.0, 0.0, 0.01, 0.1]),
            reorder: rate(draw, &[0.0, 0.0, 0.02, 0.2]),
            meddle: if profile.meddled {
                draw.pick(&[0.0, 0.01, 0.03, 0.1])
            } else {
                0.0
            },
            comb_until: Instant::ZERO,
            comb: false,
            cut_until: Instant::ZERO,
            mtu: draw.pick(mtus),
            tells: draw.chance(0.85),
        }
    }

    fn travel(&self, draw: &mut Draw) -> Duration {
        self.delay + draw.within(self.jitter)
    }

    /// From now on it carries everything that is not too big, and says what is.
    fn heal(&mut self) {
        self.jitter = Duration::ZERO;
        (self.loss, self.double, self.old_duplicate) = (0.0, 0.0, 0.0);
        (self.damage, self.reorder, self.meddle) = (0.0, 0.0, 0.0);
        self.comb_until = Instant::ZERO;
        self.cut_until = Instant::ZERO;
        self.tells = true;
    }
}

/// What becomes of a packet: copies and others, and when they arrive.
#[derive(Debug, Default)]
pub(super) struct Passage {
    pub(super) arrivals: Vec<(Instant, Packet)>,
    pub(super) fates: Vec<Fate>,
}

/// Every path.
#[derive(Debug)]
pub(super) struct Network {
    hosts: usize,
    paths: Vec<Path>,
    hold: Duration,
}

impl Network {
    pub(super) fn draw(draw: &mut Draw, profile: &Profile) -> Self {
        let count = profile.hosts * profile.hosts;
        Self {
            hosts: profile.hosts,
            paths: (0..count).map(|_| Path::draw(draw, profile)).collect(),
            hold: profile.hold,
        }
    }

    pub(super) fn path(&mut self, from: usize, to: usize) -> &mut Path {
        &mut self.paths[from * self.hosts + to]
    }

    pub(super) fn heal(&mut self) {
        self.paths.iter_mut().for_each(Path::heal);
    }

    /// The longest way, there and back.
    pub(super) fn longest_trip(&self) -> Duration {
        let delays = self.paths.iter().map(|path| path.delay);
        delays.max().unwrap_or_default() * 2
    }

    /// Decides about a packet that a host sends now.
    pub(super) fn carry(
        &mut self,
        draw: &mut Draw,
        now: Instant,
        mut packet: Packet,
        passage: &mut Passage,
    ) {
        let hold = self.hold;
        let path = self.path(packet.from, packet.to);
        if draw.chance(path.meddle) {
            let delay = path.travel(draw);
            let back = path.travel(draw);
            meddle(draw, now, (delay, back), &packet, passage);
        }
        if now < path.cut_until {
            return passage.fates.push(Fate::Cut);
        }
        if packet.bytes.len() > path.mtu {
            return refuse_big(draw, now, path, &packet, passage);
        }
        path.comb = !path.comb;
        let combed = now < path.comb_until && path.comb;
        if combed || draw.chance(path.loss) {
            return passage.fates.push(Fate::Lost);
        }
        if draw.chance(path.double) {
            let at = now + path.travel(draw);
            passage.fates.push(Fate::Doubled);
            passage.arrivals.push((at, packet.clone()));
        }
        if draw.chance(path.old_duplicate) && !hold.is_zero() {
            let at = now + path.delay + draw.within(hold);
            passage.fates.push(Fate::OldDuplicate);
            passage.arrivals.push((at, packet.clone()));
        }
        let mut at = now + path.travel(draw);
        if draw.chance(path.damage) {
            damage(draw, &mut packet.bytes);
            packet.origin = Origin::Damaged;
            packet.header = None;
            passage.fates.push(Fate::Damaged);
        } else if draw.chance(path.reorder) {
            at += draw.within(path.delay * 3);
            passage.fates.push(Fate::Reordered);
        } else {
            passage.fates.push(Fate::Carried);
        }
        passage.arrivals.push((at, packet));
    }
}

/// A packet is too big for the path.
fn refuse_big(draw: &mut Draw, now: Instant, path: &Path, packet: &Packet, passage: &mut Passage) {
    let Some(header) = packet.header.filter(|_| path.tells) else {
        return passage.fates.push(Fate::BlackHole);
    };
    passage.fates.push(Fate::TooBig);
    let source = header.tuple.local().ip();
    // Old routers do not say what would fit (RFC 1191 §5).
    let silent = source.is_ipv4() && draw.chance(0.1);
    let mtu = if silent { 0 } else { path.mtu as u16 };
    let answer = Packet {
        bytes: icmp_error(Notice::TooBig(mtu), &packet.bytes, (router(source), source)),
        from: packet.to,
        to: packet.from,
        origin: Origin::Genuine,
        header: None,
        iss: None,
        sent_at: now,
    };
    passage.arrivals.push((now + path.travel(draw), answer));
}

/// Whether a segment could be one of a connection that expects these numbers.
pub(super) fn falls_into(header: &Header, next: SeqNumber, window: u32) -> bool {
    let start = next - 1;
    let (first, last) = (header.seq, header.end());
    let width = window.saturating_add(2);
    first.is_within(start, width)
        || last.is_within(start, width)
        || (first.precedes(start) && (start + width).precedes(last))
}
