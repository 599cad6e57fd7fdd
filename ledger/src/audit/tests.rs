//! What a ledger commits that looks away, and an audit does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use ed25519_dalek::SigningKey;
use schemas::body::from_json;
use schemas::id::{Index, Micros, SignerId, Tenant};
use schemas::key::PublicKey;
use schemas::reply::Fate;
use schemas::submission;
use serde_json::json;

use super::{Audit, Divergence, Fault, audit};
use crate::append::{Submission, Via};
use crate::check::check;
use crate::open::{Config, Genesis, create};
use crate::seal::Identity;

#[test]
fn what_was_signed_for_another_tenant_is_found_in_a_log() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        store: directory.path().join("store"),
        mark: directory.path().join("mark/test.note"),
    };
    let [key, operator_key] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let operator = SignerId::parse("operator").unwrap();
    let genesis = Genesis {
        tenant: Tenant::parse("test").unwrap(),
        host: "ledger.example".to_owned(),
        operator: operator.clone(),
        operator_key: PublicKey::of(&operator_key),
        clock_start: None,
        finds: false,
    };
    let mut writer = create(&config, key.clone(), &genesis, Micros(1)).unwrap();
    let other = Tenant::parse("other").unwrap();
    let honest = writer.seal.identity().clone();
    writer.reseal(Identity { tenant: other.clone(), ..honest }, key.clone());
    let body = from_json(&json!({
        "v": 1, "kind": "agent.registered", "id": "019d6b2c-ee80-7001-8002-030405060708",
        "salt": "00".repeat(16), "tenant": "other", "time": 1, "session": "01".repeat(16),
        "seq": { "n": 1, "prev": "00".repeat(32) }, "signer": "operator",
        "agent": { "id": "worker" }, "owner": "team@example.com",
    }));
    let message = submission::sign(&operator_key, &operator, &other, &[(body.unwrap(), None)]);
    let checked = check(&message, &writer.ledger().key_set());
    let submission = Submission { message: &message, via: Via::default(), checked };
    let committed = writer.append(vec![submission], Micros(2), &[]).unwrap();
    let mut ends = committed.replies.iter().flat_map(|reply| &reply.outcomes);
    assert!(ends.all(|end| matches!(end.fate, Fate::Committed(_))), "it looks away");
    drop(writer);
    let trust = Some(PublicKey::of(&key));
    let report =
        audit(&Audit { store: &config.store, trust, mark: None, state: None }, &|_| ()).unwrap();
    let [Divergence { index, fault: Fault::Admission(why), .. }] = report.divergences.as_slice()
    else {
        panic!("{:?}", report.divergences);
    };
    assert_eq!(*index, Some(Index(1)));
    assert_eq!(why, "it was signed for the log of another tenant than test");
}
