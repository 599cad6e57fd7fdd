//! Shapes of fields: one description from which checking and both directions of JSON follow.
//!
//! In JSON, digests, salts and sessions are lower-case hex, event ids are UUIDs, times are RFC 3339 in
//! UTC (numbers are read as microseconds too), and bytes inside open maps are `{"hex": "…"}`. What JSON
//! cannot tell apart there (keys that are no text, an inner map of just `hex`, numbers beyond 64 bits)
//! does not come back as it was; events with such content are made in CBOR.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use crate::cursor::Cursor;
use crate::deterministic::Item;
use crate::encode::{self, Value};
use crate::id::{EventId, Micros, unhex};
use crate::reject::{Reason, Reject};
use crate::shown::{Shown, Time, to_json};

/// Type and bound of a field.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Unsigned integer of at most this.
    Uint(u64),
    /// Boolean.
    Bool,
    /// Microseconds since 1970.
    Time,
    /// Text of 1 to this many bytes.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Exactly this many bytes.
    Bytes(usize),
    /// A UUIDv7, 16 bytes.
    Id,
    /// The text `none`, or this.
    OrNone(&'static Shape),
    /// Array of at least `min` and at most `max` of one shape.
    List {
        /// Shape of each item.
        of: &'static Shape,
        /// Fewest items.
        min: usize,
        /// Most items.
        max: usize,
    },
    /// Array of pairs `[from, to]` of indexes, `from <= to`, ascending, at most this many.
    Ranges(usize),
    /// Map of exactly these fields; what is not required may be absent.
    Record(&'static [Field]),
    /// Map of text to text.
    Dictionary {
        /// Most pairs.
        pairs: usize,
        /// Longest key.
        key: usize,
        /// Longest value.
        value: usize,
    },
    /// Map of text to one shape.
    Named {
        /// Shape of each value.
        of: &'static Shape,
        /// Longest key.
        key: usize,
        /// Most pairs.
        pairs: usize,
    },
    /// Any map with text keys whose encoding has at most this many bytes.
    Open(usize),
}

/// A field of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Whether the record needs it. A body's own fields are required by kind instead.
    pub required: bool,
}

/// A field that its record needs.
pub(crate) const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

/// A field that may be absent.
pub(crate) const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

/// Path of the field being looked at, grown only where something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Place(usize),
}

impl<'p> Path<'p> {
    pub(crate) fn root(name: &'p str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    fn name(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Name(name) }
    }

    fn place(&'p self, place: usize) -> Self {
        Self { parent: Some(self), step: Step::Place(place) }
    }

    fn text(&self) -> String {
        let mut text = self.parent.map(Path::text).unwrap_or_default();
        if !text.is_empty() {
            text.push('.');
        }
        match self.step {
            Step::Name(name) => text.push_str(name),
            Step::Place(place) => text.push_str(&place.to_string()),
        }
        text
    }

    pub(crate) fn reject(&self, reason: Reason, expected: impl Into<String>) -> Reject {
        Reject::new(reason, self.text(), expected)
    }
}

