//! What may not be registered, each with its reason and place.

use serde_json::{Value as Json, json};

use super::stage::{ONCALL, OPERATOR, OWNER, Stage, contract, grant_id, start};

#[test]
fn a_statement_without_the_right_is_a_recorded_refusal() {
    let mut stage = Stage::new();
    stage.principal(ONCALL, &["human"]);
    stage.principal("responder", &["responder"]);
    stage.agent("worker");
    let about = |kind: &str| json!({ "kind": kind, "agent": { "id": "worker" } });
    let cases: Vec<(&str, Json)> = vec![
        (ONCALL, about("agent.disabled")),
        ("responder", about("agent.enabled")),
        ("responder", about("agent.retired")),
        (
            ONCALL,
            json!({ "kind": "principal.registered", "registry": { "id": "x", "roles": ["human"] } }),
        ),
        (
            OWNER,
            json!({ "kind": "credential.registered", "agent": { "id": "worker" }, "credential": { "id": "c" } }),
        ),
        (ONCALL, json!({ "kind": "hold.placed", "hold": { "query": "corr:w" } })),
        (
            OWNER,
            json!({ "kind": "redaction", "redact": { "basis": "b", "parts": ["body"], "ranges": [[0, 0]] } }),
        ),
        (
            ONCALL,
            json!({ "kind": "proposal", "registry": { "m": 1, "operation": { "kind": "quorum", "m": 1 } } }),
        ),
        (
            ONCALL,
            json!({ "kind": "authz.transition", "transition": { "from": "open", "to": "frozen", "applies_to": "*" } }),
        ),
        (OPERATOR, json!({ "kind": "finding.resolved", "causes": [grant_id(1)], "note": "n" })),
    ];
    for (who, event) in cases {
        let kind = event["kind"].clone();
        let (reason, path, expected) = stage.refused(who, event);
        assert_eq!(
            (reason.as_str(), path.as_str()),
            ("role_not_allowed", "kind"),
            "{kind}: {expected}"
        );
    }
    // A role alone is not enough: the contract is the owner's to say.
    stage.principal("other-owner@example.com", &["owner"]);
    let mut foreign = contract("worker", &json!({ "mail": ["email.send"] }), &json!({}));
    foreign["owner"] = "other-owner@example.com".into();
    let (reason, path, expected) = stage.refused("other-owner@example.com", foreign);
    assert_eq!((reason.as_str(), path.as_str()), ("role_not_allowed", "signer"));
    assert!(expected.contains(OWNER), "{expected}");
    assert_eq!(stage.find("reason:role_not_allowed").len(), 11);
}

/// A session's declaration as a service may sign it, with these fields besides.
fn undeclared(more: &Json) -> Json {
    let mut start = json!({
        "kind": "session.start", "signer": "worker", "attestation": "none", "previous": "none",
    });
    start.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    start
}

#[test]
fn what_contradicts_the_registry_is_refused_by_name() {
    let mut stage = Stage::new();
    stage.agent("worker");
    stage.principal(ONCALL, &["human"]);
    let key = "00".repeat(32);
    let cases: Vec<(&str, Json, &str)> = vec![
        (
            OPERATOR,
            json!({ "kind": "agent.registered", "agent": { "id": "worker" }, "owner": OWNER }),
            "agent.id",
        ),
        (OPERATOR, json!({ "kind": "agent.disabled", "agent": { "id": "nobody" } }), "agent.id"),
        (
            OPERATOR,
            json!({ "kind": "principal.registered", "registry": { "id": "worker", "roles": ["human"] } }),
            "registry.id",
        ),
        (
            OPERATOR,
            json!({ "kind": "principal.disabled", "registry": { "id": "nobody" } }),
            "registry.id",
        ),
        (
            OPERATOR,
            json!({ "kind": "key.enrolled", "registry": { "signer": "nobody", "key": key } }),
            "registry.signer",
        ),
        (
            OPERATOR,
            json!({ "kind": "key.revoked", "registry": { "signer": "worker", "kid": key } }),
            "registry.kid",
        ),
        (
            OPERATOR,
            json!({ "kind": "credential.registered", "agent": { "id": "nobody" }, "credential": { "id": "c" } }),
            "agent.id",
        ),
        (
            OPERATOR,
            json!({ "kind": "credential.revoked", "credential": { "id": "unknown" } }),
            "credential.id",
        ),
        (
            OPERATOR,
            json!({ "kind": "credential.registered", "agent": { "id": "worker" },
            "credential": { "id": "c", "issued": 10, "expires": 10 } }),
            "credential.expires",
        ),
        (OPERATOR, json!({ "kind": "hold.lifted", "causes": [grant_id(9)] }), "causes"),
        (
            OPERATOR,
            json!({ "kind": "hold.placed", "hold": { "query": "colour:blue" } }),
            "hold.query",
        ),
        (OPERATOR, json!({ "kind": "proposal.approved", "causes": [grant_id(9)] }), "causes"),
        (
            OPERATOR,
            json!({ "kind": "proposal", "registry": { "m": 5, "operation": { "kind": "quorum", "m": 1 } } }),
            "registry.m",
        ),
        (
            OPERATOR,
            json!({ "kind": "proposal", "registry": { "m": 1, "operation": { "kind": "quorum", "m": 9 } } }),
            "registry.operation.m",
        ),
        (
            OPERATOR,
            json!({ "kind": "proposal", "registry": { "m": 1, "operation": { "kind": "agent.retired" } } }),
            "agent",
        ),
        (
            OPERATOR,
            json!({ "kind": "authz.transition", "transition": { "from": "open", "to": "frozen", "applies_to": "colour:blue" } }),
            "transition.applies_to",
        ),
        (
            OPERATOR,
            json!({ "kind": "authz.transition", "transition": { "from": "frozen", "to": "open", "applies_to": "*" } }),
            "transition.applies_to",
        ),
        (
            ONCALL,
            json!({ "kind": "delegation.granted", "grant": { "id": grant_id(1), "to": "worker", "parent": grant_id(1) } }),
            "grant.parent",
        ),
        (
            ONCALL,
            json!({ "kind": "delegation.revoked", "grant": { "id": grant_id(7) } }),
            "grant.id",
        ),
        (
            OWNER,
            json!({ "kind": "contract.reviewed", "agent": { "id": "worker" }, "contract": key }),
            "contract",
        ),
        ("worker", undeclared(&json!({})), "agent.id"),
        ("worker", undeclared(&json!({ "agent": { "id": "other" } })), "agent.id"),
        ("worker", undeclared(&json!({ "agent": { "id": "worker" } })), "agent.name"),
    ];
    for (who, event, place) in cases {
        let shown = event.to_string();
        let (reason, path, expected) = stage.refused(who, event);
        let reasons = ["invalid_field", "missing_field"];
        assert!(reasons.contains(&reason.as_str()), "{reason} {path} {shown}");
        assert_eq!(path, place, "{expected}: {shown}");
    }
    stage.say("worker", start("worker", "w", "undisturbed"));
}
