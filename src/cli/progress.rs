//! Progress on standard error: a bar on a terminal, else a plain line now and then.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::out::note;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);
const TEMPLATE: &str = "{bar:30} {percent:>3} %  {pos}/{len} {msg}  {per_sec}  {eta} left";

/// Shows how far something is. Can be told from any thread.
pub(crate) struct Meter {
    what: &'static str,
    began: Instant,
    bar: Option<ProgressBar>,
    /// When a line was last written.
    last: Mutex<Instant>,
}

impl Meter {
    /// Of work that counts `what`.
    pub(crate) fn new(what: &'static str) -> Self {
        let began = Instant::now();
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE);
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { what, began, bar, last: Mutex::new(began) }
    }

    /// `done` of `total`.
    pub(crate) fn show(&self, done: u64, total: u64) {
        self.show_with(done, total, "");
    }

    /// `done` of `total`, and what else is to be said.
    pub(crate) fn show_with(&self, done: u64, total: u64, more: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}{more}", self.what));
            bar.set_length(total);
            bar.set_position(done);
        } else if self.is_due() {
            let seconds = self.began.elapsed().as_secs().max(1);
            let rate = done.checked_div(seconds).unwrap_or_default();
            let left = total.saturating_sub(done).checked_div(rate);
            let left = left.map_or_else(String::new, |left| format!(", about {left} s left"));
            note(&format!("{done} of {total} {}{more}, {rate}/s{left}", self.what));
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.elapsed() >= EVERY;
        if due {
            *last = Instant::now();
        }
        due
    }
}
