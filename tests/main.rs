//! The product's promises, kept by the real binary, a real nats-server and real clients.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

mod crash;
mod harness;
mod killswitch;
mod reader;
mod signer;
mod under_load;
