//! How many messages a route takes in a minute.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// The times of the last messages, at most as many as a minute may have.
pub(super) struct Rate {
    /// None for any number.
    per_minute: Option<usize>,
    sent: VecDeque<Instant>,
}

impl Rate {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        let per_minute = per_minute.and_then(|most| usize::try_from(most).ok());
        Self { per_minute, sent: VecDeque::new() }
    }

    /// When the next message may go; `None` for at once.
    pub(super) fn opens(&self) -> Option<Instant> {
        self.sent.front().filter(|_| self.is_full()).map(|oldest| *oldest + MINUTE)
    }

    /// Notes a message.
    pub(super) fn note(&mut self, now: Instant) {
        if self.is_full() {
            self.sent.pop_front();
        }
        if self.per_minute.is_some() {
            self.sent.push_back(now);
        }
    }

    fn is_full(&self) -> bool {
        self.per_minute.is_some_and(|most| self.sent.len() >= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_it_may() {
        let (mut rate, began) = (Rate::new(Some(3)), Instant::now());
        let mut now = began;
        let mut sent = Vec::new();
        for _message in 0..10 {
            now = rate.opens().map_or(now, |opens| opens.max(now));
            rate.note(now);
            sent.push(now);
            now += Duration::from_secs(7);
        }
        assert!(sent.windows(4).all(|four| matches!(four, [a, .., d] if *d - *a >= MINUTE)));
        assert_eq!(sent.get(2).map(|third| *third - began), Some(Duration::from_secs(14)));
        assert_eq!(sent.get(3).map(|fourth| *fourth - began), Some(MINUTE));
    }
}
