//! Correlation ids of what comes in from outside: the same message always begins the same workflow.

use crate::id::{hex, sha256};

/// Hex digits of the hash that an id keeps.
const DIGITS: usize = 16;

/// The workflow that an inbound message begins where no thread of it is known: its channel and 16 hex digits of the
/// SHA-256 of its id, for mail the `Message-ID` (RFC 5322) without angle brackets.
///
/// ```
/// let correlation = schemas::trigger::correlation("mail", "<inv4471@vendor.example>");
/// assert_eq!(correlation, "mail-a1ee17c948c506a6");
/// ```
#[must_use]
pub fn correlation(channel: &str, reference: &str) -> String {
    let digest = hex(&sha256(message_id(reference).as_bytes()));
    format!("{channel}-{}", digest.get(..DIGITS).unwrap_or_default())
}

/// A message's id without the angle brackets that headers put around it.
#[must_use]
pub fn message_id(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_space_make_no_difference() {
        let expected = correlation("mail", "a@b");
        for same in ["<a@b>", " <a@b> ", "a@b"] {
            assert_eq!(correlation("mail", same), expected);
        }
        assert_ne!(correlation("mail", "<a@b"), expected);
        assert_ne!(correlation("webhook", "a@b"), expected);
    }
}
