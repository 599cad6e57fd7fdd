//! Every reason for which a submission is refused, and what the publisher is told.

use std::fmt;

use crate::limits::CAUSE_PATH_BYTES_MAX;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal,)*) => {
        /// Why a submission or an item was refused. The code is the leaf's `status`, part of the format.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, by code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The leaf's status: 1 and up, 0 being "accepted".
            #[must_use]
            pub const fn code(self) -> u64 {
                match self { $(Self::$name => $code,)* }
            }

            /// The name in replies, queries and reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// Not the deterministic CBOR, or not the structure, that the format asks for.
    Malformed = 1 "malformed",
    /// A field that the format does not know.
    UnknownField = 2 "unknown_field",
    /// A field that the kind requires is absent.
    MissingField = 3 "missing_field",
    /// A field's value is outside its type or bound.
    InvalidField = 4 "invalid_field",
    /// Larger than the limit for its part.
    TooLarge = 5 "too_large",
    /// A format version that this ledger does not know.
    UnsupportedVersion = 6 "unsupported_version",
    /// Bytes do not have the digest that was signed for them.
    DigestMismatch = 7 "digest_mismatch",
    /// The key id is not registered.
    UnregisteredKey = 8 "unregistered_key",
    /// The signature does not verify under the key that the statement names.
    BadSignature = 9 "bad_signature",
    /// Body, claims and key do not name one signer.
    WrongSigner = 10 "wrong_signer",
    /// Outside the key's validity.
    ExpiredKey = 11 "expired_key",
    /// The key was revoked or rotated away.
    RevokedKey = 12 "revoked_key",
    /// The signer is suspended, disabled or retired.
    DisabledAgent = 13 "disabled_agent",
    /// Published on a subject that is not the signer's, or not for this kind.
    WrongSubject = 14 "wrong_subject",
    /// Addressed to another tenant.
    WrongTenant = 15 "wrong_tenant",
    /// The signer's role does not permit the kind.
    RoleNotAllowed = 16 "role_not_allowed",
    /// A credential's value in the body; nothing of it is kept.
    SecretInBody = 17 "secret_in_body",
    /// The signer has used this event id for other bytes.
    IdConflict = 18 "id_conflict",
}

impl Reason {
    /// The reason with this status code; `None` for 0 and unknown codes.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// The reason with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the fault lies and what would have been right there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cause {
    /// Dotted path from the submission or body: `action.target`, `statement.protected.1`. Beyond
    /// [`CAUSE_PATH_BYTES_MAX`] bytes it ends in `…`.
    pub path: String,
    /// What was expected, in words.
    pub expected: String,
}

/// A refusal: a value that is committed and answered, not an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reject {
    /// The reason.
    pub reason: Reason,
    /// The fault's place and what was expected there.
    pub cause: Cause,
}

impl Reject {
    /// A refusal for `reason` at `path`, of which [`CAUSE_PATH_BYTES_MAX`] bytes are kept: names in it
    /// may be the publisher's, and the answer to 256 items must still fit into one message.
    #[must_use]
    pub fn new(reason: Reason, path: impl Into<String>, expected: impl Into<String>) -> Self {
        let mut path = path.into();
        if path.len() > CAUSE_PATH_BYTES_MAX {
            path.truncate(path.floor_char_boundary(CAUSE_PATH_BYTES_MAX));
            path.push('…');
        }
        Self { reason, cause: Cause { path, expected: expected.into() } }
    }

    /// The same refusal, its path below `step`.
    pub(crate) fn below(self, step: &str) -> Self {
        let path = match self.cause.path.as_str() {
            "" => step.to_owned(),
            path => format!("{step}.{path}"),
        };
        Self::new(self.reason, path, self.cause.expected)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: expected {}", self.reason, self.cause.path, self.cause.expected)
    }
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

    use super::*;

    #[test]
    fn a_long_path_is_cut_between_characters() {
        let cut = |path: String| Reject::new(Reason::UnknownField, path, "").cause.path;
        let limit = CAUSE_PATH_BYTES_MAX;
        assert_eq!(cut("a".repeat(limit)), "a".repeat(limit));
        assert_eq!(cut("a".repeat(limit + 1)), format!("{}…", "a".repeat(limit)));
        assert_eq!(cut("é".repeat(limit)), format!("{}…", "é".repeat(limit / 2)));
        let inner = Reject::new(Reason::SecretInBody, "b".repeat(limit), "x");
        assert_eq!(inner.below("a").cause.path, format!("a.{}…", "b".repeat(limit - 2)));
        assert_eq!(Reject::new(Reason::SecretInBody, "", "x").below("a").cause.path, "a");
    }

    #[test]
    fn codes_and_names_lead_back() {
        for (reason, code) in Reason::ALL.iter().zip(1..) {
            assert_eq!(reason.code(), code);
            assert_eq!(Reason::from_code(code), Some(*reason));
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!((Reason::from_code(0), Reason::parse("accepted")), (None, None));
    }
}
