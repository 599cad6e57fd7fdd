//! The clock: the only place that reads the time of day.
//!
//! In development the ledger's clock can be simulated: it starts where it is told, runs on in real
//! time, and can be stepped forward, never back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use schemas::id::Micros;

/// Tells the time of receipt. Clones tell the same time.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated(Arc<Simulated>),
}

#[derive(Debug)]
struct Simulated {
    began: Instant,
    /// Simulated time at `began`, in microseconds; a step raises it.
    base_us: AtomicU64,
}

/// A step that the clock does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The clock is the system's.
    #[error("the system's clock cannot be stepped")]
    System,
    /// The time asked for has passed.
    #[error("the clock only steps forward: it is {now} already")]
    Backward {
        /// What it tells.
        now: Micros,
    },
    /// The time asked for is beyond what a clock can count on from.
    #[error("the clock cannot count on from there")]
    Beyond,
}

/// The last time that a step may set: 2200-01-01T00:00:00Z, far from where counters end.
const STEP_MAX: Micros = Micros(7_258_118_400_000_000);

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that tells `start` now and runs on in real time.
    pub(crate) fn simulated(start: Micros) -> Self {
        let base_us = AtomicU64::new(start.0);
        Self(Source::Simulated(Arc::new(Simulated { began: Instant::now(), base_us })))
    }

    /// Whether it is simulated.
    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Simulated(_))
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Micros {
        match &self.0 {
            Source::System => system_now(),
            Source::Simulated(clock) => {
                let base_us = clock.base_us.load(Ordering::SeqCst);
                Micros(base_us.saturating_add(clock.elapsed_us()))
            }
        }
    }

    /// Steps a simulated clock forward to `to`.
    ///
    /// # Errors
    /// [`StepError`]; then the clock runs on as before.
    pub(crate) fn step(&self, to: Micros) -> Result<(), StepError> {
        let Source::Simulated(clock) = &self.0 else { return Err(StepError::System) };
        if to > STEP_MAX {
            return Err(StepError::Beyond);
        }
        let target = to.0.checked_sub(clock.elapsed_us());
        // Two steps at once: the farther one holds, the other is told that it came too late.
        match target.map(|base_us| (base_us, clock.base_us.fetch_max(base_us, Ordering::SeqCst))) {
            Some((base_us, before)) if before <= base_us => Ok(()),
            _ => Err(StepError::Backward { now: self.now() }),
        }
    }
}

impl Simulated {
    fn elapsed_us(&self) -> u64 {
        us(self.began.elapsed())
    }
}

/// The time so long after another one.
pub(crate) fn after(time: Micros, span: Duration) -> Micros {
    Micros(time.0.saturating_add(us(span)))
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// The time that a text in RFC 3339 names; `None` before 1970.
pub(crate) fn parse(text: &str) -> Option<Micros> {
    let stamp = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(stamp.as_microsecond()).ok().map(Micros)
}

#[allow(clippy::disallowed_methods, reason = "this is the clock that reads the time")]
fn system_now() -> Micros {
    // Before 1970 the clock is unset, and times of receipt never decrease anyway.
    Micros(us(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Micros = Micros(1_775_599_200_000_000); // 2026-04-07T22:00:00Z
    const HOUR_US: u64 = 3_600_000_000;

    #[test]
    fn a_simulated_clock_runs_on_from_its_start() {
        let clock = Clock::simulated(START);
        let (first, second) = (clock.now(), clock.clone().now());
        assert!(START <= first && first <= second && second.0 < START.0 + HOUR_US);
    }

    #[test]
    fn it_steps_forward_for_every_clone() {
        let clock = Clock::simulated(START);
        let to = Micros(START.0 + HOUR_US);
        clock.clone().step(to).expect("an hour ahead");
        assert!(clock.now() >= to && clock.now().0 < to.0 + HOUR_US);
    }

    #[test]
    fn it_never_steps_back() {
        let clock = Clock::simulated(Micros(START.0 + HOUR_US));
        for to in [Micros(0), START, Micros(START.0 + HOUR_US - 1)] {
            let before = clock.now();
            assert!(matches!(clock.step(to), Err(StepError::Backward { now }) if now >= before));
            assert!(clock.now() >= before);
        }
    }

    #[test]
    fn it_never_steps_where_it_could_not_go_on() {
        let clock = Clock::simulated(START);
        assert_eq!(clock.step(Micros(u64::MAX)), Err(StepError::Beyond));
        assert!(clock.now().0 < START.0 + HOUR_US);
    }

    #[test]
    fn the_systems_clock_is_never_stepped() {
        let clock = Clock::system();
        assert_eq!(clock.step(Micros(u64::MAX)), Err(StepError::System));
        // 2026, by any clock that is set at all.
        assert!(!clock.is_simulated() && clock.now().0 > 1_767_225_600_000_000);
    }
}
