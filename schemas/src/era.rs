//! A ledger's name and key over time, as its own entries tell it.
//!
//! An era ends where the ledger's key changes (an entry signed by both keys) or where the log goes on after
//! a rollback (a new epoch, under a new origin). A checkpoint or receipt over a tree of `size` entries
//! belongs to the last era whose first entry is in that tree.

use ed25519_dalek::{Signature, Signer as _, SigningKey};

use crate::body::{Body, LEDGER_SIGNER};
use crate::checkpoint::{NoteKey, valid_name};
use crate::deterministic::Item;
use crate::id::{Index, Tenant, TreeSize};
use crate::key::PublicKey;
use crate::kind::Kind;

/// `code` of the incident that opens a new epoch.
pub const NEW_EPOCH: &str = "new_epoch";
/// `code` of the entry that changes the ledger's key.
pub const KEY_ROTATED: &str = "key_rotated";
/// What the new key signs begins with this.
const ROTATION_CONTEXT: &[u8] = b"sworn 2026-11 ledger key v1";

/// A span of the log under one origin and one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Era {
    /// Its first entry.
    pub from: Index,
    /// Name in notes, issuer of receipts.
    pub origin: String,
    /// The key that signs notes, receipts and own entries.
    pub key: PublicKey,
}

impl Era {
    /// The key under its name, as notes are verified with it.
    #[must_use]
    pub fn note_key(&self) -> NoteKey {
        NoteKey { name: self.origin.clone(), public: *self.key.verifying_key() }
    }
}

/// Why an entry does not begin an era as it claims to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EraFault {
    /// Fields are missing or of the wrong type.
    #[error("{0} is missing or not what it must be")]
    Field(&'static str),
    /// The new key did not sign its own taking over.
    #[error("the rotation is not signed by the new key")]
    Unsigned,
    /// The origin does not follow from the one before.
    #[error("the origin of the new epoch is not {expected}")]
    Origin {
        /// What it had to be, or a later number.
        expected: String,
    },
}

/// Every era of a ledger, in order; there is always one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Eras {
    tenant: Tenant,
    first: Era,
    later: Vec<Era>,
}

impl Eras {
    /// The era that a genesis entry begins; `None` if the body is none.
    #[must_use]
    pub fn genesis(body: &Body<'_>) -> Option<Self> {
        let genesis = body.kind() == Kind::LedgerGenesis && body.signer() == LEDGER_SIGNER;
        genesis.then_some(())?;
        let key = PublicKey::from_bytes(body.field("registry.ledger_key")?.bytes()?).ok()?;
        let origin = body.text("registry.origin")?.to_owned();
        Some(Self::first(Tenant::parse(body.tenant())?, origin, key))
    }

    /// The eras of a ledger that never changed its name or key.
    #[must_use]
    pub fn first(tenant: Tenant, origin: String, key: PublicKey) -> Self {
        Self { tenant, first: Era { from: Index(0), origin, key }, later: Vec::new() }
    }

    /// Takes the next entry in, in log order; only the ledger's own rotations and new epochs matter. Whether
    /// the statement over it is signed by the era's key is checked by whoever reads it.
    ///
    /// # Errors
    /// [`EraFault`]: then there is no such era.
    pub fn take(&mut self, index: Index, body: &Body<'_>) -> Result<(), EraFault> {
        if body.signer() != LEDGER_SIGNER {
            return Ok(());
        }
        match (body.kind(), body.text("code")) {
            (Kind::LedgerKeyRotated, _) => {
                let key = self.rotated(body)?;
                let origin = self.current().origin.clone();
                self.later.push(Era { from: index, origin, key });
            }
            (Kind::LedgerIncident, Some(NEW_EPOCH)) => {
                let origin = self.renamed(body)?;
                let key = self.current().key;
                self.later.push(Era { from: index, origin, key });
            }
            _ => {}
        }
        Ok(())
    }

