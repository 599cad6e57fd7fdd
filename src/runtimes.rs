//! The threads of a server: what comes in goes before who reads.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads that talk to the broker; commits have others.
const INTAKE_THREADS: usize = 2;
/// How far readers stand back: where both want a core, what comes in gets it nine times as long (nice(2)).
const READERS_NICE: i32 = 10;

/// A runtime for whoever reads, and one for what comes in. On threads of their own, because thousands of readers that
/// are ready at once would all have their turn first.
pub(crate) struct Runtimes {
    readers: Runtime,
    intake: Runtime,
}

impl Runtimes {
    /// Starts both.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start() -> io::Result<Self> {
        let readers = Builder::new_multi_thread()
            .worker_threads(readers_threads())
            .on_thread_start(stand_back)
            .enable_all()
            .build()?;
        let intake = Builder::new_multi_thread()
            .worker_threads(INTAKE_THREADS)
            .thread_name("intake")
            .enable_all()
            .build()?;
        Ok(Self { readers, intake })
    }

    /// Runs `what`, whose tasks are the readers' unless it gives them to the intake.
    pub(crate) fn block_on<F: Future>(&self, what: impl FnOnce(Handle) -> F) -> F::Output {
        self.readers.block_on(what(self.intake.handle().clone()))
    }

    /// Ends both, each within `patience`.
    pub(crate) fn shut_down(self, patience: Duration) {
        self.intake.shutdown_timeout(patience);
        self.readers.shutdown_timeout(patience);
    }
}

/// One core is left for what comes in, where there are several: thousands of streams that are ready at once keep all others
/// busy.
fn readers_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    cores.saturating_sub(1).max(1)
}

/// Lets other threads go first. It is a matter of latency only, so a system that refuses changes nothing else.
fn stand_back() {
    if let Err(error) = rustix::process::nice(READERS_NICE) {
        tracing::debug!(%error, "nice");
    }
}
