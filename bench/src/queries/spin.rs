//! The floor of what keeps every core busy for some milliseconds: hashing, which waits for nothing. What it takes
//! longer now and then is the machine's doing.

use std::hint::black_box;
use std::num::NonZero;
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};

use schemas::id::sha256;

/// A block that is hashed.
const BLOCK: [u8; 1024] = [7; 1024];
/// Looks at how long a block takes; the fastest counts.
const LOOKS: u32 = 20;
const BLOCKS_EACH_LOOK: u32 = 500;

/// So much hashing on a core.
pub(crate) struct Spin {
    blocks: u32,
    cores: usize,
}

impl Spin {
    /// As much as takes this long where nothing comes in between.
    pub(crate) fn of(taking: Duration) -> Self {
        let look = |_| {
            let began = Instant::now();
            hash(BLOCKS_EACH_LOOK);
            began.elapsed()
        };
        let fastest = (0..LOOKS).map(look).min().unwrap_or_default();
        let each = fastest.as_secs_f64() / f64::from(BLOCKS_EACH_LOOK);
        let mut blocks = BLOCKS_EACH_LOOK;
        while f64::from(blocks) * each < taking.as_secs_f64() {
            blocks += BLOCKS_EACH_LOOK / 10;
        }
        Self { blocks, cores: available_parallelism().map_or(1, NonZero::get) }
    }

    /// The machine's cores.
    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    /// How long so many cores take.
    pub(crate) fn run(&self, cores: usize) -> Duration {
        let began = Instant::now();
        scope(|scope| {
            for _ in 1..cores {
                scope.spawn(|| hash(self.blocks));
            }
            hash(self.blocks);
        });
        began.elapsed()
    }
}

fn hash(blocks: u32) {
    for _ in 0..blocks {
        black_box(sha256(black_box(&BLOCK)));
    }
}
