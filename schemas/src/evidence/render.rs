//! What people and tools read in a bundle, made from the evidence and from nothing else.

use serde_json::{Value as Json, json};

use super::archive::Members;
use super::custody;
use super::page;
use super::report;
use super::view::{Shown, View};
use crate::id::hex;
use crate::json;
use crate::leaf::chain_hash;
use crate::shape::time_json;

/// Version of the rendered members. Whoever changes a byte of what is rendered of the same evidence counts it up, for the
/// check compares bytes.
pub const RENDERER: u64 = 1;

const README: &str = "README.txt";
const ENTRIES: &str = "entries.jsonl";
const SUPPORT: &str = "registry/entries.jsonl";
const REPORT: &str = "report.html";
const SUMMARY: &str = "summary.json";
/// The names of the rendered members.
pub(super) const NAMES: [&str; 7] =
    [README, custody::NAME, ENTRIES, SUPPORT, REPORT, SUMMARY, page::NAME];

const README_TEXT: &str = "\
Evidence from a sworn ledger.

  report.html             for people: what happened, by whom, on whose authority
  summary.json            the same in numbers
  entries.jsonl           the entries that were asked for
  registry/entries.jsonl  the entries that make their signatures valid at their time
  manifest.cbor           what was asked for
  leaves.cbor             what the log commits to, entry by entry
  statements.cose         what was signed (RFC 9052), with manifests
  bodies.cbor             what the statements are about
  details.cbor            prompts, arguments and results, where they were asked for
  proofs/inclusion.cbor   that each leaf is in the checkpoint's tree (RFC 9162)
  checkpoints/head.txt    the checkpoint, signed by the ledger and by witnesses (C2SP signed-note)
  claims/claims.cbor      the ledger's signed word that nothing is left out
  custody.json            who made this, when, from which ledger, and the digest of every file
  verifier.html           a page that checks some of this in a browser, and says what it does not check

Check it offline, with the key that the ledger's operator published when the ledger was made:

  sworn verify FILE --trust TRUST --explain

Everything readable here is made from the evidence, and the check makes it again and compares.
";

/// The rendered members.
pub(super) fn members(view: &View<'_>) -> Members {
    let asked = view.entries.iter().filter(|shown| shown.asked);
    let support = view.entries.iter().filter(|shown| !shown.asked);
    let mut members: Members = [
        (README, README_TEXT.to_owned()),
        (ENTRIES, lines(asked)),
        (SUPPORT, lines(support)),
        (REPORT, report::report(view)),
        (SUMMARY, format!("{:#}\n", summary(view))),
        (page::NAME, page::page()),
    ]
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .into();
    let custody = custody::render(view, &members);
    members.insert(custody::NAME.to_owned(), custody);
    members
}

fn lines<'v, 'b: 'v>(entries: impl Iterator<Item = &'v Shown<'b>>) -> String {
    entries.map(|shown| format!("{}\n", entry(shown))).collect()
}

/// The JSON form of an entry, as the ledger itself shows it.
pub(super) fn entry(shown: &Shown<'_>) -> Json {
    json::entry(&shown.leaf, &chain_hash(shown.bytes), &shown.content)
}

fn summary(view: &View<'_>) -> Json {
    let manifest = &view.bundle.manifest;
    let era = view.eras.as_ref().map(|eras| eras.at(crate::id::TreeSize(manifest.until)));
    let asked: Vec<_> = view.asked().collect();
    let refused = asked.iter().filter(|shown| !shown.accepted()).count();
    let mut head = view.bundle.head.lines();
    let (origin, size, root) = (head.next(), head.next(), head.next());
    json!({
        "format": 1,
        "query": manifest.query,
        "window": { "since": manifest.since, "until": manifest.until },
        "created": time_json(manifest.created),
        "tool": manifest.tool,
        "checkpoint": { "origin": origin, "size": size, "root": root },
        "ledger_key": era.map(|era| hex(era.key.as_bytes())),
        "entries": {
            "asked": asked.len(),
            "accepted": asked.len() - refused,
            "rejected": refused,
            "redacted": asked.iter().filter(|shown| shown.is_redacted()).count(),
            "supporting": view.entries.len() - asked.len(),
        },
        "first": asked.first().map(|shown| time_json(shown.leaf.received_at)),
        "last": asked.last().map(|shown| time_json(shown.leaf.received_at)),
    })
}
