//! `custody.json`: who made the bundle, when, from which ledger and for which question, and the digest of every
//! other file in it.
//!
//! It is rendered like the report: the digests follow from the evidence, and who and when stand in the manifest,
//! as the exporter's word.

use serde_json::{Value as Json, json};

use super::archive::Members;
use super::verify::Step;
use super::view::View;
use crate::id::{Digest, TreeSize, sha256};
use crate::shape::time_json;

pub(super) const NAME: &str = "custody.json";

/// The page, for a bundle with these other rendered members.
pub(super) fn render(view: &View<'_>, rendered: &Members) -> Vec<u8> {
    let manifest = &view.bundle.manifest;
    let era = view.eras.as_ref().map(|eras| eras.at(TreeSize(manifest.until)));
    let mut files = view.bundle.members();
    files.extend(rendered.iter().map(|(name, content)| (name.clone(), content.clone())));
    let files: Vec<_> = files.iter().map(|(name, content)| file(name, content)).collect();
    let custody = json!({
        "format": 1,
        "made": {
            "by": manifest.maker,
            "at": time_json(manifest.created),
            "with": manifest.tool,
        },
        "ledger": {
            "origin": era.map(|era| era.origin.as_str()),
            "key": era.map(|era| format!("SHA256:{}", era.key.kid())),
        },
        "asked": {
            "query": manifest.query,
            "since": manifest.since,
            "until": manifest.until,
            "details": manifest.details,
        },
        "files": files,
    });
    format!("{custody:#}\n").into_bytes()
}

fn file(name: &str, content: &[u8]) -> Json {
    json!({ "name": name, "bytes": content.len(), "sha256": digest(content) })
}

fn digest(content: &[u8]) -> String {
    Digest(sha256(content)).to_string()
}

/// Holds the files of a bundle against what its custody record says of them, by name.
pub(super) fn compare(custody: &[u8], files: &Members) -> Vec<(String, Step)> {
    let custody: Json = serde_json::from_slice(custody).unwrap_or_default();
    let said = |name: &str| {
        let listed = custody.get("files").and_then(Json::as_array).into_iter().flatten();
        let mut of = listed.filter(|file| file.get("name").and_then(Json::as_str) == Some(name));
        of.next().and_then(|file| file.get("sha256")).and_then(Json::as_str).map(str::to_owned)
    };
    let step = |(name, content): (&String, &Vec<u8>)| {
        let subject = format!("{name}: digest that {NAME} names");
        let expected = said(name).unwrap_or_else(|| "none".to_owned());
        (name.clone(), Step { subject, computed: digest(content), expected })
    };
    files.iter().filter(|(name, _)| *name != NAME).map(step).collect()
}
