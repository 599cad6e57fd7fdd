//! How far a verification is, told as it goes.

use std::sync::atomic::{AtomicU64, Ordering};

use schemas::id::TreeSize;

use super::Progress;

/// How far both halves are.
pub(super) struct Counter<'p> {
    before: u64,
    size: u64,
    ground: AtomicU64,
    derived: AtomicU64,
    progress: &'p (dyn Fn(Progress) + Sync),
}

impl<'p> Counter<'p> {
    pub(super) fn new(
        before: TreeSize,
        size: TreeSize,
        progress: &'p (dyn Fn(Progress) + Sync),
    ) -> Self {
        let (before, size) = (before.0, size.0);
        let (ground, derived) = (AtomicU64::new(before), AtomicU64::new(before));
        Self { before, size, ground, derived, progress }
    }

    /// The ground was checked up to `size`.
    pub(super) fn ground(&self, size: u64) {
        self.ground.store(size, Ordering::Relaxed);
        self.tell();
    }

    /// Everything was derived up to `size`.
    pub(super) fn derived(&self, size: u64) {
        self.derived.store(size, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        let [ground, derived] = [&self.ground, &self.derived].map(|at| at.load(Ordering::Relaxed));
        let since = |at: u64| at.saturating_sub(self.before);
        (self.progress)(Progress {
            done: since(ground).saturating_add(since(derived)),
            total: since(self.size).saturating_mul(2),
            held: TreeSize(derived.min(ground)),
        });
    }
}
