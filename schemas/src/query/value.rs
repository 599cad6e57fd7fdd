//! Values in the spelling that terms have.

use super::when;
use super::words::{ACCEPTED, REJECTED, instead};
use super::{Expr, Pattern};
use crate::id::EventId;
use crate::terms::Key;

/// A value that no entry could carry; holds what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BadValue(pub(super) String);

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

/// The entries that carry exactly this value.
pub(super) fn exact(key: Key, value: &str) -> Result<Expr, BadValue> {
    let pattern = match form(key) {
        Form::Text => match instead(key, value, false) {
            None => Pattern::Exact(value.to_owned()),
            Some(words) => return Err(BadValue(words)),
        },
        Form::Hex => Pattern::Exact(digits(value, "")?),
        Form::Id => {
            let id = EventId::parse(value).ok_or_else(|| bad("an event id, a UUIDv7"))?;
            Pattern::Exact(id.to_string())
        }
        Form::Time => {
            let span = when::span(value);
            let (from, to) =
                span.ok_or_else(|| bad("2026-04-08, RFC 3339, or a span A..B of them"))?;
            Pattern::Span(from, to)
        }
    };
    Ok(expr(key, pattern))
}

/// Those that carry a value which begins like this.
pub(super) fn prefix(key: Key, prefix: &str) -> Result<Expr, BadValue> {
    let prefix = match form(key) {
        Form::Text => match instead(key, prefix, true) {
            None => prefix.to_owned(),
            Some(words) => return Err(BadValue(words)),
        },
        Form::Time => prefix.to_owned(),
        Form::Hex => digits(prefix, "")?,
        Form::Id => digits(prefix, "-")?,
    };
    Ok(expr(key, Pattern::Prefix(prefix)))
}

/// Rejected entries carry the term of that; accepted ones are all the others.
fn expr(key: Key, pattern: Pattern) -> Expr {
    if key != Key::Status {
        return Expr::Is(key, pattern);
    }
    let rejected = Expr::Is(key, Pattern::Exact(REJECTED.to_owned()));
    let accepted = Expr::Not(Box::new(rejected.clone()));
    let each = [(ACCEPTED, accepted), (REJECTED, rejected)];
    let fitting = each.into_iter().filter(|(word, _)| pattern.matches(word));
    Expr::any(fitting.map(|(_, expr)| expr).collect())
}

fn digits(text: &str, others: &str) -> Result<String, BadValue> {
    let fits = text.chars().all(|c| c.is_ascii_hexdigit() || others.contains(c));
    fits.then(|| text.to_ascii_lowercase()).ok_or_else(|| bad("hex digits"))
}

fn bad(expected: &str) -> BadValue {
    BadValue(expected.to_owned())
}
