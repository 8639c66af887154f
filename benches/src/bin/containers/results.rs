//! The results: values by figure and container, and the tables made from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::contestant::{C, RUST};

/// A measured figure and its bars: the maximum ratio of the value of Rust to that of another container. A bar with the name [`ITSELF`] is the
/// maximum value itself.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: String,
    bars: &'static [(&'static str, f64)],
}

/// The name of a bar for the value itself instead of a ratio.
pub const ITSELF: &str = "";

impl Figure {
    pub fn new(name: impl Into<String>, bars: &'static [(&'static str, f64)]) -> Self {
        Figure { name: name.into(), bars }
    }
}

/// Values of one figure, by container in the order in which they were first measured.
#[derive(Debug)]
struct Row {
    figure: Figure,
    values: Vec<(String, Vec<f64>)>,
}

/// All results.
#[derive(Debug, Default)]
pub struct Results {
    rows: Vec<Row>,
    /// The round trips of all runs, in nanoseconds.
    pub latencies: BTreeMap<String, Histogram<u64>>,
}

impl Results {
    /// Adds a value of a figure.
    pub fn add(&mut self, figure: &Figure, contestant: &str, value: f64) {
        println!("  {contestant}: {} {}", figure.name, digits(value));
        let row = match self.rows.iter().position(|row| row.figure.name == figure.name) {
            Some(at) => &mut self.rows[at],
            None => {
                self.rows.push(Row { figure: figure.clone(), values: Vec::new() });
                let last = self.rows.len() - 1;
                &mut self.rows[last]
            }
        };
        match row.values.iter_mut().find(|(name, _)| name == contestant) {
            Some((_, values)) => values.push(value),
            None => row.values.push((contestant.to_owned(), vec![value])),
        }
    }

    /// The median of a figure for a container.
    pub fn median(&self, figure: &str, contestant: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.figure.name == figure)?.of(contestant).map(|values| Spread::of(values).median)
    }

    /// All measured containers, followed by C.
    pub fn contestants(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|row| &row.values) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names.sort_by_key(|name| name == C);
        names
    }

    /// A table in Markdown, with the ratios that have bars first.
    pub fn table(&self) -> String {
        let names = self.contestants();
        let mut text = format!("| figure | ratios | {} |\n", names.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(names.len()));
        for row in &self.rows {
            let _ = write!(text, "| {} | {} |", row.figure.name, row.verdicts());
            for name in &names {
                let _ = write!(text, " {} |", row.of(name).map_or("–".to_owned(), |values| Spread::of(values).show()));
            }
            text.push('\n');
        }
        text
    }

    /// The figures as members of a JSON object.
    pub fn json(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::json).collect();
        let latencies: Vec<String> = self
            .latencies
            .iter()
            .map(|(name, histogram)| {
                let points: Vec<String> =
                    PERCENTILES.iter().map(|(p, _)| format!("[{p},{}]", histogram.value_at_percentile(*p))).collect();
                format!("{name:?}:[{}]", points.join(","))
            })
            .collect();
        format!(
            "\"figures\":[\n{}\n],\n\"round_trip_ns_by_percentile\":{{{}}}",
            rows.join(",\n"),
            latencies.join(",\n")
        )
    }
}

/// The percentiles in the plot of latencies, with the labels of some.
pub const PERCENTILES: [(f64, &str); 12] = [
    (0., "0"),
    (25., ""),
    (50., "50"),
    (75., ""),
    (90., "90"),
    (95., ""),
    (99., "99"),
    (99.5, ""),
    (99.9, "99.9"),
    (99.95, ""),
    (99.99, "99.99"),
    (99.999, "99.999"),
];

impl Row {
    fn of(&self, contestant: &str) -> Option<&[f64]> {
        self.values.iter().find(|(name, _)| name == contestant).map(|(_, values)| values.as_slice())
    }

    /// The ratios of Rust to each of the others, with their bars.
    fn verdicts(&self) -> String {
        let Some(rust) = self.of(RUST).map(|values| Spread::of(values).median) else { return "–".to_owned() };
        let bar = |name: &str| self.figure.bars.iter().find(|(rival, _)| *rival == name).map(|(_, bar)| *bar);
        let verdict = |value: f64, bar: Option<f64>| match bar {
            // With three decimals, or one that is missed by little would look met.
            Some(bar) if value > bar => format!("{value:.3} (bar {bar}, **missed**)"),
            Some(bar) => format!("{value:.2} (bar {bar})"),
            None => format!("{value:.2}"),
        };
        let rivals = self.values.iter().filter(|(name, _)| name != RUST);
        let ratio = |(name, values): &(String, Vec<f64>)| {
            format!("{name} {}", verdict(rust / Spread::of(values).median, bar(name)))
        };
        match bar(ITSELF) {
            Some(limit) => verdict(rust, Some(limit)),
            None => rivals.map(ratio).collect::<Vec<_>>().join("; "),
        }
    }

    fn json(&self) -> String {
        let bars: Vec<String> = self.figure.bars.iter().map(|(rival, bar)| format!("{rival:?}:{bar}")).collect();
        let values: Vec<String> = self.values.iter().map(|(name, values)| format!("{name:?}:{values:?}")).collect();
        format!(
            "{{\"name\":{:?},\"bars\":{{{}}},\"values\":{{{}}}}}",
            self.figure.name,
            bars.join(","),
            values.join(",")
        )
    }
}

/// The median, minimum and maximum.
pub struct Spread {
    pub median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Spread {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len().is_multiple_of(2) { (values[middle - 1] + values[middle]) / 2. } else { values[middle] };
        Spread { median, least: values[0], most: values[values.len() - 1] }
    }

    fn show(&self) -> String {
        if self.least == self.most {
            return digits(self.median);
        }
        format!("{} ({} – {})", digits(self.median), digits(self.least), digits(self.most))
    }
}

/// A number with three significant digits.
pub fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