impl Shape {
    /// What the shape asks for, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Uint(u64::MAX) => "an unsigned integer".to_owned(),
            Self::Uint(max) => format!("an unsigned integer of at most {max}"),
            Self::Bool => "true or false".to_owned(),
            Self::Time => "microseconds since 1970 as an unsigned integer".to_owned(),
            Self::Text(max) => format!("text of 1 to {max} bytes"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Bytes(len) => format!("{len} bytes"),
            Self::Id => "a UUIDv7 of 16 bytes".to_owned(),
            Self::OrNone(shape) => format!("none, or {}", shape.expected()),
            Self::List { of, min, max } => format!("{min} to {max} items, each {}", of.expected()),
            Self::Ranges(max) => format!("at most {max} ascending pairs [from, to]"),
            Self::Record(_) => "a map".to_owned(),
            Self::Dictionary { pairs, key, value } => {
                format!("at most {pairs} pairs of text to text of at most {key} and {value} bytes")
            }
            Self::Named { of, key, pairs } => {
                let of = of.expected();
                format!("at most {pairs} names of at most {key} bytes, each with {of}")
            }
            Self::Open(bytes) => format!("a map with text keys of at most {bytes} bytes"),
        }
    }

    pub(crate) fn check(&self, item: &Item<'_>, path: &Path<'_>) -> Result<(), Reject> {
        let fits = match (self, item) {
            (Self::Uint(max), Item::Uint(value)) => value <= max,
            (Self::Bool, Item::Bool(_)) | (Self::Time, Item::Uint(_)) => true,
            (Self::Text(max), Item::Text(text)) => (1..=*max).contains(&text.len()),
            (Self::Word(words), Item::Text(text)) => words.contains(text),
            (Self::Bytes(len), Item::Bytes(bytes)) => bytes.len() == *len,
            (Self::Id, Item::Bytes(bytes)) => EventId::from_slice(bytes).is_some(),
            (Self::OrNone(_), Item::Text("none")) => true,
            (Self::OrNone(shape), item) => return shape.check(item, path),
            (Self::List { of, min, max }, Item::Array(items)) => {
                if (*min..=*max).contains(&items.len()) {
                    return items
                        .iter()
                        .enumerate()
                        .try_for_each(|(place, item)| of.check(item, &path.place(place)));
                }
                false
            }
            (Self::Ranges(max), Item::Array(pairs)) => ranges_fit(pairs, *max),
            (Self::Record(fields), Item::Map(pairs)) => return check_record(fields, pairs, path),
            (Self::Dictionary { pairs: most, key, value }, Item::Map(pairs)) => {
                pairs.len() <= *most && pairs.iter().all(|pair| pair_fits(pair, *key, *value))
            }
            (Self::Named { of, key, pairs: most }, Item::Map(pairs)) => {
                let named = |(name, _): &(Item<'_>, Item<'_>)| {
                    name.text().is_some_and(|name| (1..=*key).contains(&name.len()))
                };
                if pairs.len() <= *most && pairs.iter().all(named) {
                    return pairs.iter().try_for_each(|(name, item)| {
                        of.check(item, &path.name(name.text().unwrap_or_default()))
                    });
                }
                false
            }
            (Self::Open(bytes), Item::Map(pairs)) => {
                pairs.iter().all(|(key, _)| key.text().is_some()) && encoded_len(item) <= *bytes
            }
            _ => false,
        };
        if fits { Ok(()) } else { Err(path.reject(Reason::InvalidField, self.expected())) }
    }

    /// The JSON form of a checked item of this shape.
    #[must_use]
    pub fn to_json(&self, item: &Item<'_>) -> Json {
        to_json(&Shown::of(self, &Cursor::new(&encode::encode(&encode::value(item)))))
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// `invalid_field`, `unknown_field` or `missing_field` at the path of the first fault.
    pub(crate) fn read_json(&self, json: &Json, path: &Path<'_>) -> Result<Value, Reject> {
        let wrong = || path.reject(Reason::InvalidField, self.expected());
        match (self, json) {
            (Self::OrNone(_), Json::String(text)) if text == "none" => Ok(Value::from("none")),
            (Self::OrNone(shape), json) => shape.read_json(json, path),
            (Self::Id, Json::String(text)) => {
                EventId::parse(text).map(|id| Value::Bytes(id.0.to_vec())).ok_or_else(wrong)
            }
            (Self::Bytes(_), Json::String(text)) => unhex(text).map(Value::Bytes).ok_or_else(wrong),
            (Self::Time, Json::String(text)) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .and_then(|time| u64::try_from(time.as_microsecond()).ok())
                .map(Value::from)
                .ok_or_else(wrong),
            (Self::List { of, .. }, Json::Array(items)) => {
                let read = |(place, item)| of.read_json(item, &path.place(place));
                items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::Record(fields), Json::Object(object)) => read_record(fields, object, path),
            (Self::Named { of, .. }, Json::Object(object)) => {
                let named = |(name, json): (&String, &Json)| {
                    Ok((Value::from(name.as_str()), of.read_json(json, &path.name(name))?))
                };
                object.iter().map(named).collect::<Result<_, _>>().map(Value::Map)
            }
            (Self::Dictionary { .. } | Self::Open(_), Json::Object(object)) => {
                open_map(object).ok_or_else(wrong)
            }
            _ => open_value(json).ok_or_else(wrong),
        }
    }
}

fn ranges_fit(pairs: &[Item<'_>], max: usize) -> bool {
    let mut next = 0;
    let ascends = |pair: &Item<'_>| match pair.array() {
        Some([Item::Uint(from), Item::Uint(to)]) => {
            let fits = next <= *from && from <= to && *to < u64::MAX;
            next = to.saturating_add(1);
            fits
        }
        _ => false,
    };
    (1..=max).contains(&pairs.len()) && pairs.iter().all(ascends)
}

