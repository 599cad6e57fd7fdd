//! Values in the spelling that terms have.

use super::Pattern;
use super::when;
use crate::id::EventId;
use crate::terms::Key;

/// A value that no entry could carry; holds what it must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadValue(pub &'static str);

/// How the values of a key are written.
enum Form {
    Text,
    Hex,
    Id,
    Time,
}

const fn form(key: Key) -> Form {
    match key {
        Key::Id | Key::Cause | Key::Grant => Form::Id,
        Key::Session
        | Key::Parent
        | Key::Task
        | Key::ToolDigest
        | Key::Contract
        | Key::Digest
        | Key::SigningKey => Form::Hex,
        Key::Time => Form::Time,
        _ => Form::Text,
    }
}

pub(super) fn exact(key: Key, value: &str) -> Result<Pattern, BadValue> {
    Ok(match form(key) {
        Form::Text => Pattern::Exact(value.to_owned()),
        Form::Hex => Pattern::Exact(value.to_ascii_lowercase()),
        Form::Id => {
            let id = EventId::parse(value).ok_or(BadValue("an event id, a UUIDv7"))?;
            Pattern::Exact(id.to_string())
        }
        Form::Time => {
            let span = when::span(value);
            let (from, to) =
                span.ok_or(BadValue("2026-04-08, RFC 3339, or a span A..B of them"))?;
            Pattern::Span(from, to)
        }
    })
}

pub(super) fn prefix(key: Key, prefix: &str) -> Pattern {
    Pattern::Prefix(match form(key) {
        Form::Text | Form::Time => prefix.to_owned(),
        Form::Hex | Form::Id => prefix.to_ascii_lowercase(),
    })
}
