//! Entries that the ledger writes and signs itself.

use schemas::body::LEDGER_SIGNER;
use schemas::encode::{Value, bytes, encode, map};
use schemas::id::{ChainHash, EventId, Micros, SignerId};
use schemas::kind::Kind;
use schemas::submission;

use crate::seal::Seal;

const SALT_CONTEXT: &str = "sworn 2026-11 own entry v1";

/// Makes own entries without randomness: ids and salts follow from the ledger's secret key and the
/// place in the chain, so that the same log always gives the same bytes.
pub(crate) struct Author<'s> {
    seal: &'s Seal,
    place: ChainHash,
    received_at: Micros,
    made: u64,
}

impl<'s> Author<'s> {
    /// For the place after the entry whose chain hash is `place`, `made` of them in this commit before.
    pub(crate) fn new(seal: &'s Seal, place: ChainHash, received_at: Micros, made: u64) -> Self {
        Self { seal, place, received_at, made }
    }

    /// A submission of one own event with these fields besides the common ones.
    pub(crate) fn submission(&mut self, kind: Kind, fields: Vec<(&str, Value)>) -> Vec<u8> {
        let [salt, random] = self.draw();
        let mut ten = [0; 10];
        for (byte, drawn) in ten.iter_mut().zip(random) {
            *byte = drawn;
        }
        let id = EventId::new(self.received_at.0 / 1000, &ten);
        let tenant = &self.seal.identity().tenant;
        let common = [
            ("v", Value::from(schemas::body::BODY_VERSION)),
            ("kind", Value::from(kind.as_str())),
            ("id", bytes(&id.0)),
            ("salt", bytes(&salt)),
            ("tenant", Value::from(tenant.as_str())),
            ("time", Value::from(self.received_at.0)),
            ("signer", Value::from(LEDGER_SIGNER)),
        ];
        let body = encode(&map(common.into_iter().chain(fields)));
        let signer = SignerId::parse(LEDGER_SIGNER).expect("the ledger's own id is an id");
        submission::sign(self.seal.key(), &signer, tenant, &[(body, None)])
    }

    fn draw(&mut self) -> [[u8; 16]; 2] {
        let mut hasher = blake3::Hasher::new_derive_key(SALT_CONTEXT);
        hasher.update(self.seal.key().as_bytes()).update(self.place.as_bytes());
        hasher.update(&self.made.to_be_bytes());
        self.made += 1;
        let mut drawn = [[0; 16]; 2];
        let mut output = hasher.finalize_xof();
        for part in &mut drawn {
            output.fill(part);
        }
        drawn
    }
}
