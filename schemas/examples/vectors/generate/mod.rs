//! The test vectors, made anew from fixed seeds: the same bytes every time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "made by ourselves, for tests"
)]

mod bad;
mod bad_cbor;
mod bad_kinds;
mod bad_log;
mod bad_shapes;
mod bad_submissions;
mod cast;
mod forge;
mod good;
mod log;
mod packed;
mod raw;
mod story;

/// Every committed file: its name and its text.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    [("good.json", good::document()), ("bad.json", bad::document())]
        .map(|(name, document)| (name, format!("{document:#}\n")))
        .to_vec()
}
