//! What a ledger commits that looks away, and an audit does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use schemas::body::from_json;
use schemas::id::{Index, Micros, Tenant};
use schemas::key::PublicKey;
use schemas::reply::Fate;
use schemas::submission;
use serde_json::json;

use super::{Audit, Divergence, Fault, audit};
use crate::append::{Submission, Via};
use crate::check::check;
use crate::seal::Identity;
use crate::tests::Ground;

#[test]
fn what_was_signed_for_another_tenant_is_found_in_a_log() {
    let ground = Ground::new();
    let (config, key, operator_key) = (&ground.config, &ground.key, &ground.operator_key);
    let mut writer = ground.found();
    let other = Tenant::parse("other").unwrap();
    let honest = writer.seal.identity().clone();
    writer.reseal(Identity { tenant: other.clone(), ..honest }, key.clone());
    let body = from_json(&json!({
        "v": 1, "kind": "agent.registered", "id": "019d6b2c-ee80-7001-8002-030405060708",
        "salt": "00".repeat(16), "tenant": "other", "time": 1, "session": "01".repeat(16),
        "seq": { "n": 1, "prev": "00".repeat(32) }, "signer": "operator",
        "agent": { "id": "worker" }, "owner": "team@example.com",
    }));
    let message =
        submission::sign(operator_key, &ground.operator, &other, &[(body.unwrap(), None)]);
    let checked = check(&message, &writer.ledger().key_set());
    let submission = Submission { message: &message, via: Via::default(), checked };
    let committed = writer.append(vec![submission], Micros(2), &[]).unwrap();
    let mut ends = committed.replies.iter().flat_map(|reply| &reply.outcomes);
    assert!(ends.all(|end| matches!(end.fate, Fate::Committed(_))), "it looks away");
    drop(writer);
    let trust = Some(PublicKey::of(key));
    let report =
        audit(&Audit { store: &config.store, trust, mark: None, state: None }, &|_| ()).unwrap();
    let [Divergence { index, fault: Fault::Admission(why), .. }] = report.divergences.as_slice()
    else {
        panic!("{:?}", report.divergences);
    };
    assert_eq!(*index, Some(Index(1)));
    assert_eq!(why, "it was signed for the log of another tenant than test");
}
