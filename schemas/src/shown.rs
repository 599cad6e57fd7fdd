//! Items as JSON, written as they are met: entries are shown far too often to build a tree of values of each first.

use std::fmt::Display;

use serde::ser::{self, SerializeMap as _, Serializer};

use crate::deterministic::Item;
use crate::id::{EventId, Micros, hex};
use crate::shape::{Field, Shape, wire_order};

/// A checked item in the JSON form of its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) item: &'a Item<'a>,
}

impl ser::Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { shape, item } = *self;
        match (shape, item) {
            (Shape::Id, Item::Bytes(bytes)) => match EventId::from_slice(bytes) {
                Some(id) => serializer.collect_str(&id),
                None => serializer.serialize_str(&hex(bytes)),
            },
            (Shape::Time, Item::Uint(us)) => Time(Micros(*us)).serialize(serializer),
            (Shape::Bytes(_), Item::Bytes(bytes)) => serializer.serialize_str(&hex(bytes)),
            (Shape::OrNone(shape), item) if item.text() != Some("none") => {
                Shown { shape, item }.serialize(serializer)
            }
            (Shape::List { of, .. }, Item::Array(items)) => {
                serializer.collect_seq(items.iter().map(|item| Shown { shape: of, item }))
            }
            (Shape::Record(fields), Item::Map(pairs)) => {
                Record { fields, pairs, registry: None }.serialize(serializer)
            }
            (Shape::Named { of, .. }, Item::Map(pairs)) => {
                let named = pairs.iter().map(|(name, item)| {
                    (name.text().unwrap_or_default(), Shown { shape: of, item })
                });
                serializer.collect_map(named)
            }
            _ => Open(item).serialize(serializer),
        }
    }
}

/// A record, by its fields in wire order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) fields: &'a [Field],
    pub(crate) pairs: &'a [(Item<'a>, Item<'a>)],
    /// The fields of its `registry`, where that is a record of its own.
    pub(crate) registry: Option<&'a [Field]>,
}

impl ser::Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, item) in self.pairs {
            let Some(name) = key.text() else { continue };
            let place = self.fields.binary_search_by(|field| wire_order(field.name, name)).ok();
            match (place.and_then(|place| self.fields.get(place)), item, self.registry) {
                (Some(_), Item::Map(pairs), Some(fields)) if name == "registry" => {
                    map.serialize_entry(name, &Record { fields, pairs, registry: None })?;
                }
                (Some(Field { shape, .. }), ..) => {
                    map.serialize_entry(name, &Shown { shape, item })?;
                }
                (None, ..) => map.serialize_entry(name, &Open(item))?,
            }
        }
        map.end()
    }
}

/// An item of no declared shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open<'a>(pub(crate) &'a Item<'a>);

impl ser::Serialize for Open<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Item::Uint(value) => serializer.serialize_u64(*value),
            Item::Negative(value) => match i64::try_from(*value) {
                Ok(n) => serializer.serialize_i64(-1 - n),
                Err(_) => serializer.collect_str(&(-1 - i128::from(*value))),
            },
            Item::Bytes(bytes) => serializer.collect_map([("hex", hex(bytes))]),
            Item::Text(text) => serializer.serialize_str(text),
            Item::Array(items) => serializer.collect_seq(items.iter().map(Open)),
            Item::Map(pairs) => {
                let name = |key: &Item<'_>| match key.text() {
                    Some(text) => text.to_owned(),
                    None => serde_json::to_string(&Open(key)).unwrap_or_default(),
                };
                serializer.collect_map(pairs.iter().map(|(key, value)| (name(key), Open(value))))
            }
            Item::Tag(_, inner) => Open(inner).serialize(serializer),
            Item::Bool(value) => serializer.serialize_bool(*value),
            Item::Null => serializer.serialize_unit(),
        }
    }
}

/// A time in RFC 3339, UTC, to the microsecond; a number beyond the calendar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Micros);

impl ser::Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let calendar = i64::try_from(self.0.0).ok();
        match calendar.and_then(|us| jiff::Timestamp::from_microsecond(us).ok()) {
            Some(stamp) => serializer.collect_str(&format_args!("{stamp:.6}")),
            None => serializer.serialize_u64(self.0.0),
        }
    }
}

/// Something in its written form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<T>(pub(crate) T);

impl<T: Display> ser::Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The JSON of what serialises to nothing but text keys, numbers, texts, lists and maps.
pub(crate) fn to_json(shown: &impl ser::Serialize) -> serde_json::Value {
    serde_json::to_value(shown).expect("text keys and no failing parts")
}
