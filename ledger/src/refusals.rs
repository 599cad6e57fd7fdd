//! How often this process refused something, by reason: also what came again or in a flood and made no leaf.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use schemas::reject::Reason;

use crate::draft::{End, Pending};

/// Counts by reason, in the order of [`Reason::ALL`].
pub(crate) struct Refusals([AtomicU64; Reason::ALL.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Refusals {
    /// Takes in how items ended.
    pub(crate) fn count<'p>(&self, items: impl Iterator<Item = &'p Pending>) {
        for item in items {
            let End::Rejected(reject) = &item.end else { continue };
            let mut counts = Reason::ALL.iter().zip(&self.0);
            if let Some((_, count)) = counts.find(|(reason, _)| **reason == reject.reason) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How often by each reason.
    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (Reason, u64)> {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reason::ALL.iter().copied().zip(self.0.iter().map(load))
    }
}
