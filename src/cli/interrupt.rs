//! ^C for commands that have something to clear away first.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::failure::Failure;
use crate::serve::Signals;

/// What a shell sees of a process that ^C ended.
const INTERRUPTED: i32 = 130;

/// Whether the user wants to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// Unwinds through work that has no other way out.
struct Stopped;

impl Interrupt {
    /// From now on ^C is noted here and ends nothing by itself; the second one ends the process.
    ///
    /// # Errors
    /// [`Failure::Serve`] when the system gives no threads or signals.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let runtime = super::runtime()?;
        let signals = runtime.block_on(async { Signals::listen() });
        let signals = signals.map_err(|error| Failure::Serve(error.into()))?;
        let interrupt = Self::default();
        let noted = interrupt.clone();
        std::thread::spawn(move || {
            // IMPORTANT: the whole of it must live here; dropped, it listens no more.
            let signals = signals;
            runtime.block_on(signals.shutdown.cancelled());
            noted.set();
            runtime.block_on(signals.hurry.cancelled());
            std::process::exit(INTERRUPTED);
        });
        Ok(interrupt)
    }

    /// Whether ^C came.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Leaves the work that [`Interrupt::run`] is at, if ^C came. Called on the thread that does it.
    pub(crate) fn check(&self) {
        if self.is_set() {
            // No panic: the hook is not run and nothing is printed; everything on the way is dropped.
            resume_unwind(Box::new(Stopped));
        }
    }

    /// What `work` gives, or `None` if ^C came meanwhile.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(_late) if self.is_set() => None,
            Ok(done) => Some(done),
            Err(payload) if payload.is::<Stopped>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Ends the process as ^C does. The caller has cleared everything away.
    pub(crate) fn end() -> ! {
        std::process::exit(INTERRUPTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_goes_on_until_it_is_told_to_stop() {
        let interrupt = Interrupt::default();
        let mut steps = 0;
        let work = || {
            for step in 0..10 {
                steps = step;
                if step == 5 {
                    interrupt.set();
                }
                interrupt.check();
            }
        };
        assert_eq!((interrupt.run(work), steps), (None, 5));
        assert_eq!(interrupt.run(|| 1), None);
        assert_eq!(Interrupt::default().run(|| 1), Some(1));
    }
}
