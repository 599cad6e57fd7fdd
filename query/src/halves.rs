//! Work for one answer on two cores at once: somebody waits for it.

use std::panic::resume_unwind;
use std::thread;

/// So many items are worth a thread.
const WORTH_A_THREAD: usize = 128;

/// What `work` makes of either half of `items`, in their order; of few items all at once.
pub(crate) fn halves<'i, T: Sync, R: Send>(
    items: &'i [T],
    work: impl Fn(&'i [T]) -> R + Sync,
) -> Vec<R> {
    if items.len() < WORTH_A_THREAD {
        return vec![work(items)];
    }
    let (first, second) = items.split_at(items.len() / 2);
    thread::scope(|scope| {
        let second = scope.spawn(|| work(second));
        let first = work(first);
        vec![first, second.join().unwrap_or_else(|panic| resume_unwind(panic))]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for len in [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 1001] {
            let items: Vec<_> = (0..len).collect();
            assert_eq!(halves(&items, <[usize]>::to_vec).concat(), items);
        }
    }
}
