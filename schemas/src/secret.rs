//! Recognises credentials' values in text, which a body must never carry: an event names a credential
//! by its id.

use crate::deterministic::Item;
use crate::reject::{Reason, Reject};

/// Beginnings of well-known secrets, and how many characters of a token follow at least.
const PREFIXES: &[(&str, usize)] = &[
    ("sk-live-", 8),
    ("sk_live_", 8),
    ("rk_live_", 8),
    ("sk-proj-", 16),
    ("sk-ant-", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghs_", 30),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("npm_", 30),
    ("pypi-", 30),
    ("hvs.", 20),
    ("SUA", 50),
    ("-----BEGIN PRIVATE KEY", 0),
    ("-----BEGIN RSA PRIVATE KEY", 0),
    ("-----BEGIN EC PRIVATE KEY", 0),
    ("-----BEGIN OPENSSH PRIVATE KEY", 0),
];

/// Shortest text that can hold a secret: `sk-live-` and 8 characters.
const SHORTEST: usize = 16;

/// Refuses a body that holds a secret, without repeating it.
pub(crate) fn scan(item: &Item<'_>) -> Result<(), Reject> {
    match item {
        Item::Text(text) if holds_secret(text.as_bytes()) => {
            Err(Reject::new(Reason::SecretInBody, "", "a credential's id, never its value"))
        }
        Item::Array(items) => items.iter().try_for_each(scan),
        Item::Map(pairs) => pairs.iter().try_for_each(|(key, value)| {
            scan(value).map_err(|reject| reject.below(step(key))).and_then(|()| scan(key))
        }),
        Item::Tag(_, inner) => scan(inner),
        _ => Ok(()),
    }
}

/// The key as a step of a path, unless it is a secret itself.
/// Whether raw bytes hold what looks like a credential's value, wherever it stands.
#[must_use]
pub fn found_in(bytes: &[u8]) -> bool {
    holds_secret(bytes)
}

fn step<'a>(key: &Item<'a>) -> &'a str {
    key.text().filter(|text| !holds_secret(text.as_bytes())).unwrap_or("?")
}

/// Whether a secret begins anywhere in the text but inside a word.
fn holds_secret(text: &[u8]) -> bool {
    let starts = (text.len() + 1).saturating_sub(SHORTEST);
    let mut before = b' ';
    text.iter().take(starts).enumerate().any(|(at, byte)| {
        let begins = may_begin(*byte) && !before.is_ascii_alphanumeric();
        before = *byte;
        begins && text.get(at..).is_some_and(begins_secret)
    })
}

/// Whether any of [`PREFIXES`] begins with this byte. Every text of every body passes here.
fn may_begin(byte: u8) -> bool {
    matches!(byte, b'-' | b'A' | b'S' | b'g' | b'h' | b'n' | b'p' | b'r' | b's' | b'x')
}

fn begins_secret(text: &[u8]) -> bool {
    PREFIXES.iter().any(|(prefix, least)| {
        let token = text.strip_prefix(prefix.as_bytes());
        token.is_some_and(|t| t.iter().take_while(|byte| is_token(**byte)).count() >= *least)
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/')
}
