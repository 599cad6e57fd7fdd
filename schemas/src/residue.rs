//! What stands in the place of an erased body, signed by the ledger: enough to count the entry and to know what kind
//! of thing it was, and no person but its signer.
//!
//! Drawn in `residue.cddl`. A residue is a CBOR array where a body is a map, so that the first byte tells them apart.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::body::Body;
use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{Encoder, Value, encode};
use crate::id::sha256;
use crate::key::PublicKey;

const VERSION: u64 = 1;
/// What the ledger signs begins with this.
const CONTEXT: &[u8] = b"sworn 2026-11 residue v1\0";
/// Fields of the body that stay: whole, or these parts of them.
const KEPT: &[(&str, &[&str])] = &[
    ("v", &[]),
    ("id", &[]),
    ("seq", &[]),
    ("kind", &[]),
    ("time", &[]),
    ("tool", &["name"]),
    ("agent", &["id"]),
    ("action", &["name", "class"]),
    ("signer", &[]),
    ("tenant", &[]),
    ("session", &[]),
    ("credential", &["id"]),
    ("correlation", &[]),
];

/// A residue as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residue<'r> {
    /// The fields that are left: read with [`Body::residue`].
    pub fields: &'r [u8],
    signature: &'r [u8; 64],
}

impl<'r> Residue<'r> {
    /// Whether a row in the place of a body is a residue: an array, where bodies are maps.
    #[must_use]
    pub fn is_one(row: &[u8]) -> bool {
        row.first().is_some_and(|head| head >> 5 == 4)
    }

    /// The residue in a row; `None` if it is none.
    #[must_use]
    pub fn parse(row: &'r [u8]) -> Option<Self> {
        Self::is_one(row).then_some(())?;
        let item = decode(row, Bounds::WIRE).ok()?;
        let [version, Item::Bytes(fields), Item::Bytes(signature)] =
            <&[Item<'r>; 3]>::try_from(item.array()?).ok()?
        else {
            return None;
        };
        (version.uint()? == VERSION).then_some(())?;
        Body::residue(fields)?;
        Some(Self { fields, signature: <&[u8; 64]>::try_from(*signature).ok()? })
    }

    /// Whether the ledger with this key left it in the place of the body of the entry with this leaf.
    #[must_use]
    pub fn is_left_by(&self, key: &PublicKey, leaf: &[u8]) -> bool {
        key.verifies(&message(leaf, self.fields), self.signature)
    }
}

/// The row that takes the body's place beside this leaf.
#[must_use]
pub fn leave(body: &Body<'_>, leaf: &[u8], key: &SigningKey) -> Vec<u8> {
    let fields = fields(body);
    let signature = key.sign(&message(leaf, &fields)).to_bytes();
    let mut row = Encoder::with_capacity(fields.len() + 80);
    row.array(3).uint(VERSION).bytes(&fields).bytes(&signature);
    row.finish()
}

/// The fields of a body that a residue keeps, as a map.
#[must_use]
pub fn fields(body: &Body<'_>) -> Vec<u8> {
    let pairs = body.fields().iter().filter_map(|(name, item)| {
        let (_, parts) = KEPT.iter().find(|(kept, _)| Some(*kept) == name.text())?;
        let value = match item.map().filter(|_| !parts.is_empty()) {
            Some(inner) => value_of(inner.iter().filter(|(part, _)| is_in(parts, part))),
            None => value(item),
        };
        Some((Value::from(name.text()?), value))
    });
    encode(&Value::Map(pairs.collect()))
}

/// Whether a map has only fields that a residue may keep.
pub(crate) fn is_kept_only(root: &Item<'_>) -> bool {
    let fits = |(name, item): &(Item<'_>, Item<'_>)| {
        let kept = KEPT.iter().find(|(kept, _)| Some(*kept) == name.text());
        kept.is_some_and(|(_, parts)| {
            parts.is_empty()
                || item.map().is_some_and(|inner| inner.iter().all(|(part, _)| is_in(parts, part)))
        })
    };
    root.map().is_some_and(|pairs| pairs.iter().all(fits))
}

fn is_in(parts: &[&str], part: &Item<'_>) -> bool {
    part.text().is_some_and(|part| parts.contains(&part))
}

fn message(leaf: &[u8], fields: &[u8]) -> Vec<u8> {
    [CONTEXT, &sha256(leaf), &sha256(fields)].concat()
}

fn value_of<'i, 'a: 'i>(pairs: impl Iterator<Item = &'i (Item<'a>, Item<'a>)>) -> Value {
    Value::Map(pairs.map(|(key, item)| (value(key), value(item))).collect())
}

