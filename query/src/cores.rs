//! Work on many entries by every core at once.

use std::sync::LazyLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Items below which it takes longer to hand them over than it saves.
const SHARE_MIN: usize = 64;

/// Not rayon's own threads: readers are made by readers, so that they stand back as these do, and what comes in never
/// waits behind them. `None` where the system gives no threads.
static READERS: LazyLock<Option<ThreadPool>> =
    LazyLock::new(|| ThreadPoolBuilder::new().build().ok());

/// What `work` makes of each share of `items`, in their order: one for each core, unless the items are few.
pub(crate) fn each_share<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    match READERS.as_ref().filter(|_| items.len() > SHARE_MIN) {
        Some(readers) => {
            let share = items.len().div_ceil(readers.current_num_threads()).max(SHARE_MIN);
            readers.install(|| items.par_chunks(share).map(&work).collect())
        }
        None => vec![work(items)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_share_and_these_are_in_order() {
        for count in [0, 1, SHARE_MIN, SHARE_MIN + 1, 10 * SHARE_MIN + 3] {
            let items: Vec<_> = (0..count).collect();
            assert_eq!(each_share(&items, <[usize]>::to_vec).concat(), items);
        }
    }
}
