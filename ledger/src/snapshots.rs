//! The registry as of earlier entries, kept for questions about the same time or a later one: so many, and together of
//! so many records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemas::limits::{SNAPSHOT_RECORDS_MAX, SNAPSHOTS_MAX};
use schemas::registry::Registry;

/// Kept registries by the size of the log that they are of.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_size: BTreeMap<u64, Snapshot>,
    /// Questions so far, by which the oldest is known.
    asked: u64,
}

struct Snapshot {
    registry: Arc<Registry>,
    records: usize,
    asked: u64,
}

impl Snapshots {
    /// The last one that is of no later entries than those below `size`, and the size that it is of.
    pub(crate) fn before(&self, size: u64) -> Option<(u64, Arc<Registry>)> {
        self.with(|kept| {
            kept.asked += 1;
            let asked = kept.asked;
            let (at, snapshot) = kept.by_size.range_mut(..=size).next_back()?;
            snapshot.asked = asked;
            Some((*at, Arc::clone(&snapshot.registry)))
        })
    }

    /// Keeps one; whichever were asked for longest ago go.
    pub(crate) fn keep(&self, size: u64, registry: &Arc<Registry>) {
        self.with(|kept| {
            kept.asked += 1;
            let (registry, records) = (Arc::clone(registry), registry.records());
            kept.by_size.insert(size, Snapshot { registry, records, asked: kept.asked });
            while kept.by_size.len() > SNAPSHOTS_MAX || kept.records() > SNAPSHOT_RECORDS_MAX {
                let oldest = kept.by_size.iter().min_by_key(|(_, snapshot)| snapshot.asked);
                let Some(oldest) = oldest.map(|(size, _)| *size) else { return };
                kept.by_size.remove(&oldest);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn records(&self) -> usize {
        self.by_size.values().map(|snapshot| snapshot.records).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sizes(snapshots: &Snapshots) -> Vec<u64> {
        snapshots.with(|kept| kept.by_size.keys().copied().collect())
    }

    #[test]
    fn the_nearest_before_is_found_and_the_longest_unasked_goes() {
        let snapshots = Snapshots::default();
        assert!(snapshots.before(7).is_none());
        let registry = Arc::new(Registry::default());
        let all: Vec<u64> = (1..=u64::try_from(SNAPSHOTS_MAX).unwrap()).map(|n| n * 10).collect();
        all.iter().for_each(|size| snapshots.keep(*size, &registry));
        assert_eq!(sizes(&snapshots), all);
        assert!(snapshots.before(9).is_none());
        assert_eq!(snapshots.before(10).unwrap().0, 10);
        assert_eq!(snapshots.before(19).unwrap().0, 10);
        assert_eq!(snapshots.before(u64::MAX).unwrap().0, *all.last().unwrap());
        snapshots.keep(5, &registry);
        assert_eq!(snapshots.before(25).unwrap().0, 10, "20 was asked for longest ago");
        assert_eq!(sizes(&snapshots).len(), SNAPSHOTS_MAX);
    }
}
