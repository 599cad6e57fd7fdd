//! Deterministic CBOR writing (RFC 8949 §4.2.1).
//!
//! [`Encoder`] writes one item after another for layouts fixed in this crate; [`Value`] is for maps
//! whose keys are only known at run time and sorts them by their encoded bytes.

pub use ciborium::Value;
use ciborium::value::Integer;

use crate::deterministic::Item;

/// Writes heads in their shortest form. The caller keeps map keys in bytewise order.
#[derive(Default, Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An empty encoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty encoder with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    fn head(&mut self, major: u8, argument: u64) {
        let lead = major << 5;
        let wide = argument.to_be_bytes();
        match argument {
            0..24 => self.bytes.push(lead | wide[7]),
            24..0x100 => self.bytes.extend([lead | 24, wide[7]]),
            0x100..0x1_0000 => {
                self.bytes.push(lead | 25);
                self.bytes.extend(&wide[6..]);
            }
            0x1_0000..0x1_0000_0000 => {
                self.bytes.push(lead | 26);
                self.bytes.extend(&wide[4..]);
            }
            _ => {
                self.bytes.push(lead | 27);
                self.bytes.extend(&wide);
            }
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(0, value);
        self
    }

    /// A signed integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        if value < 0 {
            self.head(1, value.unsigned_abs() - 1);
        } else {
            self.head(0, value.unsigned_abs());
        }
        self
    }

    /// A byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.length(2, value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    /// A text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.length(3, value.len());
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// The head of an array of `len` items.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.length(4, len);
        self
    }

    /// The head of a map of `len` pairs.
    pub fn map(&mut self, len: usize) -> &mut Self {
        self.length(5, len);
        self
    }

    /// The head of a tag.
    pub fn tag(&mut self, tag: u64) -> &mut Self {
        self.head(6, tag);
        self
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.bytes.push(0xf6);
        self
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.bytes.push(if value { 0xf5 } else { 0xf4 });
        self
    }

    /// An item that is already encoded.
    pub fn raw(&mut self, encoded: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(encoded);
        self
    }

    /// A value of any shape, its maps sorted.
    pub fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Integer(number) => {
                let number = i128::from(*number);
                match u64::try_from(number) {
                    Ok(value) => self.head(0, value),
                    // A ciborium integer lies in -2^64..2^64, so that -1-n fits.
                    Err(_) => self.head(1, u64::try_from(-1 - number).unwrap_or(u64::MAX)),
                }
                self
            }
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Text(text) => self.text(text),
            Value::Bool(value) => self.bool(*value),
            Value::Tag(tag, inner) => self.tag(*tag).value(inner),
            Value::Array(items) => {
                self.array(items.len());
                for item in items {
                    self.value(item);
                }
                self
            }
            Value::Map(pairs) => self.sorted_map(pairs),
            // No float is allowed on the wire; `null` is refused wherever a field is expected.
            _ => self.null(),
        }
    }

    fn sorted_map(&mut self, pairs: &[(Value, Value)]) -> &mut Self {
        let mut encoded: Vec<_> = pairs.iter().map(|(key, value)| (encode(key), value)).collect();
        encoded.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.map(encoded.len());
        for (key, value) in encoded {
            self.raw(&key).value(value);
        }
        self
    }

    fn length(&mut self, major: u8, len: usize) {
        self.head(major, u64::try_from(len).unwrap_or(u64::MAX));
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// `value` in deterministic CBOR: map keys in bytewise order of their encoding, so shorter text first.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.value(value);
    encoder.finish()
}

/// A map with text keys, from pairs in any order.
#[must_use]
pub fn map<'k>(pairs: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

/// A byte string value.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

/// A decoded item as it is written again. A tag, which nothing inside a body or a detail has, becomes null.
#[must_use]
pub fn value(item: &Item<'_>) -> Value {
    match item {
        Item::Uint(number) => Value::from(*number),
        Item::Negative(number) => {
            Integer::try_from(-1 - i128::from(*number)).map_or(Value::Null, Value::Integer)
        }
        Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Item::Text(text) => Value::from(*text),
        Item::Array(items) => Value::Array(items.iter().map(value).collect()),
        Item::Map(pairs) => {
            Value::Map(pairs.iter().map(|(key, item)| (value(key), value(item))).collect())
        }
        Item::Bool(yes) => Value::from(*yes),
        Item::Tag(..) | Item::Null => Value::Null,
    }
}
