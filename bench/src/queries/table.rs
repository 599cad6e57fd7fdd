//! The figures as a table.

/// One sort of question: its name, how many different values it was asked with, and seconds on each side.
pub(crate) struct Row {
    name: &'static str,
    values: usize,
    sworn: Vec<f64>,
    postgres: Vec<f64>,
}

impl Row {
    pub(crate) fn new(name: &'static str, values: usize) -> Self {
        Self { name, values, sworn: Vec::new(), postgres: Vec::new() }
    }

    pub(crate) fn add(&mut self, sworn: f64, postgres: Option<f64>) {
        self.sworn.push(sworn);
        self.postgres.extend(postgres);
    }

    fn line(&self) -> String {
        let [sworn, late] = [50, 99].map(|percent| at(&self.sworn, percent));
        let [other, other_late] = [50, 99].map(|percent| at(&self.postgres, percent));
        format!(
            "{:<26} {sworn:>9.2} {late:>9.2}  {other:>9.2} {other_late:>9.2}  {:>7.2} {:>7.2}   {} of {}",
            self.name,
            sworn / other,
            late / other_late,
            self.values.min(self.sworn.len()),
            self.sworn.len(),
        )
    }

    fn growth(&self, before: &Self) -> String {
        let times = |now: &[f64], then: &[f64], percent| at(now, percent) / at(then, percent);
        let [sworn, late] = [50, 99].map(|percent| times(&self.sworn, &before.sworn, percent));
        let [other, other_late] =
            [50, 99].map(|percent| times(&self.postgres, &before.postgres, percent));
        format!("{:<26} {sworn:>9.2} {late:>9.2}  {other:>9.2} {other_late:>9.2}", self.name)
    }
}

/// Prints milliseconds, and what sworn takes as a share of what PostgreSQL takes.
pub(crate) fn print(entries: u64, rows: &[Row]) {
    println!("\n{entries} entries, milliseconds; below 1 sworn is faster\n");
    let [a, b, c] = ["sworn", "PostgreSQL", "ratio"];
    println!("{:<26} {a:>19}  {b:>19}  {c:>15}   different", "");
    let [p50, p99] = ["p50", "p99"];
    println!("{:<26} {p50:>9} {p99:>9}  {p50:>9} {p99:>9}  {p50:>7} {p99:>7}   values", "question");
    rows.iter().for_each(|row| println!("{}", row.line()));
}

/// Prints how many times longer the larger ledger takes.
pub(crate) fn print_growth(before: &[Row], after: &[Row]) {
    println!("\ntimes longer with ten times the entries\n");
    let [a, b, p50, p99] = ["sworn", "PostgreSQL", "p50", "p99"];
    println!("{:<26} {a:>19}  {b:>19}", "");
    println!("{:<26} {p50:>9} {p99:>9}  {p50:>9} {p99:>9}", "question");
    for (before, after) in before.iter().zip(after) {
        println!("{}", after.growth(before));
    }
}

/// A percentile in milliseconds.
fn at(seconds: &[f64], percent: usize) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(f64::NAN, |taken| taken * 1000.0)
}