    fn rotated(&self, body: &Body<'_>) -> Result<PublicKey, EraFault> {
        let bytes = |path: &'static str| {
            body.field(path).and_then(Item::bytes).ok_or(EraFault::Field(path))
        };
        let path = "registry.ledger_key";
        let key = PublicKey::from_bytes(bytes(path)?).map_err(|_weak| EraFault::Field(path))?;
        let signature = Signature::from_slice(bytes("registry.signature")?)
            .map_err(|_length| EraFault::Field("registry.signature"))?;
        let message = rotation_message(&self.tenant, self.current(), &key);
        let signed = key.verifying_key().verify_strict(&message, &signature);
        signed.map(|()| key).map_err(|_forged| EraFault::Unsigned)
    }

    fn renamed(&self, body: &Body<'_>) -> Result<String, EraFault> {
        let path = "registry.origin";
        let origin = body.text(path).ok_or(EraFault::Field(path))?;
        let expected = self.successor(self.epoch());
        let number =
            origin.strip_prefix(&self.first.origin).and_then(|rest| rest.strip_prefix('/'));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let follows = number.is_some_and(|number| {
            // Epochs that only lost history knew may lie between.
            number > self.epoch() && origin == self.successor(number - 1)
        });
        if follows && valid_name(origin) {
            Ok(origin.to_owned())
        } else {
            Err(EraFault::Origin { expected })
        }
    }

    /// Number of the current epoch, from 1.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch_of(&self.current().origin).unwrap_or(1)
    }

    /// Number of the epoch that an origin names; `None` if it is another log's.
    #[must_use]
    pub fn epoch_of(&self, origin: &str) -> Option<u64> {
        match origin.strip_prefix(&self.first.origin)? {
            "" => Some(1),
            rest => rest.strip_prefix('/')?.parse().ok().filter(|number| *number > 1),
        }
    }

    /// The origin of the epoch after number `epoch`.
    #[must_use]
    pub fn successor(&self, epoch: u64) -> String {
        format!("{}/{}", self.first.origin, epoch.saturating_add(1))
    }

    /// The era of a tree of `size` entries.
    #[must_use]
    pub fn at(&self, size: TreeSize) -> &Era {
        self.later.iter().rev().find(|era| era.from.0 < size.0).unwrap_or(&self.first)
    }

    /// The last era.
    #[must_use]
    pub fn current(&self) -> &Era {
        self.later.last().unwrap_or(&self.first)
    }

    /// Whether `key` was ever the ledger's: rotations link them all, so whoever trusts one trusts each.
    #[must_use]
    pub fn trusts(&self, key: &PublicKey) -> bool {
        self.iter().any(|era| era.key == *key)
    }

    /// Every era, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Era> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The new key's signature over its taking over from the current one.
    #[must_use]
    pub fn sign_rotation(&self, new: &SigningKey) -> [u8; 64] {
        let key = PublicKey::of(new);
        new.sign(&rotation_message(&self.tenant, self.current(), &key)).to_bytes()
    }
}

