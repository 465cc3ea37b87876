//! A way through an exploration, told as a ladder.

use estab_core::observe::StateName;
use estab_core::{Flags, Instant, SeqNumber};

use super::endpoint::{Endpoint, NewsKind};
use super::net::{Action, Net};
use super::packet::Packet;
use super::scenario::{Scenario, Step};
use crate::ladder::{Fate, Ladder, Side};

/// Actions told before it is taken for granted that it goes on like that.
const ENOUGH: usize = 60;

/// Tells what happens on a way. A segment is drawn when it arrives or is lost: in an exploration any that is under way
/// may be next.
pub fn tell<E: Endpoint>(scenario: &Scenario, root: &Net<E>, actions: &[Action]) -> Ladder {
    let names = match scenario.listens {
        true => ["client", "server"],
        false => ["left", "right"],
    };
    let mut ladder = Ladder::new(names[0], names[1]);
    ladder.count_from(root.now);
    for side in Side::BOTH {
        let listens = scenario.listens && side == Side::Right;
        let idle = if listens {
            StateName::Listen
        } else {
            StateName::Closed
        };
        if listens {
            ladder.rests_in(side, StateName::Listen);
        }
        let view = root.end(side).connection();
        ladder.begin_in(side, view.map_or(idle, |view| view.state));
    }
    let mut net = root.clone();
    let mut untold = Vec::new();
    for action in actions.iter().take(ENOUGH) {
        let drawn = before(scenario, &net, &untold, *action);
        net.apply(*action, scenario);
        let begun = |side| Some((side, net.end(side).connection()?.snd_nxt + u32::MAX));
        untold.extend(Side::BOTH.into_iter().filter_map(begun));
        match drawn {
            Some(Drawn::Segment { from, text, fate }) => ladder.segment(net.now, from, text, fate),
            Some(Drawn::Note { side, text }) => ladder.note(net.now, side, text),
            None => {}
        }
        for side in Side::BOTH {
            news(&mut ladder, &mut net, side);
        }
    }
    if actions.len() > ENOUGH {
        let text = format!("and so on: {} more", actions.len() - ENOUGH);
        ladder.note(net.now, Side::Left, text);
    }
    ladder
}

/// What is drawn for an action.
enum Drawn {
    Segment {
        from: Side,
        text: String,
        fate: Fate,
    },
    Note {
        side: Side,
        text: String,
    },
}

/// `untold` are ISNs, or numbers near them, that a side has and may never have told by a SYN.
fn before<E: Endpoint>(
    scenario: &Scenario,
    net: &Net<E>,
    untold: &[(Side, SeqNumber)],
    action: Action,
) -> Option<Drawn> {
    let segment = |to: Side, packet: &Packet, fate| {
        let mut numbers = net.numbers.clone();
        untold
            .iter()
            .for_each(|(side, isn)| numbers.learn(*side, *isn));
        let text = packet.describe(&numbers);
        let from = to.other();
        Some(Drawn::Segment { from, text, fate })
    };
    match action {
        Action::Deliver(index) => {
            let flying = &net.flight()[usize::from(index)];
            let fate = match flying.is_copy {
                true => Fate::Duplicate,
                false => Fate::Delivered,
            };
            segment(flying.to, &flying.packet, fate)
        }
        Action::Lose(index) => {
            let flying = &net.flight()[usize::from(index)];
            segment(flying.to, &flying.packet, Fate::Lost)
        }
        Action::Old(index) => {
            let (to, packet) = &scenario.old[usize::from(index)];
            segment(*to, packet, Fate::Old)
        }
        Action::Step(side) => {
            let step = net.application(side).next_step(scenario, side)?;
            let text = match step {
                Step::Write => "the application writes a byte",
                Step::Accept => "the application accepts the connection",
                Step::Pause => "the application waits a moment",
                // The change of state says it.
                Step::Connect | Step::Shutdown | Step::Close => return None,
                Step::AwaitByte | Step::AwaitEnd => return None,
            };
            let text = text.to_owned();
            Some(Drawn::Note { side, text })
        }
        Action::Restart => Some(Drawn::Note {
            side: Side::Right,
            text: "the host restarts and knows nothing".to_owned(),
        }),
        Action::Duplicate(_) | Action::Timer => None,
    }
}

/// What an end tells of what just happened to it.
fn news<E: Endpoint>(ladder: &mut Ladder, net: &mut Net<E>, side: Side) {
    let now: Instant = net.now;
    for item in net.take_news(side) {
        let why = match item.rule {
            "" => item.why.to_owned(),
            rule => format!("{} ({rule})", item.why),
        };
        match item.kind {
            NewsKind::Change(from, to) => ladder.change(now, side, (from, to), why),
            NewsKind::Discard => ladder.note(now, side, format!("not used: {why}")),
            NewsKind::Reset => {
                let rst = super::packet::controls(Flags::RST);
                ladder.note(now, side, format!("answers with {rst}: {why}"));
            }
            NewsKind::Broken => ladder.note(now, side, why),
        }
    }
}
