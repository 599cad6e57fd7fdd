//! Body bytes made field by field, so that any part can be wrong.

use std::collections::BTreeMap;

use schemas::encode::{Value, encode};

use super::forge::{bytes, cbor, text};

/// The fields of a body, each value already encoded, in wire order.
#[derive(Clone)]
pub(crate) struct Raw(BTreeMap<(usize, String), Vec<u8>>);

impl Raw {
    /// A short valid body: a note of an auditor's.
    pub(crate) fn note() -> Self {
        let number = |value| encode(&Value::from(value));
        let seq = cbor(|seq| {
            seq.map(2).text("n").uint(1).text("prev").bytes(&[0; 32]);
        });
        let causes = cbor(|causes| {
            causes.array(1).bytes(&event_id());
        });
        Self(BTreeMap::new())
            .with("v", number(1))
            .with("kind", text("annotation"))
            .with("id", bytes(&event_id()))
            .with("salt", bytes(&[7; 16]))
            .with("tenant", text("acme"))
            .with("time", number(1_775_619_600_000_000_u64))
            .with("signer", text("auditor-1"))
            .with("session", bytes(&[8; 16]))
            .with("seq", seq)
            .with("causes", causes)
            .with("note", text("Seen."))
    }

    /// With this field, instead of any that it has.
    #[must_use]
    pub(crate) fn with(&self, name: &str, encoded: impl Into<Vec<u8>>) -> Self {
        let mut fields = self.0.clone();
        fields.insert((name.len(), name.to_owned()), encoded.into());
        Self(fields)
    }

    pub(crate) fn with_value(&self, name: &str, value: &Value) -> Self {
        self.with(name, encode(value))
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut fields = self.0.clone();
        fields.remove(&(name.len(), name.to_owned()));
        Self(fields)
    }

    /// The encoded pairs in wire order.
    pub(crate) fn pairs(&self) -> Vec<Vec<u8>> {
        let pair =
            |((_, name), value): (&(usize, String), &Vec<u8>)| [text(name), value.clone()].concat();
        self.0.iter().map(pair).collect()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        map(&self.pairs())
    }
}

/// A map of pairs that are already encoded, in this order.
pub(crate) fn map(pairs: &[Vec<u8>]) -> Vec<u8> {
    cbor(|body| {
        body.map(pairs.len());
        for pair in pairs {
            body.raw(pair);
        }
    })
}

/// A `UUIDv7`.
pub(crate) fn event_id() -> [u8; 16] {
    [1, 0x9d, 0x6b, 0x2c, 0xee, 0x80, 0x70, 1, 0x80, 2, 3, 4, 5, 6, 7, 8]
}
