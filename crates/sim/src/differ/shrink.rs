//! Takes from a plot what a difference does not depend on.

use super::compare::Difference;
use super::plot::{Inbound, Offer, Plot, Stamp, Step};

/// The smallest plot that can be had by leaving out and making simpler, one thing at a time, with its difference.
/// `differs` performs a plot on both stacks.
pub fn shrink(
    plot: Plot,
    found: Difference,
    mut differs: impl FnMut(&Plot) -> Option<Difference>,
) -> (Plot, Difference) {
    let (mut plot, mut found) = (plot, found);
    // What comes after the difference is not part of it.
    let mut cut = plot.clone();
    cut.steps.truncate(found.moment);
    if let Some(still) = differs(&cut) {
        (plot, found) = (cut, still);
    }
    loop {
        let smaller = simpler(&plot)
            .into_iter()
            .find_map(|simpler| differs(&simpler).map(|found| (simpler, found)));
        match smaller {
            Some(smaller) => (plot, found) = smaller,
            None => return (plot, found),
        }
    }
}

/// Everything that is one step simpler.
fn simpler(plot: &Plot) -> Vec<Plot> {
    let mut all = Vec::new();
    for at in 0..plot.steps.len() {
        let mut shorter = plot.clone();
        shorter.steps.remove(at);
        all.push(shorter);
    }
    if plot.is_v6 {
        all.push(Plot {
            is_v6: false,
            ..plot.clone()
        });
    }
    let plain = Offer::default();
    let Offer {
        mss,
        window_scale,
        sack,
        timestamps,
    } = plot.offer;
    for (is_offered, less) in [
        (
            mss.is_some(),
            Offer {
                mss: plain.mss,
                ..plot.offer
            },
        ),
        (
            window_scale.is_some(),
            Offer {
                window_scale: None,
                ..plot.offer
            },
        ),
        (
            sack,
            Offer {
                sack: false,
                ..plot.offer
            },
        ),
        (
            timestamps,
            Offer {
                timestamps: false,
                ..plot.offer
            },
        ),
    ] {
        if is_offered {
            all.push(Plot {
                offer: less,
                ..plot.clone()
            });
        }
    }
    for (at, step) in plot.steps.iter().enumerate() {
        let Step::Arrive(segment) = *step else {
            continue;
        };
        for segment in simpler_segments(segment) {
            let mut simpler = plot.clone();
            simpler.steps[at] = Step::Arrive(segment);
            all.push(simpler);
        }
    }
    all
}

fn simpler_segments(segment: Inbound) -> impl Iterator<Item = Inbound> {
    let plain = [
        Inbound {
            window: 65_535,
            ..segment
        },
        Inbound {
            stamp: Stamp::Fresh,
            ..segment
        },
        Inbound { len: 0, ..segment },
        Inbound {
            len: segment.len.min(1),
            ..segment
        },
        Inbound {
            len: segment.len.min(10),
            ..segment
        },
    ];
    plain.into_iter().filter(move |simpler| *simpler != segment)
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;

    #[test]
    fn what_is_left_is_only_what_the_difference_needs() {
        // As if a FIN with data were the difference.
        let needs = |step: &Step| matches!(step, Step::Arrive(segment) if segment.control.fin && segment.len > 0);
        let differs = |plot: &Plot| {
            let at = plot.steps.iter().position(needs)?;
            Some(Difference {
                moment: at + 1,
                state: None,
                left: String::new(),
                right: String::new(),
            })
        };
        let plot = (0..)
            .map(generate)
            .find(|plot| plot.steps.len() > 5 && differs(plot).is_some());
        let plot = plot.expect("one of them has a FIN with data");
        let found = differs(&plot).unwrap();
        let (small, found) = shrink(plot, found, differs);
        assert_eq!((small.steps.len(), found.moment), (1, 1));
        assert!(matches!(small.steps[0], Step::Arrive(segment) if segment.len == 1));
        assert_eq!(small.offer, Offer::default());
    }
}
