//! Figures as tables: a row for each case and unit, a column for each subject.

use comfy_table::{Table, presets};

use super::{Figure, Spread};

/// The figures of one piece of work.
struct Sheet<'a> {
    figures: &'a [Figure],
    subjects: Vec<&'a str>,
}

/// As text for a terminal.
#[must_use]
pub fn terminal(figures: &[Figure]) -> String {
    Sheet::new(figures).render(presets::NOTHING)
}

/// As Markdown.
pub(super) fn markdown(figures: &[Figure]) -> String {
    Sheet::new(figures).render(presets::ASCII_MARKDOWN)
}

impl<'a> Sheet<'a> {
    fn new(figures: &'a [Figure]) -> Self {
        let mut subjects = Vec::new();
        for figure in figures {
            if !subjects.contains(&figure.subject.as_str()) {
                subjects.push(&figure.subject);
            }
        }
        subjects.sort_by_key(|subject| *subject != Figure::ESTAB);
        Self { figures, subjects }
    }

    fn render(&self, preset: &str) -> String {
        let peers = || {
            self.subjects
                .iter()
                .filter(|subject| **subject != Figure::ESTAB)
        };
        let has_targets = self.figures.iter().any(|figure| figure.target.is_some());
        let mut table = Table::new();
        table.load_preset(preset);
        let mut header = vec!["case".to_owned(), "unit".to_owned()];
        header.extend(self.subjects.iter().map(|subject| (*subject).to_owned()));
        header.extend(peers().map(|peer| format!("estab ÷ {peer}")));
        header.extend(has_targets.then(|| "target".to_owned()));
        table.set_header(header);
        for (case, unit) in self.rows() {
            let figure = |subject: &str| {
                let is_it = |f: &&Figure| f.case == case && f.unit == unit && f.subject == subject;
                self.figures.iter().find(is_it)
            };
            let mut row = vec![case.to_owned(), unit.to_owned()];
            row.extend(self.subjects.iter().map(|subject| value(figure(subject))));
            row.extend(peers().map(|peer| figure(peer).map_or_else(String::new, ratio)));
            row.extend(has_targets.then(|| figure(Figure::ESTAB).map_or_else(String::new, target)));
            table.add_row(row);
        }
        let mut text = table.trim_fmt();
        for note in self.notes() {
            text.push_str("\n\n");
            text.push_str(&note);
        }
        text
    }

    /// Cases with their units, in the order they were measured.
    fn rows(&self) -> Vec<(&'a str, &'a str)> {
        let mut rows = Vec::new();
        for figure in self.figures {
            let row = (figure.case.as_str(), figure.unit.as_str());
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for figure in self.figures {
            if let Some(note) = &figure.note {
                let note = format!("{}, {}: {note}", figure.subject, figure.case);
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        notes
    }
}

fn value(figure: Option<&Figure>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(Figure { value: None, .. }) => "did not end".to_owned(),
        Some(Figure {
            value: Some(value),
            rounds,
            ..
        }) => spread(value, *rounds),
    }
}

fn spread(value: &Spread, rounds: usize) -> String {
    let median = number(value.median);
    let (low, high) = (number(value.low), number(value.high));
    if rounds < 2 || low == high {
        median
    } else {
        format!("{median} ({low}–{high})")
    }
}

fn ratio(figure: &Figure) -> String {
    let told = figure
        .estab_ratio
        .map(|ratio| spread(&ratio, figure.rounds));
    told.unwrap_or_default()
}

fn target(figure: &Figure) -> String {
    figure.target.as_ref().map_or_else(String::new, |target| {
        let verdict = if target.met { "met" } else { "missed" };
        format!("{}: {verdict}", target.says)
    })
}

/// Three digits that count, thousands set apart.
pub(super) fn number(value: f64) -> String {
    let digits = if value == 0.0 {
        0
    } else {
        value.abs().log10().floor() as i32
    };
    let decimals = (2 - digits).clamp(0, 4) as usize;
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() {
        grouped
    } else {
        format!("{grouped}.{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Contest;
    use super::*;

    fn figures() -> Vec<Figure> {
        let mut contest = Contest::new("open-close", "no other sockets", &["µs"]);
        contest.enter("smoltcp", || Ok(vec![5.3]));
        contest.enter("estab", || Ok(vec![1.0]));
        contest.enter("ipstack", || {
            anyhow::bail!("stalled after 6,500 connections")
        });
        let mut figures = contest.run(2);
        figures[1].demand_at_most(1.3, "≤ ¼ of smoltcp's");
        figures
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let told = [0.0, 0.01234, 1.0, 5.349, 57.86, 123.4, 8_051.2, 1_234_567.0].map(number);
        let expected = [
            "0.00",
            "0.0123",
            "1.00",
            "5.35",
            "57.9",
            "123",
            "8,051",
            "1,234,567",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_row_has_every_subject_estab_first_its_ratios_and_its_target() {
        let table = markdown(&figures());
        let lines: Vec<&str> = table.lines().collect();
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            squeezed(lines[0]),
            "| case | unit | estab | smoltcp | ipstack | estab ÷ smoltcp | estab ÷ ipstack | target |"
        );
        assert_eq!(
            squeezed(lines[2]),
            "| no other sockets | µs | 1.00 | 5.30 | did not end | 0.189 | | ≤ ¼ of smoltcp's: met |"
        );
        let note = "ipstack, no other sockets: stalled after 6,500 connections";
        assert_eq!(lines.last(), Some(&note));
    }
}
