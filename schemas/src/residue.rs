//! What stands in the place of an erased body, signed by the ledger: enough to count the entry and to know what kind
//! of thing it was, and no person but its signer.
//!
//! Drawn in `residue.cddl`. A residue is a CBOR array where a body is a map, so that the first byte tells them apart.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::body::Body;
use crate::deterministic::{Bounds, Item, decode};
use crate::encode::{Encoder, Value, encode, value};
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

/// The row that takes the body's place beside this leaf, with the fields that [`fields`] leaves of it.
#[must_use]
pub fn leave(fields: &[u8], leaf: &[u8], key: &SigningKey) -> Vec<u8> {
    let signature = key.sign(&message(leaf, fields)).to_bytes();
    let mut row = Encoder::with_capacity(fields.len() + 80);
    row.array(3).uint(VERSION).bytes(fields).bytes(&signature);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    /// The intent of the vectors, which names a person and a system.
    fn body() -> Vec<u8> {
        let good: serde_json::Value =
            serde_json::from_str(include_str!("../vectors/good.json")).unwrap();
        crate::id::unhex(good["residue"]["body"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn what_is_left_names_nobody_and_counts_the_same() {
        let bytes = body();
        let whole = Body::parse(&bytes).unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let row = leave(&fields(&whole), b"leaf", &key);
        assert!(Residue::is_one(&row) && !Residue::is_one(&bytes));
        let residue = Residue::parse(&row).unwrap();
        assert!(residue.is_left_by(&PublicKey::of(&key), b"leaf"));
        assert!(!residue.is_left_by(&PublicKey::of(&key), b"another leaf"));
        let left = Body::residue(residue.fields).unwrap();
        assert_eq!((left.id(), left.signer()), (whole.id(), whole.signer()));
        assert_eq!((left.agent(), left.seq()), (whole.agent(), whole.seq()));
        assert_eq!((left.correlation(), left.session()), (whole.correlation(), whole.session()));
        assert!(whole.text("action.target").is_some() && !whole.principals().is_empty());
        for gone in ["action.target", "action.system", "on_behalf_of", "salt", "model.name"] {
            assert!(left.field(gone).is_none(), "{gone}");
        }
        assert!(left.principals().is_empty());
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
