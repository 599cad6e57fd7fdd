//! Room on the disk of the store, without which events wait at the broker.

/// What is free, and what events leave free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Bytes that are free.
    pub free: u64,
    /// Bytes that stay free for registry and control statements, for what the ledger itself records, and for the store's
    /// own files while it merges them.
    pub reserve: u64,
}

impl Room {
    /// Where nobody looks.
    pub const UNLIMITED: Self = Self { free: u64::MAX, reserve: 0 };

    /// Whether events have to wait.
    #[must_use]
    pub fn is_short(self) -> bool {
        self.free < self.reserve
    }
}
