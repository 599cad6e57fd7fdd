//! Work on many entries by every core at once.

use std::iter;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::Semaphore;

/// Items up to which it takes longer to hand some over than it saves.
const ALONE_MAX: usize = 64;

/// One for each core but that of whoever asks. One more would do no work and yet take turns on a core with those that do,
/// while it looks for some. `None` where there is no other core, or the system gives no threads.
///
/// Not rayon's own threads: readers are made by readers, so that they stand back as these do, and what comes in never
/// waits behind them.
static READERS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let others = available_parallelism().map_or(0, |cores| cores.get() - 1);
    let readers = (others > 0).then(|| ThreadPoolBuilder::new().num_threads(others).build());
    readers?.ok()
});

/// One for each reader: without one no reader is asked, or the answer would wait until readers have done what they do for
/// others.
static FREE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(readers()));

fn readers() -> usize {
    READERS.as_ref().map_or(0, ThreadPool::current_num_threads)
}

/// What `work` makes of each share of `items`, in their order; none has more than `together`, and all have about as many.
pub(crate) fn each_share<'i, T: Sync, R: Send>(
    items: &'i [T],
    together: usize,
    work: impl Fn(&'i [T]) -> R + Sync,
) -> Vec<R> {
    each_share_beside(items, together, work, || ()).0
}

/// The same, and what `own` makes meanwhile. Whoever asks does that, and then takes shares as the readers do that are
/// free.
pub(crate) fn each_share_beside<'i, T: Sync, R: Send, A>(
    items: &'i [T],
    together: usize,
    work: impl Fn(&'i [T]) -> R + Sync,
    own: impl FnOnce() -> A,
) -> (Vec<R>, A) {
    let count = items.len().div_ceil(together);
    let share = items.len().div_ceil(count.max(1)).max(1);
    let shares = Mutex::new(items.chunks(share).enumerate());
    let made = Mutex::new(Vec::with_capacity(count));
    let take = || {
        let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
        for (place, share) in iter::from_fn(next) {
            let answer = work(share);
            made.lock().unwrap_or_else(PoisonError::into_inner).push((place, answer));
        }
    };
    let finish = || {
        let own = own();
        take();
        own
    };
    let own = match READERS.as_ref().filter(|_| items.len() > ALONE_MAX) {
        Some(readers) => readers.in_place_scope(|scope| {
            let take = &take;
            for permit in iter::from_fn(|| FREE.try_acquire().ok()).take(count) {
                scope.spawn(move |_| {
                    take();
                    drop(permit);
                });
            }
            finish()
        }),
        None => finish(),
    };
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_unstable_by_key(|(place, _)| *place);
    (made.into_iter().map(|(_, answer)| answer).collect(), own)
}

/// What was made of all shares, where it is a list each.
pub(crate) fn in_one<R>(shares: Vec<Vec<R>>) -> Vec<R> {
    let mut all = Vec::with_capacity(shares.iter().map(Vec::len).sum());
    shares.into_iter().for_each(|mut share| all.append(&mut share));
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn every_item_is_in_one_share_and_these_are_in_order() {
        for count in [0, 1, 63, 64, 65, 643] {
            let items: Vec<_> = (0..count).collect();
            let (shares, own) = each_share_beside(&items, 64, <[usize]>::to_vec, || count);
            assert_eq!(shares.len(), count.div_ceil(64));
            assert!(shares.iter().all(|share| share.len() <= 64));
            assert_eq!((in_one(shares), own), (items, count));
        }
    }

    #[tokio::test]
    async fn readers_that_are_free_take_shares_meanwhile_and_nobody_waits_for_others() {
        let others = readers();
        // Other tests give back what they have.
        let all = FREE.acquire_many(others.try_into().unwrap()).await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let busy = || {
            let ends = released.lock().unwrap().recv_timeout(LONG);
            assert_eq!(ends, Err(RecvTimeoutError::Disconnected), "they were waited for");
        };
        let ask = || assert_eq!(each_share(&[0; 100], 25, <[i32]>::len), [25; 4]);
        match READERS.as_ref() {
            Some(readers) => readers.in_place_scope(|scope| {
                (0..others).for_each(|_| scope.spawn(|_| busy()));
                ask();
                drop(release);
            }),
            None => ask(),
        }
        drop(all);
        let (tell, told) = mpsc::channel();
        let work = |_: &[i32]| tell.clone().send(()).unwrap();
        let wait = || others > 0 && told.recv_timeout(LONG).is_ok();
        let (shares, is_told) = each_share_beside(&[0; 100], 100, work, wait);
        assert_eq!((shares.len(), is_told), (1, others > 0));
    }
}
