//! Growth as pictures: a line for each subject, both axes logarithmic, readable on light and on dark ground.

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::table::number;

const SIZE: (u32, u32) = (760, 400);
const FONT: &str = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif";

/// Each colour on light ground, and what becomes of it on dark ground.
const TEXT: (RGBColor, &str) = (RGBColor(0x1f, 0x29, 0x33), "#e5e7eb");
const GRID: (RGBColor, &str) = (RGBColor(0xd9, 0xd4, 0xc7), "#30363d");
const LINES: [(RGBColor, &str); 4] = [
    (RGBColor(0x1d, 0x4e, 0xd8), "#7aa7ff"),
    (RGBColor(0xb4, 0x53, 0x09), "#fbbf24"),
    (RGBColor(0x05, 0x96, 0x69), "#34d399"),
    (RGBColor(0x7c, 0x3a, 0xed), "#a78bfa"),
];

/// A line of a picture.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws the medians of these figures against their `n`: one line for each subject, or for each of its cases.
///
/// # Errors
/// There is nothing to draw.
pub(super) fn draw(title: &str, y: &str, figures: &[&Figure]) -> anyhow::Result<String> {
    let series = series(figures);
    let points = || series.iter().flat_map(|series| &series.points);
    let bounds = |pick: fn(&(f64, f64)) -> f64| {
        let values = points().map(pick);
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    anyhow::ensure!(points().count() > 0, "no figure has an n to be drawn at");
    let (x_bounds, y_bounds) = (bounds(|p| p.0), bounds(|p| p.1));
    let mut svg = String::new();
    paint(&mut svg, title, y, &series, (x_bounds, y_bounds)).map_err(|e| anyhow!("{e}"))?;
    Ok(with_dark_ground(&svg))
}

fn series(figures: &[&Figure]) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for figure in figures {
        let (Some(n), Some(median)) = (figure.n, figure.median()) else {
            continue;
        };
        let point = (n as f64, median);
        match all.iter_mut().find(|series| series.name == figure.subject) {
            Some(series) => series.points.push(point),
            None => all.push(Series {
                name: figure.subject.clone(),
                points: vec![point],
            }),
        }
    }
    all
}

fn paint(
    svg: &mut String,
    title: &str,
    y: &str,
    series: &[Series],
    (x_bounds, y_bounds): ((f64, f64), (f64, f64)),
) -> Result<(), Box<dyn std::error::Error>> {
    let style = |size: i32| (FONT, size).into_font().color(&TEXT.0);
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let low = 10_f64.powf(y_bounds.0.log10().floor());
    let high = 10_f64.powf(y_bounds.1.log10().ceil());
    let mut chart = ChartBuilder::on(&area)
        .caption(title, style(18))
        .margin(14)
        .margin_right(96)
        .x_label_area_size(44)
        .y_label_area_size(74)
        .build_cartesian_2d(
            (x_bounds.0 * 0.8..x_bounds.1 * 1.2).log_scale(),
            (low..high).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("connections")
        .y_desc(y)
        .axis_style(GRID.0)
        .bold_line_style(GRID.0)
        .light_line_style(TRANSPARENT)
        .label_style(style(12))
        .axis_desc_style(style(13))
        .x_label_formatter(&|n| number_of_sockets(*n))
        .y_label_formatter(&|value| number(*value))
        .draw()?;
    for (series, (color, _)) in series.iter().zip(LINES.iter().cycle()) {
        let line = color.stroke_width(2);
        chart.draw_series(LineSeries::new(series.points.iter().copied(), line))?;
        let dots = series
            .points
            .iter()
            .map(|&point| Circle::new(point, 3, color.filled()));
        chart.draw_series(dots)?;
        let label = (FONT, 13)
            .into_font()
            .color(color)
            .pos(Pos::new(HPos::Left, VPos::Center));
        let last = series.points.last().copied().into_iter();
        chart.draw_series(last.map(|point| {
            EmptyElement::at(point) + Text::new(format!("  {}", series.name), (6, 0), label.clone())
        }))?;
    }
    area.present()?;
    Ok(())
}

fn number_of_sockets(n: f64) -> String {
    let n = n.round();
    match n {
        n if n >= 1e6 => format!("{} M", n / 1e6),
        n if n >= 1e3 => format!("{} k", n / 1e3),
        n => format!("{n}"),
    }
}

/// The picture has no ground of its own; on a dark one its colours change.
fn with_dark_ground(svg: &str) -> String {
    let mut style = String::from("<style>@media (prefers-color-scheme: dark) {");
    for (RGBColor(r, g, b), dark) in [TEXT, GRID].iter().chain(&LINES) {
        let light = format!("#{r:02X}{g:02X}{b:02X}");
        for attribute in ["fill", "stroke"] {
            style += &format!("[{attribute}=\"{light}\"] {{ {attribute}: {dark} }} ");
        }
    }
    style += "}</style>\n";
    match svg.find('\n') {
        Some(end) => format!("{}{style}{}", &svg[..=end], &svg[end + 1..]),
        None => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Contest;
    use super::*;

    fn figures() -> Vec<Figure> {
        let mut all = Vec::new();
        for n in [1, 1_000, 10_000_000] {
            let mut contest = Contest::new("segment", format!("n = {n}"), &["ns"]).with_n(n);
            contest.enter("estab", || Ok(vec![150.0]));
            if n <= 1_000 {
                contest.enter("smoltcp", || Ok(vec![400.0 * n as f64]));
            }
            all.extend(contest.run(1));
        }
        all
    }

    #[test]
    fn every_subject_has_a_line_with_its_name_and_a_colour_for_either_ground() {
        let figures = figures();
        let picture = draw(
            "Cost of a segment",
            "ns",
            &figures.iter().collect::<Vec<_>>(),
        )
        .unwrap();
        for (name, light) in [("estab", "#1D4ED8"), ("smoltcp", "#B45309")] {
            assert!(picture.contains(name), "{picture}");
            assert!(picture.contains(&format!("stroke=\"{light}\"")));
            assert!(picture.contains(&format!("[stroke=\"{light}\"]")));
        }
        assert!(picture.contains("10 M"), "the axis goes on to ten million");
    }

    #[test]
    fn without_figures_there_is_no_picture() {
        assert!(draw("nothing", "ns", &[]).is_err());
    }
}
