//! The ingest's promises, with a real nats-server and a real ledger.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

mod committed;
mod delivery;
mod healing;
mod mark;
mod poison;
mod publisher;
mod refusal;
mod room;
mod server;
mod signer;
mod urgency;
mod world;
