//! Both streams being read.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::error::Trouble;
use crate::feed::Feed;

/// How often the head's note is published at most.
const REST: Duration = Duration::from_secs(1);
/// How often a stall is looked for.
const WATCHDOG: Duration = Duration::from_secs(10);

/// What a session reads from, and its clocks.
pub(crate) struct Link {
    pub(crate) op: Feed,
    pub(crate) input: Feed,
    /// Time to look whether the log is at rest.
    pub(crate) rest: Interval,
    /// Time to look for a stall.
    pub(crate) watchdog: Interval,
}

impl Link {
    pub(crate) fn new(op: Feed, input: Feed) -> Self {
        Self { op, input, rest: every(REST), watchdog: every(WATCHDOG) }
    }

    /// Looks for a stall on both streams.
    pub(crate) async fn check_progress(&mut self) -> Result<(), Trouble> {
        self.op.check_progress().await?;
        self.input.check_progress().await
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
