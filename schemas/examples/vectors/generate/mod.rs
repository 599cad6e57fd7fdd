//! The test vectors, made anew from fixed seeds: the same bytes every time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::as_conversions,
    reason = "made by ourselves, for tests"
)]

mod cast;
mod forge;
mod good;
mod log;
mod story;

/// Every committed file: its name and its text.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    [("good.json", good::document())]
        .map(|(name, document)| (name, format!("{document:#}\n")))
        .to_vec()
}
