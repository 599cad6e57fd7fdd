//! Members of the server's answers, read as they are shown: what is absent is nothing.

pub(crate) use schemas::brief::text;
use schemas::printable::printable;
use serde_json::Value as Json;

/// The text at a dotted path, which cannot act on the terminal.
pub(crate) fn cell(json: &Json, path: &str) -> String {
    printable(text(json, path).unwrap_or_default())
}

/// The number of this name.
pub(crate) fn number(json: &Json, name: &str) -> u64 {
    json.get(name).and_then(Json::as_u64).unwrap_or_default()
}

/// The list of this name.
pub(crate) fn items<'j>(json: &'j Json, name: &str) -> &'j [Json] {
    json.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}