fn pair_fits((key, value): &(Item<'_>, Item<'_>), key_max: usize, value_max: usize) -> bool {
    let within = |item: &Item<'_>, max| item.text().is_some_and(|t| (1..=max).contains(&t.len()));
    within(key, key_max) && within(value, value_max)
}

/// Checks the pairs of a map, which decoding has put in wire order, against fields in the same order:
/// both are walked once.
pub(crate) fn check_record(
    fields: &[Field],
    pairs: &[(Item<'_>, Item<'_>)],
    path: &Path<'_>,
) -> Result<(), Reject> {
    let mut rest = fields.iter();
    let mut lacking = None;
    for (key, value) in pairs {
        let name = key.text().ok_or_else(|| path.reject(Reason::Malformed, "text keys"))?;
        let field = loop {
            let unknown = || path.name(name).reject(Reason::UnknownField, known(fields));
            let field = rest.next().ok_or_else(unknown)?;
            match wire_order(field.name, name) {
                Ordering::Less => lacking = lacking.or(field.required.then_some(field)),
                Ordering::Equal => break field,
                Ordering::Greater => return Err(unknown()),
            }
        };
        field.shape.check(value, &path.name(name))?;
    }
    match lacking.or_else(|| rest.find(|field| field.required)) {
        Some(field) => {
            Err(path.name(field.name).reject(Reason::MissingField, field.shape.expected()))
        }
        None => Ok(()),
    }
}

/// Order of text keys on the wire: shorter first, then bytewise.
pub(crate) fn wire_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn known(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| field.name).collect();
    format!("only {}", names.join(", "))
}

fn encoded_len(item: &Item<'_>) -> usize {
    let head = |argument: usize| match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    };
    match item {
        Item::Uint(value) | Item::Negative(value) => {
            usize::try_from(*value).map_or(9, |v| if v > 0xffff_ffff { 9 } else { head(v) })
        }
        Item::Bytes(bytes) => head(bytes.len()) + bytes.len(),
        Item::Text(text) => head(text.len()) + text.len(),
        Item::Array(items) => head(items.len()) + items.iter().map(encoded_len).sum::<usize>(),
        Item::Map(pairs) => {
            let pair = |(key, value): &(Item<'_>, Item<'_>)| encoded_len(key) + encoded_len(value);
            head(pairs.len()) + pairs.iter().map(pair).sum::<usize>()
        }
        Item::Tag(_, inner) => 1 + encoded_len(inner),
        Item::Bool(_) | Item::Null => 1,
    }
}

/// A time in RFC 3339 with microseconds, or the number where the calendar ends.
#[must_use]
pub fn time_json(time: Micros) -> Json {
    to_json(&Time(time))
}

pub(crate) fn read_record(
    fields: &[Field],
    object: &Map<String, Json>,
    path: &Path<'_>,
) -> Result<Value, Reject> {
    let read = |(name, json): (&String, &Json)| {
        let path = path.name(name);
        let field = fields
            .iter()
            .find(|field| field.name == name)
            .ok_or_else(|| path.reject(Reason::UnknownField, known(fields)))?;
        Ok((Value::from(name.as_str()), field.shape.read_json(json, &path)?))
    };
    object.iter().map(read).collect::<Result<_, _>>().map(Value::Map)
}

/// JSON of an item of no declared shape.
#[must_use]
pub fn open_json(item: &Item<'_>) -> Json {
    to_json(&Shown::open(&Cursor::new(&encode::encode(&encode::value(item)))))
}

/// CBOR of JSON of no declared shape; `None` for floats.
#[must_use]
pub fn open_value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_u64() {
            Some(value) => Value::from(value),
            None => Value::from(number.as_i64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(open_value).collect::<Option<_>>()?),
        Json::Object(object) => match (object.len(), object.get("hex")) {
            (1, Some(Json::String(text))) => Value::Bytes(unhex(text)?),
            _ => open_map(object)?,
        },
    })
}

