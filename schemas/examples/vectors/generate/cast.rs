//! Who signs the vectors, and the numbers that other implementations need not draw.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use schemas::body::{self, LEDGER_SIGNER};
use schemas::id::{EventId, SignerId, Tenant, hex, sha256};
use schemas::kind::Kind;
use serde_json::{Map, Value as Json, json};

/// Tenant of every vector.
pub(crate) const TENANT: &str = "acme";
/// Origin of the log.
pub(crate) const ORIGIN: &str = "ledger.example/acme";
/// 2026-04-08T03:40:00Z in microseconds.
pub(crate) const START_US: u64 = 1_775_619_600_000_000;
/// Signers that are agents.
pub(crate) const AGENTS: &[&str] = &["db-migration-agent", "orchestrator-v2"];

/// 32 bytes that follow from a text.
pub(crate) fn drawn(text: &str) -> [u8; 32] {
    sha256(format!("sworn vectors: {text}").as_bytes())
}

/// The key of a signer; `name` may carry a suffix for a later key.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_bytes(&drawn(&format!("key of {name}")))
}

/// A digest of content that nobody needs to see.
pub(crate) fn digest(of: &str) -> String {
    hex(&drawn(&format!("digest of {of}")))
}

/// The id of the event with this label.
pub(crate) fn id(label: &str) -> String {
    let drawn = drawn(&format!("id of {label}"));
    let mut random = [0; 10];
    random.copy_from_slice(&drawn[..10]);
    EventId::new(START_US / 1000, &random).to_string()
}

/// The session of a signer.
pub(crate) fn session(signer: &str) -> String {
    hex(&drawn(&format!("session of {signer}"))[..16])
}

pub(crate) fn tenant() -> Tenant {
    Tenant::parse(TENANT).unwrap()
}

pub(crate) fn signer_id(text: &str) -> SignerId {
    SignerId::parse(text).unwrap()
}

/// Writes the fields that every body has, and each signer's own chain.
#[derive(Default)]
pub(crate) struct Scribe {
    chains: BTreeMap<String, (u64, [u8; 32])>,
    time: u64,
}

impl Scribe {
    /// Body bytes of an event, its common fields filled in where `fields` does not have them.
    pub(crate) fn body(&mut self, label: &str, signer: &str, kind: Kind, fields: &Json) -> Vec<u8> {
        self.time += 1_000_003;
        let mut object = Map::new();
        object.insert("v".into(), 1.into());
        object.insert("kind".into(), kind.as_str().into());
        object.insert("id".into(), id(label).into());
        object.insert("salt".into(), hex(&drawn(&format!("salt of {label}"))[..16]).into());
        object.insert("tenant".into(), TENANT.into());
        object.insert("time".into(), (START_US + self.time).into());
        if AGENTS.contains(&signer) {
            object.insert("agent".into(), json!({ "id": signer }));
        } else {
            object.insert("signer".into(), signer.into());
        }
        if signer != LEDGER_SIGNER {
            let (n, prev) = self.chains.get(signer).copied().unwrap_or_default();
            object.insert("session".into(), session(signer).into());
            object.insert("seq".into(), json!({ "n": n + 1, "prev": hex(&prev) }));
        }
        object.extend(fields.as_object().unwrap().clone());
        let bytes = body::from_json(&Json::Object(object)).unwrap();
        let chain = self.chains.entry(signer.to_owned()).or_default();
        *chain = (chain.0 + 1, sha256(&bytes));
        bytes
    }
}
