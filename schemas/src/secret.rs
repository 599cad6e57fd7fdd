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

/// Whether raw bytes hold what looks like a credential's value, wherever it stands. The ledger asks this
/// of bytes that it refuses, before it keeps them as evidence.
///
/// Other than in text, a secret may follow any byte: the head of a CBOR text looks like a letter itself.
#[must_use]
pub fn found_in(bytes: &[u8]) -> bool {
    let mut starts = bytes.iter().enumerate().filter(|(_, byte)| may_begin(**byte));
    starts.any(|(at, _)| bytes.get(at..).is_some_and(begins_secret))
}

/// Refuses a body that holds a secret, without repeating it.
pub(crate) fn scan(root: &Item<'_>) -> Result<(), Reject> {
    if holds(root) { Err(refusal(root)) } else { Ok(()) }
}

fn holds(item: &Item<'_>) -> bool {
    match item {
        Item::Text(text) => holds_secret(text.as_bytes()),
        Item::Array(items) => items.iter().any(holds),
        Item::Map(pairs) => pairs.iter().any(|(key, value)| holds(value) || holds(key)),
        Item::Tag(_, inner) => holds(inner),
        _ => false,
    }
}

/// Names the place of the first secret, as far as keys lead to it.
fn refusal(item: &Item<'_>) -> Reject {
    let pairs = item.map().unwrap_or_default();
    match pairs.iter().find(|(_, value)| holds(value)) {
        Some((key, value)) => {
            let step = key.text().filter(|text| !holds_secret(text.as_bytes()));
            refusal(value).below(step.unwrap_or("?"))
        }
        None => Reject::new(Reason::SecretInBody, "", "a credential's id, never its value"),
    }
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
        let prefix = prefix.as_bytes();
        let alike = text.first_chunk::<2>() == prefix.first_chunk::<2>();
        let token = if alike { text.strip_prefix(prefix) } else { None };
        token.is_some_and(|t| t.iter().take_while(|byte| is_token(**byte)).count() >= *least)
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/')
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

    use proptest::prelude::*;

    use super::*;
    use crate::encode::Encoder;

    fn token(prefix: &str, len: usize) -> String {
        format!("{prefix}{}", "a".repeat(len))
    }

    #[test]
    fn every_prefix_is_found_where_a_word_begins() {
        for (prefix, least) in PREFIXES {
            let secret = token(prefix, *least);
            assert!(may_begin(prefix.as_bytes()[0]) && secret.len() >= SHORTEST, "{prefix}");
            for text in [&secret, &format!("key={secret}"), &format!("é{secret} used")] {
                assert!(holds_secret(text.as_bytes()), "{text}");
            }
            assert!(!holds_secret(format!("x{secret}").as_bytes()), "x{secret}");
            assert!(found_in(format!("x{secret}").as_bytes()), "x{secret}");
            if *least > 0 {
                assert!(!holds_secret(token(prefix, least - 1).as_bytes()), "{prefix} cut short");
            }
        }
    }

    #[test]
    fn every_prefix_is_drawn_with_its_length() {
        let cddl = include_str!("../body.cddl");
        for (prefix, least) in PREFIXES {
            let group = format!(";   {least:<4}");
            let drawn = cddl.split(&group).nth(1).unwrap_or_default();
            let end = drawn.find("\n;   ").filter(|_| *least > 0).unwrap_or(drawn.len());
            assert!(drawn[..end].contains(prefix), "body.cddl: {prefix} under {least}");
        }
    }

    #[test]
    fn ordinary_text_is_no_secret() {
        for text in [
            "",
            "cred-db-07",
            "ask-anything-you-like",
            "task_live_status",
            "AKIA",
            "sk-live-",
            "HAKIAQQQQQQQQQQQQQQQQ",
        ] {
            assert!(!holds_secret(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_message_that_holds_a_secret_anywhere_is_known() {
        let secret = token("AKIA", 16);
        let mut message = Encoder::new();
        message.array(2).text("x").text(&secret);
        assert!(found_in(&message.finish()));
        assert!(!found_in(b""));
    }

    /// What the search must find, without any shortcut.
    fn naive(text: &str) -> bool {
        PREFIXES.iter().any(|(prefix, least)| {
            text.match_indices(prefix).any(|(at, _)| {
                let begins = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
                let rest = text[at + prefix.len()..].bytes();
                begins && rest.take_while(|byte| is_token(*byte)).count() >= *least
            })
        })
    }

    proptest! {
        #[test]
        fn shortcuts_change_no_verdict(
            before in "[a-zA ._-]{0,6}",
            which in 0..PREFIXES.len(),
            rest in "[a-c._ é]{0,60}",
        ) {
            let text = format!("{before}{}{rest}", PREFIXES[which].0);
            prop_assert_eq!(holds_secret(text.as_bytes()), naive(&text), "{}", text);
        }
    }
}
