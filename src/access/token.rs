//! A bearer token: 256 random bits, shown once.

use std::fmt;

use schemas::id::{Digest, hex, sha256, unhex};
use zeroize::Zeroizing;

/// What every token's text begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "sworn_";

/// The secret itself. It has no text form but [`Token::text`], and is wiped when it is dropped.
pub(crate) struct Token(Zeroizing<[u8; 32]>);

impl Token {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(bits.as_mut()).expect("the operating system gives randomness");
        Self(bits)
    }

    /// The token with this text: `sworn_` and 64 lower-case hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let bits = Zeroizing::new(unhex(digits)?);
        bits.as_slice().try_into().ok().map(|bits| Self(Zeroizing::new(bits)))
    }

    /// What it is kept as. Nobody finds 256 random bits by trying, so one round is enough.
    pub(crate) fn digest(&self) -> Digest {
        Digest(sha256(self.0.as_slice()))
    }

    /// As its bearer sends it.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex(self.0.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}", digits.as_str()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(withheld)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_has_one_text_and_no_other_shows_it() {
        let token = Token::generate();
        let text = token.text();
        assert_eq!(text.len(), PREFIX.len() + 64);
        assert_eq!(Token::parse(&text).unwrap().digest(), token.digest());
        assert_ne!(Token::generate().digest(), token.digest());
        assert_eq!(format!("{token:?}"), "Token(withheld)");
        let short = text.get(..text.len() - 2).unwrap();
        for wrong in ["", "sworn_", "sworn_zz", short, &text.to_uppercase(), text.get(6..).unwrap()]
        {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }
}
