//! Values of arguments: read once, where they are given.

use std::time::Duration;

use schemas::id::{EventId, Index, Kid, SignerId, unhex};
use schemas::key::PublicKey;
use schemas::kind::Role;
use schemas::query::duration_us;

/// Why a value cannot be used; clap names the argument.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected {0}")]
pub(crate) struct Unfit(&'static str);

/// An id of a signer, agent or principal.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn signer(text: &str) -> Result<SignerId, Unfit> {
    SignerId::parse(text).ok_or(Unfit("an id of 1 to 256 bytes without control characters"))
}

/// A key's thumbprint, with or without `SHA256:` before it.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn kid(text: &str) -> Result<Kid, Unfit> {
    let hex = text.strip_prefix("SHA256:").unwrap_or(text);
    Kid::from_hex(hex).ok_or(Unfit("a key's thumbprint of 64 hex digits"))
}

/// The place of an entry in the log, as 900 or #900.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn index(text: &str) -> Result<Index, Unfit> {
    let index = text.strip_prefix('#').unwrap_or(text).parse().ok().map(Index);
    index.ok_or(Unfit("an index as 900 or #900"))
}

/// The id of an event or a grant.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn event_id(text: &str) -> Result<EventId, Unfit> {
    EventId::parse(text).ok_or(Unfit("an id as 019d6b2c-ee80-7001-8002-030405060708"))
}

/// A public key.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn public_key(text: &str) -> Result<PublicKey, Unfit> {
    let key = unhex(text).and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
    key.ok_or(Unfit("an Ed25519 public key of 64 hex digits"))
}

/// A span of time.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn duration(text: &str) -> Result<Duration, Unfit> {
    let us = duration_us(text).filter(|us| *us > 0);
    us.map(Duration::from_micros).ok_or(Unfit("a span of time, as in 30s, 15m or 1d2h"))
}

/// A role that a registration may give.
///
/// # Errors
/// [`Unfit`].
pub(crate) fn role(text: &str) -> Result<Role, Unfit> {
    let known = Role::NAMES.contains(&text).then(|| Role::parse(text)).flatten();
    known.ok_or(Unfit(
        "a role: human, operator, responder, auditor, approver, gate, boundary, witness, authority, \
         attester, runtime, owner, service or api",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_role_is_read_and_no_other() {
        for name in Role::NAMES {
            assert_eq!(role(name).unwrap().as_str(), *name);
            assert!(role("root").unwrap_err().to_string().contains(name), "{name}");
        }
        for wrong in ["agent", "ledger", "root", ""] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_are_positive() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert!(["", "0s", "5", "-1s", "1y"].iter().all(|text| duration(text).is_err()));
    }
}
