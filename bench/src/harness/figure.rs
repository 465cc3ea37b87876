//! One measured figure: what was done, by whom, what came out.

use serde::{Deserialize, Serialize};

use super::Spread;

/// A figure, as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The piece of work.
    pub work: String,
    /// Which of its cases.
    pub case: String,
    /// How many sockets there were besides, where that is what the cases differ in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n: Option<u64>,
    /// Who did it.
    pub subject: String,
    /// What is counted, `ns/segment`.
    pub unit: String,
    /// What came out; `None` if the subject did not come to the end.
    pub value: Option<Spread>,
    /// How many rounds it is taken from.
    pub rounds: usize,
    /// estab's value over this one, round by round; `None` for estab's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estab_ratio: Option<Spread>,
    /// What estab is to reach here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<Target>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// A target, and whether it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// In words: `≤ 150`.
    pub says: String,
    /// Whether the median reaches it.
    pub met: bool,
}

/// Changes to the figures of one case, after the contest.
impl Figure {
    /// The name under which estab's own figures go.
    pub const ESTAB: &str = "estab";

    /// The median, if there is one.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        self.value.map(|value| value.median)
    }

    /// Sets the target that estab's median is at most `limit`, told as `says`.
    pub fn demand_at_most(&mut self, limit: f64, says: impl Into<String>) {
        self.demand(|median| median <= limit, says);
    }

    /// Sets the target that estab's median is at least `limit`, told as `says`.
    pub fn demand_at_least(&mut self, limit: f64, says: impl Into<String>) {
        self.demand(|median| median >= limit, says);
    }

    fn demand(&mut self, is_met: impl Fn(f64) -> bool, says: impl Into<String>) {
        self.target = Some(Target {
            says: says.into(),
            met: self.median().is_some_and(is_met),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_survives_its_line_of_json() {
        let mut figure = Figure {
            work: "bulk".into(),
            case: "256 KB".into(),
            n: None,
            subject: Figure::ESTAB.into(),
            unit: "Gbit/s".into(),
            value: Spread::of(&[1.0, 2.0]),
            rounds: 2,
            estab_ratio: None,
            target: None,
            note: Some("both copies".into()),
        };
        figure.demand_at_least(1.5, "≥ 1.5");
        assert!(figure.target.as_ref().unwrap().met);
        let line = serde_json::to_string(&figure).unwrap();
        assert_eq!(serde_json::from_str::<Figure>(&line).unwrap(), figure);
    }

    #[test]
    fn who_did_not_come_to_the_end_meets_no_target() {
        let line =
            r#"{"work":"w","case":"c","subject":"estab","unit":"ns","value":null,"rounds":0}"#;
        let mut figure: Figure = serde_json::from_str(line).unwrap();
        figure.demand_at_most(f64::INFINITY, "any");
        assert!(!figure.target.unwrap().met);
    }
}
