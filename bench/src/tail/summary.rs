//! What the rounds have in common.

use crate::receipts::Latencies;

/// One measured thing over several rounds.
struct Row {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
}

/// Everything that was measured, in the order in which it first was.
#[derive(Default)]
pub(crate) struct Summary(Vec<Row>);

impl Summary {
    /// Takes the value of one round, and prints it.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &'static str) {
        println!("  {name:<60} {value:>12.2} {unit}");
        self.keep(name, value, unit);
    }

    /// The same for latencies.
    pub(crate) fn add_latencies(&mut self, name: &str, taken: &Latencies) {
        println!("  {}", taken.line(name));
        self.keep(&format!("{name}, p50"), taken.at(50), "ms");
        self.keep(&format!("{name}, p99"), taken.at(99), "ms");
    }

    fn keep(&mut self, name: &str, value: f64, unit: &'static str) {
        let place = self.0.iter().position(|row| row.name == name).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(Row { name: name.to_owned(), unit, values: Vec::new() });
        }
        if let Some(row) = self.0.get_mut(place) {
            row.values.push(value);
            row.values.sort_by(f64::total_cmp);
        }
    }

    /// Median and spread of each.
    pub(crate) fn print(&self) {
        println!("\nmedian (least to most) of all rounds");
        for Row { name, unit, values } in &self.0 {
            let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
            let (least, middle, most) = (at(0), at(values.len() / 2), at(values.len() - 1));
            println!("  {name:<60} {middle:>12.2} {unit} ({least:.2} to {most:.2})");
        }
    }
}
