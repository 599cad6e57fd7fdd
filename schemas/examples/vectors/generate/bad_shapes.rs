//! Bodies with one field wrong, for every field of the table and every bound of its shape.

use schemas::body::{FIELDS, registry_fields};
use schemas::encode::{Value, bytes, map};
use schemas::kind::Kind;
use schemas::shape::{Field, Shape};

use super::bad::Bad;
use super::raw::{Raw, event_id};

/// A value that breaks a shape: what it is, below which path the fault is found, and why.
struct Fault {
    what: String,
    path: String,
    reason: &'static str,
    value: Value,
}

/// Bodies with each field of the table broken in each way.
pub(crate) fn bodies() -> Vec<Bad> {
    let note = Raw::note();
    let mut bad = fields_of(FIELDS, &note, "");
    let kinds =
        [Kind::AgentUpdated, Kind::PrincipalRegistered, Kind::PrincipalDisabled, Kind::KeyEnrolled];
    for kind in kinds {
        let fields = registry_fields(kind).unwrap();
        let body = note.with_value("kind", &Value::from(kind.as_str()));
        for fault in faults(&Shape::Record(fields)) {
            let name = format!("{kind}: registry{}: {}", fault.path, fault.what);
            let bytes = body.with_value("registry", &fault.value).encode();
            bad.push(Bad::body(name, &bytes, fault.reason, &format!("registry{}", fault.path)));
        }
    }
    bad
}

fn fields_of(fields: &[Field], body: &Raw, above: &str) -> Vec<Bad> {
    let mut bad = Vec::new();
    for field in fields {
        for fault in faults(&field.shape) {
            let path = format!("{above}{}{}", field.name, fault.path);
            let bytes = body.with_value(field.name, &fault.value).encode();
            bad.push(Bad::body(format!("{path}: {}", fault.what), &bytes, fault.reason, &path));
        }
    }
    bad
}

/// A small value that fits.
fn sample(shape: &Shape) -> Value {
    match shape {
        Shape::Uint(_) | Shape::Time => Value::from(1),
        Shape::Bool => Value::Bool(true),
        Shape::Text(_) => Value::from("a"),
        Shape::Word(words) => Value::from(words[0]),
        Shape::Bytes(len) => bytes(&vec![9; *len]),
        Shape::Id => bytes(&event_id()),
        Shape::OrNone(_) => Value::from("none"),
        Shape::List { of, .. } => Value::Array(vec![sample(of)]),
        Shape::Ranges(_) => range_list(&[(0, 0)]),
        Shape::Record(fields) => record(fields),
        Shape::Dictionary { .. } => map([("a", Value::from("b"))]),
        Shape::Named { of, .. } => map([("a", sample(of))]),
        Shape::Open(_) => map([]),
    }
}

/// The required fields of a record.
fn record(fields: &[Field]) -> Value {
    map(fields
        .iter()
        .filter(|field| field.required)
        .map(|field| (field.name, sample(&field.shape))))
}

fn range_list(ranges: &[(u64, u64)]) -> Value {
    let pair = |(from, to): &(u64, u64)| Value::Array(vec![Value::from(*from), Value::from(*to)]);
    Value::Array(ranges.iter().map(pair).collect())
}

fn invalid(what: impl Into<String>, value: Value) -> Fault {
    Fault { what: what.into(), path: String::new(), reason: "invalid_field", value }
}

fn faults(shape: &Shape) -> Vec<Fault> {
    let mut faults = vec![invalid("null", Value::Null)];
    let text = |len: usize| Value::from("x".repeat(len));
    match shape {
        Shape::Uint(u64::MAX) | Shape::Time => faults.push(invalid("negative", Value::from(-1))),
        Shape::Uint(max) => faults.push(invalid("too large", Value::from(*max + 1))),
        Shape::Bool => faults.push(invalid("a number", Value::from(1))),
        Shape::Text(max) => {
            faults.push(invalid("empty", text(0)));
            faults.push(invalid("one byte too long", text(max + 1)));
        }
        Shape::Word(_) => faults.push(invalid("another word", Value::from("other"))),
        Shape::Bytes(len) => {
            faults.push(invalid("one byte short", bytes(&vec![9; len - 1])));
            faults.push(invalid("hex text", text(len * 2)));
        }
        Shape::Id => {
            let mut version_4 = event_id();
            version_4[6] = 0x40;
            faults.push(invalid("a UUID of version 4", bytes(&version_4)));
            faults.push(invalid("15 bytes", bytes(&event_id()[..15])));
        }
        Shape::OrNone(inner) => {
            faults.push(invalid("another word than none", Value::from("None")));
            faults.extend(self::faults(inner).into_iter().skip(1));
        }
        Shape::List { of, min, max } => faults.extend(list_faults(of, *min, *max)),
        Shape::Ranges(max) => faults.extend(range_faults(*max)),
        Shape::Record(fields) => faults.extend(record_faults(fields)),
        Shape::Dictionary { pairs, key, value } => {
            faults.extend(dictionary_faults(*pairs, *key, *value))
        }
        Shape::Named { of, key, pairs } => faults.extend(named_faults(of, *key, *pairs)),
        Shape::Open(max) => {
            faults.push(invalid(
                "a key that is no text",
                Value::Map(vec![(Value::from(1), text(1))]),
            ));
            faults.push(invalid("one byte too large", map([("a", text(max - 5))])));
        }
    }
    faults
}

