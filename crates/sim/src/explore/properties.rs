//! What must hold in every state, and what must hold once everything has come to rest.

use estab_core::observe::StateName;

use super::endpoint::{Endpoint, View};
use super::net::Net;
use super::packet::NEAR;
use super::scenario::{Ending, Scenario};
use crate::ladder::Side;

/// What holds in every state: no change of state but an arrow, no byte but the peer's next (both noticed when they
/// happen), and ends that are synchronized agree on each other's numbers.
pub(super) fn always<E: Endpoint>(net: &Net<E>) -> Result<(), String> {
    if let Some(what) = &net.broken {
        return Err(what.clone());
    }
    let [left, right] = Side::BOTH.map(|side| net.end(side).connection());
    if let (Some(left), Some(right)) = (left, right)
        && left.is_synchronized()
        && right.is_synchronized()
    {
        agree(&left, &right, "the right end's")?;
        agree(&right, &left, "the left end's")?;
    }
    Ok(())
}

/// SND.UNA =< the peer's RCV.NXT =< SND.NXT: the peer has received what it acknowledged, and no more than was sent.
/// ISNs lie far apart, so that ends which disagree on one cannot pass.
fn agree(receiver: &View, sender: &View, whose: &str) -> Result<(), String> {
    let Some(rcv_nxt) = receiver.rcv_nxt else {
        return Ok(());
    };
    let ahead = sender.snd_nxt.distance_from(rcv_nxt);
    let una = sender.snd_una;
    let behind = una.map_or(0, |una| rcv_nxt.distance_from(una));
    if (0..NEAR).contains(&ahead) && (0..NEAR).contains(&behind) {
        return Ok(());
    }
    Err(format!(
        "both ends are synchronized ({} and {}) and disagree on {whose} sequence numbers",
        receiver.state, sender.state
    ))
}

/// What holds when nothing is under way, no timer runs and no application can act.
pub(super) fn finally<E: Endpoint>(net: &Net<E>, scenario: &Scenario) -> Result<(), String> {
    if scenario.ending == Ending::Anything {
        return Ok(());
    }
    let views = Side::BOTH.map(|side| net.end(side).connection());
    let states = views.map(|view| view.map_or(StateName::Closed, |view| view.state));
    let [left, right] = states;
    match views {
        [Some(_), None] | [None, Some(_)] => {
            return Err(format!(
                "half a connection is left for ever: {left} at the left, {right} at the right"
            ));
        }
        [Some(_), Some(_)] if scenario.ending == Ending::Nothing => {
            return Err(format!(
                "the connection never ends: {left} at the left, {right} at the right"
            ));
        }
        [Some(left), Some(right)] if !(left.is_synchronized() && right.is_synchronized()) => {
            return Err(format!(
                "the connection never comes about: {} at the left, {} at the right",
                left.state, right.state
            ));
        }
        _ => {}
    }
    if scenario.ending != Ending::Nothing {
        return Ok(());
    }
    for side in Side::BOTH {
        if !net.application(side).is_done(scenario, side) {
            let step = net.application(side).next_step(scenario, side);
            return Err(format!("the {side:?} application waits for ever: {step:?}"));
        }
        if !net.end(side).is_empty() {
            return Err(format!("the {side:?} end still holds something"));
        }
    }
    Ok(())
}
