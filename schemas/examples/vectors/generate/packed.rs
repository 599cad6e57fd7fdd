//! Bytes in JSON: hex, and long runs of one byte as `[hex, times]`, so that what is too large stays small.

use schemas::id::hex;
use serde_json::{Value as Json, json};

/// Shortest run that is worth packing.
const RUN: usize = 64;

/// A hex text, or an array of hex texts and pairs `[hex of one byte, times]`.
pub(crate) fn packed(bytes: &[u8]) -> Json {
    let mut parts = Vec::new();
    let mut plain = Vec::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        if run.len() < RUN {
            plain.extend_from_slice(run);
            continue;
        }
        parts.extend((!plain.is_empty()).then(|| Json::from(hex(&plain))));
        plain.clear();
        parts.push(json!([hex(&run[..1]), run.len()]));
    }
    if parts.is_empty() {
        return hex(&plain).into();
    }
    parts.extend((!plain.is_empty()).then(|| Json::from(hex(&plain))));
    parts.into()
}
