//! Where a reader stands: the token that it resumes from, and the place in the log that this names.
//!
//! ```text
//! hex8(c[0]) "." index "." hex8(c[index])        c: the blake3 chain; index: decimal
//! ```
//!
//! The first part names the log, the last one its history up to there, so that a token of another log or
//! of a history that was rolled back is told apart from a good one.

use std::fmt;

use ledger::{Ledger, ReadError};
use schemas::id::{ChainHash, Index, hex, unhex};

/// The first four bytes of a chain hash.
type Prefix = [u8; 4];

/// The last entry that a reader has considered, as it stands in `id:` and `Last-Event-ID`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    genesis: Prefix,
    index: Index,
    chain: Prefix,
}

impl Token {
    /// Of the entry at `index` with chain hash `chain`, in the log whose first entry has `genesis`.
    #[must_use]
    pub fn new(genesis: &ChainHash, index: Index, chain: &ChainHash) -> Self {
        Self { genesis: prefix(genesis), index, chain: prefix(chain) }
    }

    /// Reads a token; `None` unless the text is exactly what its `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let token = Self {
            genesis: unhex(parts.next()?)?.try_into().ok()?,
            index: Index(parts.next()?.parse().ok()?),
            chain: unhex(parts.next()?)?.try_into().ok()?,
        };
        // Rules out capitals, signs, leading zeros and a fourth part.
        (token.to_string() == text).then_some(token)
    }

    /// The entry that it names.
    #[must_use]
    pub fn index(&self) -> Index {
        self.index
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", hex(&self.genesis), self.index.0, hex(&self.chain))
    }
}

fn prefix(hash: &ChainHash) -> Prefix {
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

/// A place between two entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// The entry to be read next.
    pub(crate) next: Index,
    /// Chain hash of the one before it; zero before the first.
    pub(crate) chain: ChainHash,
}

impl Position {
    /// The place before `next`, which is at most the log's size.
    ///
    /// # Errors
    /// [`ReadError`] when the leaf before it cannot be read.
    pub(crate) fn before(ledger: &Ledger, next: Index) -> Result<Self, ReadError> {
        let chain = match next.0.checked_sub(1) {
            Some(last) => ledger.chain(Index(last))?,
            None => ChainHash::ZERO,
        };
        Ok(Self { next, chain })
    }

    /// The place after the entry at `last` with this chain hash.
    pub(crate) fn after(last: Index, chain: ChainHash) -> Self {
        Self { next: Index(last.0.saturating_add(1)), chain }
    }

    /// The token of the entry before it; `None` before the first.
    pub(crate) fn token(&self, genesis: &ChainHash) -> Option<Token> {
        let last = self.next.0.checked_sub(1)?;
        Some(Token::new(genesis, Index(last), &self.chain))
    }
}

/// Why a token cannot be resumed from. It names nothing of the token's own log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reset {
    /// The token is another log's.
    Foreign,
    /// This log has no such entry: it is an older copy, or the token is from the future.
    Shorter,
    /// This log has another history there.
    Different,
}

impl Reset {
    /// The name in the `reset` event.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Shorter => "shorter",
            Self::Different => "different",
        }
    }
}

/// What becomes of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    /// The reader goes on here.
    At(Position),
    /// It must begin anew, and know it.
    Reset(Reset),
}

/// Checks a token against this log.
///
/// # Errors
/// [`ReadError`] when a leaf cannot be read.
pub(crate) fn resume(ledger: &Ledger, token: &Token) -> Result<Resume, ReadError> {
    if token.genesis != prefix(&ledger.chain(Index(0))?) {
        return Ok(Resume::Reset(Reset::Foreign));
    }
    if token.index.0 >= ledger.head().size.0 {
        return Ok(Resume::Reset(Reset::Shorter));
    }
    let position = Position::before(ledger, Index(token.index.0 + 1))?;
    if token.chain != prefix(&position.chain) {
        return Ok(Resume::Reset(Reset::Different));
    }
    Ok(Resume::At(position))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, index: Option<u64>) {
        assert_eq!(Token::parse(text).map(|token| token.index().0), index, "{text:?}");
    }

    #[test]
    fn only_the_exact_form_is_a_token() {
        check("00112233.0.00112233", Some(0));
        check("00112233.18446744073709551615.deadbeef", Some(u64::MAX));
        for text in [
            "",
            "..",
            "00112233",
            "00112233.5",
            "00112233.5.deadbeef.0",
            "00112233.5.deadbee",
            "00112233.5.deadbeef0",
            "00112233.5.DEADBEEF",
            "00112233.05.deadbeef",
            "00112233.+5.deadbeef",
            "00112233.-5.deadbeef",
            "00112233.18446744073709551616.deadbeef",
            "0011223g.5.deadbeef",
            " 00112233.5.deadbeef",
            "00112233.5.deadbeef\n",
            "00112233.\u{665}.deadbeef",
            "0011\x00233.5.deadbeef",
            "00112233.5.dead\u{2028}eef",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn every_token_reads_as_itself(genesis: [u8; 32], index: u64, chain: [u8; 32]) {
            let token = Token::new(&ChainHash(genesis), Index(index), &ChainHash(chain));
            prop_assert_eq!(Token::parse(&token.to_string()), Some(token));
        }

        #[test]
        fn what_reads_as_a_token_is_its_text(text in "[0-9a-fA-F.+]{0,40}") {
            if let Some(token) = Token::parse(&text) {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
