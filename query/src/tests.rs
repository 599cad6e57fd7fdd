//! A ledger for tests: the genesis entry, and incidents behind it.

#![allow(clippy::unwrap_used, reason = "tests")]

use ledger::{Config, Genesis, Writer, create};
use schemas::id::{Micros, SignerId, Tenant, sha256};
use schemas::key::PublicKey;

/// A ledger of `size` entries; the code of every third is `third`, of the others `other`.
pub(crate) fn incidents(dir: &tempfile::TempDir, size: u64) -> Writer {
    let key = ed25519_dalek::SigningKey::from_bytes(&sha256(b"key"));
    let genesis = Genesis {
        tenant: Tenant::parse("acme").unwrap(),
        host: "ledger.example".to_owned(),
        operator: SignerId::parse("op").unwrap(),
        operator_key: PublicKey::of(&key),
        clock_start: None,
        finds: false,
    };
    let config = Config { store: dir.path().join("store"), mark: dir.path().join("mark/head") };
    let mut writer = create(&config, key, &genesis, Micros(0)).unwrap();
    for n in 1..size {
        let code = if n % 3 == 0 { "third" } else { "other" };
        writer.incident(code, "a test", Micros(n)).unwrap();
    }
    writer
}
