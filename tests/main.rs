//! The product's promises, kept by the real binary, a real nats-server and real clients.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "tests"
)]

mod access;
mod bundle;
mod crash;
mod demo;
mod dev;
mod disk;
mod doctor;
mod features;
mod findings;
mod followers;
mod get;
mod harness;
mod killswitch;
mod liar;
mod openapi;
mod pager;
mod proof;
mod publish;
mod python;
mod questions;
mod reader;
mod readme;
mod redaction;
mod rejections;
mod rollback;
mod rotation;
mod routes;
mod shutdown;
mod signer;
mod tidy;
mod tlog;
mod under_load;
mod verify;
mod witness;
