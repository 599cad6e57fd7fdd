//! One measured thing over several rounds.

use std::time::Duration;

/// Whatever may fail in a benchmark ends it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Events a second, round by round.
pub(crate) struct Series {
    name: &'static str,
    rates: Vec<f64>,
}

impl Series {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, rates: Vec::new() }
    }

    pub(crate) fn add(&mut self, rate: f64) {
        self.rates.push(rate);
        self.rates.sort_by(f64::total_cmp);
    }

    fn median(&self) -> f64 {
        self.rates.get(self.rates.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Name, median, spread, and the ratio of medians to `floor`.
    pub(crate) fn line(&self, floor: &Self) -> String {
        let ends = self.rates.first().zip(self.rates.last());
        let (low, high) = ends.map_or((f64::NAN, f64::NAN), |(low, high)| (*low, *high));
        format!(
            "{:<34} {:>9.0}/s   ({low:.0} to {high:.0})   {:.2} x verify_strict",
            self.name,
            self.median(),
            self.median() / floor.median(),
        )
    }
}

/// Nanoseconds that one of something takes, round by round.
pub(crate) struct Costs {
    name: &'static str,
    nanoseconds: Vec<f64>,
}

impl Costs {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, nanoseconds: Vec::new() }
    }

    /// So many of them took this long.
    pub(crate) fn add(&mut self, count: usize, took: Duration) {
        self.add_beyond(count, took, Duration::ZERO);
    }

    /// So many of them took this long, where they would have taken that long without what is measured. A machine's
    /// noise can make it less than nothing.
    pub(crate) fn add_beyond(&mut self, count: usize, took: Duration, without: Duration) {
        self.nanoseconds.push(1e9 / rate(count, took) - 1e9 / rate(count, without));
        self.nanoseconds.sort_by(f64::total_cmp);
    }

    fn median(&self) -> f64 {
        self.nanoseconds.get(self.nanoseconds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Name, median, spread, and the share of `floor` that the median is.
    pub(crate) fn line(&self, floor: &Self) -> String {
        let ends = self.nanoseconds.first().zip(self.nanoseconds.last());
        let (low, high) = ends.map_or((f64::NAN, f64::NAN), |(low, high)| (*low, *high));
        format!(
            "{:<34} {:>9.0} ns  ({low:.0} to {high:.0})   {:.2} % of verify_strict",
            self.name,
            self.median(),
            100.0 * self.median() / floor.median(),
        )
    }
}

/// Events a second.
pub(crate) fn rate(events: usize, took: Duration) -> f64 {
    let events = u32::try_from(events).map_or(f64::NAN, f64::from);
    events / took.as_secs_f64()
}
