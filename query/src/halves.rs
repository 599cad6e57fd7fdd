//! Work for one answer on two cores at once: somebody waits for it.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// So many items are worth another thread.
const WORTH_A_THREAD: usize = 128;

/// What `work` makes of either half of `items`, in their order; of all at once where they are few, or every helper is
/// busy with another answer.
pub(crate) fn halves<'i, T: Sync, R: Send>(
    items: &'i [T],
    work: impl Fn(&'i [T]) -> R + Sync,
) -> Vec<R> {
    let helper = HELPERS.get_or_init(Helpers::start).as_ref();
    match helper.filter(|_| items.len() >= WORTH_A_THREAD).and_then(Helper::take) {
        Some(helper) => helper.halves(items, &work),
        None => vec![work(items)],
    }
}

/// Threads that stay, because memory that came from a thread which has ended is dear to give back. They are made by who
/// reads, and stand back as that does. `None` where the system gives none.
static HELPERS: OnceLock<Option<Helpers>> = OnceLock::new();

struct Helpers {
    threads: ThreadPool,
    free: AtomicUsize,
}

impl Helpers {
    fn start() -> Option<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let free = cores.saturating_sub(1);
        let threads = ThreadPoolBuilder::new().num_threads(free.max(1)).build().ok()?;
        Some(Self { threads, free: AtomicUsize::new(free) })
    }
}

/// One of the helpers, which is free again when this is dropped.
struct Helper<'h>(&'h Helpers);

impl<'h> Helper<'h> {
    fn take(helpers: &'h Helpers) -> Option<Self> {
        let one_less = |free: usize| free.checked_sub(1);
        let taken = helpers.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        taken.ok().map(|_before| Self(helpers))
    }

    fn halves<'i, T: Sync, R: Send>(
        &self,
        items: &'i [T],
        work: &(impl Fn(&'i [T]) -> R + Sync),
    ) -> Vec<R> {
        let (first, second) = items.split_at(items.len() / 2);
        let mut after = None;
        let before = self.0.threads.in_place_scope(|scope| {
            scope.spawn(|_| after = Some(work(second)));
            work(first)
        });
        std::iter::once(before).chain(after).collect()
    }
}

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for len in [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 1001] {
            let items: Vec<_> = (0..len).collect();
            assert_eq!(halves(&items, <[usize]>::to_vec).concat(), items);
            // Within another answer there may be no helper left.
            let inner = halves(&items, |items| halves(items, <[usize]>::to_vec).concat());
            assert_eq!(inner.concat(), items);
        }
    }
}
