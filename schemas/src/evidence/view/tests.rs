//! Statements that are sound, and of another log.
#![allow(clippy::unwrap_used, reason = "tests")]

use ed25519_dalek::SigningKey;
use serde_json::json;

use super::*;
use crate::body::from_json;
use crate::encode::{Value, bytes, encode, map};
use crate::id::{ChainHash, EventId, Micros, SignerId, Tenant};
use crate::kind::Kind;
use crate::leaf::Counts;
use crate::submission;

const TENANT: &str = "acme";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The registry behind a genesis entry that names `operator`.
fn founded() -> Registry {
    let public = |seed| bytes(PublicKey::of(&key(seed)).as_bytes());
    let genesis = encode(&map([
        ("v", Value::from(crate::body::BODY_VERSION)),
        ("kind", Value::from(Kind::LedgerGenesis.as_str())),
        ("id", bytes(&EventId::new(1, &[1; 10]).0)),
        ("salt", bytes(&[0; 16])),
        ("tenant", Value::from(TENANT)),
        ("time", Value::from(1_u64)),
        ("signer", Value::from(crate::body::LEDGER_SIGNER)),
        ("code", Value::from("genesis")),
        (
            "registry",
            map([
                ("format", Value::from(1_u64)),
                ("origin", Value::from("host/acme")),
                ("operator", Value::from("operator")),
                ("ledger_key", public(1)),
                ("operator_key", public(2)),
            ]),
        ),
    ]));
    let mut registry = Registry::default();
    registry.apply(Index(0), Micros(1), &Body::parse(&genesis).unwrap());
    registry
}

/// The standing of a registration whose body and statement name these tenants.
fn of(body: &str, statement: &str) -> Standing {
    let body = from_json(&json!({
        "v": 1, "kind": "agent.registered", "id": "019d6b2c-ee80-7001-8002-030405060708",
        "salt": "00".repeat(16), "tenant": body, "time": 1, "session": "01".repeat(16),
        "seq": { "n": 1, "prev": "00".repeat(32) }, "signer": "operator",
        "agent": { "id": "worker" }, "owner": "team@example.com",
    }));
    let body = body.unwrap();
    let tenant = Tenant::parse(statement).unwrap();
    let signer = SignerId::parse("operator").unwrap();
    let message = submission::sign(&key(2), &signer, &tenant, &[(body.clone(), None)]);
    let opened = submission::open(&message).unwrap();
    let signed = Signed { statement: opened.statement().bytes().to_vec(), manifest: None };
    let leaf = Leaf {
        index: Index(1),
        previous: ChainHash::ZERO,
        received_at: Micros(2),
        status: Status::Accepted,
        statement: opened.statement().digest(),
        body: Body::digest(&body),
        position: 0,
        id: None,
        counts: Counts::default(),
        source: None,
    };
    let body = Body::parse(&body).unwrap();
    standing(&founded(), Some(TENANT), &leaf, &signed, Some(&body))
}

#[test]
fn what_was_signed_for_another_tenant_does_not_stand_in_this_log() {
    assert_eq!(of(TENANT, TENANT), Standing::Signed);
    for (body, statement) in [("other", "other"), ("other", TENANT), (TENANT, "other")] {
        let moved = Standing::Faulty(Fault::OtherTenant { index: Index(1) });
        assert_eq!(of(body, statement), moved, "{body} {statement}");
    }
}
