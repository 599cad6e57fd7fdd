//! The ledger's promises, on a real store.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

mod agreed;
mod agreement;
mod bench;
mod crash;
mod epoch;
mod findings;
mod incremental;
mod intrusion;
mod log;
mod memo;
mod model;
mod owner;
mod redaction;
mod tamper;
