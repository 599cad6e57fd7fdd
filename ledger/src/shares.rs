//! Work on many items by several threads at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, ScopedJoinHandle, scope};

/// Threads that wait for the disk in all, whoever asks.
const THREADS_MAX: usize = 64;

/// How many more may be started.
static LEFT: AtomicUsize = AtomicUsize::new(THREADS_MAX);

/// Leave for one thread, until it is dropped.
struct Leave;

impl Leave {
    fn take() -> Option<Self> {
        let less = |left: usize| left.checked_sub(1);
        LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok().then_some(Self)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        LEFT.fetch_add(1, Ordering::Relaxed);
    }
}

/// What `work` makes of each `share` of the items, in their order. This thread takes the first, and the others as far as
/// no more threads can be had.
pub(crate) fn in_shares<T: Sync, R: Send>(
    items: &[T],
    share: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let mut shares = items.chunks(share.max(1));
    let Some(own) = shares.next() else { return Vec::new() };
    scope(|scope| {
        let work = &work;
        let start = |share| {
            let leave = Leave::take()?;
            let run = move || {
                let _leave = leave;
                work(share)
            };
            Builder::new().spawn_scoped(scope, run).ok()
        };
        let others: Vec<_> = shares.map(|share| (share, start(share))).collect();
        let own = work(own);
        let others =
            others.into_iter().map(|(share, thread)| thread.map_or_else(|| work(share), end));
        std::iter::once(own).chain(others).collect()
    })
}

/// What the thread made; its panic is this one's.
fn end<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_share_and_these_are_in_order_with_threads_and_without() {
        for (count, share) in
            [(0, 3), (1, 3), (3, 3), (4, 3), (100, 7), (5, 0), (4 * THREADS_MAX, 1)]
        {
            let items: Vec<_> = (0..count).collect();
            assert_eq!(in_shares(&items, share, <[usize]>::to_vec).concat(), items);
        }
    }
}
