//! How far the making of a bundle is, and that it can be given up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::Error;

/// Told by whoever makes a bundle, read by whoever waits for it.
#[derive(Debug, Default)]
pub(crate) struct Work {
    gathered: AtomicUsize,
    packed: AtomicUsize,
    pub(super) given_up: AtomicBool,
}

impl Work {
    /// One more entry is gathered.
    pub(super) fn gathered(&self) -> Result<(), Error> {
        self.gathered.fetch_add(1, Ordering::Relaxed);
        self.go_on()
    }

    /// One more entry has its proofs.
    pub(super) fn packed(&self) -> Result<(), Error> {
        self.packed.fetch_add(1, Ordering::Relaxed);
        self.go_on()
    }

    /// Whether anybody still waits; asked between entries, so that no work goes on for long for nobody.
    pub(super) fn go_on(&self) -> Result<(), Error> {
        if self.given_up.load(Ordering::Relaxed) { Err(Error::GivenUp) } else { Ok(()) }
    }

    /// Nobody waits any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Entries gathered, and those of them that have their proofs.
    pub(super) fn done(&self) -> [usize; 2] {
        [&self.gathered, &self.packed].map(|count| count.load(Ordering::Relaxed))
    }
}