/// Context, tenant, origin, old key, new key; zero bytes part the texts.
fn rotation_message(tenant: &Tenant, before: &Era, new: &PublicKey) -> Vec<u8> {
    let texts = [ROTATION_CONTEXT, tenant.as_str().as_bytes(), before.origin.as_bytes()];
    let mut message = texts.map(|text| [text, &[0]].concat()).concat();
    message.extend_from_slice(before.key.as_bytes());
    message.extend_from_slice(new.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::encode::{Value, bytes, encode, map};
    use crate::id::{EventId, Micros};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn body(kind: Kind, code: &str, registry: Vec<(&str, Value)>) -> Vec<u8> {
        let id = EventId::new(1, &[1; 10]);
        encode(&map([
            ("v", Value::from(crate::body::BODY_VERSION)),
            ("kind", Value::from(kind.as_str())),
            ("id", bytes(&id.0)),
            ("salt", bytes(&[0; 16])),
            ("tenant", Value::from("acme")),
            ("time", Value::from(Micros(1).0)),
            ("signer", Value::from(LEDGER_SIGNER)),
            ("code", Value::from(code)),
            ("registry", map(registry)),
        ]))
    }

    fn eras() -> Eras {
        let public = PublicKey::of(&key(1));
        let genesis = body(
            Kind::LedgerGenesis,
            "genesis",
            vec![
                ("format", Value::from(1_u64)),
                ("origin", Value::from("host/acme")),
                ("operator", Value::from("o")),
                ("ledger_key", bytes(public.as_bytes())),
                ("operator_key", bytes(public.as_bytes())),
            ],
        );
        Eras::genesis(&Body::parse(&genesis).unwrap()).unwrap()
    }

    fn take(eras: &mut Eras, index: u64, bytes: &[u8]) -> Result<(), EraFault> {
        eras.take(Index(index), &Body::parse(bytes).unwrap())
    }

    fn rotation(new: &SigningKey, signature: &[u8; 64]) -> Vec<u8> {
        let registry = vec![
            ("signature", bytes(signature)),
            ("ledger_key", bytes(PublicKey::of(new).as_bytes())),
        ];
        body(Kind::LedgerKeyRotated, KEY_ROTATED, registry)
    }

    fn epoch(origin: &str) -> Vec<u8> {
        let registry = vec![("lost", Value::from("none")), ("origin", Value::from(origin))];
        body(Kind::LedgerIncident, NEW_EPOCH, registry)
    }

    #[test]
    fn a_tree_belongs_to_the_last_era_that_began_in_it() {
        let mut eras = eras();
        let signature = eras.sign_rotation(&key(2));
        take(&mut eras, 5, &rotation(&key(2), &signature)).unwrap();
        take(&mut eras, 9, &epoch("host/acme/2")).unwrap();
        let shown = |size| (eras.at(TreeSize(size)).key, eras.at(TreeSize(size)).origin.as_str());
        let [old, new] = [1, 2].map(|seed| PublicKey::of(&key(seed)));
        assert_eq!(shown(1), (old, "host/acme"));
        assert_eq!(shown(5), (old, "host/acme"));
        assert_eq!(shown(6), (new, "host/acme"));
        assert_eq!(shown(10), (new, "host/acme/2"));
        assert!(eras.trusts(&old) && eras.trusts(&new) && !eras.trusts(&PublicKey::of(&key(3))));
        assert_eq!((eras.epoch(), eras.iter().count()), (2, 3));
    }

    #[test]
    fn a_rotation_needs_the_new_keys_own_signature() {
        let mut eras = eras();
        let other = eras.sign_rotation(&key(3));
        let forged = take(&mut eras, 5, &rotation(&key(2), &other));
        assert_eq!(forged, Err(EraFault::Unsigned));
        let short = body(
            Kind::LedgerKeyRotated,
            KEY_ROTATED,
            vec![("ledger_key", bytes(PublicKey::of(&key(2)).as_bytes()))],
        );
        assert_eq!(take(&mut eras, 5, &short), Err(EraFault::Field("registry.signature")));
        assert_eq!(eras.iter().count(), 1);
        // Replayed against another predecessor it is nothing.
        let signature = eras.sign_rotation(&key(2));
        take(&mut eras, 5, &rotation(&key(2), &signature)).unwrap();
        let again = take(&mut eras, 6, &rotation(&key(2), &signature));
        assert_eq!(again, Err(EraFault::Unsigned));
    }

    #[test]
    fn an_epochs_origin_follows_from_the_one_before() {
        let mut eras = eras();
        for wrong in ["host/acme", "host/acme/1", "host/acme/02", "other/acme/2", "host/acme/+2"] {
            let refused = take(&mut eras, 5, &epoch(wrong));
            assert!(matches!(refused, Err(EraFault::Origin { .. })), "{wrong}");
        }
        take(&mut eras, 5, &epoch("host/acme/4")).unwrap();
        assert_eq!(eras.epoch(), 4, "epochs 2 and 3 were lost");
        assert!(take(&mut eras, 6, &epoch("host/acme/3")).is_err());
    }
}
