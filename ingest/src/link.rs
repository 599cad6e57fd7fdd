//! Both streams being read.

use std::time::Duration;

use schemas::limits::RETAIN_EVERY_S;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::contact::Contact;
use crate::error::Trouble;
use crate::feed::Feed;
use crate::stream::ask;

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
    /// Time to erase what is kept too long.
    pub(crate) retain: Interval,
}

impl Contact {
    /// Has the broker rewrite its files without the messages that it delivered and we acknowledged, which it
    /// otherwise does when it sees fit. That it does not is no reason to stop.
    pub(crate) async fn forget(&self, link: &Link) {
        for feed in [&link.op, &link.input] {
            if let Err(error) = self.forget_of(feed).await {
                tracing::warn!(%error, "the broker may keep erased bytes in its files for a while");
            }
        }
    }

    async fn forget_of(&self, feed: &Feed) -> Result<(), Trouble> {
        let (stream, acknowledged) = feed.acknowledged().await?;
        let request = format!("STREAM.PURGE.{stream}");
        let body = serde_json::json!({ "seq": acknowledged.saturating_add(1) });
        ask(self.context(), &request, &body).await.map(|_answer| ())
    }
}

impl Link {
    pub(crate) fn new(op: Feed, input: Feed) -> Self {
        let retain = every(Duration::from_secs(RETAIN_EVERY_S));
        Self { op, input, rest: every(REST), watchdog: every(WATCHDOG), retain }
    }

    /// Looks for a stall on the streams that are read: events may be left waiting.
    pub(crate) async fn check_progress(&mut self, events_wait: bool) -> Result<(), Trouble> {
        self.op.check_progress().await?;
        if events_wait { Ok(()) } else { self.input.check_progress().await }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