/// The item as it is written again; kept fields hold no tags and no negative numbers.
fn value(item: &Item<'_>) -> Value {
    match item {
        Item::Uint(number) => Value::from(*number),
        Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Item::Text(text) => Value::from(*text),
        Item::Array(items) => Value::Array(items.iter().map(value).collect()),
        Item::Map(pairs) => value_of(pairs.iter()),
        Item::Bool(yes) => Value::from(*yes),
        Item::Negative(_) | Item::Tag(..) | Item::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::json::Content;
    use serde_json::json;

    fn body() -> Vec<u8> {
        crate::body::from_json(&json!({
            "v": 1, "kind": "action.intent", "id": "019d6a2e-0000-7000-8000-000000000001",
            "salt": "00".repeat(16), "tenant": "acme", "time": 5, "session": "11".repeat(16),
            "seq": { "n": 3, "prev": "22".repeat(32) }, "agent": { "id": "mailer", "name": "Secret Name" },
            "correlation": "case-1", "on_behalf_of": "jane@example.com",
            "principals": [{ "id": "jane@example.com", "type": "human" }],
            "action": { "name": "email.send", "class": "communication", "system": "smtp", "target": "joe@example.com" },
            "tool": { "name": "smtp", "call_id": "joe-7" },
            "credential": { "id": "cred-1", "scopes": ["mail"] },
            "model": { "name": "m", "version": "1", "provider": "p" }, "input": { "alg": "sha-256", "size": 1, "digest": "33".repeat(32) },
            "prompt": "none", "authority": "agent", "mode": "autonomous", "environment": "production", "scope": ["mail"],
        }))
        .unwrap()
    }

    #[test]
    fn what_is_left_names_nobody_and_counts_the_same() {
        let Ok(bytes) = std::panic::catch_unwind(body) else { return };
        let whole = Body::parse(&bytes);
        let Ok(whole) = whole else { return };
        let key = SigningKey::from_bytes(&[1; 32]);
        let row = leave(&whole, b"leaf", &key);
        assert!(Residue::is_one(&row) && !Residue::is_one(&bytes));
        let text = String::from_utf8_lossy(&row).into_owned();
        for gone in ["jane", "joe", "Secret", "smtp\u{0}", "m\u{1}"] {
            assert!(!text.contains(gone), "{gone}");
        }
        let residue = Residue::parse(&row).unwrap();
        assert!(residue.is_left_by(&PublicKey::of(&key), b"leaf"));
        assert!(!residue.is_left_by(&PublicKey::of(&key), b"another leaf"));
        let left = Body::residue(residue.fields).unwrap();
        assert_eq!(
            (left.id(), left.signer(), left.agent()),
            (whole.id(), whole.signer(), whole.agent())
        );
        assert_eq!((left.correlation(), left.session()), (whole.correlation(), whole.session()));
        assert_eq!(left.seq(), whole.seq());
        assert_eq!(left.text("action.target"), None);
        let _ = Content::Redacted(Some(left));
    }

    #[test]
    fn a_residue_with_anything_more_is_none() {
        let more = encode(&crate::encode::map([
            ("id", Value::Bytes(vec![1; 16])),
            ("kind", Value::from("note")),
            ("note", Value::from("jane")),
            ("time", Value::from(1_u64)),
            ("signer", Value::from("a")),
        ]));
        assert!(Body::residue(&more).is_none());
    }
}