fn named_faults(of: &Shape, key: usize, pairs: usize) -> Vec<Fault> {
    let many = (0..=pairs).map(|n| (Value::from(format!("{n:03}")), sample(of))).collect();
    let named = |key: Value| Value::Map(vec![(key, sample(of))]);
    let mut faults = vec![
        invalid("one name too many", Value::Map(many)),
        invalid("a name that is no text", named(Value::from(1))),
        invalid("an empty name", named(Value::from(""))),
        invalid("a name one byte too long", named(Value::from("x".repeat(key + 1)))),
    ];
    faults.extend(self::faults(of).into_iter().take(1).map(|fault| Fault {
        path: format!(".a{}", fault.path),
        value: map([("a", fault.value)]),
        ..fault
    }));
    faults
}

fn list_faults(of: &Shape, min: usize, max: usize) -> Vec<Fault> {
    let mut faults = vec![invalid("one item too many", Value::Array(vec![sample(of); max + 1]))];
    if min > 0 {
        faults.push(invalid("no item", Value::Array(Vec::new())));
    }
    let last = |mut inner: Fault| {
        inner.path.insert_str(0, ".1");
        inner.value = Value::Array(vec![sample(of), inner.value]);
        inner
    };
    faults.extend(self::faults(of).into_iter().map(last));
    faults
}

fn range_faults(max: usize) -> Vec<Fault> {
    let many: Vec<_> = (0..=max as u64).map(|n| (n, n)).collect();
    vec![
        invalid("no range", range_list(&[])),
        invalid("one range too many", range_list(&many)),
        invalid("a range that ends before it begins", range_list(&[(2, 1)])),
        invalid("overlapping ranges", range_list(&[(1, 3), (3, 4)])),
        invalid("descending ranges", range_list(&[(5, 6), (1, 2)])),
        invalid("an end of 2^64 - 1", range_list(&[(0, u64::MAX)])),
        invalid("three numbers", Value::Array(vec![Value::Array(vec![Value::from(1); 3])])),
    ]
}

fn record_faults(fields: &[Field]) -> Vec<Fault> {
    let Value::Map(pairs) = record(fields) else { unreachable!() };
    let with = |name: &str, value: Value| {
        let others = pairs.iter().filter(|(key, _)| key.as_text() != Some(name)).cloned();
        Value::Map(others.chain([(Value::from(name), value)]).collect())
    };
    let mut faults = vec![Fault {
        what: "an unknown field".into(),
        path: ".unheard".into(),
        reason: "unknown_field",
        value: with("unheard", Value::from(1)),
    }];
    for field in fields {
        let path = format!(".{}", field.name);
        let inner = self::faults(&field.shape).into_iter().map(|fault| Fault {
            path: format!("{path}{}", fault.path),
            value: with(field.name, fault.value),
            ..fault
        });
        faults.extend(inner);
        if field.required {
            let others = pairs.iter().filter(|(key, _)| key.as_text() != Some(field.name));
            faults.push(Fault {
                what: "missing".into(),
                path,
                reason: "missing_field",
                value: Value::Map(others.cloned().collect()),
            });
        }
    }
    faults
}

fn dictionary_faults(most: usize, key: usize, value: usize) -> Vec<Fault> {
    let many = (0..=most).map(|n| (Value::from(format!("k{n}")), Value::from("v")));
    let pair = |key: usize, value: usize| {
        Value::Map(vec![(Value::from("k".repeat(key)), Value::from("v".repeat(value)))])
    };
    vec![
        invalid("one pair too many", Value::Map(many.collect())),
        invalid("key one byte too long", pair(key + 1, 1)),
        invalid("value one byte too long", pair(1, value + 1)),
        invalid("empty key", pair(0, 1)),
        invalid("empty value", pair(1, 0)),
        invalid("value that is no text", map([("a", Value::from(1))])),
    ]
}
