//! Items as JSON, written as they are met: entries are shown far too often to build a tree of values of each first.

use std::cmp::Ordering;
use std::fmt::Display;

use serde::ser::{self, Serialize as _, SerializeMap as _, Serializer};

use crate::cursor::{Cursor, Lead};
use crate::id::{EventId, Micros, hex, hex_in};
use crate::limits::DEPTH_MAX;
use crate::shape::{Field, Shape, wire_order};

/// The next item in the JSON form of its shape. Serialising it moves the cursor on past it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'c, 'a> {
    /// `None` for an item of no declared shape.
    shape: Option<&'c Shape>,
    cursor: &'c Cursor<'a>,
    /// Arrays and maps within each other that may follow; one beyond is null. What was admitted has no more.
    depth: usize,
}

impl<'c, 'a> Shown<'c, 'a> {
    pub(crate) fn of(shape: &'c Shape, cursor: &'c Cursor<'a>) -> Self {
        Self { shape: Some(shape), cursor, depth: DEPTH_MAX }
    }

    pub(crate) fn open(cursor: &'c Cursor<'a>) -> Self {
        Self { shape: None, cursor, depth: DEPTH_MAX }
    }

    /// An item inside this one.
    fn inside(&self, shape: Option<&'c Shape>) -> Self {
        Self { shape, depth: self.depth.saturating_sub(1), ..*self }
    }

    fn seq<S: Serializer>(
        &self,
        of: Option<&'c Shape>,
        len: usize,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq((0..len).map(|_| self.inside(of)))
    }

    fn map<S: Serializer>(
        &self,
        of: Option<&'c Shape>,
        len: usize,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for _ in 0..len {
            let value = self.inside(of);
            match self.cursor.next() {
                Lead::Text(name) => map.serialize_entry(name, &value)?,
                name => map.serialize_entry(&self.name(name), &value)?,
            }
        }
        map.end()
    }

    /// What a key that is no text is called.
    fn name(&self, lead: Lead<'a>) -> String {
        let mut json = Vec::new();
        let written = self.write(None, lead, &mut serde_json::Serializer::new(&mut json));
        written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_default()
    }

    fn write<S: Serializer>(
        &self,
        shape: Option<&'c Shape>,
        lead: Lead<'a>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match (shape, lead) {
            (_, Lead::Array(_) | Lead::Map(_)) if self.depth == 0 => {
                self.cursor.skip(lead);
                to.serialize_unit()
            }
            (Some(Shape::OrNone(_)), Lead::Text("none")) => to.serialize_str("none"),
            (Some(Shape::OrNone(shape)), lead) => self.write(Some(shape), lead, to),
            (Some(Shape::Id), Lead::Bytes(bytes)) => match EventId::from_slice(bytes) {
                Some(id) => Written(id).serialize(to),
                None => Hex(bytes).serialize(to),
            },
            (Some(Shape::Time), Lead::Uint(us)) => Time(Micros(us)).serialize(to),
            (Some(Shape::Bytes(_)), Lead::Bytes(bytes)) => Hex(bytes).serialize(to),
            (Some(Shape::List { of, .. }), Lead::Array(len)) => self.seq(Some(of), len, to),
            (Some(Shape::Record(fields)), Lead::Map(len)) => {
                Record { fields, registry: None, at: *self }.write(len, to)
            }
            (Some(Shape::Named { of, .. }), Lead::Map(len)) => self.map(Some(of), len, to),
            (_, Lead::Uint(value)) => to.serialize_u64(value),
            (_, Lead::Negative(value)) => match i64::try_from(value) {
                Ok(n) => to.serialize_i64(-1 - n),
                Err(_) => to.collect_str(&(-1 - i128::from(value))),
            },
            (_, Lead::Bytes(bytes)) => to.collect_map([("hex", Hex(bytes))]),
            (_, Lead::Text(text)) => to.serialize_str(text),
            (_, Lead::Array(len)) => self.seq(None, len, to),
            (_, Lead::Map(len)) => self.map(None, len, to),
            (_, Lead::Bool(value)) => to.serialize_bool(value),
            (_, Lead::Null) => to.serialize_unit(),
        }
    }
}

impl ser::Serialize for Shown<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(self.shape, self.cursor.next(), serializer)
    }
}

/// A record, by its fields in wire order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'c, 'a> {
    pub(crate) fields: &'c [Field],
    /// The fields of its `registry`, where that is a record of its own.
    pub(crate) registry: Option<&'c [Field]>,
    /// Where it stands.
    pub(crate) at: Shown<'c, 'a>,
}

impl Record<'_, '_> {
    fn write<S: Serializer>(&self, len: usize, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let (mut fields, cursor) = (self.fields, self.at.cursor);
        for _ in 0..len {
            let key = cursor.next();
            let Lead::Text(name) = key else {
                cursor.skip(key);
                cursor.skip(cursor.next());
                continue;
            };
            if let (Some(fields), "registry") = (self.registry, name) {
                let record = Record { fields, registry: None, at: self.at.inside(None) };
                map.serialize_entry(name, &record)?;
                continue;
            }
            let shape = shape_of(name, &mut fields);
            map.serialize_entry(name, &self.at.inside(shape))?;
        }
        map.end()
    }
}

/// The shape of the field called `name`, if there is one; the fields before it are passed over, for both stand in wire
/// order.
fn shape_of<'f>(name: &str, fields: &mut &'f [Field]) -> Option<&'f Shape> {
    while let Some((field, rest)) = fields.split_first() {
        match wire_order(field.name, name) {
            Ordering::Less => *fields = rest,
            Ordering::Equal => return Some(&field.shape),
            Ordering::Greater => break,
        }
    }
    None
}

impl ser::Serialize for Record<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.at.cursor.next() {
            Lead::Map(len) => self.write(len, serializer),
            other => self.at.write(None, other, serializer),
        }
    }
}

/// A time in RFC 3339, UTC, to the microsecond; a number beyond the calendar.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Micros);

impl ser::Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let calendar = i64::try_from(self.0.0).ok();
        match calendar.and_then(|us| jiff::Timestamp::from_microsecond(us).ok()) {
            Some(stamp) => serializer.collect_str(&format_args!("{stamp:.6}")),
            None => serializer.serialize_u64(self.0.0),
        }
    }
}

/// Digits of a digest, which is what is mostly written in hexadecimal.
const HEX_PLACE: usize = 64;

/// Bytes in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl ser::Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match hex_in(&mut [0; HEX_PLACE], self.0) {
            Some(digits) => serializer.serialize_str(digits),
            None => serializer.serialize_str(&hex(self.0)),
        }
    }
}

/// Something in its written form.
#[derive(Clone, Copy, Debug)]
pub struct Written<T>(pub T);

impl<T: Display> ser::Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The JSON of what serialises to nothing but text keys, numbers, texts, lists and maps.
pub(crate) fn to_json(shown: &impl ser::Serialize) -> serde_json::Value {
    serde_json::to_value(shown).expect("text keys and no failing parts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nests_deeper_than_anything_admitted_ends_in_null() {
        for depth in [DEPTH_MAX + 1, 200_000] {
            let bytes = [vec![0x81; depth], vec![0x01]].concat();
            let json = to_json(&Shown::open(&Cursor::new(&bytes))).to_string();
            assert_eq!(json, format!("{}null{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)));
        }
    }
}
