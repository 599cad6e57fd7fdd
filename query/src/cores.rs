//! Work on many entries by several cores at once.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread;

use ledger::in_shares;

/// Items below which another thread takes longer to start than it saves.
const SHARE_MIN: usize = 64;
/// Threads of one answer: others are being answered, too.
const THREADS_MAX: usize = 4;

static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX));

/// What `work` makes of each share of `items`, in their order: one for each core, unless these are many or the items few.
pub(crate) fn each_share<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    in_shares(items, items.len().div_ceil(*CORES).max(SHARE_MIN), work)
}
