//! Medians of the runs as tables, beside one another and beside the floor and nchan.

use std::collections::BTreeMap;

use crate::args::Args;
use crate::contender::{ALL, Kind};
use crate::scenario::{FAULTS, Scenario};
use crate::stats::median;

/// One contender's figures in one scenario: medians, and for faults the worst.
type Figures = BTreeMap<&'static str, f64>;

/// All that was measured in this call.
#[derive(Default)]
pub struct Report {
    runs: BTreeMap<(Scenario, Kind), Vec<Figures>>,
    failed: BTreeMap<(Scenario, Kind), usize>,
}

impl Report {
    pub fn add(&mut self, scenario: Scenario, kind: Kind, figures: Figures) {
        self.runs.entry((scenario, kind)).or_default().push(figures);
    }

    pub fn add_failure(&mut self, scenario: Scenario, kind: Kind) {
        *self.failed.entry((scenario, kind)).or_default() += 1;
    }

    pub fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether anything was measured, or tried, in a scenario.
    pub fn ran(&self, scenario: Scenario) -> bool {
        self.runs.keys().chain(self.failed.keys()).any(|(run, _)| *run == scenario)
    }

    pub fn figure(&self, scenario: Scenario, kind: Kind, name: &str) -> Option<f64> {
        let runs = self.runs.get(&(scenario, kind))?;
        let mut values: Vec<f64> = runs.iter().filter_map(|figures| figures.get(name).copied()).collect();
        if FAULTS.contains(&name) { values.into_iter().reduce(f64::max) } else { median(&mut values) }
    }

    /// The scenario's table, with a second line per contender of ratios to floor and nchan.
    pub fn scenario(&self, scenario: Scenario, args: &Args) -> String {
        let columns = scenario.columns();
        let mut table = vec![vec!["contender".to_owned()]];
        table[0].extend(columns.iter().map(|column| column.heading.to_owned()));
        table[0].push("faults, worst run".to_owned());
        for kind in ALL {
            if !self.runs.contains_key(&(scenario, kind)) {
                continue;
            }
            let mut row = vec![kind.name().to_owned()];
            row.extend(columns.iter().map(|column| {
                let value = self.figure(scenario, kind, column.figure);
                value.map_or("–".into(), |value| number(value * column.factor))
            }));
            row.push(self.faults(scenario, kind));
            table.push(row);
        }
        for base in [Kind::Floor, Kind::Nchan] {
            for kind in ALL {
                table.extend(self.ratios(scenario, kind, base));
            }
        }
        let runs = self.runs.iter().filter(|((s, _), _)| *s == scenario).map(|(_, r)| r.len()).max();
        format!("\n{}, median of {}\n\n{}", scenario.title(args), runs.unwrap_or(0), render(&table))
    }

    fn ratios(&self, scenario: Scenario, kind: Kind, base: Kind) -> Option<Vec<String>> {
        if kind == base || !self.runs.contains_key(&(scenario, base)) {
            return None;
        }
        self.runs.get(&(scenario, kind))?;
        if !scenario.columns().iter().any(|column| column.compared) {
            return None;
        }
        let mut row = vec![format!("{} / {}", kind.name(), base.name())];
        row.extend(scenario.columns().iter().map(|column| {
            let ratio = self.ratio(scenario, kind, base, column.figure).filter(|_| column.compared);
            ratio.map_or("–".into(), |ratio| format!("× {}", number(ratio)))
        }));
        row.push(String::new());
        Some(row)
    }

    pub fn ratio(&self, scenario: Scenario, kind: Kind, base: Kind, name: &str) -> Option<f64> {
        let below = self.figure(scenario, base, name).filter(|value| *value > 0.0)?;
        Some(self.figure(scenario, kind, name)? / below)
    }

    /// Words for the README and the verdict: `none`, or what happened.
    pub fn faults(&self, scenario: Scenario, kind: Kind) -> String {
        let mut words: Vec<String> = FAULTS
            .iter()
            .filter_map(|name| Some((name, self.figure(scenario, kind, name).filter(|count| *count > 0.0)?)))
            .map(|(name, count)| format!("{count:.0} {name}"))
            .collect();
        if let Some(runs) = self.failed.get(&(scenario, kind)) {
            words.push(format!("{runs} runs failed"));
        }
        if words.is_empty() { "none".into() } else { words.join(", ") }
    }

    /// One table over all scenarios for the README.
    pub fn readme(&self) -> String {
        use Scenario::{Cpu, Idle, Throughput, Webhooks};
        let columns: [(&str, Scenario, &str, f64); 8] = [
            ("CPU µs per delivery", Cpu, "cpu_us_per_delivery", 1.0),
            ("latency p50 ms", Cpu, "latency_p50_us", 0.001),
            ("p99 ms", Cpu, "latency_p99_us", 0.001),
            ("publisher waits ms", Cpu, "wait_p50_us", 0.001),
            ("deliveries/s, 1,000 events/s offered", Throughput, "deliveries_per_s", 1.0),
            ("CPU µs per delivery then", Throughput, "cpu_us_per_delivery", 1.0),
            ("idle bytes per connection", Idle, "pss_per_connection", 1.0),
            ("webhooks/s", Webhooks, "webhooks_per_s", 1.0),
        ];
        let mut table = vec![vec!["server".to_owned()]];
        table[0].extend(columns.iter().map(|(heading, ..)| (*heading).to_owned()));
        for kind in ALL {
            let mut row = vec![kind.name().to_owned()];
            row.extend(columns.iter().map(|(_, scenario, name, factor)| {
                self.figure(*scenario, kind, name).map_or("–".into(), |value| number(value * factor))
            }));
            if row[1..].iter().any(|cell| cell != "–") {
                table.push(row);
            }
        }
        render(&table)
    }
}

/// Three significant digits, thousands with commas.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1000.0 {
        let decimals = if size == 0.0 || size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else {
            2
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{size:.0}");
    let mut out = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A Markdown table whose columns also line up on a terminal.
pub fn render(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |c: usize| table.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut lines = Vec::new();
    for row in table {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match c {
            0 => format!(" {cell:<width$} "),
            _ => format!(" {cell:>width$} "),
        });
        lines.push(cells.collect::<Vec<_>>());
    }
    let rule = widths.iter().enumerate().map(|(c, &width)| match c {
        0 => "-".repeat(width + 2),
        _ => "-".repeat(width + 1) + ":",
    });
    lines.insert(1.min(lines.len()), rule.collect());
    let lines: Vec<String> = lines.iter().map(|cells| format!("|{}|", cells.join("|"))).collect();
    lines.join("\n") + "\n"
}
