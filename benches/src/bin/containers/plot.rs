//! A minimal writer of line charts as SVG.

use std::fmt::Write as _;

// The sizes of the picture and of the margins around the lines, in pixels.
const WIDTH: f64 = 720.;
const HEIGHT: f64 = 420.;
const LEFT: f64 = 70.;
const RIGHT: f64 = 20.;
const TOP: f64 = 40.;
const BOTTOM: f64 = 60.;
/// Of the lines, in turn.
const COLOURS: [&str; 6] = ["#b7410e", "#1f77b4", "#2ca02c", "#7f3f98", "#777777", "#c49c00"];

/// A chart with a logarithmic y axis. The caller chooses the positions of points and labels on the x axis.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    /// The labels on the x axis, with their positions.
    pub ticks: Vec<(f64, String)>,
    /// A line for each container, with its points from left to right.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Chart<'_> {
    /// The chart as an SVG document; `None` without points.
    pub fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let (left, right) = range(points().map(|(x, _)| *x))?;
        let (low, high) = range(points().map(|(_, y)| y.max(f64::MIN_POSITIVE).log10()))?;
        // The y axis begins and ends at a quarter of a decade, and shows at least one quarter: a flat line must not divide by zero.
        let (low, high) = ((low * 4.).floor() / 4., (high * 4.).ceil().max((low * 4.).floor() + 1.) / 4.);
        let to_x = |x: f64| LEFT + (x - left) / (right - left).max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
        let to_y = |y: f64| HEIGHT - BOTTOM - (y.log10() - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
        let mut svg = self.frame();
        for (x, name) in &self.ticks {
            vertical(&mut svg, to_x(*x), name);
        }
        for value in round_numbers(low, high) {
            horizontal(&mut svg, to_y(value), value);
        }
        for (number, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let path: Vec<String> =
                points.iter().map(|(x, y)| format!("{:.1},{:.1}", to_x(*x), to_y(y.max(f64::MIN_POSITIVE)))).collect();
            let path = path.join(" ");
            let _ = writeln!(svg, r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
            let (x, y) = (LEFT + 12., TOP + 16. + 18. * number as f64);
            let _ = writeln!(svg, r#"<rect x="{x}" y="{}" width="14" height="4" fill="{colour}"/>"#, y - 6.);
            text(&mut svg, x + 20., y, "start", name);
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }

    /// The beginning of the document: the background, the title and the names of the axes.
    fn frame(&self) -> String {
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
        );
        let _ = writeln!(svg, "\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>");
        text(&mut svg, WIDTH / 2., 22., "middle", self.title);
        text(&mut svg, WIDTH / 2., HEIGHT - 14., "middle", self.x_label);
        text(&mut svg, 8., TOP - 10., "start", self.y_label);
        svg
    }
}

/// Adds words. `anchor` says which end of them is at `x`: `start`, `middle` or `end`.
fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#);
}

/// Adds a line of the grid, with its label below the x axis.
fn vertical(svg: &mut String, x: f64, name: &str) {
    let bottom = HEIGHT - BOTTOM;
    let _ = writeln!(svg, r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}" stroke="#ddd"/>"##);
    text(svg, x, bottom + 18., "middle", name);
}

/// Adds a line of the grid, with its value beside the y axis.
fn horizontal(svg: &mut String, y: f64, value: f64) {
    let right = WIDTH - RIGHT;
    let _ = writeln!(svg, r##"<line x1="{LEFT}" y1="{y:.1}" x2="{right}" y2="{y:.1}" stroke="#ddd"/>"##);
    text(svg, LEFT - 8., y + 4., "end", &format!("{value}"));
}

/// The values to label on the y axis, between two logarithms: 1, 2 and 5 in each decade; more if fewer than three of those are in range.
fn round_numbers(low: f64, high: f64) -> Vec<f64> {
    let of = |steps: &'static [f64]| {
        let decades = low.floor() as i32..=high.ceil() as i32;
        // Division, unlike multiplication by a fraction, gives numbers that print short.
        let number = |decade: i32, step: &f64| {
            if decade < 0 { step / 10_f64.powi(-decade) } else { step * 10_f64.powi(decade) }
        };
        let numbers = decades.flat_map(|decade| steps.iter().map(move |step| number(decade, step)));
        // Rounding must not lose a value that is exactly at an end.
        let inside = |number: &f64| (low - 1e-9..=high + 1e-9).contains(&number.log10());
        numbers.filter(inside).collect::<Vec<f64>>()
    };
    let few = of(&[1., 2., 5.]);
    if few.len() < 3 { of(&[1., 1.5, 2., 2.5, 3., 4., 5., 6., 7., 8., 9.]) } else { few }
}

/// The least and the greatest value; `None` if there is none.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}