fn open_map(object: &Map<String, Json>) -> Option<Value> {
    let pair = |(key, json): (&String, &Json)| Some((Value::from(key.as_str()), open_value(json)?));
    object.iter().map(pair).collect::<Option<_>>().map(Value::Map)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::as_conversions,
        reason = "tests"
    )]

    use serde_json::json;

    use super::*;
    use crate::deterministic::{Bounds, decode};
    use crate::encode::encode;

    const INNER: &[Field] = &[must("n", Shape::Uint(9)), may("at", Shape::Time)];
    const FIELDS: &[Field] = &[
        may("id", Shape::Id),
        must("in", Shape::Record(INNER)),
        may("map", Shape::Dictionary { pairs: 2, key: 8, value: 8 }),
        may("list", Shape::List { of: &Shape::Bytes(1), min: 0, max: 2 }),
        may("open", Shape::Open(20)),
        may("maybe", Shape::OrNone(&Shape::Bool)),
    ];

    fn reason(json: &Json) -> String {
        let read = Shape::Record(FIELDS).read_json(json, &Path::root(""));
        let checked = read.and_then(|value| {
            let bytes = encode(&value);
            let item = decode(&bytes, Bounds::WIRE).unwrap();
            Shape::Record(FIELDS).check(&item, &Path::root(""))
        });
        checked.map_or_else(
            |reject| format!("{} {}", reject.reason, reject.cause.path),
            |()| "fits".into(),
        )
    }

    #[test]
    fn the_first_fault_is_named_with_its_path() {
        let cases = [
            (json!({ "in": { "n": 9 } }), "fits"),
            (json!({ "in": { "n": 10 } }), "invalid_field in.n"),
            (json!({ "in": {} }), "missing_field in.n"),
            (json!({}), "missing_field in"),
            (json!({ "in": { "n": 1, "m": 1 } }), "unknown_field in.m"),
            (json!({ "in": { "n": 1 }, "zz": 1 }), "unknown_field zz"),
            (json!({ "in": { "n": 1, "at": "2026-04-08T03:40:00Z" } }), "fits"),
            (json!({ "in": { "n": 1, "at": 5 } }), "fits"),
            (json!({ "in": { "n": 1, "at": "today" } }), "invalid_field in.at"),
            (json!({ "in": { "n": 1, "at": -5 } }), "invalid_field in.at"),
            (json!({ "in": { "n": 1.5 } }), "invalid_field in.n"),
            (json!({ "in": { "n": 1 }, "list": ["00", "0000"] }), "invalid_field list.1"),
            (json!({ "in": { "n": 1 }, "list": ["00", "xy"] }), "invalid_field list.1"),
            (
                json!({ "in": { "n": 1 }, "id": "019d6b2c-ee80-4001-8002-030405060708" }),
                "invalid_field id",
            ),
            (json!({ "in": { "n": 1 }, "maybe": "none" }), "fits"),
            (json!({ "in": { "n": 1 }, "maybe": true }), "fits"),
            (json!({ "in": { "n": 1 }, "maybe": "None" }), "invalid_field maybe"),
            (json!({ "in": { "n": 1 }, "map": { "hex": "ab" } }), "fits"),
            (json!({ "in": { "n": 1 }, "map": { "hex": 1 } }), "invalid_field map"),
            (json!({ "in": { "n": 1 }, "open": { "a": { "hex": "00ff" }, "b": -3 } }), "fits"),
            (
                json!({ "in": { "n": 1 }, "open": { "a": "xxxxxxxxxxxxxxxxx" } }),
                "invalid_field open",
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(reason(&json), expected, "{json}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_encoding() {
        for json in [
            json!({}),
            json!({ "a": [1, 23, 24, 255, 256, 65_535, 65_536, 4_294_967_295_u64, 4_294_967_296_u64] }),
            json!({ "b": [-1, -24, -25, -256, -257, i64::MIN], "c": { "hex": "00".repeat(300) } }),
            json!({ "d": "x".repeat(70_000), "e": [true, null, "none"] }),
        ] {
            let bytes = encode(&open_value(&json).unwrap());
            let item = decode(&bytes, Bounds::WIRE).unwrap();
            assert_eq!(encoded_len(&item), bytes.len(), "{json}");
            assert_eq!(open_json(&item), json);
        }
        assert_eq!(open_value(&json!({ "a": 0.5 })), None);
    }

    #[test]
    fn times_beyond_the_calendar_are_numbers() {
        assert_eq!(time_json(Micros(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time_json(Micros(u64::MAX)), u64::MAX);
    }

    #[test]
    fn wire_order_is_length_first() {
        let names = ["b", "aa", "ab", "b\u{e9}", "aaaa"];
        assert!(names.is_sorted_by(|a, b| wire_order(a, b) == Ordering::Less));
    }
}
