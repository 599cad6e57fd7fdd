//! What unit tests begin with: a place for a ledger, and who founds it.
#![allow(clippy::unwrap_used, reason = "tests")]

use ed25519_dalek::SigningKey;
use schemas::id::{Micros, SignerId, Tenant};
use schemas::key::PublicKey;
use tempfile::TempDir;

use crate::append::Writer;
use crate::open::{Config, Genesis, create};

pub(crate) struct Ground {
    _directory: TempDir,
    pub(crate) config: Config,
    /// The ledger's.
    pub(crate) key: SigningKey,
    pub(crate) operator: SignerId,
    pub(crate) operator_key: SigningKey,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let config = Config {
            store: directory.path().join("store"),
            mark: directory.path().join("mark/test.note"),
        };
        let [key, operator_key] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        let operator = SignerId::parse("operator").unwrap();
        Self { _directory: directory, config, key, operator, operator_key }
    }

    /// A ledger of tenant `test`, with its genesis entry.
    pub(crate) fn found(&self) -> Writer {
        let genesis = Genesis {
            tenant: Tenant::parse("test").unwrap(),
            host: "ledger.example".to_owned(),
            operator: self.operator.clone(),
            operator_key: PublicKey::of(&self.operator_key),
            clock_start: None,
            finds: false,
        };
        create(&self.config, self.key.clone(), &genesis, Micros(1)).unwrap()
    }
}
