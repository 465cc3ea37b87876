//! Contestants that do the same work in turn, round by round, so that a machine that speeds up and slows down does so
//! for all of them.

use super::{Figure, Spread};

/// One thing that a round measures.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Its unit, as the tables show it.
    pub unit: &'static str,
}

/// What one round of a contestant gives: a value for each quantity, or why it did not come to the end.
type Round = anyhow::Result<Vec<f64>>;

struct Contestant<'a> {
    subject: String,
    measure: Box<dyn FnMut() -> Round + 'a>,
    /// One row for each round.
    rows: Vec<Vec<f64>>,
    /// Why it dropped out.
    failure: Option<String>,
}

/// One case of a piece of work, and those that do it.
pub struct Contest<'a> {
    work: &'static str,
    case: String,
    n: Option<u64>,
    quantities: Vec<Quantity>,
    contestants: Vec<Contestant<'a>>,
}

impl<'a> Contest<'a> {
    /// A contest without contestants.
    pub fn new(work: &'static str, case: impl Into<String>, units: &[&'static str]) -> Self {
        Self {
            work,
            case: case.into(),
            n: None,
            quantities: units.iter().map(|&unit| Quantity { unit }).collect(),
            contestants: Vec::new(),
        }
    }

    /// Says with how many sockets.
    #[must_use]
    pub fn with_n(mut self, n: u64) -> Self {
        self.n = Some(n);
        self
    }

    /// Adds a contestant; `measure` does one round.
    pub fn enter(
        &mut self,
        subject: impl Into<String>,
        measure: impl FnMut() -> anyhow::Result<Vec<f64>> + 'a,
    ) {
        self.contestants.push(Contestant {
            subject: subject.into(),
            measure: Box::new(measure),
            rows: Vec::new(),
            failure: None,
        });
    }

    /// Runs one round that does not count, then `rounds` that do. Who begins changes from round to round; who fails
    /// once is not asked again.
    pub fn run(mut self, rounds: usize) -> Vec<Figure> {
        (0..=rounds).for_each(|round| self.round(round));
        self.figures()
    }

    /// Runs one round, which counts: for what does not depend on the machine's mood.
    pub fn run_once(mut self) -> Vec<Figure> {
        self.round(1);
        self.figures()
    }

    /// Runs two contests whose figures are to be compared in the same rounds.
    pub fn run_together(mut one: Self, mut two: Self, rounds: usize) -> (Vec<Figure>, Vec<Figure>) {
        for round in 0..=rounds {
            one.round(round);
            two.round(round);
        }
        (one.figures(), two.figures())
    }

    fn round(&mut self, round: usize) {
        let count = self.contestants.len();
        for turn in 0..count {
            let contestant = &mut self.contestants[(round + turn) % count];
            if contestant.failure.is_some() {
                continue;
            }
            match (contestant.measure)() {
                Ok(_) if round == 0 => {}
                Ok(row) => contestant.rows.push(row),
                Err(error) => contestant.failure = Some(format!("{error:#}")),
            }
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for (place, quantity) in self.quantities.iter().enumerate() {
            let estab = self.contestants.iter().find(|c| c.subject == Figure::ESTAB);
            for contestant in &self.contestants {
                let values = contestant.column(place);
                let is_estab = contestant.subject == Figure::ESTAB;
                let ratio = estab
                    .filter(|_| !is_estab)
                    .and_then(|estab| Spread::of_ratios(&estab.column(place), &values));
                figures.push(Figure {
                    work: self.work.to_owned(),
                    case: self.case.clone(),
                    n: self.n,
                    subject: contestant.subject.clone(),
                    unit: quantity.unit.to_owned(),
                    value: Spread::of(&values),
                    rounds: values.len(),
                    estab_ratio: ratio,
                    target: None,
                    note: contestant.failure.clone(),
                });
            }
        }
        figures
    }
}

impl Contestant<'_> {
    fn column(&self, place: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row[place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn contestants_take_turns_and_the_first_round_does_not_count() {
        let order = RefCell::new(String::new());
        let mut contest = Contest::new("w", "c", &["ns"]);
        for name in ["estab", "peer"] {
            let order = &order;
            contest.enter(name, move || {
                order.borrow_mut().push_str(&name[..1]);
                let is_first = order.borrow().len() <= 2;
                Ok(vec![if is_first {
                    1e9
                } else {
                    f64::from(name.len() as u32)
                }])
            });
        }
        let figures = contest.run(3);
        assert_eq!(*order.borrow(), "eppeeppe");
        assert_eq!(figures[0].median(), Some(5.0));
        assert_eq!(figures[1].rounds, 3);
        assert_eq!(figures[1].estab_ratio.unwrap().median, 1.25);
    }

    #[test]
    fn who_stalls_is_told_and_the_others_go_on() {
        let mut asked = 0;
        let mut contest = Contest::new("w", "c", &["a", "b"]).with_n(7);
        contest.enter("estab", || Ok(vec![2.0, 3.0]));
        contest.enter("peer", || {
            asked += 1;
            anyhow::ensure!(asked < 3, "stalled");
            Ok(vec![1.0, 1.0])
        });
        let figures = contest.run(5);
        let [estab, peer] = [&figures[2], &figures[3]];
        assert_eq!(
            (estab.unit.as_str(), estab.rounds, estab.n),
            ("b", 5, Some(7))
        );
        assert_eq!((peer.rounds, peer.note.as_deref()), (1, Some("stalled")));
        assert_eq!(
            peer.estab_ratio.unwrap().median,
            3.0,
            "of the round both did"
        );
        assert_eq!(asked, 3);
    }
}
