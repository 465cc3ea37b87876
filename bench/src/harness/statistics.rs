//! What is told of several rounds: the median, and between which values most of them lie.

use serde::{Deserialize, Serialize};

/// Median, 10th and 90th percentile of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the values are at most this.
    pub median: f64,
    /// A tenth of the values is at most this.
    pub low: f64,
    /// Nine tenths of the values are at most this.
    pub high: f64,
}

impl Spread {
    /// The spread of these values; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            median: percentile(&sorted, 0.5)?,
            low: percentile(&sorted, 0.1)?,
            high: percentile(&sorted, 0.9)?,
        })
    }

    /// The spread of `ours` over `theirs`, round by round: what slows both down in a round cancels out.
    #[must_use]
    pub fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let ratios = ours.iter().zip(theirs).map(|(a, b)| a / b);
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        Self::of(&ratios)
    }
}

/// By linear interpolation between the two nearest ranks.
fn percentile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * (sorted.len().checked_sub(1)?) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_in_one_round_moves_neither_median_nor_low() {
        let calm: Vec<f64> = (0..11).map(f64::from).collect();
        let mut stalled = calm.clone();
        stalled[10] = 1e9;
        let (calm, stalled) = (Spread::of(&calm).unwrap(), Spread::of(&stalled).unwrap());
        assert_eq!((calm.low, calm.median, calm.high), (1.0, 5.0, 9.0));
        assert_eq!(stalled, calm);
    }

    #[test]
    fn few_values_are_interpolated_and_none_have_no_spread() {
        let two = Spread::of(&[3.0, 1.0]).unwrap();
        assert_eq!(two.median, 2.0);
        assert!((two.low - 1.2).abs() < 1e-9 && (two.high - 2.8).abs() < 1e-9);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_machine_that_halves_its_speed_between_rounds_does_not_change_the_ratio() {
        let ratio = Spread::of_ratios(&[1.0, 2.0, 1.0], &[4.0, 8.0, 4.0]).unwrap();
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.25, 0.25, 0.25));
        assert_eq!(
            Spread::of_ratios(&[0.0], &[0.0]),
            None,
            "nothing over nothing says nothing"
        );
    }
}
